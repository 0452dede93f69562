"""Clocks of devices: what each shows at any instant, to the microsecond, without an event for any synchronisation.

A clock goes at a rate of its own. While its device has a session and a whole link, it is synchronised on a grid: as
soon as the session begins, and every `sync` from there. Nothing has to happen at those instants: which was the last,
and how far off it left the clock, is a keyed draw that can be asked for any of them.

So the law of a clock is five numbers, a *stretch*, and stays the same until something happens to the device. The
stretches before it are kept while its buffer holds readings, which are stamped when they are sent, each by the stretch
in which it was sampled: a clock that is set does not rewrite what was sampled before.

A fleet of perfect clocks has no columns and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Purpose, below, stream, words
from twinstorm.twin.clockwork import PERFECT, PPM, ClockPlan, gained_us
from twinstorm.twin.fleet import Fleet, State
from twinstorm.twin.flow import NEVER_US, SECOND_US, Device, Int, Mask
from twinstorm.twin.parts import Part, Parts
from twinstorm.twin.rows import Rows, meet

MISDATED: Final = "readings_misdated"

_DRIFT, _PHASE, _LEFT, _OFFSET = range(4)
_MOST_DRAWN: Final = (1 << 32) - 1
"""More numbers `below` cannot tell apart."""
_LEAST_KEPT: Final = 4_096


@dataclass
class Stretches:
    """Laws of clocks, int64 columns of equal length.

    Attributes:
        since_us: from when each holds.
        ahead_us: how far the clock was ahead then.
        rate_e12: its rate at the start of the run, parts per 10^12.
        sync_us: from when it is synchronised on its grid, which has a point there; `NEVER_US`: not at all.
        earlier: number among the kept ones of the one before it; -1: forgotten.
    """

    since_us: Int
    ahead_us: Int
    rate_e12: Int
    sync_us: Int
    earlier: Int

    @classmethod
    def none(cls) -> Stretches:
        return cls(*(np.empty(0, np.int64) for _ in fields(cls)))

    def __len__(self) -> int:
        return len(self.since_us)

    def of(self, rows: Int | slice) -> Stretches:
        return Stretches(*(getattr(self, each.name)[rows] for each in fields(self)))

    def with_more(self, more: Stretches) -> Stretches:
        columns = ((getattr(self, each.name), getattr(more, each.name)) for each in fields(self))
        return Stretches(*(np.concatenate(pair) for pair in columns))


@dataclass
class ClockOrder:
    """What one order did to clocks; columns with one row a device.

    Attributes:
        device: int64, ascending.
        at_us: when.
        step_us: how far each was set forward; in effect until it is set anew.
        drift_e12: what was added to the rate of all, parts per 10^12.
    """

    step: str
    device: Int
    at_us: int
    step_us: Int
    drift_e12: int


@dataclass
class Clocks(Part):
    """Clocks of one fleet.

    Attributes:
        seed: of the run.
        origin_us: start of the run, microseconds since 1970.
        depth: readings that each device holds; its buffer's own column.
        bit: counts evidence: step, what, how many.
        parts: joined as soon as some clock may be wrong.
        active: that is so; False: the methods that ask need not be called.
    """

    fleet: Fleet
    seed: int
    origin_us: int
    depth: NDArray[np.int32]
    bit: Callable[[str, str, int], None]
    parts: Parts = field(default_factory=Parts)
    active: bool = False
    orders: list[ClockOrder] = field(default_factory=list)
    now: Stretches = field(default_factory=Stretches.none)
    past: Stretches = field(default_factory=Stretches.none)
    grid_us: Int = field(default_factory=lambda: np.empty(0, np.int64))
    """An instant of each device's grid of synchronisations."""
    set_us: Int = field(default_factory=lambda: np.empty(0, np.int64))
    """When each was last set, by a synchronisation before the present stretch or by a boot."""
    _most_kept: int = _LEAST_KEPT

    def __post_init__(self) -> None:
        plans = [segment.clock for segment in self.fleet.plan.segments]
        self._every_us = np.array([plan.sync_us for plan in plans], np.int64)
        self._accuracy_us = np.array([plan.accuracy_us for plan in plans], np.int64)
        self._ageing_e12 = np.array([round(plan.ageing_ppm_per_year * PPM) for plan in plans], np.int64)
        self._forgets = np.array([not plan.has_battery for plan in plans], np.bool_)
        self._epoch_us = np.array([plan.epoch_us - self.origin_us for plan in plans], np.int64)
        self._left = stream(self.seed, Purpose.CLOCK << 8 | _LEFT)
        if any(plan != PERFECT for plan in plans):
            self._wake()

    def _wake(self) -> None:
        """Make the columns. Every device has been online for long: its clock was synchronised at its last turn, unless
        it begins with an offset; then it is at its next one."""
        if self.active:
            return
        self.active = True
        self.parts.join(self)
        fleet = self.fleet
        n, segment = len(fleet), fleet.segment
        plans = [part.clock for part in fleet.plan.segments]
        most_e12 = np.array([round(plan.drift_ppm * PPM) for plan in plans], np.int64)[segment]
        common_e12 = np.array([round(plan.common_ppm * PPM) for plan in plans], np.int64)[segment]
        draws = words(stream(self.seed, Purpose.CLOCK << 8 | _DRIFT), fleet.key, 0)
        rate_e12 = common_e12 + below(draws, 2 * most_e12 + 1) - most_e12
        every_us = self._every_us[segment]
        draws = words(stream(self.seed, Purpose.CLOCK << 8 | _PHASE), fleet.key, 0)
        # In milliseconds, so that a month fits 32 bits.
        self.grid_us = -below(draws, every_us // 1_000) * 1_000
        self.set_us = np.zeros(n, np.int64)
        off = np.array([plan.offset_us != (0, 0) for plan in plans], np.bool_)[segment]
        sync_us = np.where(every_us > 0, self.grid_us + np.where(off, every_us, 0), NEVER_US)
        ahead_us = self._offsets_us(plans) if off.any() else np.zeros(n, np.int64)
        self.now = Stretches(np.zeros(n, np.int64), ahead_us, rate_e12, sync_us, np.full(n, -1, np.int64))

    def _offsets_us(self, plans: list[ClockPlan]) -> Int:
        """How far each is ahead at the start."""
        low_us, high_us = np.array([plan.offset_us for plan in plans], np.int64).T[:, self.fleet.segment]
        width_us = high_us - low_us
        # As finely as one draw of 32 bits can: to the microsecond within 71 minutes, to the second within decades.
        unit_us = np.where(width_us < _MOST_DRAWN, 1, np.where(width_us // 1_000 < _MOST_DRAWN, 1_000, SECOND_US))
        draws = words(stream(self.seed, Purpose.CLOCK << 8 | _OFFSET), self.fleet.key, 0)
        drawn_us: Int = low_us + below(draws, width_us // unit_us + 1) * unit_us
        return drawn_us

    # --- what they show -----------------------------------------------------------------------------------------------

    def shown_us(self, device: Int | Device, at_us: Int) -> Int:
        """What the clocks of these devices showed at these instants, which may lie before what happened since.

        Instants older than every stretch that is kept are told by the oldest of them.
        """
        law = self.now.of(device.astype(np.int64))
        older = np.flatnonzero((at_us < law.since_us) & (law.earlier >= 0))
        while len(older):
            kept = self.past.of(law.earlier[older])
            for each in fields(law):
                getattr(law, each.name)[older] = getattr(kept, each.name)
            older = older[(at_us[older] < law.since_us[older]) & (law.earlier[older] >= 0)]
        _, ahead_us = self._error(self.fleet.segment[device], self.fleet.key[device], law, at_us)
        return at_us + ahead_us

    def shown_now_us(self, rows: slice, now_us: int) -> Int:
        """What the clocks of a slice of the fleet show."""
        law = self.now.of(rows)
        _, ahead_us = self._error(self.fleet.segment[rows], self.fleet.key[rows], law, np.int64(now_us))
        return now_us + ahead_us

    def _error(
        self, segment: NDArray[np.int16], key: NDArray[np.uint64], law: Stretches, at_us: Int | np.int64
    ) -> tuple[Int, Int]:
        """When each was last set or its law began, and how far it is ahead."""
        begun_us, ahead_us = law.since_us.copy(), law.ahead_us.copy()
        at_us = np.broadcast_to(at_us, begun_us.shape)
        synced = np.flatnonzero(at_us >= law.sync_us)
        if len(synced):
            first_us, kind = law.sync_us[synced], segment[synced]
            every_us, accuracy_us = self._every_us[kind], self._accuracy_us[kind]
            last_us = first_us + (at_us[synced] - first_us) // every_us * every_us
            draws = words(self._left, key[synced], last_us)
            begun_us[synced] = last_us
            ahead_us[synced] = below(draws, 2 * accuracy_us + 1) - accuracy_us
        ahead_us += gained_us(begun_us, at_us, law.rate_e12, self._ageing_e12[segment])
        return begun_us, ahead_us

    # --- what happens to them -----------------------------------------------------------------------------------------

    def connected(self, device: Int, at_us: Int) -> None:
        """Sessions begin: clocks are synchronised, now and from now on."""
        self.lost(device, at_us)
        syncs = (self._every_us[self.fleet.segment[device]] > 0) & (self.fleet.link_cuts[device] == 0)
        who = device[syncs]
        self.grid_us[who] = at_us[syncs]
        self.now.sync_us[who] = at_us[syncs]

    def cut(self, device: Int, at_us: int, up: bool) -> None:  # noqa: ARG002 - it takes both directions
        self.lost(device, at_us)

    def power_failed(self, device: Int, at_us: int) -> None:
        self.lost(device, at_us)

    def lost(self, device: Int, at_us: Int | int) -> None:
        """No more synchronisations."""
        instant_us = np.broadcast_to(np.asarray(at_us, np.int64), device.shape)
        syncs = self.now.sync_us[device] != NEVER_US
        device, instant_us = device[syncs], instant_us[syncs]
        done = instant_us >= self.now.sync_us[device]
        who = device[done]
        if len(who):
            law = self.now.of(who)
            last_us = law.sync_us + (instant_us[done] - law.sync_us) // self._every(who) * self._every(who)
            # The law at its last synchronisation is the same, told from there.
            _, ahead_us = self._error(self.fleet.segment[who], self.fleet.key[who], law, last_us)
            self._begin(who, last_us, ahead_us)
            self.set_us[who] = last_us
        self.now.sync_us[device] = NEVER_US

    def healed(self, device: Int, heard: Int, at_us: int) -> None:  # noqa: ARG002 - who is heard, may still be deaf
        """Those that have a session and whose links are whole again go on with their grids."""
        fleet = self.fleet
        syncs = (fleet.state[device] == State.ONLINE) & (fleet.link_cuts[device] == 0)
        who = device[syncs & (self._every(device) > 0) & (self.now.sync_us[device] == NEVER_US)]
        self.now.sync_us[who] = self._next_sync_us(who, at_us - 1)

    def booted(self, device: Int, at_us: int) -> None:
        """Clocks without a battery begin with their epoch."""
        who = device[self._forgets[self.fleet.segment[device]]]
        self._begin(who, np.full(len(who), at_us, np.int64), self._epoch_us[self.fleet.segment[who]] - at_us)
        self.set_us[who] = at_us

    def _every(self, device: Int) -> Int:
        every_us: Int = self._every_us[self.fleet.segment[device]]
        return every_us

    def _next_sync_us(self, device: Int, at_us: int) -> Int:
        """The first instants of their grids later than this."""
        every_us, grid_us = self._every(device), self.grid_us[device]
        return grid_us + ((at_us - grid_us) // every_us + 1) * every_us

    def _begin(self, device: Int, since_us: Int, ahead_us: Int) -> None:
        """Begin new stretches; the old ones are kept where readings wait that were sampled in them."""
        holds = self.depth[device] > 0
        who = device[holds]
        earlier = np.full(len(device), -1, np.int64)
        if len(who):
            earlier[holds] = len(self.past) + np.arange(len(who))
            self.past = self.past.with_more(self.now.of(who))
        self.now.earlier[device] = earlier
        self.now.since_us[device] = since_us
        self.now.ahead_us[device] = ahead_us
        if len(self.past) > self._most_kept:
            self._forget()

    def _forget(self) -> None:
        """Drop what no buffer needs any more."""
        self.now.earlier[self.depth == 0] = -1
        kept = np.zeros(len(self.past), np.bool_)
        number = self.now.earlier
        while len(number := number[number >= 0]):
            kept[number] = True
            number = self.past.earlier[number]
        # One place more, so that -1 stays -1.
        place = np.append(np.cumsum(kept) - 1, -1)
        self.past = self.past.of(np.flatnonzero(kept))
        self.past.earlier = place[self.past.earlier]
        self.now.earlier = place[self.now.earlier]
        self._most_kept = max(2 * len(self.past), _LEAST_KEPT)

    # --- faults -------------------------------------------------------------------------------------------------------

    def step(self, step: str, device: Device, at_us: int, by_us: int) -> None:
        """Set clocks forward, or back, by so much."""
        self._wake()
        who = device.astype(np.int64)
        self._change(ClockOrder(step, who, at_us, np.full(len(who), by_us, np.int64), 0))

    def forget(self, step: str, device: Device, at_us: int) -> None:
        """Let clocks show their epoch."""
        self._wake()
        who = device.astype(np.int64)
        segment = self.fleet.segment[who]
        _, ahead_us = self._error(segment, self.fleet.key[who], self.now.of(who), np.int64(at_us))
        self._change(ClockOrder(step, who, at_us, self._epoch_us[segment] - at_us - ahead_us, 0))

    def drift(self, step: str, device: Device, at_us: int, by_e12: int) -> None:
        """Let clocks go faster, or slower, by so much."""
        self._wake()
        who = device.astype(np.int64)
        self._change(ClockOrder(step, who, at_us, np.zeros(len(who), np.int64), by_e12))

    def _change(self, order: ClockOrder) -> None:
        if not len(order.device):
            return
        self.orders.append(order)
        self._shift(order.device, order.at_us, order.step_us, order.drift_e12)

    def end(self, step: str, device: Device, at_us: int) -> None:
        """End the orders of a step that began on these devices: rates are as before, a jump is undone."""
        for order in [one for one in self.orders if one.step == step and one.device[0] in device]:
            left_us = np.where(self._last_set_us(order.device, at_us) <= order.at_us, order.step_us, 0)
            self._shift(order.device, at_us, -left_us, -order.drift_e12)
            self.orders = [one for one in self.orders if one is not order]

    def _shift(self, who: Int, at_us: int, by_us: Int, drift_e12: int) -> None:
        law = self.now.of(who)
        self.set_us[who] = self._last_set_us(who, at_us)
        _, ahead_us = self._error(self.fleet.segment[who], self.fleet.key[who], law, np.int64(at_us))
        self._begin(who, np.full(len(who), at_us, np.int64), ahead_us + by_us)
        self.now.rate_e12[who] += drift_e12
        syncs = who[law.sync_us != NEVER_US]
        self.now.sync_us[syncs] = self._next_sync_us(syncs, at_us)

    def _last_set_us(self, device: Int, at_us: int) -> Int:
        law = self.now.of(device)
        begun_us, _ = self._error(self.fleet.segment[device], self.fleet.key[device], law, np.int64(at_us))
        return np.where(at_us >= law.sync_us, begun_us, self.set_us[device])

    def count(self, rows: Rows, exist: Mask, now_us: int) -> None:
        """Count readings of a block that orders date wrongly by more than a synchronisation may."""
        for order in self.orders:
            mine, here = meet(order.device, rows)
            if not len(here):
                continue
            who = order.device[mine]
            set_us = self._last_set_us(who, now_us)
            since_us = np.maximum(set_us, order.at_us)
            off_us = gained_us(since_us, now_us, np.full(len(who), order.drift_e12, np.int64), 0)
            off_us += np.where(set_us <= order.at_us, order.step_us[mine], 0)
            wrong = (np.abs(off_us) > self._accuracy_us[self.fleet.segment[who]]) & exist[here]
            count = int(np.count_nonzero(wrong))
            if count:
                self.bit(order.step, MISDATED, count)
