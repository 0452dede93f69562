"""Maintenance of a run: what the watch may know, what policies differ in, what a snapshot holds, what is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.engine.test_snapshot import GO_ON
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.upkeep import ConditionWatch
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import load, read
from twinstorm.scenarios.reports.ending import ending
from twinstorm.scenarios.result import MaintenanceResult, RunResult
from twinstorm.twin.flow import MINUTE_US

TEXT = """
storm: 1
name: plant
story: Motors whose bearings live for hours.
duration: 60 min
fleet:
  devices: 20
  sites: [ham-1, muc-1]
  segments:
    motors: {kind: motor, share: 100 %, every: 10 s, machine: {life_rate: 0.5 1/h, wear_at_start: 70 % .. 90 %}}
maintenance:
  policy: run-to-failure
  when: vibration_x_mm_s > 3 mm/s for 1 min
  interval: 1 h
  crews: 20
  travel: 8 min .. 12 min
  repair: 5 min .. 15 min
  cost: {downtime: 60/h, repair: 10, spare: 1}
"""


def plant(*settings: str, text: str = TEXT) -> Scenario:
    return read(text, "plant.storm.yaml", settings)


def played(scenario: Scenario, seed: int = 1) -> tuple[Engine, RunResult]:
    engine = build(scenario, RunOptions(seed=seed))
    engine.play()
    assert engine.ledger().difference == 0
    return engine, result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def kept(result: RunResult) -> MaintenanceResult:
    assert result.maintenance is not None
    return result.maintenance


def test_asking_by_condition_saves_the_way_of_the_crew() -> None:
    waiting = kept(played(plant())[1])
    listening = kept(played(plant("maintenance.policy=condition"))[1])
    assert waiting.breakdowns >= 10
    assert waiting.requests == waiting.breakdowns
    assert listening.breakdowns < waiting.breakdowns / 3
    each = [found.downtime_s / found.requests for found in (waiting, listening)]
    assert each[1] < 0.7 * each[0]
    for found in (waiting, listening):
        assert found.cost == pytest.approx(found.downtime_s / 60 + 10 * found.repairs + found.spares, abs=0.01)
        assert found.availability == pytest.approx(1 - found.downtime_s / (20 * 60 * 60))
        assert found.mean_wait_s == pytest.approx(600, abs=60)


def test_plans_keep_machines_from_stopping_that_would_live_longer_than_the_interval() -> None:
    found = kept(played(plant("maintenance.policy=preventive", "maintenance.interval=10 min"))[1])
    assert found.breakdowns < 5
    # Twenty machines, each at least once and some twice in the hour.
    assert found.requests > 40
    assert found.repairs > 20


@pytest.mark.parametrize("policy", ["run-to-failure", "condition", "preventive"])
def test_saved_while_crews_are_on_their_way_and_at_work_it_goes_on_the_same(policy: str, tmp_path: Path) -> None:
    settings = (f"maintenance.policy={policy}", "maintenance.interval=20 min", "maintenance.spares=6")
    expected = played(plant(*settings))[1]
    engine = build(plant(*settings), RunOptions(seed=1))
    snapshot = b""
    for at_us in range(0, 60 * MINUTE_US, MINUTE_US):
        engine.advance(at_us + 123_456)
        jobs = engine.wiring.world.maintenance.jobs  # type: ignore[attr-defined]
        stages = {(job.crew >= 0, job.begins_us <= at_us) for job in jobs}
        if {(True, True), (True, False)} <= stages:
            snapshot = engine.save()
            break
    assert snapshot, "no instant with crews on their way and at work"
    (tmp_path / "saved").write_bytes(snapshot)
    said = subprocess.run(
        [sys.executable, "-c", GO_ON, str(tmp_path / "saved")],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    ).stdout
    assert said.split()[1:] == [expected.digest, "0"]


def test_blocks_and_watchers_change_nothing() -> None:
    expected = played(plant("maintenance.policy=condition"))[1].digest
    other = build(plant("maintenance.policy=condition"), RunOptions(seed=1))
    other.wiring.world.output._block_devices = 7  # type: ignore[attr-defined]
    at_us = 0
    while not other.ended:
        at_us += 7_777_777
        other.advance(min(at_us, other.end_us))
    assert other.wiring.log.digest() == expected


def test_the_watch_asks_for_nobody_whom_the_core_does_not_hear() -> None:
    """All are cut off while their bearings wear out: what shakes unheard is not known to shake."""
    text = TEXT + "steps:\n  - {at: 10 s, fault: partition, target: all}\n"
    heard = kept(played(plant("maintenance.policy=condition"))[1])
    unheard = kept(played(plant("maintenance.policy=condition", text=text))[1])
    assert heard.requests > heard.breakdowns
    assert unheard.requests == unheard.breakdowns, "only those that stopped were noticed"


def test_the_watch_needs_readings_beyond_the_level_for_the_whole_time() -> None:
    scenario = plant("maintenance.policy=condition")
    assert scenario.maintenance is not None

    class Core:
        last_arrival_us = np.zeros(2, np.int64)
        told = np.zeros(2, np.float32)

        def newest_of(self, channel: str) -> np.ndarray:
            assert channel == "vibration_x_mm_s"
            return self.told

    engine = build(plant("maintenance.policy=condition", "fleet.devices=2"), RunOptions())
    watch = ConditionWatch(scenario.maintenance, engine.registry, np.arange(2, dtype=np.int32))
    upkeep = engine.wiring.upkeep(0)
    assert upkeep is not None
    core = Core()

    def look(at_s: int, *told: float) -> list[int]:
        core.last_arrival_us = np.full(2, at_s * 1_000_000, np.int64)
        core.told = np.array(told, np.float32)
        return watch.look(core, upkeep).tolist()  # type: ignore[arg-type]

    assert look(100, 5.0, 5.0) == []
    assert look(150, 5.0, 1.0) == [], "the second is calm again"
    assert look(150, 5.0, 1.0) == [], "silence proves nothing"
    assert look(159, 5.0, 5.0) == []
    assert look(160, 5.0, 5.0) == [0]
    assert look(218, 5.0, 5.0) == [0]
    assert look(219, 5.0, 5.0) == [0, 1]
    assert look(300, np.nan, 5.0) == [1], "a channel that tells nothing is not beyond anything"


def test_a_crew_ends_the_failure_that_a_fault_began() -> None:
    """Imbalance shakes the motors: the watch hears it, and after the repairs nothing shakes while the fault lasts."""
    text = TEXT.replace("life_rate: 0.5 1/h, wear_at_start: 70 % .. 90 %", "wear_at_start: 0 %, smooth: 0.6 mm/s")
    text += "steps:\n  - {name: shaky, at: 5 min, fault: imbalance, target: all, with: {grows: 1 s}}\n"
    engine, result = played(plant("maintenance.policy=condition", text=text))
    assert kept(result).breakdowns == 0
    assert kept(result).repairs == 20
    assert (engine.core.newest_of("vibration_x_mm_s") < 1.5).all()
    assert result.faults[0].bit
    engine, result = played(plant("maintenance.policy=run-to-failure", text=text))
    assert kept(result).repairs == 0
    assert (engine.core.newest_of("vibration_x_mm_s") > 1.5).all()


def test_figures_of_maintenance_can_be_expected() -> None:
    text = TEXT + (
        "expect:\n  - {count: repairs, at_least: 1}\n  - {count: breakdowns, at_most: 3}\n"
        "  - never: downtime > 1 h\n  - eventually: downtime / devices > 1 min\n  - always: cost <= 30 + 12 * repairs\n"
    )
    verdicts = [each.verdict for each in played(plant(text=text))[1].expectations]
    assert verdicts == ["held", "missed", "missed", "held", "missed"]


def test_everybody_reads_what_the_crews_did() -> None:
    result = played(plant())[1]
    found = kept(result)
    assert f"crews (run-to-failure): {found.breakdowns} breakdowns, {found.repairs} repairs" in "\n".join(
        ending(result)
    )
    document = msgspec.json.decode(msgspec.json.encode(result))
    assert document["maintenance"]["downtime_s"] == found.downtime_s
    assert result.counts["repairs"] == found.repairs
    assert msgspec.json.decode(msgspec.json.encode(result), type=RunResult) == result


def test_a_fleet_that_needs_no_crew_is_said_to_have_needed_none() -> None:
    text = TEXT.replace("life_rate: 0.5 1/h, wear_at_start: 70 % .. 90 %", "wear_at_start: 0 %")
    assert any("nobody asked for a crew" in note for note in played(plant(text=text))[1].notes)


def test_without_maintenance_nothing_of_it_is_there() -> None:
    text = TEXT[: TEXT.index("maintenance:")]
    engine, result = played(plant(text=text))
    assert result.maintenance is None
    assert "repairs" not in result.counts
    assert engine.wiring.world.sampler.halted is None  # type: ignore[attr-defined]


def test_the_library_compares_two_policies() -> None:
    """The one holds; the other has twice the downtime, costs more, and is missed."""
    found = {}
    for policy in ("condition", "run-to-failure"):
        result = played(load("worn-bearings", settings=[f"maintenance.policy={policy}"]))[1]
        found[policy] = result
    assert (found["condition"].verdict, found["run-to-failure"].verdict) == ("held", "missed")
    good, bad = kept(found["condition"]), kept(found["run-to-failure"])
    assert bad.downtime_s > 1.5 * good.downtime_s
    assert bad.cost > good.cost


CELLS = """
storm: 1
name: cells
story: Production cells and motors of one works, and whoever repairs them.
duration: 45 min
fleet:
  sites: [ham-1]
  segments: {cells: {kind: controller, devices: 4}, motors: {kind: motor, devices: 2, every: 1 min}}
maintenance: {policy: run-to-failure, crews: 1, travel: 2 min, repair: 8 min, breakdown: 25 min}
"""


def test_controllers_and_other_machines_share_the_crews_and_wait_for_them() -> None:
    (engine, shared), (_, own) = (
        played(read(CELLS.replace("crews: 1", f"crews: {crews}"), "cells.storm.yaml")) for crews in (1, 6)
    )
    upkeep = engine.wiring.world.maintenance  # type: ignore[attr-defined]
    is_cell = engine.registry.kind == engine.registry.kinds.index("controller")
    assert upkeep.repairs[is_cell].sum() >= 2
    assert upkeep.repairs[~is_cell].sum() >= 1
    alone_s, together_s = kept(own).mean_wait_s, kept(shared).mean_wait_s
    assert alone_s is not None
    assert together_s is not None
    assert alone_s == pytest.approx(120), "the way of a crew of its own"
    assert together_s > 200
