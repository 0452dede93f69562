"""What every kind of machine must do, as checks that anybody can run on their own: ``check(MyKind())``.

The checks are plain functions that raise `AssertionError`; ``tests/twin/test_machines_kinds.py`` runs them over every
installed kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words, stream, words
from twinstorm.twin.flow import DAY_US, HOUR_US, SECOND_US, YEAR_US, Mask, Values
from twinstorm.twin.machines import checked
from twinstorm.twin.machines.installed import flaws
from twinstorm.twin.machines.kind import (
    EventKind,
    Foreseeable,
    Inputs,
    MachineKind,
    Place,
    Renewable,
    Repeatable,
    is_event_driven,
)
from twinstorm.twin.normal import normals

Check = Callable[[MachineKind], None]


def check(kind: MachineKind) -> None:
    """Run every check. Raises AssertionError with what is wrong."""
    for each in CHECKS.values():
        each(kind)


def some_keys(count: int, first: int = 0) -> Words:
    """Keys as spread as those of names."""
    return words(0, np.arange(first, first + count, dtype=np.uint64), 0)


def somewhere(keys: Words, seed: int = 1) -> Place:
    """Sites all over the world, ten machines each."""
    site = keys % np.uint64(max(len(keys) // 10, 1))

    def of_site(number: int) -> Words:
        return words(stream(seed, 2_000 + number), site, 0)

    part = [(of_site(100 + i) >> np.uint64(11)).astype(np.float64) * 2.0**-53 for i in range(3)]
    return Place(-60.0 + 125.0 * part[0], -180.0 + 360.0 * part[1], 2_500.0 * part[2], of_site)


@dataclass
class Machines:
    """Some machines of one kind without a world, measured without noise unless asked for.

    Attributes:
        start_us: instant of the calendar year at which they start.
        drives, failures: see `Inputs`; may be changed between steps.
        values: what the last step measured, float32 (channels, n).
    """

    kind: MachineKind
    keys: Words
    seed: int = 1
    noisy: bool = False
    now_us: int = 0
    readings: int = 0
    start_us: int = 0
    place: Place | None = None
    drives: dict[str, Values] = field(default_factory=dict)
    failures: dict[str, Values] = field(default_factory=dict)
    values: Values = field(init=False)
    parameters: dict[str, NDArray[Any]] = field(init=False)
    state: dict[str, NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        place = self.place or somewhere(self.keys)
        drawn = self.kind.parameters(lambda number: words(stream(self.seed, number), self.keys, 0), place)
        self.parameters = {**drawn}
        self.state = {**self.kind.initial(drawn)}
        self.values = np.full((len(self.kind.channels), len(self.keys)), np.nan, np.float32)

    def step(self, dt_us: int, running: Mask | None = None) -> Values:
        self.now_us += dt_us
        self.readings += 1
        noise = self._noise() if self.noisy else np.zeros((4 * self.kind.words, len(self.keys)), np.float32)
        calendar_us = self.start_us + self.now_us
        inputs = Inputs(
            self.now_us, dt_us, running, calendar_us % DAY_US, calendar_us % YEAR_US, self.drives, self.failures
        )
        self.kind.step(self.state, self.parameters, inputs, noise, self.values)
        return self.values

    def run(self, dt_us: int, times: int, running: Mask | None = None) -> Values:
        for _ in range(times):
            self.step(dt_us, running)
        return self.values

    def _noise(self) -> Values:
        return normals(
            np.stack([words(stream(self.seed, 1_000 + i), self.keys, self.readings) for i in range(self.kind.words)])
        )

    def channel(self, name: str) -> NDArray[np.float32]:
        return self.values[[channel.name for channel in self.kind.channels].index(name)]


def _lots(kind: MachineKind, count: int, lots: int, noisy: bool = False) -> Machines:
    """The same machines several times over, one lot after another: each lot can have another life in the same steps."""
    keys = some_keys(count)
    here = somewhere(keys)
    place = Place(
        np.tile(here.latitude_deg, lots),
        np.tile(here.longitude_deg, lots),
        np.tile(here.altitude_m, lots),
        lambda number: np.tile(here.of_site(number), lots),
    )
    return Machines(kind, np.tile(keys, lots), noisy=noisy, place=place)


def _in_one_lot(lots: int, lot: int, count: int) -> Values:
    """1 for the machines of one lot, 0 for those of all others."""
    column = np.zeros((lots, count), np.float32)
    column[lot] = 1.0
    return column.ravel()


def _same(a: Mapping[str, NDArray[Any]], b: Mapping[str, NDArray[Any]]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def it_says_what_it_is(kind: MachineKind) -> None:
    """Names are told once, ranges are ranges, and steps of the resolution cover every channel."""
    wrong = list(flaws(kind.name, kind))
    assert not wrong, "; ".join(wrong)


def columns_are_float32_and_belong_to_the_state_alone(kind: MachineKind) -> None:
    """A step changes its state and nothing else. Event-driven kinds may count, and have keys of their own."""
    machines = Machines(kind, some_keys(50))
    allowed = (np.float32, np.int64, np.uint64) if is_event_driven(kind) else (np.float32,)
    types = {name: column.dtype for name, column in machines.state.items()}
    for name, column in (machines.parameters | machines.state).items():
        assert column.dtype in allowed, f"{name} is {column.dtype}"
        assert column.shape == (50,), f"{name} has shape {column.shape}"
        assert column.flags.writeable, f"{name} is a view of something shared"
    before = {name: column.copy() for name, column in machines.parameters.items()}
    machines.run(kind.every_us, 5)
    assert _same(before, machines.parameters), "a step changed a parameter"
    for name, column in machines.state.items():
        assert column.dtype == types[name], f"{name} became {column.dtype}"


def machines_differ(kind: MachineKind) -> None:
    """No two machines are alike: what is the same for all is a constant, not a parameter."""
    machines = Machines(kind, some_keys(200))
    for name, column in machines.parameters.items():
        assert len(np.unique(column)) > 10, f"{name} is nearly the same for all"


def parameters_lie_in_their_ranges(kind: MachineKind) -> None:
    """What is drawn may also be set."""
    machines = Machines(kind, some_keys(500))
    for one in kind.settable:
        column = machines.parameters[one.name]
        assert (column >= np.float32(one.lowest)).all(), f"{one.name} is drawn below {one.lowest:g}"
        assert (column <= np.float32(one.highest)).all(), f"{one.name} is drawn above {one.highest:g}"


def the_block_changes_no_bit(kind: MachineKind) -> None:
    """A machine does not care beside whom it is computed."""
    keys = some_keys(301)
    place = somewhere(keys)
    whole = Machines(kind, keys, noisy=True, place=place)
    whole.run(7 * SECOND_US, 60)
    for width in (37, 300):  # the last block is one of 5 and one of 1 machine
        parts = []
        for first in range(0, len(keys), width):
            part = slice(first, first + width)
            here = Place(place.latitude_deg[part], place.longitude_deg[part], place.altitude_m[part], _cut(place, part))
            parts.append(Machines(kind, keys[part], noisy=True, place=here))
        values = np.concatenate([part.run(7 * SECOND_US, 60) for part in parts], axis=1)
        assert np.array_equal(values, whole.values), f"blocks of {width} measure something else"
        for name, column in whole.state.items():
            assert np.array_equal(np.concatenate([part.state[name] for part in parts]), column), name


def _cut(place: Place, part: slice) -> Callable[[int], Words]:
    return lambda number: place.of_site(number)[part]


def slices_of_a_block_are_stepped_in_place(kind: MachineKind) -> None:
    """The world steps slices of longer columns: what lies outside of them must not move."""
    machines, alone = Machines(kind, some_keys(30)), Machines(kind, some_keys(30))
    part = slice(10, 20)
    view = Machines(kind, some_keys(10, first=10))
    before = {name: column.copy() for name, column in machines.state.items()}
    view.state = {name: column[part] for name, column in machines.state.items()}
    view.parameters = {name: column[part] for name, column in machines.parameters.items()}
    assert np.array_equal(view.run(kind.every_us, 9), alone.run(kind.every_us, 9)[:, part])
    for name, column in machines.state.items():
        assert np.array_equal(column[part], alone.state[name][part]), f"{name} was not changed in place"
        assert np.array_equal(np.delete(column, np.r_[part]), np.delete(before[name], np.r_[part])), name


def all_running_is_the_same_as_nobody_stopped(kind: MachineKind) -> None:
    """`running=None` is a short cut, not another rule; so are failures and drives that say nothing."""
    plain, masked = Machines(kind, some_keys(40)), Machines(kind, some_keys(40))
    masked.failures = {mode.name: np.zeros(40, np.float32) for mode in kind.failures}
    masked.drives = {one.name: np.full(40, np.nan, np.float32) for one in kind.drives}
    plain.run(kind.every_us, 20)
    masked.run(kind.every_us, 20, np.ones(40, np.bool_))
    assert np.array_equal(plain.values, masked.values)
    assert _same(plain.state, masked.state)


def a_stopped_neighbour_changes_no_bit(kind: MachineKind) -> None:
    """Nor does one that fails."""
    running = np.arange(60) % 3 != 0
    place = somewhere(some_keys(60))
    mixed = Machines(kind, some_keys(60), noisy=True, place=place)
    here = Place(
        place.latitude_deg[running],
        place.longitude_deg[running],
        place.altitude_m[running],
        lambda number: place.of_site(number)[running],
    )
    alone = Machines(kind, some_keys(60)[running], noisy=True, place=here)
    mixed.failures = {mode.name: np.where(running, 0, 1).astype(np.float32) for mode in kind.failures}
    assert np.array_equal(mixed.run(11 * SECOND_US, 60, running)[:, running], alone.run(11 * SECOND_US, 60))


def values_stay_physical(kind: MachineKind) -> None:
    """Whatever the period, whatever has failed, whatever drives it."""
    steps = ((1, 3), (1_000, 3), (SECOND_US, 40), (kind.every_us, 200), (6 * HOUR_US, 4), (11 * DAY_US, 1))
    severities = (0.0, 0.5, 1.0) if kind.failures else (0.0,)
    ends = ("nothing", "lowest", "highest") if kind.drives else ("nothing",)
    lots, n = [(failed, driven) for failed in severities for driven in ends], 25
    machines = _lots(kind, n, len(lots), noisy=True)
    for mode in kind.failures:
        machines.failures[mode.name] = np.repeat([failed for failed, _ in lots], n).astype(np.float32)
    for one in kind.drives:
        pulled = [getattr(one, driven, np.nan) for _, driven in lots]
        machines.drives[one.name] = np.repeat(pulled, n).astype(np.float32)
    lowest, highest = (
        np.array([[getattr(channel, end)] for channel in kind.channels], np.float32) for end in ("lowest", "highest")
    )
    for dt_us, times in steps:
        for _ in range(times):
            stopped = machines.readings % 5 == 4
            running = np.arange(len(machines.keys)) % n % 3 != 0 if stopped else np.ones(len(machines.keys), np.bool_)
            values = machines.step(dt_us, running)
            beyond = ~((values >= lowest) & (values <= highest)) & running
            if beyond.any():
                channel, machine = np.argwhere(beyond)[0].tolist()
                failed, driven = lots[machine // n]
                told = f"{kind.channels[channel].name}: {values[channel, machine]}"
                raise AssertionError(f"{told}, failed by {failed}, driven by {driven}")
            for name, column in machines.state.items():
                assert np.isfinite(column).all(), f"{name} is not finite"


def every_failure_shows(kind: MachineKind) -> None:
    """At full severity each channel that a failure names leaves what the same machine would have told."""
    lots, n = 1 + len(kind.failures), 60
    machines = _lots(kind, n, lots)
    machines.failures = {mode.name: _in_one_lot(lots, lot, n) for lot, mode in enumerate(kind.failures, 1)}
    seen = np.zeros((len(kind.channels), lots - 1, n))
    # Much happens in one step of an event-driven machine.
    lasting_us, most = (HOUR_US, 200) if is_event_driven(kind) else (DAY_US, 1_500)
    for _ in range(min(max(lasting_us // kind.every_us, 50), most) if kind.failures else 0):
        told = machines.step(kind.every_us).reshape(-1, lots, n).astype(np.float64)
        np.maximum(seen, np.abs(told[:, 1:] - told[:, :1]), out=seen)
    for channel, by_mode in zip(kind.channels, seen, strict=True):
        for mode, differs in zip(kind.failures, by_mode, strict=True):
            if channel.name in mode.channels:
                share = float(np.mean(differs >= 3 * channel.step))
                assert share >= 0.9, f"{mode.name} shows on {channel.name} of {share:.0%} of the machines only"


def every_drive_drives(kind: MachineKind) -> None:
    """From one end of its range to the other something that is measured changes."""
    lots, n = 2 * len(kind.drives), 40
    if not lots:
        return
    machines = _lots(kind, n, lots)
    for nth, one in enumerate(kind.drives):
        low, high = (_in_one_lot(lots, 2 * nth + end, n) == 1 for end in (0, 1))
        machines.drives[one.name] = np.select([low, high], [one.lowest, one.highest], np.nan).astype(np.float32)
    machines.run(kind.every_us, min(max(HOUR_US // kind.every_us, 20), 600))
    values = machines.values.reshape(len(kind.channels), len(kind.drives), 2, n)
    differs = np.abs(values[:, :, 0] - values[:, :, 1])
    steps = np.array([[channel.step] for channel in kind.channels])
    for nth, one in enumerate(kind.drives):
        assert (differs[:, nth] > steps).any(axis=0).all(), f"{one.name} changes nothing that is measured"


def events_come_by_themselves(kind: MachineKind) -> None:
    """Event-driven kinds: whoever is stepped to the next event finds it there, and knows of one that lies ahead."""
    if not is_event_driven(kind):
        return
    assert kind.grid_us > 0, "a grid is longer than nothing"
    machines = Machines(kind, some_keys(40))
    told = 0
    for _ in range(60):
        ahead_us = kind.ahead_us(machines.state)
        assert ahead_us.dtype == np.int64, "the time ahead is int64"
        assert (ahead_us > 0).all(), "an event that is due already"
        next_us = int(ahead_us.min())
        assert next_us <= 400 * kind.every_us, "nothing will happen"
        _step_each(kind, machines, np.full(40, next_us, np.int64))
        news = kind.has_news(machines.state)
        assert news.dtype == np.bool_, "news is a mask"
        assert not news[ahead_us > next_us].any(), "news before its time"
        told += int(news.sum())
    assert told, "nobody tells anything"


def each_lives_by_its_own_steps(kind: MachineKind) -> None:
    """Event-driven kinds: often or seldom, each at its own instants or all together, the events are the same."""
    if not is_event_driven(kind):
        return
    together, apart = Machines(kind, some_keys(30)), Machines(kind, some_keys(30))
    for _ in range(20):
        _step_each(kind, together, np.full(30, kind.every_us, np.int64))
    lived_us = np.zeros(30, np.int64)
    for turn in range(1, 8):
        part_us = (20 * kind.every_us - lived_us) // (2 + (np.arange(30) + turn) % 5)
        _step_each(kind, apart, part_us)
        lived_us += part_us
    _step_each(kind, apart, 20 * kind.every_us - lived_us)
    for name, column in together.state.items():
        if column.dtype == np.int64 and name != "news":
            assert np.array_equal(column, apart.state[name]), f"{name} depends on who asks when"


def what_is_foreseen_happens(kind: MachineKind) -> None:
    """Kinds that see ahead: event by event, a step to each finds what was foreseen, and measures the same."""
    if not (is_event_driven(kind) and isinstance(kind, Foreseeable)):
        return
    n = 30
    ahead, stepped = Machines(kind, some_keys(n)), Machines(kind, some_keys(n))
    for machines in (ahead, stepped):
        _step_each(kind, machines, np.full(n, 5 * kind.every_us, np.int64))
    clock_us = stepped.state["clock_us"].copy()
    lived_us = np.full(n, 4 * kind.every_us, np.int64)
    course = kind.foresee(ahead.state, ahead.parameters, Inputs(0, 4 * kind.every_us, lived_us=lived_us))
    assert np.array_equal(ahead.state["clock_us"], clock_us + lived_us), "it did not live for so long"
    told = np.empty((len(kind.channels), len(course.row)), np.float32)
    of_each = {name: column[course.row] for name, column in ahead.parameters.items()}
    kind.measure(course.state, of_each, np.zeros((4 * kind.words, len(course.row)), np.float32), told)
    passed = np.zeros(len(course.row), np.bool_)
    while True:
        left_us = clock_us + lived_us - stepped.state["clock_us"]
        ahead_us = kind.ahead_us(stepped.state)
        happens = np.flatnonzero(ahead_us <= left_us)
        if not len(happens):
            break
        _step_each(kind, stepped, np.minimum(ahead_us, left_us))
        news = kind.has_news(stepped.state)
        for machine in happens.tolist():
            event = (course.row == machine) & (course.at_us == stepped.state["clock_us"][machine])
            assert event.any(), "something happened that was not foreseen"
            passed |= event
            assert news[machine] == course.news[event].any(), "news of another event"
            assert np.array_equal(stepped.values[:, machine], told[:, np.flatnonzero(event)[-1]]), "another reading"
    assert len(passed), "nothing was foreseen"
    assert passed.all(), "something was foreseen that did not happen"
    _step_each(kind, stepped, left_us)
    for name, column in stepped.state.items():
        assert name == "news" or np.array_equal(column, ahead.state[name]), f"{name} went elsewhere"


def _step_each(kind: EventKind, machines: Machines, lived_us: NDArray[np.int64]) -> None:
    n = len(lived_us)
    inputs = Inputs(
        0, max(int(lived_us.max()), 1), lived_us=lived_us, drives=machines.drives, failures=machines.failures
    )
    noise = np.zeros((4 * kind.words, n), np.float32)
    kind.step(machines.state, machines.parameters, inputs, noise, machines.values)


def repeated_steps_are_steps(kind: MachineKind) -> None:
    """Kinds that make several steps at one call: it changes no bit in how many calls they are made."""
    if not isinstance(kind, Repeatable):
        return
    n, steps, every_us = 30, 40, 7 * SECOND_US
    one_by_one, together = Machines(kind, some_keys(n)), Machines(kind, some_keys(n))
    drawn = np.stack([words(stream(1, 3_000 + number), some_keys(steps * n), 0) for number in range(kind.words)])
    noise = normals(drawn).reshape(-1, steps, n)
    inputs = [
        Inputs(at_us, every_us, calendar_us=at_us % DAY_US, year_us=at_us)
        for at_us in range(every_us, (steps + 1) * every_us, every_us)
    ]
    expected, told = np.empty((2, len(kind.channels), steps, n), np.float32)
    for nth, each in enumerate(inputs):
        out = np.empty((len(kind.channels), n), np.float32)
        kind.step(one_by_one.state, one_by_one.parameters, each, noise[:, nth].copy(), out)
        expected[:, nth] = out
    for some in (slice(0, 1), slice(1, 27), slice(27, steps)):
        out = np.empty((len(kind.channels), some.stop - some.start, n), np.float32)
        kind.repeat(together.state, together.parameters, inputs[some], noise[:, some].copy(), out)
        told[:, some] = out
    assert np.array_equal(told, expected), "steps made together measure something else"
    assert _same(together.state, one_by_one.state), "steps made together lead elsewhere"


def health_only_falls(kind: MachineKind) -> None:
    """The truth: in 0..1, no better by working on, and with an end that comes nearer."""
    machines = Machines(kind, some_keys(50))
    before = kind.truth(machines.state, machines.parameters)
    machines.run(kind.every_us, 200)
    after = kind.truth(machines.state, machines.parameters)
    for truth in (before, after):
        for column in (truth.health, truth.remaining_s):
            assert column.dtype == np.float32, "the truth is float32"
            assert column.shape == (50,), "one row a machine"
        assert ((truth.health >= 0) & (truth.health <= 1)).all(), "health lies in 0..1"
        assert (truth.remaining_s >= 0).all(), "life does not end before now"
    assert (after.health <= before.health).all(), "health came back"


def the_end_comes_nearer_as_time_passes(kind: MachineKind) -> None:
    """The truth: two undisturbed weeks bring the end nearer by about two weeks.

    Each machine may be wrong by what weather and chance do in that time, the kind as a whole only by a quarter. Who was
    renewed meanwhile, or would have ended, says nothing about it. Event-driven kinds live a few hours only, because
    they come to thousands of events in a day.
    """
    machines = Machines(kind, some_keys(40))
    step_us = max(kind.every_us, 10 * 60 * SECOND_US if is_event_driven(kind) else 6 * HOUR_US)
    machines.step(step_us)
    before = kind.truth(machines.state, machines.parameters)
    if np.isinf(before.remaining_s).all():
        return
    steps = (6 * HOUR_US if is_event_driven(kind) else 14 * DAY_US) // step_us
    machines.run(step_us, steps)
    after = kind.truth(machines.state, machines.parameters)
    lived_s = steps * step_us / SECOND_US
    judged = np.isfinite(before.remaining_s) & (before.remaining_s > 2 * lived_s) & (after.health < before.health)
    assert judged.any(), "nobody wears"
    nearer = (before.remaining_s.astype(np.float64) - after.remaining_s)[judged] / lived_s
    slowest, middle, fastest = (float(of(nearer)) for of in (np.min, np.median, np.max))
    told = (
        f"the end came nearer by {slowest:.2f} to {fastest:.2f}, on the whole {middle:.2f} times the time that passed"
    )
    assert 0.25 < slowest <= fastest < 4.0, told
    assert 0.75 < middle < 1.34, told


def failures_cost_health_or_life(kind: MachineKind) -> None:
    """The truth: what harms lowers health or shortens the remaining life of most, what does not of nobody.

    Machines are as new, so that no other part of them is worse. What a failure did stays when it ends: only a repair
    brings health back.
    """
    step_us, steps = (kind.every_us, 20) if is_event_driven(kind) else (max(kind.every_us, 10 * 60 * SECOND_US), 50)
    lots, n = 1 + len(kind.failures), 40
    machines = _lots(kind, n, lots)
    machines.failures = {mode.name: _in_one_lot(lots, lot, n) for lot, mode in enumerate(kind.failures, 1)}
    checked.renew(kind, machines.state, machines.parameters, np.arange(lots * n))
    machines.run(step_us, steps)
    truth = kind.truth(machines.state, machines.parameters)
    health, remaining_s = truth.health.reshape(lots, n), truth.remaining_s.reshape(lots, n)
    for mode, failing, left_s in zip(kind.failures, health[1:], remaining_s[1:], strict=True):
        if mode.harms:
            worse = failing < health[0] - np.float32(1e-4)
            worse |= left_s < np.float32(0.99) * remaining_s[0]
            assert np.mean(worse) >= 0.75, f"{mode.name} costs {np.mean(worse):.0%} of the machines health or life only"
        else:
            assert np.array_equal(failing, health[0]), f"{mode.name} harms, whatever it says"
    machines.failures = {}
    machines.run(step_us, 2)
    later = kind.truth(machines.state, machines.parameters).health.reshape(lots, n)
    for mode, failing, after in zip(kind.failures, health[1:], later[1:], strict=True):
        assert (after <= failing).all(), f"health came back when {mode.name} ended"


def life_comes_to_an_end(kind: MachineKind) -> None:
    """The truth: if all that harms goes on for a century somebody ends, and at the end nothing is left of either."""
    machines = Machines(kind, some_keys(10))
    machines.failures = {mode.name: np.ones(10, np.float32) for mode in kind.failures if mode.harms}
    ended = np.zeros(10, np.bool_)
    for number in range(600 if machines.failures else 10):
        # Most end within months; some last for decades.
        long_us = 10 * DAY_US if number < 200 else 100 * DAY_US
        machines.step(kind.every_us if is_event_driven(kind) else long_us)
        truth = kind.truth(machines.state, machines.parameters)
        assert np.array_equal(truth.health <= 0, truth.remaining_s <= 0), "no health left is no life left"
        ended |= truth.health <= 0
        if ended.all():
            return
    assert ended.any() or not machines.failures, "machines never end, whatever harms them"


def a_repair_renews(kind: MachineKind) -> None:
    """Whoever was repaired is as new and works on; whoever was not does not notice."""
    if is_event_driven(kind) and not isinstance(kind, Renewable):
        return  # Its own crews repair it.
    mended, other = Machines(kind, some_keys(40)), Machines(kind, some_keys(40))
    for machines in (mended, other):
        machines.failures = {mode.name: np.ones(40, np.float32) for mode in kind.failures if mode.harms}
    rows = np.arange(0, 40, 3)
    others = np.setdiff1d(np.arange(40), rows)
    for machines in (mended, other):
        machines.run(kind.every_us, 20)
    mended.failures, other.failures = {}, {}
    checked.renew(kind, mended.state, mended.parameters, rows)
    health = kind.truth(mended.state, mended.parameters).health
    assert (health[rows] == 1.0).all(), "a repaired machine is not as new: the kind needs `renew`"
    mended.run(kind.every_us, 50)
    other.run(kind.every_us, 50)
    assert np.array_equal(mended.values[:, others], other.values[:, others]), "a repair changed a neighbour"
    for channel, row in zip(kind.channels, mended.values, strict=True):
        assert ((row >= np.float32(channel.lowest)) & (row <= np.float32(channel.highest))).all(), channel.name


CHECKS: Final[Mapping[str, Check]] = {
    one.__name__: one
    for one in (
        it_says_what_it_is,
        columns_are_float32_and_belong_to_the_state_alone,
        machines_differ,
        parameters_lie_in_their_ranges,
        the_block_changes_no_bit,
        slices_of_a_block_are_stepped_in_place,
        all_running_is_the_same_as_nobody_stopped,
        a_stopped_neighbour_changes_no_bit,
        values_stay_physical,
        every_failure_shows,
        every_drive_drives,
        events_come_by_themselves,
        each_lives_by_its_own_steps,
        what_is_foreseen_happens,
        repeated_steps_are_steps,
        health_only_falls,
        the_end_comes_nearer_as_time_passes,
        failures_cost_health_or_life,
        life_comes_to_an_end,
        a_repair_renews,
    )
}
