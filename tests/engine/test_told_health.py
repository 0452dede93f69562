"""The truth about machines: what a run tells of it, and that telling it decides nothing."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import KindHealthResult, RunResult
from twinstorm.twin.flow import MINUTE_US, SECOND_US
from twinstorm.twin.health import KindHealth, MachineHealth, by_kind
from twinstorm.twin.machines.kind import Truth

TEXT = """
storm: 1
name: ward
story: A valve sticks, a fan stops.
duration: 12 min
fleet:
  devices: 30
  sites: [ham-1]
  segments:
    roofs: {kind: inverter, share: 40 %, every: 30 s}
    pumps: {kind: pump, share: 30 %, every: 1 s}
    cells: {kind: controller, share: 30 %, every: 30 s}
steps:
  - {name: fans, at: 1 min, fault: machine-failure, target: id=ham-1/roofs-0003, lasts: 11 min,
     with: {mode: fan-failure, severity: 60 %, grows: 2 min}}
  - {name: seals, at: 1 min, fault: seal-leak, target: id=ham-1/pumps-0002, lasts: 11 min, with: {grows: 2 min}}
"""


def played(ask: bool) -> tuple[Engine, RunResult]:
    engine = build(read(TEXT, "ward.storm.yaml"), RunOptions(seed=3))
    names = engine.registry.names
    while not engine.ended:
        engine.advance(engine.now_us + 7 * SECOND_US)
        if ask:
            for name in ("ham-1/pumps-0001", "ham-1/cells-0001"):
                assert engine.wiring.truth_of(names.index(name)) is not None
    return engine, result_of(engine, speed=0.0, wall_s=0.0, repeat="")


@cache
def quiet() -> tuple[Engine, RunResult]:
    return played(ask=False)


def told(result: RunResult, kind: str) -> KindHealthResult:
    (found,) = (each for each in result.health if each.kind == kind)
    return found


def test_the_document_of_a_run_names_the_worst_machines_of_each_kind() -> None:
    _, result = quiet()
    assert [each.kind for each in result.health] == ["controller", "inverter", "pump"]
    assert told(result, "inverter").worst[0].device == "ham-1/roofs-0003"
    pumps = told(result, "pump")
    assert (pumps.machines, pumps.ended) == (9, 1)
    assert (pumps.worst[0].device, pumps.worst[0].health, pumps.worst[0].remaining_s) == ("ham-1/pumps-0002", 0.0, 0.0)
    for each in result.health:
        healths = [one.health for one in each.worst]
        assert len(healths) == 3
        assert healths == sorted(healths)
        assert healths[0] <= each.median_health <= 1.0
    assert msgspec.json.decode(msgspec.json.encode(result), type=RunResult).health == result.health


def test_who_looks_at_the_truth_changes_nothing() -> None:
    engine, result = played(ask=True)
    assert result.digest == quiet()[1].digest
    assert result.health == quiet()[1].health
    device = engine.registry.names.index("ham-1/roofs-0003")
    now = engine.wiring.truth_of(device)
    assert now is not None
    assert now.health == pytest.approx(told(result, "inverter").worst[0].health, abs=1e-4)


def test_kinds_are_summed_up_over_all_their_groups() -> None:
    def truth(*health: float) -> Truth:
        column = np.array(health, np.float32)
        return Truth(column, column * np.float32(100.0))

    found = by_kind([("b", 10, truth(0.5, 0.25)), ("a", 0, truth(1.0)), ("b", 20, truth(0.0, 0.75)), ("a", 9, truth())])
    assert found == (
        KindHealth("a", 1, 0, 1.0, (MachineHealth(0, 1.0, 100.0),)),
        KindHealth(
            "b", 4, 1, 0.5, (MachineHealth(20, 0.0, 0.0), MachineHealth(11, 0.25, 25.0), MachineHealth(10, 0.5, 50.0))
        ),
    )


def test_of_machines_that_are_equally_ill_the_first_are_named() -> None:
    zeros = np.zeros(50, np.float32)
    (found,) = by_kind([("a", 5, Truth(zeros, zeros))])
    assert [each.device for each in found.worst] == [5, 6, 7]
    assert found.ended == 50


REPAIRS = """
storm: 1
name: roofs
story: Fans stop one after the other.
duration: 90 min
fleet:
  devices: 20
  sites: [ham-1]
  segments:
    roofs: {kind: inverter, share: 100 %, every: 60 s}
maintenance: {policy: POLICY, when: heat_sink_c > 40 C for 2 min, crews: 20, travel: 20 min, repair: 5 min,
  cost: {downtime: 60/h, repair: 10, spare: 1}}
start: 2030-07-01T11:00:00Z
steps:
  - {name: fans, at: 1 min, fault: machine-failure, target: all, lasts: 89 min,
     with: {mode: fan-failure, severity: 100 %, grows: 80 min}}
"""


def test_policies_can_be_compared_on_machines_other_than_motors() -> None:
    results = []
    for policy in ("run-to-failure", "condition"):
        engine = build(read(REPAIRS.replace("POLICY", policy), "roofs.storm.yaml"), RunOptions(seed=1))
        engine.advance(90 * MINUTE_US)
        found = result_of(engine, speed=0.0, wall_s=0.0, repeat="").maintenance
        assert found is not None
        results.append(found)
    late, soon = results
    assert late.breakdowns == 20
    assert soon.breakdowns < 10
    assert soon.repairs >= 10
    assert soon.downtime_s < late.downtime_s
