"""Peaks: when devices sample, what nobody else notices, and what stays right about machines and buffers."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.test_event_driven import Listening, in_their_tongue, shop
from tests.twin.worlds import Lab, plan
from twinstorm.twin.clockwork import ClockPlan
from twinstorm.twin.fleet import FleetPlan, SampleGroup
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines.controller import Controller
from twinstorm.twin.output import READINGS_BETWEEN
from twinstorm.twin.peaks import between_us
from twinstorm.twin.stories import Stage

MINUTE_US = 60 * SECOND_US
ALL = np.arange(40, dtype=np.int32)
CLIMATE = ALL[:10]
"""They sample every 7 s; the others are motors and do so every second."""
SOME = np.array([1, 4, 5, 12, 13, 14, 15, 16, 20, 31, 39], np.int32)


def spoken(lab: Lab) -> dict[str, list[int]]:
    """Device to the instants of its readings, in order of their numbers."""
    assert isinstance(lab, Listening)
    names = lab.world.fleet.names
    found: dict[str, dict[int, int]] = {name: {} for name in names}
    for readings in lab.heard:
        rows = range(len(readings.device)) if readings.present is None else np.flatnonzero(readings.present).tolist()
        for row in rows:
            found[names[int(readings.device[row])]][int(readings.seq[row])] = int(readings.device_time_us[row])
    for each in found.values():
        assert sorted(each) == list(range(1, len(each) + 1))
    return {name: [each[seq] for seq in sorted(each)] for name, each in found.items()}


def play(
    from_us: int | None,
    to_us: int = 60 * SECOND_US,
    device: np.ndarray = SOME,
    factor: int = 4,
    until_us: int = 110 * SECOND_US,
    fleet: FleetPlan | None = None,
    **made: Any,
) -> Listening:
    lab = Listening.make(fleet or plan(), **({"connect_rate": None} | made))
    if from_us is not None:
        lab.until(from_us)
        lab.world.peaks.begin("p", device, factor)
        lab.until(to_us)
        lab.world.peaks.end("p", device)
    lab.until(until_us)
    assert lab.missing() == 0
    return lab


def extra(lab: Lab, step: str = "p") -> int:
    return lab.world.evidence_of(step).counts.get(READINGS_BETWEEN, 0)


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 3, 4, 7])
@pytest.mark.parametrize("device", [SOME, ALL, CLIMATE], ids=["some", "all", "a-group"])
def test_whoever_peaks_samples_between_its_instants_too_from_its_next_reading_on(
    factor: int, device: np.ndarray
) -> None:
    lab, plain = play(20_300_000, device=device, factor=factor), play(None)
    told, usual = spoken(lab), spoken(plain)
    fleet, between = lab.world.fleet, 0
    for who, name in enumerate(fleet.names):
        every_us = int(fleet.every_us[who])
        first_us = -(-20_300_000 // every_us) * every_us
        more = {
            at_us + every_us * nth // factor
            for at_us in range(first_us, 60 * SECOND_US, every_us)
            for nth in range(1, factor)
        }
        more = {at_us for at_us in more if at_us < 60 * SECOND_US and who in device}
        assert told[name] == sorted({*usual[name], *more}), name
        between += len(more)
    assert extra(lab) == between > 0


def test_a_peak_that_ends_before_anybody_samples_leaves_no_trace() -> None:
    lab, plain = play(20_300_000, 20_900_000), play(None)
    assert lab.log.digest() == plain.log.digest()
    assert not extra(lab)
    assert not lab.world.peaks.active


def test_nobody_peaks_any_more_and_nothing_is_left_of_it() -> None:
    lab = play(20 * SECOND_US)
    assert not lab.world.peaks.active
    assert not lab.world.peaks.orders
    assert not lab.world.peaks.next_us


@given(
    st.integers(-10, 10_000_000), st.integers(10_000, 5_000_000), st.integers(0, 5_000_000), st.sampled_from([2, 3, 97])
)
def test_between_two_instants_lie_as_many_as_the_factor_says_less_one(
    now_us: int, every_us: int, phase_us: int, factor: int
) -> None:
    group = SampleGroup("motor", 0, 1, every_us, phase_us)
    first_us = phase_us + -(-(now_us - phase_us) // every_us) * every_us
    found, at_us = [], first_us
    while (at_us := between_us(at_us, group, factor)) < first_us + every_us:
        found.append(at_us)
    assert found == [first_us + every_us * nth // factor for nth in range(1, factor)]


def test_of_two_peaks_the_larger_counts_and_each_answers_for_its_own() -> None:
    lab = Listening.make(plan(climate=0), connect_rate=None)
    lab.until(10 * SECOND_US)
    lab.world.peaks.begin("two", ALL[:30], 2)
    lab.world.peaks.begin("five", ALL[:6], 5)
    lab.world.peaks.begin("again", ALL[:30], 2)
    lab.until(20 * SECOND_US)
    lab.world.peaks.end("five", ALL[:6])
    lab.until(30 * SECOND_US)
    told = spoken(lab)
    counts = [len(told[name]) for name in lab.world.fleet.names]
    assert counts == [10 + 50 + 20] * 6 + [10 + 40] * 24
    assert extra(lab, "five") == 6 * 10 * 4
    assert extra(lab, "two") == 24 * 10 + 30 * 10
    assert extra(lab, "again") == 0, "it changed nothing"


def test_devices_join_a_ramp_part_by_part() -> None:
    lab = Listening.make(plan(climate=0), connect_rate=None)
    for second, device in ((10, ALL[[2, 3, 9]]), (12, ALL[[0, 4, 5]])):
        lab.until(second * SECOND_US)
        lab.world.peaks.begin("p", device, 4)
    lab.until(20 * SECOND_US)
    lab.world.peaks.end("p", ALL[[0, 2, 3, 4, 5, 9]])
    lab.until(30 * SECOND_US)
    told = spoken(lab)
    counts = [len(told[name]) for name in lab.world.fleet.names]
    assert counts[:11] == [54, 30, 60, 60, 54, 54, 30, 30, 30, 60, 30]


def test_who_has_no_power_samples_nothing_and_leaves_no_evidence() -> None:
    lab = Listening.make(plan(), connect_rate=None)
    lab.world.power_off(ALL, 0)
    lab.world.peaks.begin("p", ALL, 4)
    lab.until(60 * SECOND_US)
    assert extra(lab) == lab.world.produced == 0


# --- on what nothing depends ------------------------------------------------------------------------------------------


def test_nobody_else_notices() -> None:
    lab, plain = play(20_300_000), play(None)
    others = set(range(40)) - set(SOME.tolist())
    mine = {key: values for key, values in lab.delivered.items() if key[0] in others}
    assert mine == {key: values for key, values in plain.delivered.items() if key[0] in others}


def test_more_devices_change_nobodys_readings() -> None:
    small = play(20_300_000)
    fleet = plan(motors=41, climate=17)
    names = list(Lab.make(fleet).world.fleet.names)
    wanted = [small.world.fleet.names[who] for who in SOME.tolist()]
    device = np.array(sorted(names.index(name) for name in wanted), np.int32)
    large = play(20_300_000, device=device, fleet=fleet)
    found = in_their_tongue(large)
    assert all(found[key] == values for key, values in in_their_tongue(small).items())


@pytest.mark.parametrize("device", [SOME, ALL], ids=["some", "all"])
def test_neither_block_size_nor_a_watcher_enters_the_digest(device: np.ndarray) -> None:
    whole = play(20_300_000, device=device)
    blocks = Lab.make(plan(), block=3, connect_rate=None)
    for at_us in range(0, 110 * SECOND_US + 1, 700_001):
        if at_us > 20_300_000 and not blocks.world.peaks.orders and not extra(blocks):
            blocks.until(20_300_000)
            blocks.world.peaks.begin("p", device, 4)
        if at_us > 60 * SECOND_US and blocks.world.peaks.orders:
            blocks.until(60 * SECOND_US)
            blocks.world.peaks.end("p", device)
        blocks.until(at_us)
    blocks.until(110 * SECOND_US)
    assert blocks.log.digest() == whole.log.digest()


@pytest.mark.parametrize("saved_us", [20_300_000, 20_300_001, 33_250_000, 33_250_001, 59_999_999, 60_100_000])
def test_a_world_that_is_saved_in_the_midst_of_a_peak_goes_on_alike(saved_us: int) -> None:
    whole = play(20_300_000)
    lab = Lab.make(plan(), connect_rate=None)
    acts = [(20_300_000, "start"), (60_000_000, "end"), (saved_us, "save"), (110 * SECOND_US, "stop")]
    for at_us, what in sorted(acts):
        lab.until(at_us)
        if what == "start":
            lab.world.peaks.begin("p", SOME, 4)
        elif what == "end":
            lab.world.peaks.end("p", SOME)
        elif what == "save":
            delivered = lab.delivered
            world, broker, log = pickle.loads(pickle.dumps((lab.world, lab.broker, lab.log)))
            lab = Lab(world, broker, log, Stage(world.acts, world.stories, at_us), delivered)
    assert lab.log.digest() == whole.log.digest()
    assert lab.delivered == whole.delivered


def test_a_machine_is_where_it_would_be_without_being_looked_at_so_often() -> None:
    """Temperatures to a tenth of a degree, all else to a thousandth of itself; but a battery pays for every reading."""
    until_us = 10 * MINUTE_US
    lab, plain = (play(at_us, until_us - 1, ALL, until_us=until_us) for at_us in (20_300_000, None))
    for number, _ in enumerate(lab.world.fleet.groups):
        for each in (lab, plain):
            each.world.sampler.settle(number)  # some may have gone ahead
    for mine, theirs in zip(lab.world.sampler._machines, plain.world.sampler._machines, strict=True):
        for name, column in mine.state.items():
            if name == "spent_j":
                assert (column > theirs.state[name]).all()
                continue
            if name == "every_s":  # how often it is looked at
                assert (column < theirs.state[name]).all()
                continue
            assert np.allclose(column, theirs.state[name], rtol=1e-3, atol=0.1), (mine.kind.name, name)


# --- buffers and sessions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [None, ClockPlan(drift_ppm=500.0)], ids=["true", "wrong"])
@pytest.mark.parametrize(("cut_s", "heal_s"), [(10, 30), (25, 50), (10, 90), (55, 80), (70, 90)])
def test_what_waits_keeps_its_instants_whether_it_was_sampled_before_in_or_after_a_peak(
    cut_s: int, heal_s: int, clock: ClockPlan | None
) -> None:
    fleet = plan(buffer=400)
    if clock is not None:
        fleet = replace(fleet, segments=tuple(replace(part, clock=clock) for part in fleet.segments))
    lab = Listening.make(fleet, connect_rate=None)
    acts = [(20.3, "start"), (60, "end"), (cut_s, "cut"), (heal_s, "heal")]
    for at_s, what in sorted(acts):
        at_us = round(at_s * SECOND_US)
        lab.until(at_us)
        if what == "start":
            lab.world.peaks.begin("p", SOME, 4)
        elif what == "end":
            lab.world.peaks.end("p", SOME)
        elif what == "cut":
            lab.world.cut(ALL, at_us, "both")
        else:
            assert lab.world.buffers.depth.min() > 1
            lab.world.heal(ALL, at_us, "both")
    lab.until(200 * SECOND_US)
    whole = play(20_300_000, fleet=fleet, until_us=200 * SECOND_US)
    late, timely = spoken(lab), spoken(whole)
    for name, instants in timely.items():
        assert late[name][: len(instants) - 2] == instants[: len(instants) - 2], name
    assert lab.missing() == 0


@pytest.mark.parametrize("clock", [None, ClockPlan(drift_ppm=500.0)], ids=["true", "wrong"])
@pytest.mark.parametrize("dies_us", [30_400_000, 30_751_000, 60_002_000, 75_001_500])
def test_what_a_dying_broker_did_not_deliver_comes_again_under_its_own_instant(
    dies_us: int, clock: ClockPlan | None
) -> None:
    fleet = plan(buffer=400)
    if clock is not None:
        fleet = replace(fleet, segments=tuple(replace(part, clock=clock) for part in fleet.segments))
    lab = Listening.make(fleet, connect_rate=None)
    acts = [(20_300_000, "start"), (60_000_000, "end"), (dies_us, "dies"), (dies_us + 10_500_000, "back")]
    for at_us, what in sorted(acts):
        lab.until(at_us)
        match what:
            case "start":
                lab.world.peaks.begin("p", SOME, 4)
            case "end":
                lab.world.peaks.end("p", SOME)
            case "dies":
                lab.broker.stop(at_us, silent=False)
            case "back":
                lab.broker.start(at_us)
    lab.until(160 * SECOND_US)
    whole = play(20_300_000, fleet=fleet, until_us=160 * SECOND_US)
    late, timely = spoken(lab), spoken(whole)
    for name, instants in timely.items():
        assert late[name][: len(instants) - 2] == instants[: len(instants) - 2], name
    assert lab.missing() == 0


def test_the_broker_last_heard_of_a_device_when_it_last_sampled() -> None:
    lab = Lab.make(plan(), connect_rate=None)
    lab.until(20 * SECOND_US)
    lab.world.peaks.begin("p", ALL, 4)
    lab.until(40_800_000)
    heard_us = lab.world.life.heard_us(ALL.astype(np.int64), 40_800_000)
    assert set(heard_us[10:].tolist()) == {40_750_000}
    assert set(heard_us[:10].tolist()) == {40_250_000}, "35 s and three quarters of 7 s"


# --- devices that speak when something happens ------------------------------------------------------------------------


def test_controllers_and_cameras_do_so_many_times_as_much_and_then_as_ever() -> None:
    cells, factor = 80, 4
    fleet = shop(cells=cells, cameras=cells, motors=2)
    lab = Listening.make(fleet, connect_rate=None)
    camera, controller, _ = lab.world.fleet.groups
    of_kind = {kind.kind: slice(kind.first, kind.last) for kind in (camera, controller)}
    faster = np.arange(0, 2 * cells, 2, dtype=np.int32)
    marks = []
    for minute in (2, 5, 10, 12, 17):
        lab.until(minute * MINUTE_US)
        marks.append(lab.world.fleet.seq.copy())
        if minute == 2:
            lab.world.peaks.begin("p", faster, factor)
        if minute == 10:
            lab.world.peaks.end("p", faster)
    peak, after = marks[2] - marks[1], marks[4] - marks[3]
    for kind, rows in of_kind.items():
        slow = {who for who in range(rows.start, rows.stop) if who % 2}
        mine = np.array([who for who in range(rows.start, rows.stop) if who not in slow])
        assert peak[mine].mean() / after[mine].mean() == pytest.approx(factor, rel=0.15), kind
        assert after[mine].mean() == pytest.approx(after[list(slow)].mean(), rel=0.15), kind
    plain = Listening.make(fleet, connect_rate=None)
    plain.until(17 * MINUTE_US)
    others = {key: values for key, values in lab.delivered.items() if key[0] % 2 and key[0] < 2 * cells}
    assert others == {key: values for key, values in plain.delivered.items() if key in others}
    told, between = spoken(lab), 0
    for who, name in enumerate(lab.world.fleet.names):
        for at_us in told[name]:
            grid_us = Controller.grid_us if who in range(controller.first, controller.last) else SECOND_US
            off_grid = at_us % grid_us > 0
            assert not off_grid or (who % 2 == 0 and 2 * MINUTE_US < at_us < 10 * MINUTE_US), (name, at_us)
            between += off_grid
    assert extra(lab) == between > 0
    assert lab.missing() == 0


def test_a_controller_in_a_peak_keeps_quiet_for_no_longer_than_its_part_of_the_period() -> None:
    lab = Listening.make(shop(cells=12, cameras=0, motors=0), connect_rate=None)
    lab.until(2 * MINUTE_US)
    lab.world.peaks.begin("p", np.arange(12, dtype=np.int32), 6)
    lab.until(12 * MINUTE_US)
    for name, instants in spoken(lab).items():
        gaps_us = np.diff([at_us for at_us in instants if at_us > 3 * MINUTE_US])
        assert gaps_us.max() <= 5 * SECOND_US, name
        assert gaps_us.min() < SECOND_US, name


# --- the ledger -------------------------------------------------------------------------------------------------------

SPANS = st.tuples(st.integers(1, 110_000), st.integers(1, 110_000)).map(sorted)


@settings(max_examples=15, deadline=None)
@given(SPANS, SPANS, SPANS, st.integers(2, 9), st.booleans(), st.sampled_from(["both", "down", "up"]))
def test_the_ledger_closes_whatever_overlaps(
    peak: list[int], cut: list[int], off: list[int], factor: int, oldest: bool, direction: str
) -> None:
    lab = Lab.make(plan(buffer=9, evict_oldest=oldest), connect_rate=None)
    acts = [
        (at_ms, name, first == 0)
        for name, span in zip("pco", (peak, cut, off), strict=True)
        for first, at_ms in enumerate(span)
    ]
    for at_ms, name, starts in sorted(acts, key=lambda act: act[0]):
        at_us = at_ms * 1_000
        lab.until(at_us)
        match name, starts:
            case "p", True:
                lab.world.peaks.begin("p", SOME, factor)
            case "p", False:
                lab.world.peaks.end("p", SOME)
            case "c", True:
                lab.world.cut(ALL[::2], at_us, direction)
            case "c", False:
                lab.world.heal(ALL[::2], at_us, direction)
            case "o", True:
                lab.world.power_off(ALL[::3], at_us)
            case _:
                lab.world.power_on(ALL[::3], at_us)
    lab.until(160 * SECOND_US)
    assert lab.missing() == 0
