"""Faults of machines: each failure of each installed kind leaves evidence, on its machines and on nobody else's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.faults.machines import MachineFault
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.fleet import FleetPlan
from twinstorm.twin.flow import HOUR_US, SECOND_US, FaultOrder
from twinstorm.twin.machines.kind import MachineKind, is_event_driven
from twinstorm.twin.machines.kind import catalogue as kinds

N = 12
ILL = np.arange(0, N, 2, dtype=np.int32)
MODES = [(kind, mode.name) for kind in kinds().values() for mode in kind.failures]
NAMED = sorted(
    name for name, fault in catalogue().items() if issubclass(fault, MachineFault) and name != "machine-failure"
)


def fleet(kind: MachineKind) -> FleetPlan:
    motors = plan(motors=N, climate=0)
    return replace(motors, segments=(replace(motors.segments[0], kind=kind.name, every_us=kind.every_us),))


def play(kind: MachineKind, mode: str, severity: str = "100 %", block: int = 16_384) -> Lab:
    """Fails at the 10th of up to 2,400 readings or a day, grows for a tenth of the time, is mended before the end."""
    every_us = kind.every_us
    span_us = 60 * every_us if is_event_driven(kind) else min(max(60 * every_us, 24 * HOUR_US), 2_400 * every_us)
    from_us, to_us = 10 * every_us, span_us * 7 // 8
    lab = Lab.make(fleet(kind), block=block)
    fault = catalogue()["machine-failure"]
    grows = f"{max(span_us // 10 // SECOND_US, 1)} s"
    settings = fault_settings(fault, {"mode": mode, "severity": severity, "grows": grows})
    order = FaultOrder("f", "machine-failure", settings, ILL, from_us, to_us)
    lab.until(from_us)
    fault.start(lab.world, order, ILL, from_us)
    lab.until(to_us)
    fault.end(lab.world, order, ILL, to_us)
    lab.until(span_us)
    assert lab.missing() == 0
    return lab


@pytest.mark.parametrize(("kind", "mode"), MODES, ids=[f"{kind.name}-{mode}" for kind, mode in MODES])
def test_a_failure_shows_where_it_is_and_nowhere_else(kind: MachineKind, mode: str) -> None:
    ill, well = play(kind, mode), play(kind, mode, severity="0 %")
    assert not well.world.evidence_of("f").bit, "what does not fail leaves no evidence"
    # A machine that speaks when something happens may do so more often when it fails.
    differ = {who for (who, seq), values in ill.delivered.items() if values != well.delivered.get((who, seq))}
    assert differ <= set(ILL.tolist()), "a neighbour changed"
    assert len(differ) >= 0.5 * len(ILL)
    # A failure that is mended may leave damage behind, which goes on to show after the count ends.
    changed = ill.world.evidence_of("f").counts["readings_changed"]
    seen = sum(values != well.delivered.get(key) for key, values in ill.delivered.items())
    assert 0 < changed <= seen


IN_BLOCKS = MODES[:4] + [(kind, mode) for kind, mode in MODES if is_event_driven(kind)]


@pytest.mark.parametrize(("kind", "mode"), IN_BLOCKS, ids=[f"{kind.name}-{mode}" for kind, mode in IN_BLOCKS])
def test_blocks_change_nothing(kind: MachineKind, mode: str) -> None:
    whole, parts = play(kind, mode), play(kind, mode, block=5)
    assert whole.delivered == parts.delivered
    assert whole.world.evidence_of("f") == parts.world.evidence_of("f")


@pytest.mark.parametrize("name", NAMED)
def test_a_fault_with_a_name_is_a_failure_that_some_kind_has(name: str) -> None:
    fault = catalogue()[name]
    assert any(mode == name for _, mode in MODES)
    able = [kind for kind in kinds().values() if any(mode.name == name for mode in kind.failures)]
    unable = [kind for kind in kinds().values() if kind not in able]
    assert fault.misfit(lambda: able, fault_settings(fault, {})) == ""
    assert name in fault.misfit(lambda: unable, fault_settings(fault, {}))


def test_two_failures_of_one_machine_are_each_counted_against_the_machine_without_it() -> None:
    kind = kinds()["motor"]
    lab = Lab.make(fleet(kind))
    fault = catalogue()["machine-failure"]
    for number, mode in enumerate(("imbalance", "overheating")):
        settings = fault_settings(fault, {"mode": mode, "grows": "1 s"})
        lab.until(10 * SECOND_US)
        fault.start(lab.world, FaultOrder(f"f{number}", "", settings, ILL, 0, None), ILL, 10 * SECOND_US)
    lab.until(70 * SECOND_US)
    imbalance, overheating = (lab.world.evidence_of(step).counts["readings_changed"] for step in ("f0", "f1"))
    assert imbalance > 0.9 * 58 * len(ILL), "at once"
    assert 50 < overheating < imbalance, "as soon as the heat has gathered"


def test_machines_that_join_in_a_ramp_fail_from_then_on() -> None:
    """Two parts of one step, the later machines before the earlier ones in the fleet."""
    kind = kinds()["motor"]
    lab = Lab.make(fleet(kind))
    fault = catalogue()["machine-failure"]
    settings = fault_settings(fault, {"mode": "overheating", "grows": "20 s"})
    order = FaultOrder("f", "", settings, ILL, 0, None)
    lab.until(10 * SECOND_US)
    fault.start(lab.world, order, ILL[3:], 10 * SECOND_US)
    lab.until(20 * SECOND_US)
    fault.start(lab.world, order, ILL[:3], 20 * SECOND_US)
    (failure,) = lab.world.sampler.failures[0]
    assert failure.device.tolist() == ILL.tolist()
    severity = failure.severities_at(30 * SECOND_US, slice(0, len(ILL)))
    assert severity.tolist() == [0.5] * 3 + [1.0] * 3
    lab.until(70 * SECOND_US)
    well = Lab.make(fleet(kind))
    well.until(70 * SECOND_US)
    seen = {key for key, values in lab.delivered.items() if values != well.delivered[key]}
    assert {who for who, _ in seen} == set(ILL.tolist())
    assert fault.evidence(lab.world, order).counts == {"readings_changed": len(seen)}
    fault.end(lab.world, order, ILL, 70 * SECOND_US)
    assert not lab.world.sampler.failures[0]
