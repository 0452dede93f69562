"""What was repaired, calibrated or replaced is learnt anew by all who look at values."""

from __future__ import annotations

import numpy as np
import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import MINUTE_US

HEAD = """storm: 1
name: serviced
story: A sensor tells too much, and somebody puts in another one.
duration: 40 min
warm_up: 12 min
fleet:
  devices: 30
  sites: [a, b]
  segments: {motors: {kind: motor, share: 100 %, every: 5 s}}
broker: {model: ideal}
detectors:
  band: {channels: [winding_temperature_c], excess: 50 %, within: 1 min}
  fleet-relative: {channels: [winding_temperature_c], window: 1 min, peers: kind, shadow: true}
steps:
"""
BIASED = """
  - {name: ill, at: 15 min, fault: sensor-bias, target: site=b share=20 %, lasts: 5 min,
     with: {channel: winding_temperature_c}}
"""
SERVICED = "  - {name: new, at: 20 min, serviced: site=b}\n"


def played(steps: str, until_us: int | None = None) -> Engine:
    engine = build(read(HEAD + steps, "serviced.storm.yaml"), RunOptions(seed=1))
    if until_us is None:
        engine.play()
    else:
        engine.advance(until_us)
    return engine


def raised_after(engine: Engine, at_us: int) -> list[str]:
    return [alarm.name for alarm in engine.core.alarms if alarm.at_us > at_us]


def test_who_was_serviced_is_judged_by_what_it_tells_since() -> None:
    engine = played(BIASED + SERVICED)
    assert {alarm.name for alarm in engine.core.alarms} == {"band"}, "the fault was found"
    assert raised_after(engine, 20 * MINUTE_US) == []
    # The same value again: the range that was learnt with the false ones would hide it from whoever forgot nothing.
    again = BIASED.replace("name: ill, at: 15 min", "name: worse, at: 32 min")
    assert "band" not in raised_after(played(BIASED + again), 31 * MINUTE_US)
    assert "band" in raised_after(played(BIASED + SERVICED + again), 31 * MINUTE_US)


def test_others_go_on_and_what_was_said_of_the_serviced_is_over() -> None:
    engine = played(BIASED + SERVICED, 20 * MINUTE_US)
    mine = engine.selector.mask(engine.parse_selector("site=b"))
    for each in engine.core.on_values:
        assert np.isnan(each._score[mine]).all(), each.name
        assert not np.isnan(each._score[~mine]).any(), each.name


def test_crews_tell_of_what_they_repaired() -> None:
    text = (
        HEAD.replace("every: 5 s}", "every: 5 s, machine: {life_rate: 0.5 1/h, wear_at_start: 70 % .. 95 %}}").replace(
            "steps:\n", ""
        )
        + "maintenance: {policy: run-to-failure, crews: 30, repair: 2 min .. 4 min}\n"
    )
    engine = build(read(text, "serviced.storm.yaml"), RunOptions(seed=1))
    engine.play()
    upkeep = engine.wiring.upkeep(engine.now_us)
    assert upkeep is not None
    assert engine.core.services == upkeep.repairs > 3


@pytest.mark.parametrize(
    "fault",
    [
        "sensor-calibration, target: site=b, lasts: 5 min, with: {channel: winding_temperature_c, gain: 1.5}",
        "battery-drain, target: site=b, lasts: 5 min, with: {swap: yes}",
    ],
)
def test_calibrations_and_new_batteries_are_told_to_those_who_look_at_values(fault: str) -> None:
    head = (
        HEAD
        if "sensor" in fault
        else HEAD.replace("kind: motor", "kind: environment, power: {battery: 19 Wh}").replace("winding_", "")
    )
    engine = build(read(f"{head}  - {{name: lies, at: 15 min, fault: {fault}}}\n", "serviced"), RunOptions(seed=1))
    engine.advance(20 * MINUTE_US)
    mine = engine.selector.mask(engine.parse_selector("site=b"))
    assert engine.core.services == np.count_nonzero(mine) == 15
    for each in engine.core.on_values:
        assert np.isnan(each._score[mine]).all(), each.name
        assert not np.isnan(each._score[~mine]).any(), each.name


@pytest.mark.parametrize("action", ["serviced", "suppress"])
def test_a_service_of_nobody_is_told(action: str) -> None:
    with pytest.raises(ScenarioErrors) as told:
        read(HEAD + f"  - {{at: 15 min, {action}: site=c}}\n", "serviced.storm.yaml")
    (problem,) = told.value.problems
    assert problem.code == "S301"
    assert "site=c" in problem.message


def test_a_misspelt_service_is_told() -> None:
    with pytest.raises(ScenarioErrors) as told:
        read(HEAD + "  - {at: 15 min, servicd: site=b}\n", "serviced.storm.yaml")
    assert any(problem.suggestion == "serviced" for problem in told.value.problems)
