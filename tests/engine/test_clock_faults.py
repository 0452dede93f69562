"""Faults of clocks: who is dated wrongly, for how long, and what the core makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.clockwork import ClockPlan
from twinstorm.twin.flow import SECOND_US, FaultOrder

N = 40
HALF = np.arange(0, N, 2, dtype=np.int32)
OTHERS = np.arange(1, N, 2)
SYNCED = ClockPlan(sync_us=60 * SECOND_US, accuracy_us=5_000)
NAMES = ("clock-drift", "clock-jump", "clock-lost")


def play(
    name: str, given: Mapping[str, str] = {}, clock: ClockPlan | None = None, to_s: int = 110, device: np.ndarray = HALF
) -> tuple[Lab, dict[int, int]]:
    """The fault on half of the fleet from 10 s on. Returns how far their clocks are off just before it ends."""
    fleet = plan(motors=30, climate=10)
    if clock is not None:
        fleet = replace(fleet, segments=tuple(replace(segment, clock=clock) for segment in fleet.segments))
    lab = Lab.make(fleet, connect_rate=None, origin_us=10**15)
    fault = catalogue()[name]
    order = FaultOrder("f", name, fault_settings(fault, given, N), device, 10 * SECOND_US, None)
    lab.until(10 * SECOND_US)
    fault.start(lab.world, order, device, 10 * SECOND_US)
    lab.until(to_s * SECOND_US)
    off_us = off(lab, to_s)
    fault.end(lab.world, order, device, to_s * SECOND_US)
    lab.until((to_s + 20) * SECOND_US)
    assert lab.missing() == 0
    assert not lab.world.clocks.orders
    return lab, {int(who): int(off_us[who]) for who in range(N)}


def off(lab: Lab, at_s: int) -> np.ndarray:
    return lab.world.clocks.shown_now_us(slice(0, N), at_s * SECOND_US) - at_s * SECOND_US


def misdated(lab: Lab) -> int:
    return lab.world.evidence_of("f").counts.get("readings_misdated", 0)


@pytest.mark.parametrize(
    ("name", "given", "off_us"),
    [
        ("clock-jump", {"by": "1 h"}, 3_600 * SECOND_US),
        ("clock-jump", {"by": "90 s", "direction": "backwards"}, -90 * SECOND_US),
        ("clock-drift", {"by": "100 ppm"}, 10_000),
        ("clock-drift", {"by": "-10000 ppm"}, -SECOND_US),
        ("clock-lost", {}, -(10**15) - 10 * SECOND_US),
    ],
)
def test_a_clock_that_nobody_sets_stays_wrong_until_the_fault_ends(
    name: str, given: dict[str, str], off_us: int
) -> None:
    lab, shown = play(name, given)
    assert {shown[who] for who in HALF.tolist()} == {off_us}
    assert {shown[who] for who in OTHERS.tolist()} == {0}, "somebody else's clock"
    motors = np.flatnonzero(lab.world.fleet.every_us[HALF] == SECOND_US)
    # A clock that drifts is right at the instant from which it does.
    sampled = 100 * len(motors) + sum(1 for who in HALF if lab.world.fleet.every_us[who] > SECOND_US) * 14
    assert misdated(lab) == pytest.approx(sampled, abs=len(HALF))
    left = off(lab, 130)[HALF]
    assert set(left.tolist()) == ({off_us} if name == "clock-drift" else {0}), "what has come together stays"


@pytest.mark.parametrize("name", NAMES)
def test_a_synchronisation_ends_what_a_step_did_and_bounds_a_drift(name: str) -> None:
    lab, shown = play(name, {"by": "1000 ppm"} if name == "clock-drift" else {}, SYNCED)
    assert max(abs(shown[who]) for who in HALF.tolist()) <= 5_000 + 60_000
    assert 0 < misdated(lab) < 100 * len(HALF), "until each was synchronised"
    assert np.abs(off(lab, 130)).max() <= 5_000 + 60_000


def test_a_drift_smaller_than_what_a_synchronisation_leaves_is_no_evidence() -> None:
    lab, _ = play("clock-drift", {"by": "10 ppm"}, SYNCED)
    assert misdated(lab) == 0


@pytest.mark.parametrize("name", NAMES)
def test_without_devices_there_is_no_evidence(name: str) -> None:
    lab = Lab.make(connect_rate=None)
    fault = catalogue()[name]
    nobody = np.empty(0, np.int32)
    order = FaultOrder("f", name, fault_settings(fault, {}, N), nobody, 0, None)
    fault.start(lab.world, order, nobody, 0)
    lab.until(60 * SECOND_US)
    assert not fault.evidence(lab.world, order).bit


def test_a_boot_without_a_battery_ends_a_jump_and_its_evidence() -> None:
    clock = ClockPlan(has_battery=False)
    fleet = plan(motors=30, climate=10)
    fleet = replace(fleet, segments=tuple(replace(segment, clock=clock) for segment in fleet.segments))
    lab = Lab.make(fleet, connect_rate=None)
    order = FaultOrder("f", "clock-jump", fault_settings(catalogue()["clock-jump"], {}, N), HALF, 0, None)
    lab.until(10 * SECOND_US)
    catalogue()["clock-jump"].start(lab.world, order, HALF, 10 * SECOND_US)
    lab.until(20 * SECOND_US)
    lab.world.power_off(HALF, 20 * SECOND_US)
    before = misdated(lab)
    lab.world.power_on(HALF, 21 * SECOND_US)
    lab.until(60 * SECOND_US)
    assert misdated(lab) == before > 0
    catalogue()["clock-jump"].end(lab.world, order, HALF, 60 * SECOND_US)
    assert set(off(lab, 60)[HALF].tolist()) == {-21 * SECOND_US}


@pytest.mark.parametrize("by", ["100 C", "20000 ppm", "0 ppm"])
def test_a_drift_that_no_clock_has_is_an_error_of_the_file(by: str) -> None:
    fault = "steps=[{name: slow, at: 5 min, fault: clock-drift, target: all, with: {by: '" + by + "'}}]"
    with pytest.raises(ScenarioErrors) as raised:
        load("all-quiet", [fault])
    assert [one.code for one in raised.value.problems] == ["S309"]
