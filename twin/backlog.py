"""Messages that wait: many queues, first in, first out, in one table, however differently long they are.

The messages are rows of a pool; a queue is a ring of row numbers. Only queues that hold something have a ring, so that
one long queue does not make thirty thousand empty ones long. `Parcels` makes messages of readings, and the reverse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Channel, Device, Int, Readings, Values

_LEAST = 64


@dataclass(frozen=True, slots=True)
class Messages:
    """Readings of devices of any kind that wait or travel, one row a reading.

    Attributes:
        gateway: int64, who carries it.
        kind: int16, code of the kind of its device.
        device, boot, seq, device_time_us, sent_us: as in `Readings`.
        at_us: int64, when it reached the gateway.
        values: float32 (n, widest kind), NaN behind the channels of its kind.
    """

    gateway: Int
    kind: NDArray[np.int16]
    device: Device
    boot: Device
    seq: Int
    device_time_us: Int
    sent_us: Int
    at_us: Int
    values: Values

    def __len__(self) -> int:
        return len(self.gateway)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Messages:
        return Messages(*(getattr(self, name)[rows] for name in COLUMNS))


COLUMNS = tuple(each.name for each in fields(Messages))


def nothing(width: int) -> Messages:
    """No message, of so many channels."""
    n = np.zeros(0, np.int64)
    return Messages(
        n, n.astype(np.int16), n.astype(np.int32), n.astype(np.int32), n, n, n, n, np.zeros((0, width), np.float32)
    )


def joined(parts: Sequence[Messages]) -> Messages:
    """One after the other; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return Messages(*(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS))


def runs(column: Int) -> tuple[Int, Int, Int]:
    """Of a sorted column: its values, how often each stands there, and the place of each row within its run."""
    if not len(column):
        return column, column, column
    first = np.flatnonzero(np.append(True, column[1:] != column[:-1]))
    count = np.diff(np.append(first, len(column)))
    return column[first], count, np.arange(len(column)) - np.repeat(first, count)


def highest_so_far(column: Int, run: Int) -> Int:
    """Of each row the largest value so far in its run; runs are numbered from 0, ascending."""
    if not len(column):
        return column
    lowest = int(column.min())
    span = int(column.max()) - lowest + 1
    highest: Int = np.maximum.accumulate(column - lowest + run * span) - run * span + lowest
    return highest


class Parcels:
    """Makes messages of the readings of one fleet, and readings of messages.

    Args:
        channels: of each kind.
        kinds: kind of each segment. segment: of each device.

    Attributes:
        kinds: by the code that messages have.
        kind: int16, its code, a row a device.
        widest: channels of the widest kind.
    """

    def __init__(self, channels: Mapping[str, tuple[Channel, ...]], kinds: Sequence[str], segment: Int) -> None:
        self.kinds = tuple(sorted(channels))
        self.kind: NDArray[np.int16] = np.array([self.kinds.index(name) for name in kinds], np.int16)[segment]
        self._width = tuple(len(channels[name]) for name in self.kinds)
        self.widest = max(self._width)

    def messages(self, readings: Readings, rows: Int, at_us: Int, carrier: Int) -> Messages:
        """Of these rows of readings, which reach whoever carries them at these instants."""
        device = readings.device[rows]
        values = readings.values[rows]
        padded = np.full((len(rows), self.widest), np.nan, np.float32)
        padded[:, : values.shape[1]] = values
        return Messages(
            gateway=carrier,
            kind=self.kind[device],
            device=device,
            boot=readings.boot[rows],
            seq=readings.seq[rows],
            device_time_us=readings.device_time_us[rows],
            sent_us=readings.sent_us[rows],
            at_us=at_us,
            values=padded,
        )

    def readings(self, messages: Messages) -> list[tuple[Readings, Int]]:
        """Per kind, with the rows of `messages`."""
        found = []
        for code in np.flatnonzero(np.bincount(messages.kind)).tolist():
            rows = np.flatnonzero(messages.kind == code)
            part = messages.take(rows)
            values = np.asfortranarray(part.values[:, : self._width[code]])
            kind = self.kinds[code]
            one = Readings(kind, part.device, part.boot, part.seq, part.device_time_us, part.sent_us, values)
            found.append((one, rows))
        return found


class Backlog:
    """Queues of messages.

    Args:
        queues: how many. width: channels of the widest kind.

    Attributes:
        depth: int64, messages in each.
    """

    def __init__(self, queues: int, width: int) -> None:
        self.depth: Int = np.zeros(queues, np.int64)
        self._pool = nothing(width)
        self._free: Int = np.zeros(0, np.int64)
        """Rows of the pool that hold nothing; the first `_idle` of them count."""
        self._idle = 0
        self._slot: Int = np.full(queues, -1, np.int64)
        self._ring: NDArray[np.int64] = np.zeros((0, _LEAST), np.int64)
        self._head: Int = np.zeros(0, np.int64)
        self._spare: list[int] = []

    @property
    def held(self) -> int:
        return int(self.depth.sum())

    def devices(self) -> Device:
        """Whose messages wait, one a message, in any order."""
        used = np.ones(len(self._pool), np.bool_)
        used[self._free[: self._idle]] = False
        return self._pool.device[used]

    # --- messages -----------------------------------------------------------------------------------------------------

    def put(self, queue: Int, messages: Messages) -> None:
        """Behind what waits there.

        Args:
            queue: of each message, ascending; messages of one queue in their order.
        """
        self._enter(queue, self._store(messages), front=False)

    def put_back(self, queue: Int, messages: Messages) -> None:
        """As `put`, in front of what waits there."""
        self._enter(queue, self._store(messages), front=True)

    def take(self, queue: Int, count: Int, newest: bool = False) -> Messages:
        """Take so many out of each of these queues, which are distinct and ascending: in order, queue by queue."""
        rows = self._leave(queue, count, newest)
        taken = self._pool.take(rows)
        self._release(rows)
        return taken

    def drop(self, queue: Int, count: Int, newest: bool = False) -> Device:
        """Forget so many of each of these queues, which are distinct and ascending. Returns whose, one a message."""
        rows = self._leave(queue, count, newest)
        self._release(rows)
        whose: Device = self._pool.device[rows]
        return whose

    def move(self, source: Int, target: Int) -> None:
        """Put all that waits in queues behind what waits in others; both distinct, `target` ascending."""
        count = self.depth[source]
        rows = self._leave(source, count, newest=False)
        self._enter(np.repeat(target, count), rows, front=False)

    def ready(self, queue: Int, until_us: Int, most: Int) -> Int:
        """How many from the front of each of these queues, which hold something, came by an instant; at most so many.

        Args:
            until_us, most: of each queue.
        """
        slot = self._slot[queue]
        nth = np.arange(int(np.minimum(most, self.depth[queue]).max(initial=0)))
        place = (self._head[slot][:, None] + nth) % self._ring.shape[1]
        is_here = (nth < np.minimum(most, self.depth[queue])[:, None]) & (
            self._pool.at_us[self._ring[slot[:, None], place]] <= until_us[:, None]
        )
        count: Int = np.logical_and.accumulate(is_here, axis=1).sum(axis=1)
        return count

    def oldest_us(self, queue: Int) -> Int:
        """When the first message of each of these queues, which hold something, reached its gateway."""
        slot = self._slot[queue]
        rows = self._ring[slot, self._head[slot]]
        oldest: Int = self._pool.at_us[rows]
        return oldest

    # --- pool ---------------------------------------------------------------------------------------------------------

    def _store(self, messages: Messages) -> Int:
        n = len(messages)
        if n > self._idle:
            self._grow(n)
        rows = self._free[self._idle - n : self._idle].copy()
        self._idle -= n
        for name in COLUMNS:
            getattr(self._pool, name)[rows] = getattr(messages, name)
        return rows

    def _grow(self, wanted: int) -> None:
        before = len(self._pool)
        size = max(2 * before, before + wanted, _LEAST)
        columns = []
        for name in COLUMNS:
            column = getattr(self._pool, name)
            larger = np.zeros((size, *column.shape[1:]), column.dtype)
            larger[:before] = column
            columns.append(larger)
        self._pool = Messages(*columns)
        free = np.zeros(size, np.int64)
        free[: self._idle] = self._free[: self._idle]
        free[self._idle : self._idle + size - before] = np.arange(before, size)
        self._free, self._idle = free, self._idle + size - before

    def _release(self, rows: Int) -> None:
        self._free[self._idle : self._idle + len(rows)] = rows
        self._idle += len(rows)

    # --- rings --------------------------------------------------------------------------------------------------------

    def _enter(self, queue: Int, rows: Int, front: bool) -> None:
        if not len(rows):
            return
        queues, count, nth = runs(queue)
        self._make_room(queues, int((self.depth[queues] + count).max()))
        slots, slot = self._slot[queues], self._slot[queue]
        width = self._ring.shape[1]
        if front:
            self._head[slots] = (self._head[slots] - count) % width
            place = self._head[slot] + nth
        else:
            place = self._head[slot] + self.depth[queue] + nth
        self._ring[slot, place % width] = rows
        self.depth[queues] += count

    def _leave(self, queue: Int, count: Int, newest: bool) -> Int:
        some = count > 0
        queue, count = queue[some], count[some]
        slot = self._slot[queue]
        width = self._ring.shape[1]
        first = self._head[slot] + (self.depth[queue] - count if newest else 0)
        nth = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        rows: Int = self._ring[np.repeat(slot, count), (np.repeat(first, count) + nth) % width]
        if not newest:
            self._head[slot] = (self._head[slot] + count) % width
        self.depth[queue] -= count
        empty = queue[self.depth[queue] == 0]
        self._spare.extend(self._slot[empty].tolist())
        self._slot[empty] = -1
        return rows

    def _make_room(self, queues: Int, longest: int) -> None:
        slots, width = self._ring.shape
        if longest > width:
            wider = np.zeros((slots, max(2 * width, longest)), np.int64)
            place = (self._head[:, None] + np.arange(width)) % width
            wider[:, :width] = np.take_along_axis(self._ring, place, axis=1)
            self._head[:] = 0
            self._ring = wider
        fresh = queues[self._slot[queues] < 0]
        missing = len(fresh) - len(self._spare)
        if missing > 0:
            more = max(missing, slots)
            self._ring = np.concatenate([self._ring, np.zeros((more, self._ring.shape[1]), np.int64)])
            self._head = np.concatenate([self._head, np.zeros(more, np.int64)])
            self._spare.extend(range(slots + more - 1, slots - 1, -1))
        chosen = np.array([self._spare.pop() for _ in range(len(fresh))], np.int64)
        self._slot[fresh] = chosen
        self._head[chosen] = 0
