"""Alarms on values say which values they rest on, and what these were compared with."""

from __future__ import annotations

import pytest

from twinstorm.detectors.values.witness import MOST, TOLD
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.reports.why import alarm_lines
from twinstorm.scenarios.result import AlarmResult, RunResult

FILE = """storm: 1
name: peaks
story: Some machines run hot.
duration: 4 min
warm_up: 30 s
fleet:
  devices: {devices}
  sites: [{sites}]
  segments:
    motors: {{kind: motor, every: 1 s, share: 100 %}}
detectors:
{detectors}
steps:
  - {{name: peak, at: 2 min, fault: sensor-bias, target: site=fra-1, lasts: 30 s,
     with: {{channel: current_a, by: 60 A}}}}
expect:
  - {{ledger: delivered, at_least: 1}}
"""


def played(detectors: str, devices: int = 40, sites: str = "fra-1, sin-1") -> tuple[Engine, RunResult]:
    text = FILE.format(detectors=detectors, devices=devices, sites=sites)
    engine = build(read(text, "peaks.storm.yaml"), RunOptions(seed=3))
    engine.play()
    return engine, result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def first(result: RunResult, name: str) -> AlarmResult:
    return next(alarm for alarm in result.alarms if alarm.name == name)


def test_a_limit_says_the_value_and_the_limit() -> None:
    _, result = played("  load: {detector: limit, channels: [current_a], highest: 25}")
    alarm = first(result, "load")
    assert alarm.examples
    for example in alarm.examples:
        (seen,) = example.seen
        assert (seen.channel, seen.unit, seen.lowest, seen.highest) == ("current_a", "A", None, 25.0)
        assert seen.value >= 25
        assert seen.score >= 1
        assert seen.at_s <= alarm.at_s
    told = "\n".join(alarm_lines(result, alarm, []))
    assert "current_a" in told
    assert "; normal up to 25 A" in told


SETTINGS = {
    "shewhart": "train: 60, deviations: 8",
    "ewma": "train: 60, deviations: 8",
    "cusum": "train: 60, limit: 40",
    "band": "least: 30, excess: 50 %, within: 20 s",
    "rate": "least: 30, within: 20 s",
    "fleet-relative": "window: 20 s, peers: kind",
}


@pytest.mark.parametrize("name", ["robust-z", "iqr", "page-hinkley", *SETTINGS])
def test_what_learns_says_what_was_normal(name: str) -> None:
    # Of four sites the one that runs hot is not what most of its like do.
    written = f"  {name}: {{channels: [current_a], {SETTINGS.get(name, 'least: 30')}}}"
    _, result = played(written, sites="fra-1, sin-1, ham-1, arn-1")
    found = [seen for alarm in result.alarms for example in alarm.examples for seen in example.seen]
    assert found
    for seen in found:
        assert seen.lowest is not None
        assert seen.highest is not None
        assert seen.lowest < seen.highest
        assert not seen.lowest < seen.value < seen.highest


@pytest.mark.parametrize("adaptive", ["true", "false"])
@pytest.mark.parametrize("threshold", [0.5, 1.0, 3.0])
def test_what_was_normal_is_what_would_not_have_counted(threshold: float, adaptive: str) -> None:
    settings = f"adaptive: {adaptive}, learn: 30 s, threshold: {threshold:g}"
    _, result = played(f"  shewhart: {{channels: [current_a], train: 10, {settings}}}")
    found = [seen for alarm in result.alarms for example in alarm.examples for seen in example.seen]
    assert found
    for seen in found:
        assert seen.lowest is not None
        assert seen.highest is not None
        middle, half = (seen.highest + seen.lowest) / 2.0, (seen.highest - seen.lowest) / 2.0
        assert abs(seen.value - middle) / half == pytest.approx(seen.score / threshold, rel=1e-2)


def test_what_looks_at_more_than_a_value_says_the_value_alone() -> None:
    _, result = played("  spread: {channels: [current_a], train: 60, factor: 40}")
    seen = first(result, "spread").examples[0].seen[0]
    assert (seen.lowest, seen.highest) == (None, None)


def test_of_several_channels_those_that_counted_are_told_the_strangest_first() -> None:
    _, result = played("  limits: {detector: limit, highest: 1}")
    example = first(result, "limits").examples[0]
    scores = [seen.score for seen in example.seen]
    assert 1 < len(scores) <= TOLD
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 1


def test_a_storm_of_values_keeps_some_and_names_devices_whose_values_are_known() -> None:
    _, result = played("  limits: {detector: limit, highest: 1}", devices=2 * MOST + 100)
    for alarm in result.alarms:
        if alarm.name == "limits":
            assert all(example.seen for example in alarm.examples[:5])


def test_other_alarms_have_no_values() -> None:
    text = FILE.format(detectors="  silence: {}", devices=40, sites="fra-1, sin-1")
    text = text.replace("sensor-bias", "power-outage").replace(",\n     with: {channel: current_a, by: 60 A}", "")
    engine = build(read(text, "peaks.storm.yaml"), RunOptions(seed=3))
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert result.alarms
    assert all(not example.seen for alarm in result.alarms for example in alarm.examples)
