"""What a score tells beside precision and recall: delay from evidence, life left, and what forecasts were worth."""

from __future__ import annotations

import msgspec
import pytest

from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.reports.scoring import Score, score_of, stories
from twinstorm.scenarios.result import RunResult

HEAD = """storm: 1
name: scored
story: Something goes wrong slowly.
duration: 60 min
warm_up: 5 min
fleet:
  devices: 8
  sites: [oslo]
  segments:
    motors: {kind: motor, share: 100 %, every: 10 s}
"""
HOT = """detectors:
  hot: {detector: limit, channels: [winding_temperature_c], highest: 95}
  soon: {detector: forecast, channels: [winding_temperature_c], window: 30, train: 150, horizon: 10 min, margin: 40 %}
steps:
  - {name: cooling, at: 30 min, fault: overheating, target: all, with: {severity: 100 %, grows: 1 min}}
"""
DRIFT = """steps:
  - name: drifts
    at: 10 min
    fault: sensor-drift
    target: all
    with: {channel: winding_temperature_c, by: 0.6 K, each: 1 h}
"""


def played(text: str, leaps: bool = True, armed: frozenset[str] | None = None) -> RunResult:
    engine = build(read(HEAD + text, "scored.storm.yaml"), RunOptions(seed=3), armed=armed)
    if leaps:
        engine.play()
    else:
        while not engine.ended:
            engine.step()
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


@pytest.fixture(scope="module")
def hot() -> RunResult:
    return played(HOT)


def test_a_fault_of_machines_is_found_with_life_left(hot: RunResult) -> None:
    (fault,) = hot.faults
    assert fault.life_s is not None
    assert fault.life_found_s is not None
    assert 0.0 < fault.life_found_s < fault.life_s
    scored = score_of(hot, 300.0)
    assert [(row.step, row.life_s, row.life_found_s) for row in scored.lives] == [
        ("cooling", fault.life_s, fault.life_found_s)
    ]
    assert any(told.startswith("cooling, overheating: ") and "left when it began" in told for told in stories(scored))


def test_what_was_foretold_is_scored(hot: RunResult) -> None:
    (forecast,) = hot.forecasts
    assert (forecast.detector, forecast.horizon_s) == ("soon", 600.0)
    assert forecast.right + forecast.missed > 0, "machines crossed their limit"
    assert forecast.lead_s is None or 0.0 < forecast.lead_s <= 600.0
    scored = score_of(hot, 300.0)
    assert scored.forecasts == hot.forecasts
    assert msgspec.json.decode(msgspec.json.encode(scored), type=Score) == scored
    assert stories(scored)[-1].startswith("crossings foretold by `soon` 10 min ahead: ")


@pytest.mark.parametrize(
    ("step", "column", "word"),
    [
        ("{name: crew, at: 31 min, serviced: all}", "withdrawn", "withdrawn (serviced)"),
        ("{name: dark, at: 31 min, fault: power-outage, target: all}", "unknown", "unknown (silent)"),
    ],
)
def test_predictions_of_the_serviced_are_withdrawn_and_those_of_the_silent_wait_no_longer(
    step: str, column: str, word: str
) -> None:
    # So far that the limit is not reached: at 31 min machines warm, and predictions wait.
    soon = HOT.replace("margin: 40 %", "margin: 100 %").replace("train: 150", "train: 60")
    result = played(soon + f"  - {step}\n")
    (forecast,) = result.forecasts
    assert getattr(forecast, column) > 0, forecast
    assert column == "withdrawn" or forecast.waiting == 0, "only who is heard again can foretell anything"
    assert word in stories(score_of(result, 300.0))[-1]


def test_a_drift_shows_when_a_sensor_first_tells_something_else_and_leaps_do_not_matter() -> None:
    # The sensor tells tenths of a kelvin, so that nothing differs in the first minutes.
    with_leaps, without = played(DRIFT), played(DRIFT, leaps=False)
    (fault,) = with_leaps.faults
    assert fault.evident_s is not None
    assert fault.from_s < fault.evident_s < fault.from_s + 1_200.0
    assert with_leaps.faults == without.faults
    assert with_leaps.digest == without.digest
    assert fault.life_s is None, "it is the sensor that is ill"


def test_without_its_fault_every_alarm_is_false_and_nobody_looks_for_evidence() -> None:
    result = played(HOT.replace("highest: 95", "highest: 30"), armed=frozenset())
    assert result.alarms
    assert {alarm.fault for alarm in result.alarms} == {None}
    assert (result.faults[0].evident_s, result.faults[0].life_s) == (None, None)
