"""Clocks of devices: what they show, and what a reading is dated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.worlds import Lab, plan
from twinstorm.twin import clocks
from twinstorm.twin.clocks import Clocks
from twinstorm.twin.clockwork import PPM, YEAR_S, Clock, ClockPlan, gained_us
from twinstorm.twin.fleet import FleetPlan, grow
from twinstorm.twin.flow import HOUR_US, MINUTE_US, NEVER_US, SECOND_US, Delivery

YEAR_US = int(YEAR_S) * SECOND_US
ORIGIN_US = 60 * YEAR_US
N = 40
ALL = np.arange(N, dtype=np.int32)


def with_clock(clock: ClockPlan, fleet: FleetPlan | None = None) -> FleetPlan:
    fleet = fleet or plan()
    return replace(fleet, segments=tuple(replace(segment, clock=clock) for segment in fleet.segments))


@dataclass
class Dated(Lab):
    """A lab that remembers when each reading was sampled and how it was dated."""

    off_us: dict[tuple[int, int], int] = field(default_factory=dict)
    """Device and number of the reading: its stamp, less the instant of sampling."""

    @classmethod
    def of(cls, clock: ClockPlan, fleet: FleetPlan | None = None, **limits: Any) -> Dated:
        return cls.make(with_clock(clock, fleet), origin_us=ORIGIN_US, **limits)

    def _receive(self, delivery: Delivery) -> None:
        super()._receive(delivery)
        readings = delivery.readings
        assert readings is not None
        rows = range(len(readings.device)) if readings.present is None else np.flatnonzero(readings.present).tolist()
        for row in rows:
            who, seq = int(readings.device[row]), int(readings.seq[row])
            self.off_us[who, seq] = int(readings.device_time_us[row]) - self.sampled_us(who, seq)

    def sampled_us(self, who: int, seq: int) -> int:
        """By the group's period, for devices that have never been without power."""
        fleet = self.world.fleet
        return int(fleet.phase_us[who] + (seq - 1) * fleet.every_us[who])


def test_the_integer_law_is_that_of_a_free_running_clock() -> None:
    @given(
        st.integers(0, YEAR_US),
        st.integers(0, YEAR_US),
        st.integers(-1_000 * PPM, 1_000 * PPM),
        st.integers(-100 * PPM, 100 * PPM),
    )
    def check(since_us: int, lasts_us: int, rate_e12: int, ageing_e12: int) -> None:
        start = np.array([since_us])
        gained = int(gained_us(start, start + lasts_us, np.array([rate_e12]), ageing_e12)[0])
        law = Clock(drift_ppm=rate_e12 / PPM, ageing_ppm_per_year=ageing_e12 / PPM)
        wanted = law.error_s((since_us + lasts_us) / 1e6) - law.error_s(since_us / 1e6)
        assert gained == pytest.approx(wanted * 1e6, abs=100)

    check()


def test_a_fleet_of_perfect_clocks_has_no_columns_and_dates_readings_by_their_sampling() -> None:
    lab = Dated.make(plan())
    lab.until(3 * MINUTE_US)
    assert not lab.world.clocks.active
    assert not len(lab.world.clocks.now)
    assert set(lab.off_us.values()) == {0}


def test_rates_differ_by_lot_within_what_is_said_and_add_up() -> None:
    lab = Dated.of(ClockPlan(drift_ppm=20.0))
    lab.until(MINUTE_US)
    day = lab.world.clocks.shown_now_us(slice(0, N), 86_400 * SECOND_US) - 86_400 * SECOND_US
    assert np.abs(day).max() <= 1_728_000
    assert len(set(day.tolist())) == N
    assert day.min() < -200_000 < 200_000 < day.max()


def test_a_crystal_far_from_its_turnover_is_slow() -> None:
    lab = Dated.of(ClockPlan(temperature_c=-20.0))
    day = lab.world.clocks.shown_now_us(slice(0, N), 86_400 * SECOND_US) - 86_400 * SECOND_US
    assert set((day / 1e6).round(2).tolist()) == {-5.95}


def test_synchronisation_bounds_the_error_and_leaves_some() -> None:
    lab = Dated.of(ClockPlan(sync_us=MINUTE_US, accuracy_us=5_000, drift_ppm=100.0))
    lab.until(10 * MINUTE_US)
    off = np.array(list(lab.off_us.values()))
    assert np.abs(off).max() <= 5_000 + 100 * 60
    assert np.abs(off).max() > 5_000
    assert len(np.unique(off)) > N


def test_behind_a_cut_clocks_run_free_and_are_set_at_their_next_turn() -> None:
    lab = Dated.of(ClockPlan(sync_us=MINUTE_US, drift_ppm=1_000.0), plan(buffer=1_000), connect_rate=None)
    lab.until(MINUTE_US)
    lab.world.cut(ALL, MINUTE_US, "both")
    lab.until(11 * MINUTE_US)
    off = lab.world.clocks.shown_now_us(slice(0, N), 11 * MINUTE_US) - 11 * MINUTE_US
    rate = lab.world.clocks.now.rate_e12
    assert (np.abs(off) >= np.abs(rate) * 600 // 1_000_000 - 2).all(), "ten minutes of drift"
    lab.world.heal(ALL, 11 * MINUTE_US, "both")
    lab.until(20 * MINUTE_US)
    assert np.abs(lab.world.clocks.shown_now_us(slice(0, N), 20 * MINUTE_US) - 20 * MINUTE_US).max() <= 60_000
    for (who, seq), off_us in lab.off_us.items():
        if MINUTE_US < lab.sampled_us(who, seq) < 11 * MINUTE_US:
            free_s = (lab.sampled_us(who, seq) - MINUTE_US) // SECOND_US
            assert abs(off_us) >= abs(int(rate[who])) * free_s // 1_000_000 - 2, "stamped when sampled, not when sent"


@pytest.mark.parametrize("years", [0, 4], ids=["finely", "in seconds"])
def test_clocks_begin_ahead_or_behind_by_lot_and_stay_so_without_synchronisation(years: int) -> None:
    low_us, high_us = -2 * SECOND_US - years * YEAR_US, 5 * SECOND_US + years * YEAR_US
    lab = Dated.of(ClockPlan(offset_us=(low_us, high_us)))
    lab.until(5 * MINUTE_US)
    of_device = [{off for (who, _), off in lab.off_us.items() if who == one} for one in ALL.tolist()]
    assert all(len(offs) == 1 for offs in of_device), "nothing sets them"
    offs = np.array([offs.pop() for offs in of_device])
    width_us = high_us - low_us
    assert ((low_us <= offs) & (offs <= high_us)).all()
    assert len(set(offs.tolist())) == N
    assert offs.min() < low_us + width_us // 5
    assert offs.max() > high_us - width_us // 5


def test_an_offset_lasts_until_the_first_synchronisation() -> None:
    lab = Dated.of(ClockPlan(sync_us=2 * MINUTE_US, accuracy_us=5_000, offset_us=(HOUR_US, HOUR_US)))
    lab.until(5 * MINUTE_US)
    wrong, right = 0, 0
    for (who, seq), off_us in lab.off_us.items():
        sampled_us = lab.sampled_us(who, seq)
        assert off_us == HOUR_US or abs(off_us) <= 5_000
        wrong += off_us == HOUR_US
        right += sampled_us > 2 * MINUTE_US
        assert sampled_us <= 2 * MINUTE_US or off_us != HOUR_US
    assert wrong > N < right


def boots_of(clock: ClockPlan) -> tuple[Dated, list[int], list[int]]:
    """Half of the fleet is without power for a minute. Returns, of their readings after it, how far off the first and
    the last of each device was, in microseconds."""
    lab = Dated.of(clock, connect_rate=1)
    half = ALL[::2]
    lab.until(2 * MINUTE_US)
    lab.world.power_off(half, 2 * MINUTE_US)
    lab.until(3 * MINUTE_US)
    before = lab.world.fleet.seq.copy()
    lab.world.power_on(half, 3 * MINUTE_US)
    lab.until(10 * MINUTE_US)
    first: list[int] = []
    last: list[int] = []
    for who in half.tolist():
        numbers = sorted(seq for one, seq in lab.off_us if one == who and seq > before[who])
        # Sampled without a gap since the boot, the last one in the period before now.
        every_us = int(lab.world.fleet.every_us[who])
        newest_us = (10 * MINUTE_US - 1) // every_us * every_us
        for number, into in ((numbers[0], first), (numbers[-1], last)):
            true_us = newest_us - (int(lab.world.fleet.seq[who]) - number) * every_us
            into.append(lab.off_us[who, number] + lab.sampled_us(who, number) - true_us)
    return lab, first, last


def test_without_a_battery_a_clock_shows_its_epoch_from_the_boot_until_it_is_synchronised() -> None:
    epoch_us = 50 * YEAR_US
    clock = ClockPlan(sync_us=HOUR_US, has_battery=False, epoch_us=epoch_us)
    _, first, last = boots_of(clock)
    shown = epoch_us - ORIGIN_US - 3 * MINUTE_US
    assert set(first) <= {shown, 0}, "the epoch, and the time since power returned; or sampled after its session began"
    assert first.count(shown) > len(first) / 2
    assert set(last) == {0}


def test_without_synchronisation_it_keeps_the_epoch() -> None:
    _, _, last = boots_of(ClockPlan(has_battery=False))
    assert set(last) == {-ORIGIN_US - 3 * MINUTE_US}


def test_a_battery_keeps_the_time() -> None:
    _, first, last = boots_of(ClockPlan(sync_us=HOUR_US))
    assert set(first + last) == {0}


# --- against an account of every instant ------------------------------------------------------------------------------


ACTS = ("jump", "back", "lost", "drift", "cut", "heal", "boot", "connect", "end", "sample", "empty")


@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 200)), max_size=25))
def test_what_was_sampled_is_dated_by_the_clock_of_its_time(story: list[tuple[str, int]]) -> None:
    """Readings wait in a buffer while whatever happens to the clock happens; each is dated as it was at its instant."""
    fleet = grow(with_clock(ClockPlan(MINUTE_US, 5_000, 50.0, 10.0, None, False, 0), plan(motors=2, climate=0)))
    depth = np.zeros(2, np.int32)
    told: dict[str, int] = {}
    one = Clocks(fleet, 7, ORIGIN_US, depth, lambda step, what, count: told.update({step: count}))
    one._most_kept = 3
    who, device = np.array([1]), np.array([1], np.int32)
    now_us = 0
    waiting: list[tuple[int, int]] = []
    steps: list[str] = []
    for number, (act, later_s) in enumerate(story):
        now_us += later_s * SECOND_US + 137
        match act:
            case "jump" | "back":
                one.step(f"f{number}", device, now_us, HOUR_US if act == "jump" else -HOUR_US)
                steps.append(f"f{number}")
            case "lost":
                one.forget(f"f{number}", device, now_us)
                steps.append(f"f{number}")
            case "drift":
                one.drift(f"f{number}", device, now_us, 300 * PPM)
                steps.append(f"f{number}")
            case "end" if steps:
                one.end(steps.pop(0), device, now_us)
            case "cut":
                one.lost(who, now_us)
            case "heal":
                one.healed(who, who, now_us)
            case "boot":
                depth[1], waiting = 0, []
                one.lost(who, now_us)
                one.booted(who, now_us)
            case "connect":
                one.connected(who, np.array([now_us]))
            case "empty":
                depth[1], waiting = 0, []
            case _:
                waiting.append((now_us, int(one.shown_now_us(slice(1, 2), now_us)[0])))
                depth[1] += 1
        at_us = np.array([instant for instant, _ in waiting], np.int64)
        assert one.shown_us(np.full(len(waiting), 1), at_us).tolist() == [shown for _, shown in waiting]
        assert one.now.ahead_us[0] == 0, "nobody else's clock is touched"
        if one.now.sync_us[1] != NEVER_US and now_us >= one.now.sync_us[1] and not one.orders:
            assert abs(int(one.shown_now_us(slice(1, 2), now_us)[0]) - now_us) <= 5_000 + 60 * 150
    assert len(one.past) <= 2 * len(story) + clocks._LEAST_KEPT


def test_what_no_buffer_needs_is_forgotten() -> None:
    fleet = grow(with_clock(ClockPlan(drift_ppm=1.0), plan(motors=2, climate=0)))
    depth = np.ones(2, np.int32)
    one = Clocks(fleet, 7, 0, depth, lambda step, what, count: None)
    device = np.arange(2, dtype=np.int32)
    for second in range(10):
        one.step("f", device, second * SECOND_US, 1)
    assert len(one.past) == 20
    depth[0] = 0
    one._most_kept = 0
    one.step("f", device, 10 * SECOND_US, 1)
    assert len(one.past) == 11, "of one device"
