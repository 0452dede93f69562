"""Faults of devices: who resets, how often, what it costs; in a small world."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.settings import SettingError, fault_settings
from twinstorm.twin.fleet import State
from twinstorm.twin.flow import SECOND_US, FaultOrder

N = 40
ALL = np.arange(N, dtype=np.int32)
HALF = np.arange(0, N, 2, dtype=np.int32)
RESETTING = ["brown-out", "churn", "crash-loop", "device-crash", "device-freeze", "memory-leak", "watchdog-storm"]


def play(name: str, given: Mapping[str, str], from_s: int = 10, to_s: int = 310, end_s: int = 330) -> Lab:
    """The fault on half of the fleet, whose devices boot within 8 to 12 s."""
    lab = Lab.make(plan(motors=30, climate=10), connect_rate=None)
    fault = catalogue()[name]
    order = FaultOrder("f", name, fault_settings(fault, given, N), HALF, from_s * SECOND_US, to_s * SECOND_US)
    lab.until(from_s * SECOND_US)
    fault.start(lab.world, order, HALF, from_s * SECOND_US)
    lab.until(to_s * SECOND_US)
    fault.end(lab.world, order, HALF, to_s * SECOND_US)
    lab.until(end_s * SECOND_US)
    assert lab.missing() == 0
    others = np.setdiff1d(ALL, HALF)
    assert (lab.world.fleet.boot[others] == 1).all(), "somebody else was reset"
    return lab


def resets(lab: Lab) -> int:
    counted = lab.world.evidence_of("f").counts.get("devices_reset", 0)
    assert counted == int((lab.world.fleet.boot[HALF] - 1).sum())
    return counted


def test_a_crash_is_one_reset_of_each() -> None:
    lab = play("device-crash", {})
    assert resets(lab) == len(HALF)
    assert (lab.world.fleet.state == State.ONLINE).all()


def test_a_frozen_device_says_nothing_until_the_fault_ends() -> None:
    lab = play("device-freeze", {})
    assert resets(lab) == len(HALF)
    frozen = [seq for who in HALF.tolist() for seq in lab.order.get(who, []) if who >= 10 and seq > 11]
    assert len(frozen) < 20 * len(HALF), "only what was sampled after the boot at the end"


def test_a_watchdog_ends_the_freeze() -> None:
    lab = play("device-freeze", {"watchdog": "20 s"}, end_s=320)
    assert resets(lab) == len(HALF)
    assert (lab.world.fleet.state == State.ONLINE).all()
    assert all(len(lab.order[who]) > 200 for who in HALF.tolist() if who >= 10)


def test_a_crash_loop_resets_about_every_boot_and_uptime() -> None:
    """300 s of 10 s boot and 30 s uptime: 7 or 8 rounds."""
    each = resets(play("crash-loop", {"uptime": "30 s"})) / len(HALF)
    assert 6 <= each <= 9


def test_watchdogs_bite_at_random_and_about_as_often_as_said() -> None:
    each = resets(play("watchdog-storm", {"every": "50 s"})) / len(HALF)
    assert each == pytest.approx(300 / 60, rel=0.2)


def test_a_leak_resets_all_of_them_when_the_memory_is_full() -> None:
    """1 MB at 600 kB/min: 90 to 110 s."""
    lab = play("memory-leak", {"rate": "600 kB/min", "free": "1 MB"}, to_s=99)
    assert resets(lab) == 0
    lab = play("memory-leak", {"rate": "600 kB/min", "free": "1 MB"}, to_s=125)
    assert resets(lab) == len(HALF)


def test_a_sag_resets_the_weak_ones_and_nobody_else() -> None:
    few, many = play("brown-out", {"depth": "5 %"}, to_s=60), play("brown-out", {"depth": "25 %"}, to_s=60)
    weak_few = {who for who in HALF.tolist() if few.world.fleet.boot[who] > 1}
    weak_many = {who for who in HALF.tolist() if many.world.fleet.boot[who] > 1}
    assert weak_few < weak_many
    assert len(weak_few) == pytest.approx(0.15 * len(HALF), abs=4)
    assert len(weak_many) == pytest.approx(0.75 * len(HALF), abs=5)
    assert resets(many) > 2 * len(weak_many), "over and over"


def test_churn_takes_so_many_a_minute_and_brings_them_back() -> None:
    """10 %/min of 40 devices for 5 minutes: about 20 leave."""
    lab = play("churn", {"rate": "10 %/min", "away": "20 s"}, end_s=345)
    assert resets(lab) == pytest.approx(20, abs=3)
    assert (lab.world.fleet.state == State.ONLINE).all()


def test_sizes_per_time_are_read_and_nonsense_is_refused() -> None:
    leak = catalogue()["memory-leak"]
    assert fault_settings(leak, {"rate": "2 MiB/h", "free": "64 kB"}) == {"rate": 2**21 / 3600, "free": 64_000.0}
    for wrong in ({"rate": "24 kB"}, {"free": "1 MB/s"}, {"rate": "24 C/min"}):
        with pytest.raises(SettingError, match="size"):
            fault_settings(leak, wrong)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*RESETTING, "power-outage", "partition"]),
            st.integers(1, 60),
            st.integers(1, 60),
            st.sets(st.integers(0, N - 1), min_size=1),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([0, 1]),
)
def test_the_ledger_closes_and_power_returns_whatever_overlaps(
    faults: list[tuple[str, int, int, set[int]]], qos: int
) -> None:
    lab = Lab.make(plan(motors=30, climate=10, qos=qos), connect_rate=None)
    acts = []
    for number, (name, from_s, lasts_s, who) in enumerate(faults):
        fault = catalogue()[name]
        device = np.array(sorted(who), np.int32)
        order = FaultOrder(f"f{number}", name, fault_settings(fault, {}, N), device, from_s * SECOND_US, None)
        acts += [(from_s, number, fault.start, order), (from_s + lasts_s, number, fault.end, order)]
    for at_s, _, act, order in sorted(acts, key=lambda one: one[:2]):
        lab.until(at_s * SECOND_US)
        act(lab.world, order, order.device, at_s * SECOND_US)
        assert lab.missing() == 0
    lab.until(200 * SECOND_US)
    assert lab.missing() == 0
    assert (lab.world.fleet.power_cuts == 0).all()
    assert (lab.world.fleet.link_cuts == 0).all()
    assert not lab.world.resets.orders
