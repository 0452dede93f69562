"""Faults of machines: each failure of each installed kind leaves evidence, on its machines and on nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

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
KINDS = kinds()
MODES = [(kind, mode.name) for kind in KINDS.values() for mode in kind.failures]
NAMED = sorted(
    name for name, fault in catalogue().items() if issubclass(fault, MachineFault) and name != "machine-failure"
)
Modes = Mapping[str, NDArray[np.int32]]
"""Failures, and the machines that have them."""


def fleet(kind: MachineKind, devices: int = N) -> FleetPlan:
    motors = plan(motors=devices, climate=0)
    return replace(motors, segments=(replace(motors.segments[0], kind=kind.name, every_us=kind.every_us),))


def play(
    kind: MachineKind,
    modes: Modes,
    severity: str = "100 %",
    readings: int = 2_400,
    block: int = 16_384,
    eighths: int = 7,
) -> Lab:
    """Fails at the 10th of up to so many readings or a day, grows for a tenth of the time, is mended before the end.

    Args:
        readings: of each machine, unless it speaks when something happens.
        eighths: of the whole time, after which it is mended.
    """
    every_us = kind.every_us
    span_us = 60 * every_us if is_event_driven(kind) else min(max(60 * every_us, 24 * HOUR_US), readings * every_us)
    from_us, to_us = 10 * every_us, span_us * eighths // 8
    lab = Lab.make(fleet(kind, 2 * sum(map(len, modes.values()))), block=block)
    fault = catalogue()["machine-failure"]
    grows = f"{max(span_us // 10 // SECOND_US, 1)} s"
    orders = []
    for mode, ill in modes.items():
        settings = fault_settings(fault, {"mode": mode, "grows": grows}) | {"severity": float(severity[:-1]) / 100}
        orders.append(FaultOrder(mode, "machine-failure", settings, ill, from_us, to_us))
    lab.until(from_us)
    for order in orders:
        fault.start(lab.world, order, order.device, from_us)
    lab.until(to_us)
    for order in orders:
        fault.end(lab.world, order, order.device, to_us)
    lab.until(span_us)
    assert lab.missing() == 0
    return lab


def assert_shown(modes: Modes, ill: Lab, well: Lab) -> None:
    """Each failure shows on its machines, and none on others."""
    # A machine that speaks when something happens may do so more often when it fails.
    seen = [who for (who, seq), values in ill.delivered.items() if values != well.delivered.get((who, seq))]
    readings = np.bincount(seen, minlength=len(ill.world.fleet.names))
    for mode, machines in modes.items():
        assert not well.world.evidence_of(mode).bit, "what does not fail leaves no evidence"
        assert np.count_nonzero(readings[machines]) >= 0.5 * len(machines), mode
        # A failure that is mended may leave damage behind, which goes on to show after the count ends.
        changed = ill.world.evidence_of(mode).counts["readings_changed"]
        assert 0 < changed <= readings[machines].sum(), mode
    assert set(seen) <= set(np.concatenate(list(modes.values())).tolist()), "a neighbour changed"


def every_second(kind: MachineKind) -> Modes:
    """Four machines for each failure of a kind, and as many well ones between them."""
    return {mode.name: np.arange(8 * nth, 8 * nth + 8, 2, dtype=np.int32) for nth, mode in enumerate(kind.failures)}


@cache
def all_failing(name: str) -> Lab:
    """Machines of a kind, each of its failures on some. Event-driven ones are dear; two tests look at these."""
    return play(KINDS[name], every_second(KINDS[name]), readings=1_200)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_failures_show_where_they_are_and_nowhere_else(kind: MachineKind) -> None:
    modes = every_second(kind)
    assert_shown(modes, all_failing(kind.name), play(kind, modes, "0 %", readings=1_200, eighths=2))


@pytest.mark.nightly
@pytest.mark.parametrize(("kind", "mode"), MODES, ids=[f"{kind.name}-{mode}" for kind, mode in MODES])
def test_a_failure_shows_where_it_is_and_nowhere_else(kind: MachineKind, mode: str) -> None:
    modes = {mode: ILL}
    assert_shown(modes, play(kind, modes), play(kind, modes, "0 %"))


IN_BLOCKS = [kind for kind in KINDS.values() if kind in (MODES[0][0], MODES[3][0]) or is_event_driven(kind)]


@pytest.mark.parametrize("kind", IN_BLOCKS, ids=lambda kind: kind.name)
def test_blocks_change_nothing(kind: MachineKind) -> None:
    modes = every_second(kind)
    if is_event_driven(kind):
        whole, parts = all_failing(kind.name), play(kind, modes, block=5)
    else:
        whole, parts = (play(kind, modes, readings=600, block=block) for block in (16_384, 5))
    assert whole.delivered == parts.delivered
    for mode in modes:
        assert whole.world.evidence_of(mode) == parts.world.evidence_of(mode)


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
