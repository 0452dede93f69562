"""A sensor that drifts away slowly, among others that follow the same sun: found by comparison, and nothing else is."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.truth import labels
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import HOUR_US

WATCHED = """storm: 1
name: drift
story: A summer's morning, from the cold of the night to noon.
start: 2030-07-01T04:00:00Z
duration: {hours} h
warm_up: 15 min
fleet:
  devices: 60
  sites: [a, b, c]
  segments: {{sensors: {{kind: environment, share: 100 %, every: 5 min}}}}
broker: {{model: ideal}}
detectors: {{fleet-relative: {{channels: [temperature_c]}}}}
"""
DRIFT = (
    "steps: [{name: ill, at: 1 h, fault: sensor-drift, target: site=b first=1,"
    " with: {channel: temperature_c, by: 2 K, each: 1 h}}]\n"
)


def played(hours: int, steps: str = "", seed: int = 1) -> Engine:
    engine = build(read(WATCHED.format(hours=hours) + steps, "drift.storm.yaml"), RunOptions(seed=seed))
    engine.play()
    return engine


def check_drift(engine: Engine) -> None:
    """The ill device is a ticket of its own before it is 6 K off, and nobody else is anything."""
    (ill,) = labels(engine)
    (alarm,) = engine.core.alarms
    assert (alarm.name, alarm.group) == ("fleet-relative", "no group")
    assert alarm.device.tolist() == ill.device.tolist()
    assert HOUR_US < alarm.at_us < 4 * HOUR_US


def test_a_slow_drift_is_found_in_a_fleet_that_warms_by_the_day() -> None:
    check_drift(played(4, DRIFT))


def test_a_calm_morning_raises_nothing() -> None:
    assert played(4).core.alarms == []


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_a_calm_day_and_night_raises_nothing_and_a_drift_is_found(seed: int) -> None:
    assert played(30, seed=seed).core.alarms == []
    check_drift(played(5, DRIFT, seed=seed))


def test_devices_without_their_like_are_told_at_the_end() -> None:
    text = WATCHED.format(hours=1).replace("60", "12").replace("1 h\n", "20 min\n")
    engine = build(read(text, "drift.storm.yaml"), RunOptions(seed=1))
    engine.play()
    notes = result_of(engine, speed=0.0, wall_s=0.0, repeat="").notes
    assert "`fleet-relative` compares 12 devices with nobody: too few are alike; see its `peers`" in notes
