"""Store and forward: what a device keeps while it cannot deliver, and sends oldest first when it can again.

A ring a device, in the sensor's own steps. Sequence numbers are implied: what lies in a buffer was sampled without a
gap, because a successful flush empties it and a power cut clears it. So are the times of those who sample periodically;
others, who are event-driven or had a peak (`twin.peaks`), keep them in a second ring. Memory is taken a block of
devices at a time, when the first of them is cut off, and more of it when one of them holds more than any did before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.fleet import Fleet, SampleGroup
from twinstorm.twin.flow import Channel, Device, Int, Mask, Readings
from twinstorm.twin.parts import Part
from twinstorm.twin.resolution import Scale, Steps
from twinstorm.twin.rows import Rows, devices

BLOCK_DEVICES = 4_096
LEAST_PLACES = 32
"""Of a new ring, unless fewer are allowed."""
TILE = 8
"""Neighbouring places of one device that lie side by side: about what one or two lines of the cache hold. More, and
those who fill the same place together touch more memory; fewer, and so does who reads one place after the other."""

READINGS_EVICTED: Final = "readings_evicted"


@dataclass
class Shrinking:
    """An order: these devices have room for so few readings only.

    Attributes:
        device: int64, ascending.
        evicted: readings that it cost and nobody was told of yet.
    """

    step: str
    device: Int
    readings: int
    evicted: int = 0


@dataclass
class Buffers(Part):
    """Rings of one fleet; all columns have one row a device.

    Attributes:
        depth: readings held.
        head: ring position of the oldest.
        first_seq, first_time_us: of the oldest.
        unacked: how many of the oldest have arrived without the device knowing it (a one-way cut); they will repeat.
        stalled: how many of the newest were written to a dead socket at QoS 0; lost if the session is.
        room: places that may be used; fewer than `capacity` while something else takes the memory.
        closed: refused a reading while it held older ones: it takes none until it is empty, for what follows the first
            of them is implied.
    """

    groups: tuple[SampleGroup, ...]
    channels: tuple[int, ...]
    """Channels of each group."""
    step_types: tuple[type[np.signedinteger[Any]], ...]
    """Of the steps of each group."""
    capacity: NDArray[np.int32]
    evict_oldest: NDArray[np.bool_]
    every_us: Int
    bit: Callable[[str, str, int], None]
    """Counts evidence, see `Exhibits.bit`."""
    depth: NDArray[np.int32] = field(init=False)
    head: NDArray[np.int32] = field(init=False)
    first_seq: Int = field(init=False)
    first_time_us: Int = field(init=False)
    unacked: NDArray[np.int32] = field(init=False)
    stalled: NDArray[np.int32] = field(init=False)
    room: NDArray[np.int32] = field(init=False)
    closed: NDArray[np.bool_] = field(init=False)
    evicted: int = 0
    lost_each: Int | None = None
    """See `World.lost_each`; what is evicted is counted here as well."""
    shrinking: list[Shrinking] = field(default_factory=list)
    _rings: dict[int, Steps] = field(default_factory=dict)
    _times: dict[int, Int] = field(default_factory=dict)
    """Instants of what lies in `_rings`, of groups that are `dated`."""
    _first: Int = field(init=False)
    """First device of each group, ascending. `_kind`: a number for its kind."""
    _kind: Int = field(init=False)
    dated: list[bool] = field(init=False)
    """Of each group: the instants of its readings are not implied by a period."""

    def __post_init__(self) -> None:
        n = len(self.capacity)
        self.depth = np.zeros(n, np.int32)
        self.head = np.zeros(n, np.int32)
        self.first_seq = np.zeros(n, np.int64)
        self.first_time_us = np.zeros(n, np.int64)
        self.unacked = np.zeros(n, np.int32)
        self.stalled = np.zeros(n, np.int32)
        self.room = self.capacity
        self.closed = np.zeros(n, np.bool_)
        self.dated = [group.grid_us > 0 for group in self.groups]
        self._first = np.array([group.first for group in self.groups], np.int64)
        names = sorted({group.kind for group in self.groups})
        self._kind = np.array([names.index(group.kind) for group in self.groups], np.int64)

    @classmethod
    def of(
        cls, fleet: Fleet, channels: dict[str, tuple[Channel, ...]], bit: Callable[[str, str, int], None]
    ) -> Buffers:
        segments = fleet.plan.segments
        return cls(
            groups=fleet.groups,
            channels=tuple(len(channels[group.kind]) for group in fleet.groups),
            step_types=tuple(Scale(channels[group.kind]).dtype for group in fleet.groups),
            capacity=np.array([part.buffer_readings for part in segments], np.int32)[fleet.segment],
            evict_oldest=np.array([part.evict_oldest for part in segments], np.bool_)[fleet.segment],
            every_us=fleet.every_us,
            bit=bit,
        )

    def largest_bytes(self) -> int:
        """Memory if every device were cut off."""
        return sum(
            int(self.capacity[group.first : group.last].max(initial=0))
            * (group.last - group.first)
            * (width * np.dtype(of_step).itemsize + (8 if dated else 0))
            for group, width, of_step, dated in zip(
                self.groups, self.channels, self.step_types, self.dated, strict=True
            )
        )

    @property
    def held(self) -> int:
        """Readings that exist nowhere else."""
        return int(self.depth.sum()) - int(self.unacked.sum())

    @property
    def is_idle(self) -> bool:
        return not (self.shrinking or np.count_nonzero(self.depth) or np.count_nonzero(self.stalled))

    def keep(
        self, group: int, device: Int, seq: Int, at_us: Int | int, values: Steps, arrived: NDArray[np.bool_]
    ) -> None:
        """Put one reading of each device into its ring.

        Args:
            group: index of the sample group that all devices belong to.
            device: ascending.
            at_us: when it was sampled, one for all or one each.
            values: steps (n, channels).
            arrived: this reading was delivered as well, but the device will not learn it.
        """
        depth = self.depth[device]
        full = (depth >= self.room[device]) | (self.closed[device] & (depth > 0))
        if full.any():
            oldest = full & self.evict_oldest[device]
            refused = full & ~oldest
            refused |= self.room[device] == 0
            if self.shrinking:
                self._blame(device[oldest & ~refused & (self.unacked[device] == 0)])
                self._blame(device[refused & ~arrived])
            self._evict(device[oldest])
            self.closed[device[refused]] = True
            self._count_evicted(device[refused & ~arrived])
            stay = ~refused
            device, seq, values, arrived = device[stay], seq[stay], values[stay], arrived[stay]
            at_us = at_us if isinstance(at_us, int) else at_us[stay]
            depth = self.depth[device]
        empty = depth == 0
        if empty.any():
            fresh = device[empty]
            self.first_seq[fresh] = seq[empty]
            self.first_time_us[fresh] = at_us if isinstance(at_us, int) else at_us[empty]
            self.head[fresh] = 0
            self.closed[fresh] = False
        position, capacity = self.head[device] + depth, self.capacity[device]
        np.subtract(position, capacity, out=position, where=position >= capacity)
        block = device // BLOCK_DEVICES
        for number in np.flatnonzero(np.bincount(block)).tolist() if len(block) else ():
            rows = slice(*np.searchsorted(block, [number, number + 1]).tolist())
            ring = self._ring(group, number, int(position[rows].max()))
            places = _row(position[rows], device[rows] - number * BLOCK_DEVICES)
            ring[places] = values[rows]
            if self.dated[group]:
                self._times[group << 32 | number][places] = at_us if isinstance(at_us, int) else at_us[rows]
        self.depth[device] = depth + 1
        if arrived.any():
            self.unacked[device] += arrived

    def turn_away(self, rows: Rows, held: Mask) -> bool:
        """Lose what these devices of a block would keep, if none of the block has any room. Returns whether."""
        if self.shrinking or self.room[rows].any():
            return False
        if self.lost_each is None:
            self.evicted += int(np.count_nonzero(held))
        else:
            self._count_evicted(devices(rows, np.flatnonzero(held)))
        return True

    def _evict(self, device: Int) -> None:
        device = device[self.room[device] > 0]
        self._count_evicted(device[self.unacked[device] == 0])
        self._forget_oldest(device, np.ones(len(device), np.int64))

    def shrink(self, step: str, device: Device, readings: int) -> None:
        """Leave these devices room for so many readings; what they hold beyond that goes as their firmware says.

        Args:
            device: ascending.
        """
        order = Shrinking(step, device.astype(np.int64), readings)
        self.shrinking.append(order)
        self._make_room()
        excess = np.maximum(self.depth[device] - self.room[device], 0)
        over = np.flatnonzero(excess)
        who, excess = order.device[over], excess[over]
        unacked, oldest = self.unacked[who], self.evict_oldest[who]
        self.depth[who] -= excess
        gone = np.where(oldest, excess, 0)
        self.head[who] = (self.head[who] + gone) % np.maximum(self.capacity[who], 1)
        self.first_seq[who] += gone
        self.first_time_us[who] += gone * self.every_us[who]
        self.unacked[who] = np.where(oldest, np.maximum(unacked - excess, 0), np.minimum(unacked, self.depth[who]))
        stalled = np.where(oldest, self.stalled[who], np.maximum(self.stalled[who] - excess, 0))
        self.stalled[who] = np.minimum(stalled, self.depth[who])
        self.closed[who] = ~oldest
        lost = excess - (unacked - self.unacked[who])
        order.evicted += int(lost.sum())
        self._count_evicted(who, lost)
        self.bit(step, READINGS_EVICTED, self._shrunk(step))

    def shrink_no_more(self, step: str, device: Device) -> None:
        """Give these devices back the room that a step took."""
        mine = [order for order in self.shrinking if order.step == step and np.isin(order.device, device).all()]
        self.bit(step, READINGS_EVICTED, self._shrunk(step))
        self.shrinking = [order for order in self.shrinking if all(order is not ended for ended in mine)]
        self._make_room()

    def count_evidence(self, step: str) -> None:
        evicted = self._shrunk(step)
        if evicted:
            self.bit(step, READINGS_EVICTED, evicted)

    def _shrunk(self, step: str) -> int:
        """Readings that a step has pushed out since the last call."""
        mine = [order for order in self.shrinking if order.step == step]
        cost = sum(order.evicted for order in mine)
        for order in mine:
            order.evicted = 0
        return cost

    def _count_evicted(self, device: Int, number: Int | int = 1) -> None:
        """These devices, each once, lost so many readings."""
        self.evicted += number * len(device) if isinstance(number, int) else int(number.sum())
        if self.lost_each is not None:
            self.lost_each[device] += number

    def _make_room(self) -> None:
        self.room = self.capacity.copy() if self.shrinking else self.capacity
        for order in self.shrinking:
            self.room[order.device] = np.minimum(self.room[order.device], order.readings)

    def _blame(self, device: Int) -> None:
        """Each of these devices lost a reading: the first order that leaves it so little room has to answer for it."""
        for order in self.shrinking:
            tight = (self.room[device] == order.readings) & (order.readings < self.capacity[device])
            mine = tight & np.isin(device, order.device)
            order.evicted += int(np.count_nonzero(mine))
            device = device[~mine]

    def _ring(self, group: int, block: int, top: int) -> Steps:
        """Ring of one block, with room for this place; a block may span groups, so it is keyed by both.

        Devices that fall silent together fill the same places: their tiles lie together, and there are no more of them
        than somebody has needed. A row for each place, see `_row`.
        """
        key = group << 32 | block
        ring = self._rings.get(key)
        if ring is None or top >= len(ring) // BLOCK_DEVICES:
            here = self.groups[group]
            most = int(self.capacity[here.first : here.last].max())
            places = min(max(2 * top, LEAST_PLACES), most)
            rows = -(-places // TILE) * TILE * BLOCK_DEVICES
            ring = self._rings[key] = _grown(ring, (rows, self.channels[group]), self.step_types[group])
            if self.dated[group]:
                self._times[key] = _grown(self._times.get(key), (rows,), np.int64)
        return ring

    def date(self, group: int) -> None:
        """From now on devices of this group sample at other instants as well: keep them all, beside those so far."""
        if self.dated[group]:
            return
        self.dated[group] = True
        here = self.groups[group]
        for key, ring in self._rings.items():
            if key >> 32 != group:
                continue
            first = (key & 0xFFFFFFFF) * BLOCK_DEVICES
            device = np.arange(max(first, here.first), min(first + BLOCK_DEVICES, here.last))
            place = np.arange(len(ring) // BLOCK_DEVICES)[:, np.newaxis]
            nth = (place - self.head[device]) % np.maximum(self.capacity[device], 1)
            times = self._times[key] = np.zeros(len(ring), np.int64)
            times[_row(place, device - first)] = self.first_time_us[device] + nth * here.every_us

    def _read(self, code: Int, device: Int, number: Int, nth: Int) -> tuple[Steps, Int]:
        """The oldest readings of each of these devices: steps (n, channels), and when they were made.

        Args:
            code: sample group of each device, all of one kind. number: how many of each.
            nth: of each reading, counted from the oldest of its device.
        """
        position = np.repeat(self.head[device], number) + nth
        capacity = np.repeat(self.capacity[device], number)
        np.subtract(position, capacity, out=position, where=position >= capacity)
        at_us = np.repeat(self.first_time_us[device], number) + nth * np.repeat(self.every_us[device], number)
        group = int(code[0])
        values = np.empty((len(nth), self.channels[group]), self.step_types[group])
        block = device // BLOCK_DEVICES
        places = _row(position, np.repeat(device - block * BLOCK_DEVICES, number))
        # Ring by ring: devices in that order, and behind them their readings.
        key = (code << 32) | block
        order = np.argsort(key, kind="stable")
        key, many = key[order], number[order]
        first = np.cumsum(number) - number
        rows = np.repeat(first[order] - (np.cumsum(many) - many), many) + np.arange(len(nth))
        ends = np.append(np.flatnonzero(key[1:] != key[:-1]) + 1, len(key))
        upto = np.cumsum(many)[ends - 1].tolist()
        for ring, low, high in zip(key[ends - 1].tolist(), [0, *upto[:-1]], upto, strict=True):
            mine = rows[low:high]
            values[mine] = self._rings[ring][places[mine]]
            if self.dated[ring >> 32]:
                at_us[mine] = self._times[ring][places[mine]]
        return values, at_us

    def drop(self, device: Int) -> Int:
        """Forget everything these devices hold (power is gone). Returns readings of each that existed nowhere else."""
        lost = self.depth[device].astype(np.int64) - self.unacked[device]
        self._clear(device)
        return lost

    def drop_stalled(self, device: Int) -> Int:
        """Forget the newest readings that went into a dead socket at QoS 0. Returns how many of each."""
        lost = self.stalled[device].astype(np.int64)
        self.depth[device] -= self.stalled[device]
        self.stalled[device] = 0
        return lost

    def take(
        self,
        device: Int,
        number: Int,
        at_us: Int,
        boot: NDArray[np.int32],
        scales: Mapping[str, Scale],
        apart: bool = True,
    ) -> list[tuple[Readings, Int]]:
        """Take the oldest readings of these devices.

        Args:
            device: each once, in the order in which they send.
            number: how many of each, at most what it holds.
            at_us: when each sends, int64.
            boot: the fleet's boot column.
            scales: of each kind.
            apart: sample groups of one kind do not come together.

        Returns:
            Sparse readings per kind, those sent again apart, each with the row of `device` that sent it (int64).
        """
        rows = np.flatnonzero(number > 0)
        code = np.searchsorted(self._first, device[rows], side="right") - 1
        order = np.argsort(code, kind="stable")
        rows, code = rows[order], code[order]
        what = code if apart else self._kind[code]
        edges = [0, *(np.flatnonzero(what[1:] != what[:-1]) + 1).tolist(), len(rows)]
        taken = []
        for low, high in pairwise(edges):
            if low == high:
                continue
            mine = rows[low:high]
            who, many, kind = device[mine], number[mine].astype(np.int64), self.groups[int(code[low])].kind
            sender = np.repeat(mine, many)
            owner = device[sender]
            nth = np.arange(len(owner), dtype=np.int64) - np.repeat(np.cumsum(many) - many, many)
            values, made_us = self._read(code[low:high], who, many, nth)
            for duplicate, part in self._parts(who, owner, nth):
                who_sends, nth_sent = owner[part], nth[part]
                readings = Readings(
                    kind=kind,
                    device=who_sends.astype(np.int32),
                    boot=boot[who_sends],
                    seq=self.first_seq[who_sends] + nth_sent,
                    device_time_us=made_us[part],
                    sent_us=at_us[sender[part]],
                    values=scales[kind].readings_of(values[part]),
                    duplicate=duplicate,
                )
                taken.append((readings, sender[part]))
            self._forget_oldest(who, many)
        return taken

    def _forget_oldest(self, device: Int, number: Int) -> None:
        """The first of those that stay are now the oldest."""
        self.head[device] = (self.head[device] + number) % self.capacity[device]
        self.depth[device] -= number
        self.first_seq[device] += number
        self.first_time_us[device] += number * self.every_us[device]
        self.unacked[device] = np.maximum(self.unacked[device] - number, 0)
        self.stalled[device] = np.minimum(self.stalled[device], self.depth[device])

    def _parts(self, device: Int, owner: Int, nth: Int) -> list[tuple[bool, slice | NDArray[np.bool_]]]:
        """Which of the n-th oldest readings of their owners, who are these devices, have arrived already, and which
        have not."""
        if not self.unacked[device].any():
            return [(False, slice(None))]
        again = nth < self.unacked[owner]
        return [(repeated, part) for repeated, part in ((True, again), (False, ~again)) if part.any()]

    def disown(self, device: Int, seq: Int) -> int:
        """Take back that these readings have arrived. Returns how many of them are held, as the newest that had."""
        order = np.lexsort((-seq, device))
        device, seq = device[order], seq[order]
        held = 0
        while len(device):
            first = np.ones(len(device), np.bool_)
            first[1:] = device[1:] != device[:-1]
            who = device[first]
            newest = (self.unacked[who] > 0) & (seq[first] == self.first_seq[who] + self.unacked[who] - 1)
            self.unacked[who[newest]] -= 1
            held += int(np.count_nonzero(newest))
            device, seq = device[~first], seq[~first]
        return held

    def _clear(self, device: Int) -> None:
        self.depth[device] = 0
        self.unacked[device] = 0
        self.stalled[device] = 0


def _row(place: Int, device: Int) -> Int:
    """Where a place of a device, both counted within their block, lies in its ring."""
    row: Int = (place // TILE * BLOCK_DEVICES + device) * TILE + place % TILE
    return row


def _grown(ring: NDArray[Any] | None, shape: tuple[int, ...], dtype: type[np.integer]) -> NDArray[Any]:
    """A larger ring that holds what the former one did."""
    grown = np.zeros(shape, dtype)
    if ring is not None:
        grown[: len(ring)] = ring
    return grown
