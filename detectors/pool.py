"""A pool that processes messages, as a model: partitions, consumers that take turns with them, scaling, crashes.

Messages of a device go to one partition, and a partition is read in order by one consumer at a time: so the order of a
device is kept whatever happens. Service takes a fixed time. Within a step of `step_us` everything is exact to the
microsecond (a consumer is a FIFO server, `departure = C_i + max(free, max_{j<=i}(arrival_j - C_{j-1}))`); consumers are
added, removed or lost between steps. A row may stand for many messages. A step costs what it serves, whatever waits.

Nothing here draws lots or looks at a clock: the same arrivals give the same departures.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

import numpy as np

from twinstorm.twin.flow import MINUTE_US, SECOND_US, Int, Mask


class By(StrEnum):
    """What a pool is scaled by."""

    NONE = "none"
    CPU = "cpu"
    """Share of the step in which its consumers were busy; new number = number * share / target, rounded up: the formula
    of Kubernetes' Horizontal Pod Autoscaler, with its tolerance."""
    LAG = "lag"
    """Messages that wait, over `target` of them a consumer, rounded up: as KEDA's scaler for Kafka has it."""


TOLERANCE: Final = 0.1
"""A ratio so near to 1 changes nothing (Kubernetes' default)."""


@dataclass(frozen=True)
class Scaling:
    """When consumers come and go.

    Attributes:
        target: busy share with `CPU`; waiting messages a consumer with `LAG`.
        least, most: consumers; none is started beyond the number of partitions.
        down_after_us: for how long fewer must have been enough before any goes (Kubernetes: 5 min).
    """

    by: By = By.NONE
    target: float = 0.7
    least: int = 1
    most: int = 64
    down_after_us: int = 5 * MINUTE_US

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most or self.target <= 0:
            raise ValueError("a pool has at least one consumer, at most no fewer than at least, and a target above 0")

    def wanted(self, now: int, busy_share: float, lag: int) -> int:
        """How many consumers there should be, of so many."""
        if self.by is By.NONE:
            return now
        if self.by is By.CPU:
            ratio = busy_share / self.target
            wanted = now if abs(ratio - 1.0) <= TOLERANCE else math.ceil(now * ratio)
        else:
            wanted = math.ceil(lag / self.target)
        return min(max(wanted, self.least), self.most)


@dataclass(frozen=True)
class PoolSettings:
    """
    Attributes:
        service_us: of one message, on one consumer.
        start_us: from the decision to have one more consumer until it takes messages; after a crash as well.
        checkpoint_us: how often a consumer notes how far it is; after a crash it begins there again. 0: after each row.
        room: messages that may wait at the end of a step; None: any number. sheds: which of them go if there are
            more, but never those that are served once more.
    """

    partitions: int
    consumers: int
    service_us: int
    start_us: int = 30 * SECOND_US
    checkpoint_us: int = 0
    scaling: Scaling = field(default_factory=Scaling)
    step_us: int = SECOND_US
    room: int | None = None
    sheds: Literal["newest", "oldest"] = "newest"

    def __post_init__(self) -> None:
        if min(self.partitions, self.consumers, self.service_us, self.step_us) < 1:
            raise ValueError("partitions, consumers, service and step are at least 1")
        if min(self.start_us, self.checkpoint_us) < 0:
            raise ValueError("no time is negative")


@dataclass(frozen=True)
class Done:
    """Rows that were served, in order of their end.

    Attributes:
        row: int64, number of the row, as it was handed in. partition, arrival_us, start_us, end_us, messages: int64.
        again: bool, served before, and once more since a crash.
        settled: int64, rows that have ended and that no crash brings back any more.
        shed: int64, rows that found no room.
    """

    row: Int
    partition: Int
    arrival_us: Int
    start_us: Int
    end_us: Int
    messages: Int
    again: Mask
    settled: Int
    shed: Int

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Step:
    """The pool at the end of a step.

    Attributes:
        consumers: that take messages. starting: that do not yet. lag: messages that wait. busy_share: of the step.
    """

    at_us: int
    consumers: int
    starting: int
    lag: int
    busy_share: float


_COLUMNS: Final = 7
_ROW, _PARTITION, _ARRIVAL, _MESSAGES, _AGAIN, _READY, _BY = range(_COLUMNS)
"""Of a row. `_READY`: when it may begin at the earliest, and once it has begun, when it ends. `_BY`: its consumer."""


@dataclass
class _Consumer:
    """From when it takes messages, and when it is through with those that it has begun."""

    ready_us: int
    free_us: int


class _Line:
    """Rows of one partition that wait, in order of arrival."""

    def __init__(self) -> None:
        self._blocks: deque[Int] = deque()

    def add(self, rows: Int) -> None:
        self._blocks.append(rows)

    def put_back(self, rows: Int) -> None:
        """They were read before all that waits."""
        self._blocks.appendleft(rows)

    def first(self, most: int) -> Int:
        """The first rows, at most so many; they stay."""
        found, count = [], 0
        for block in self._blocks:
            if count >= most:
                break
            found.append(block[:, : most - count])
            count += found[-1].shape[1]
        return found[0] if len(found) == 1 else np.concatenate([_no_rows(), *found], axis=1)

    def drop(self, count: int) -> None:
        """The first rows are read."""
        while count:
            block = self._blocks.popleft()
            if block.shape[1] > count:
                self._blocks.appendleft(block[:, count:])
                return
            count -= block.shape[1]

    def all(self) -> Int:
        return np.concatenate([_no_rows(), *self._blocks], axis=1)

    @property
    def oldest_us(self) -> int | None:
        """Arrival of what has waited longest; None: nothing waits."""
        return min((int(block[_ARRIVAL, 0]) for block in self._blocks if block.shape[1]), default=None)

    def keep(self, kept: Mask) -> None:
        """Of `all` these alone."""
        self._blocks = deque([self.all()[:, kept]])


class Pool:
    """
    Attributes:
        now_us: end of the last step. newest: what it was like; None before the first.
        lag: messages that wait. rows: that were handed in so far.
        done: messages that were served, those that were served again included. replayed: messages that were served and
            are once more since a crash. shed: messages that found no room.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self.newest: Step | None = None
        self.now_us = self.lag = self.rows = self.done = self.replayed = self.shed = 0
        self._consumers = [_Consumer(0, 0) for _ in range(settings.consumers)]
        self._lines = [_Line() for _ in range(settings.partitions)]
        self._recent = _no_rows()
        """Begun rows that have not ended, or ended since the last checkpoint."""
        self._partition_free_us: Int = np.zeros(settings.partitions, np.int64)
        """When what was begun of each partition is through: who takes it over waits for that."""
        self._enough_since_us: int | None = None

    @property
    def consumers(self) -> int:
        """That take messages, or will."""
        return len(self._consumers)

    @property
    def oldest_us(self) -> int | None:
        """Arrival of the message that has waited longest; None: none waits."""
        return min((at_us for line in self._lines if (at_us := line.oldest_us) is not None), default=None)

    def offer(self, arrival_us: Int, partition: Int, messages: Int | int = 1) -> None:
        """Hand in messages of the next step.

        Args:
            arrival_us: int64 (n,), ascending, not before the end of the last step.
            partition: int64 (n,), of each: something of the device's key, modulo their number.
            messages: for how many each row stands.

        Raises:
            ValueError: these are none of the next step, or there is no such partition.
        """
        n = len(arrival_us)
        if not n:
            return
        end_us = self.now_us + self.settings.step_us
        if (np.diff(arrival_us) < 0).any() or arrival_us[0] < self.now_us or arrival_us[-1] >= end_us:
            raise ValueError(f"arrivals must ascend from {self.now_us} us to before {end_us} us")
        if partition.min() < 0 or partition.max() >= self.settings.partitions:
            raise ValueError(f"there are partitions 0 to {self.settings.partitions - 1}")
        rows = np.zeros((_COLUMNS, n), np.int64)
        rows[_ROW] = np.arange(self.rows, self.rows + n)
        rows[_PARTITION], rows[_ARRIVAL], rows[_MESSAGES], rows[_READY] = partition, arrival_us, messages, arrival_us
        self.rows += n
        self.lag += int(rows[_MESSAGES].sum())
        self._add(rows)

    def step(self) -> Done:
        """Serve until the end of the next step. Returns what ended in it."""
        begin_us, end_us = self.now_us, self.now_us + self.settings.step_us
        active = [number for number, each in enumerate(self._consumers) if each.ready_us <= begin_us]
        busy_us = 0
        for turn, number in enumerate(active):
            consumer = self._consumers[number]
            # What it had begun before, then what it begins.
            busy_us += max(min(consumer.free_us, end_us) - begin_us, 0)
            begun = self._begin(consumer, self._lines[turn :: len(active)], end_us)
            begun[_BY] = number
            starts_us = begun[_READY] - begun[_MESSAGES] * self.settings.service_us
            busy_us += int((np.minimum(begun[_READY], end_us) - starts_us).sum())
            self._recent = np.concatenate([self._recent, begun], axis=1)
        self.now_us = end_us
        told = self._told(begin_us, end_us)
        share = busy_us / (len(active) * self.settings.step_us) if active else 0.0
        self.newest = Step(end_us, len(active), len(self._consumers) - len(active), self.lag, share)
        self._scale(share)
        return told

    def crash(self, consumer: int) -> int:
        """A consumer dies now and starts again; until it has, the others serve its partitions.

        Returns:
            Messages that are served once more: those since the last checkpoint.
        """
        mine = self._recent[_BY] == consumer
        back = self._recent[:, mine & (self._recent[_READY] > self._checkpoint_us())]
        self._recent = self._recent[:, ~mine]
        # What it had not ended is simply not done; the rest is done twice.
        back[_AGAIN] |= back[_READY] <= self.now_us
        count = int(back[_MESSAGES][back[_READY] <= self.now_us].sum())
        self._partition_free_us[back[_PARTITION]] = self.now_us
        back[_READY] = self.now_us
        self.lag += int(back[_MESSAGES].sum())
        self._add(back[:, np.argsort(back[_ROW], kind="stable")], back=True)
        ready_us = self.now_us + self.settings.start_us
        self._consumers[consumer] = _Consumer(ready_us, ready_us)
        self.replayed += count
        return count

    def _add(self, rows: Int, *, back: bool = False) -> None:
        """Let rows, in order of their numbers, wait in their lines."""
        if not rows.shape[1]:
            return
        rows = rows[:, np.argsort(rows[_PARTITION], kind="stable")]
        of, first = np.unique(rows[_PARTITION], return_index=True)
        for partition, mine in zip(of.tolist(), np.split(rows, first[1:], axis=1), strict=True):
            line = self._lines[partition]
            (line.put_back if back else line.add)(mine)

    def _begin(self, consumer: _Consumer, lines: list[_Line], end_us: int) -> Int:
        """Those of a consumer's rows that begin before the end, with when they end; they wait no more."""
        left_us = end_us - max(consumer.free_us, self.now_us)
        most = -(-left_us // self.settings.service_us)
        if most <= 0 or not lines:
            return _no_rows()
        heads = [line.first(most) for line in lines]
        waits = np.concatenate(heads, axis=1)
        order = np.argsort(waits[_ROW], kind="stable")[:most]
        waits = waits[:, order]
        service_us = waits[_MESSAGES] * self.settings.service_us
        ready_us = np.maximum(waits[_READY], self._partition_free_us[waits[_PARTITION]])
        spent_us = np.cumsum(service_us)
        free_us = max(consumer.free_us, self.now_us)  # who takes over a backlog begins with it now
        ends_us = spent_us + np.maximum(np.maximum.accumulate(ready_us - (spent_us - service_us)), free_us)
        count = int(np.searchsorted(ends_us - service_us, end_us))
        begun = waits[:, :count].copy()
        if count:
            begun[_READY] = ends_us[:count]
            consumer.free_us = int(ends_us[count - 1])
            np.maximum.at(self._partition_free_us, begun[_PARTITION], begun[_READY])
            self.lag -= int(begun[_MESSAGES].sum())
            of = np.repeat(np.arange(len(heads)), [head.shape[1] for head in heads])[order[:count]]
            for line, read in zip(lines, np.bincount(of, minlength=len(lines)).tolist(), strict=True):
                line.drop(read)
        return begun

    def _told(self, begin_us: int, end_us: int) -> Done:
        ended = self._recent[:, (self._recent[_READY] > begin_us) & (self._recent[_READY] <= end_us)]
        ended = ended[:, np.lexsort((ended[_ROW], ended[_READY]))]
        may_return = self._recent[_READY] > self._checkpoint_us()
        settled = np.sort(self._recent[_ROW, ~may_return])
        self._recent = self._recent[:, may_return]
        self.done += int(ended[_MESSAGES].sum())
        starts_us = ended[_READY] - ended[_MESSAGES] * self.settings.service_us
        return Done(
            row=ended[_ROW],
            partition=ended[_PARTITION],
            arrival_us=ended[_ARRIVAL],
            start_us=starts_us,
            end_us=ended[_READY],
            messages=ended[_MESSAGES],
            again=ended[_AGAIN] > 0,
            settled=settled,
            shed=self._shed(),
        )

    def _shed(self) -> Int:
        """Make room. Returns the rows that go, ascending."""
        room = self.settings.room
        if room is None or self.lag <= room:
            return np.empty(0, np.int64)
        waits = [line.all() for line in self._lines]
        fresh = np.concatenate([rows[:, rows[_AGAIN] == 0] for rows in waits], axis=1)
        order = np.argsort(fresh[_ROW], kind="stable")
        if self.settings.sheds == "newest":
            order = order[::-1]
        # Whole rows, until there is room.
        gone_after = np.cumsum(fresh[_MESSAGES, order])
        count = min(int(np.searchsorted(gone_after, self.lag - room)) + 1, len(order))
        gone = np.sort(fresh[_ROW, order[:count]])
        for line, rows in zip(self._lines, waits, strict=True):
            line.keep(~np.isin(rows[_ROW], gone, assume_unique=True))
        messages = int(gone_after[count - 1]) if count else 0
        self.lag -= messages
        self.shed += messages
        return gone

    def _checkpoint_us(self) -> int:
        """The last one so far."""
        every_us = self.settings.checkpoint_us
        return self.now_us if every_us == 0 else self.now_us // every_us * every_us

    def _scale(self, busy_share: float) -> None:
        scaling, now = self.settings.scaling, len(self._consumers)
        wanted = scaling.wanted(now, busy_share, self.lag)
        if scaling.by is By.CPU and wanted > now and self.newest is not None:
            # As Kubernetes has it: those that start count as idle ones, or each step would ask for more of them.
            wanted = max(scaling.wanted(now, busy_share * self.newest.consumers / now, self.lag), now)
        if wanted > now:
            wanted = max(min(wanted, self.settings.partitions), now)  # more would have nothing to read
        if wanted >= now:
            self._enough_since_us = None
            ready_us = self.now_us + self.settings.start_us
            self._consumers += [_Consumer(ready_us, ready_us) for _ in range(wanted - now)]
            return
        if self._enough_since_us is None:
            self._enough_since_us = self.now_us
        if self.now_us - self._enough_since_us >= scaling.down_after_us:
            # What those have begun they finish; their partitions wait for it.
            del self._consumers[wanted:]
            self._enough_since_us = None


def _no_rows() -> Int:
    return np.empty((_COLUMNS, 0), np.int64)
