"""What the library promises: every scenario holds, is the same run however it is stopped, saved and looked at, and does
not hold when its faults do nothing.

Each scenario is played once as it is; all that asks for that run looks at the same result.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.engine import legs
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import library_names, load
from twinstorm.scenarios.result import RunResult

INVISIBLE = {
    ("dear-bytes", "crowd"): "readings come late and nobody is silent: an indicator tells it, no detector",
    ("full-flash", "log"): "what is evicted while the link is cut is missed by nobody who was not told of it",
    ("short-crew", "jams"): "nobody looks at what controllers say: whoever watches connections sees a healthy hall",
    ("short-crew", "alone"): "likewise",
    ("small-pool", "crash"): "the backlog that it makes longer has been told of already",
}
"""Faults that no alarm tells of, by design of their story: scenario and step."""

WITH_FAULTS = [name for name in library_names() if any(step.action == "fault" for step in load(name).steps)]


def judged(engine: Engine) -> RunResult:
    engine.play()
    assert engine.ledger().difference == 0
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def disarmed(scenario: Scenario, armed: frozenset[str]) -> Engine:
    wiring = ModelledWiring(fleet_plan(scenario), broker_settings(scenario), seed=1)
    return Engine(scenario, 1, wiring, armed=armed)


@cache
def uninterrupted(name: str, devices: int) -> RunResult:
    return judged(build(with_at_most(name, devices), RunOptions(seed=1)))


def with_at_most(name: str, devices: int) -> Scenario:
    """No more devices than the scenario is made for: its crews and rates are for that many."""
    scenario = load(name)
    return scenario if scenario.fleet.devices <= devices else load(name, devices=devices)


@pytest.mark.parametrize("name", library_names())
def test_every_scenario_of_the_library_holds(name: str) -> None:
    result = uninterrupted(name, load(name).fleet.devices)
    assert result.verdict == "held", [each for each in result.expectations if each.verdict != "held"]
    assert result.counts["incidents"] <= len(result.faults)
    assert all(alarm.fault is not None for alarm in result.alarms), "an alarm without cause"
    found = {alarm.fault for alarm in result.alarms}
    unseen = {(name, fault.name) for fault in result.faults if fault.name not in found}
    assert unseen == {known for known in INVISIBLE if known[0] == name}, "recall"
    assert result.notes


@pytest.mark.parametrize("name", library_names())
def test_stops_watchers_and_block_size_change_nothing(name: str, tmp_path: Path) -> None:
    """Stopped, saved and taken up in a fresh interpreter: which of it changed something is told at night."""
    scenario = with_at_most(name, 1_000)
    (first, *others), shared_us = legs.stops_of(scenario)
    engine = build(scenario, RunOptions(seed=1))
    engine.wiring.world.output._block_devices = scenario.fleet.devices // 3  # type: ignore[attr-defined]
    legs.play(engine, f"{first}")
    (saved := tmp_path / "saved").write_bytes(engine.save())
    expected = uninterrupted(name, scenario.fleet.devices)
    told = legs.go_on(saved, f"shared:{shared_us}", "inside", *map(str, others), "end")
    assert told == [expected.digest, "0"]


@pytest.mark.parametrize("name", WITH_FAULTS)
def test_a_scenario_whose_faults_do_nothing_never_holds(name: str) -> None:
    result = judged(disarmed(with_at_most(name, 300), frozenset()))
    assert result.verdict in ("inconclusive", "missed")
    assert not any(fault.bit for fault in result.faults)


def test_one_fault_of_two_that_does_nothing_is_enough() -> None:
    scenario = load("partition", devices=1_000)
    result = judged(disarmed(scenario, frozenset({"short"})))
    assert result.verdict in ("inconclusive", "missed")
    assert [fault.bit for fault in result.faults] == [True, False]


def test_without_jitter_the_storm_is_missed_through_the_model_alone() -> None:
    result = judged(build(load("reboot-storm", settings=["fleet.reconnect.jitter=none"]), RunOptions(seed=42)))
    assert result.verdict == "missed"
    missed = [each.text for each in result.expectations if each.verdict == "missed"]
    assert any(text.startswith("recovered") for text in missed)
    assert result.faults[0].recovered_s is not None
    assert result.faults[0].recovered_s > 300


def test_one_storm_is_one_incident_with_one_page_and_the_right_cause() -> None:
    result = uninterrupted("reboot-storm", load("reboot-storm").fleet.devices)
    assert len(result.incidents) == 1
    assert result.counts["pages"] == 1
    assert {alarm.name for alarm in result.alarms} == {"silence", "connect-storm", "reboot-storm"}
    assert all(alarm.fault == "outage" for alarm in result.alarms)
    assert "site=fra-1,fra-2,fra-3" in result.alarms[0].cause


def test_a_run_cut_short_before_its_fault_says_nothing() -> None:
    result = judged(build(load("reboot-storm", devices=500), RunOptions(seed=1, until_us=240_000_000)))
    assert result.verdict == "inconclusive"
