"""Hazards of firmware: what devices do to themselves, how often, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.fleet import State
from twinstorm.twin.flow import MINUTE_US, SECOND_US, FaultOrder
from twinstorm.twin.hazards import CRASH, FREEZE, LEAK, HazardPlan

N = 300


def lab_of(hazards: HazardPlan, minutes: int = 30) -> Lab:
    """300 climate sensors with these hazards beside ten motors without, after some minutes."""
    fleet = plan(motors=10, climate=N, boot_us=(SECOND_US, SECOND_US))
    motors, climate = fleet.segments
    lab = Lab.make(replace(fleet, segments=(motors, replace(climate, hazards=hazards))), connect_rate=None)
    lab.until(minutes * MINUTE_US)
    assert lab.missing() == 0
    assert (lab.world.fleet.boot[motors_of(lab)] == 1).all(), "somebody else was reset"
    return lab


def motors_of(lab: Lab) -> np.ndarray:
    return np.flatnonzero(lab.world.fleet.segment == 0)


def boots(lab: Lab) -> np.ndarray:
    return lab.world.fleet.boot[np.flatnonzero(lab.world.fleet.segment == 1)] - 1


def counted(lab: Lab, hazard: str) -> int:
    return lab.world.evidence_of(hazard).counts.get("devices_reset", 0)


def test_without_hazards_nothing_is_ordered() -> None:
    lab = lab_of(HazardPlan(), 1)
    assert not lab.world.resets.orders
    assert not boots(lab).any()


def test_crashes_come_by_chance_alone_about_as_often_as_said() -> None:
    """30 min at one in 10 min each: three a device, Poisson."""
    each = boots(lab := lab_of(HazardPlan(crash_us=10 * MINUTE_US)))
    assert each.mean() == pytest.approx(3.0, rel=0.12)
    assert each.var() == pytest.approx(3.0, rel=0.35)
    assert counted(lab, CRASH) == each.sum()
    assert (lab.world.fleet.state != State.OFF).all()


def test_without_a_watchdog_a_device_that_hangs_stays_so() -> None:
    lab = lab_of(HazardPlan(freeze_us=20 * MINUTE_US))
    hung = lab.world.fleet.state == State.OFF
    assert np.count_nonzero(hung) == counted(lab, FREEZE)
    assert np.count_nonzero(hung) / N == pytest.approx(1 - np.exp(-1.5), abs=0.08)
    assert not boots(lab).any()


def test_a_watchdog_brings_them_back() -> None:
    lab = lab_of(HazardPlan(freeze_us=20 * MINUTE_US, watchdog_us=30 * SECOND_US))
    assert np.count_nonzero(lab.world.fleet.state == State.OFF) < 0.08 * N
    assert boots(lab).sum() == pytest.approx(counted(lab, FREEZE), abs=0.08 * N)
    assert boots(lab).mean() == pytest.approx(30 / 20.5, rel=0.15)


def test_a_leak_resets_each_about_every_time_that_fills_the_memory() -> None:
    """Every 5 min, 20 s of watchdog and 1 s of boot; the first somewhere in the first 5 min."""
    lab = lab_of(HazardPlan(full_us=5 * MINUTE_US, watchdog_us=20 * SECOND_US))
    assert set(boots(lab).tolist()) <= {4, 5, 6}
    assert boots(lab).mean() == pytest.approx(27.5 / 5.35 + 0.5, abs=0.3)
    assert counted(lab, LEAK) >= boots(lab).sum()


def test_a_leak_that_takes_half_a_year_fits() -> None:
    lab = lab_of(HazardPlan(full_us=180 * 24 * 60 * MINUTE_US, watchdog_us=SECOND_US), 2)
    order = lab.world.resets.orders[0]
    assert order.next_us.min() >= 0
    assert order.next_us.max() <= 180 * 24 * 60 * MINUTE_US + SECOND_US
    assert order.next_us.max() > 150 * 24 * 60 * MINUTE_US


def test_all_of_them_together_with_a_power_cut_keep_the_ledger() -> None:
    hazards = HazardPlan(3 * MINUTE_US, 4 * MINUTE_US, 5 * MINUTE_US, 10 * SECOND_US)
    lab = lab_of(hazards, 5)
    everybody = np.arange(len(lab.world.fleet), dtype=np.int32)
    lab.world.power_off(everybody, 5 * MINUTE_US)
    lab.until(7 * MINUTE_US)
    lab.world.power_on(everybody, 7 * MINUTE_US)
    lab.until(12 * MINUTE_US)
    assert lab.missing() == 0
    assert (lab.world.fleet.power_cuts <= 1).all()


def test_a_fault_that_freezes_devices_leaves_them_to_the_watchdog_of_their_firmware() -> None:
    lab = lab_of(HazardPlan(watchdog_us=20 * SECOND_US), 1)
    everybody = np.arange(len(lab.world.fleet), dtype=np.int32)
    fault = catalogue()["device-freeze"]
    order = FaultOrder("f", fault.name, fault_settings(fault, {}), everybody, MINUTE_US, None)
    fault.start(lab.world, order, everybody, MINUTE_US)
    lab.until(3 * MINUTE_US)
    assert (boots(lab) == 1).all()
    assert (lab.world.fleet.state[motors_of(lab)] == State.OFF).all(), "they have none"
    fault.end(lab.world, order, everybody, 3 * MINUTE_US)
    lab.until(4 * MINUTE_US)
    assert (lab.world.fleet.boot == 2).all()
    assert lab.missing() == 0


def test_a_bad_image_leaves_evidence_on_its_devices_alone() -> None:
    text = """
storm: 1
name: bad-image
story: Version 2.5.0 leaks.
duration: 4 min
firmware:
  2.5.0: {fault: memory-leak, with: {rate: 1 MB/min, free: 1 MB}}
fleet:
  devices: 40
  segments:
    good: {kind: environment, share: 50 %}
    bad: {kind: environment, share: 50 %, firmware: 2.5.0}
expect:
  - {count: reboots, at_least: 20}
"""
    engine = build(read(text.lstrip(), "bad-image.storm.yaml"), RunOptions(seed=1))
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert result.verdict == "held"
    (fault,) = result.faults
    assert (fault.devices, fault.bit) == (20, True)
