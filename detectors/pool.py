"""A pool that processes messages, as a model: partitions, consumers that take turns with them, scaling, crashes.

Messages of a device go to one partition, and a partition is read in order by one consumer at a time: so the order of a
device is kept whatever happens. Service takes a fixed time. Within a step of `step_us` everything is exact to the
microsecond (a consumer is a FIFO server, `departure = C_i + max(free, max_{j<=i}(arrival_j - C_{j-1}))`); consumers are
added, removed or lost between steps. A row may stand for many messages, so that a backlog of any size is as cheap as
the number of its rows.

Nothing here draws lots or looks at a clock: the same arrivals give the same departures.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

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
    """

    partitions: int
    consumers: int
    service_us: int
    start_us: int = 30 * SECOND_US
    checkpoint_us: int = 0
    scaling: Scaling = field(default_factory=Scaling)
    step_us: int = SECOND_US

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
    """

    row: Int
    partition: Int
    arrival_us: Int
    start_us: Int
    end_us: Int
    messages: Int
    again: Mask

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


class Pool:
    """
    Attributes:
        steps: one a step so far. done: messages that were served, those that were served again included. replayed:
            messages that were served and are once more since a crash.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self.steps: list[Step] = []
        self.done = self.replayed = 0
        self._now_us = 0
        self._rows = 0
        self._consumers = [_Consumer(0, 0) for _ in range(settings.consumers)]
        self._waits = _no_rows()
        """In order of arrival."""
        self._recent = _no_rows()
        """Begun rows that have not ended, or ended since the last checkpoint."""
        self._partition_free_us: Int = np.zeros(settings.partitions, np.int64)
        """When what was begun of each partition is through: who takes it over waits for that."""
        self._enough_since_us: int | None = None

    @property
    def lag(self) -> int:
        """Messages that wait."""
        return int(self._waits[_MESSAGES].sum())

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
        end_us = self._now_us + self.settings.step_us
        if (np.diff(arrival_us) < 0).any() or arrival_us[0] < self._now_us or arrival_us[-1] >= end_us:
            raise ValueError(f"arrivals must ascend from {self._now_us} us to before {end_us} us")
        if partition.min() < 0 or partition.max() >= self.settings.partitions:
            raise ValueError(f"there are partitions 0 to {self.settings.partitions - 1}")
        rows = np.zeros((_COLUMNS, n), np.int64)
        rows[_ROW] = np.arange(self._rows, self._rows + n)
        rows[_PARTITION], rows[_ARRIVAL], rows[_MESSAGES], rows[_READY] = partition, arrival_us, messages, arrival_us
        self._rows += n
        self._waits = np.concatenate([self._waits, rows], axis=1)

    def step(self) -> Done:
        """Serve until the end of the next step. Returns what ended in it."""
        begin_us, end_us = self._now_us, self._now_us + self.settings.step_us
        active = [number for number, each in enumerate(self._consumers) if each.ready_us <= begin_us]
        left = np.ones(self._waits.shape[1], np.bool_)
        busy_us = 0
        for turn, number in enumerate(active):
            consumer = self._consumers[number]
            # What it had begun before, then what it begins.
            busy_us += max(min(consumer.free_us, end_us) - begin_us, 0)
            rows = np.flatnonzero(self._waits[_PARTITION] % len(active) == turn)
            begun = self._begin(consumer, self._waits[:, rows], end_us)
            begun[_BY] = number
            left[rows[: begun.shape[1]]] = False
            starts_us = begun[_READY] - begun[_MESSAGES] * self.settings.service_us
            busy_us += int((np.minimum(begun[_READY], end_us) - starts_us).sum())
            self._recent = np.concatenate([self._recent, begun], axis=1)
        self._waits = self._waits[:, left]
        self._now_us = end_us
        told = self._told(begin_us, end_us)
        share = busy_us / (len(active) * self.settings.step_us) if active else 0.0
        self.steps.append(Step(end_us, len(active), len(self._consumers) - len(active), self.lag, share))
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
        back[_AGAIN] |= back[_READY] <= self._now_us
        count = int(back[_MESSAGES][back[_READY] <= self._now_us].sum())
        self._partition_free_us[back[_PARTITION]] = self._now_us
        back[_READY] = self._now_us
        waits = np.concatenate([back, self._waits], axis=1)
        self._waits = waits[:, np.argsort(waits[_ROW], kind="stable")]
        ready_us = self._now_us + self.settings.start_us
        self._consumers[consumer] = _Consumer(ready_us, ready_us)
        self.replayed += count
        return count

    def _begin(self, consumer: _Consumer, waits: Int, end_us: int) -> Int:
        """Those of a consumer's rows that begin before the end, with when they end."""
        service_us = waits[_MESSAGES] * self.settings.service_us
        ready_us = np.maximum(waits[_READY], self._partition_free_us[waits[_PARTITION]])
        spent_us = np.cumsum(service_us)
        ends_us = spent_us + np.maximum(np.maximum.accumulate(ready_us - (spent_us - service_us)), consumer.free_us)
        count = int(np.searchsorted(ends_us - service_us, end_us))
        begun = waits[:, :count].copy()
        if count:
            begun[_READY] = ends_us[:count]
            consumer.free_us = int(ends_us[count - 1])
            np.maximum.at(self._partition_free_us, begun[_PARTITION], begun[_READY])
        return begun

    def _told(self, begin_us: int, end_us: int) -> Done:
        ended = self._recent[:, (self._recent[_READY] > begin_us) & (self._recent[_READY] <= end_us)]
        ended = ended[:, np.lexsort((ended[_ROW], ended[_READY]))]
        self._recent = self._recent[:, self._recent[_READY] > self._checkpoint_us()]
        self.done += int(ended[_MESSAGES].sum())
        starts_us = ended[_READY] - ended[_MESSAGES] * self.settings.service_us
        again = ended[_AGAIN] > 0
        return Done(ended[_ROW], ended[_PARTITION], ended[_ARRIVAL], starts_us, ended[_READY], ended[_MESSAGES], again)

    def _checkpoint_us(self) -> int:
        """The last one so far."""
        every_us = self.settings.checkpoint_us
        return self._now_us if every_us == 0 else self._now_us // every_us * every_us

    def _scale(self, busy_share: float) -> None:
        scaling, now = self.settings.scaling, len(self._consumers)
        wanted = scaling.wanted(now, busy_share, self.lag)
        if wanted > now:
            wanted = max(min(wanted, self.settings.partitions), now)  # more would have nothing to read
        if wanted >= now:
            self._enough_since_us = None
            ready_us = self._now_us + self.settings.start_us
            self._consumers += [_Consumer(ready_us, ready_us) for _ in range(wanted - now)]
            return
        if self._enough_since_us is None:
            self._enough_since_us = self._now_us
        if self._now_us - self._enough_since_us >= scaling.down_after_us:
            # What those have begun they finish; their partitions wait for it.
            del self._consumers[wanted:]
            self._enough_since_us = None


def _no_rows() -> Int:
    return np.empty((_COLUMNS, 0), np.int64)


# --- a function a message ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Serverless:
    """A function that is called once a message, by as many instances as there is work, at a price a call.

    Attributes:
        cold_us: what the first call of an instance takes longer. keep_us: how long an idle instance is kept warm.
        most: instances at one time; further calls wait.
        price: of a call, in whatever the scenario counts in; price_per_s: of a second of an instance's work.
    """

    service_us: int
    cold_us: int
    keep_us: int
    most: int
    price: float
    price_per_s: float = 0.0


@dataclass(frozen=True)
class Calls:
    """int64 (n,) a column, in order of arrival; `cold`: calls that an instance was started for."""

    start_us: Int
    end_us: Int
    cold: int
    most_at_once: int
    cost: float


def called(profile: Serverless, arrival_us: Int) -> Calls:
    """What becomes of calls at these instants, ascending. The instance that was used last takes the next call."""
    start_us, end_us = np.empty_like(arrival_us), np.empty_like(arrival_us)
    busy: list[int] = []
    idle: list[int] = []
    """Since when each idle instance is; the newest last."""
    cold = most_at_once = 0
    at_us = 0
    for number, came_us in enumerate(arrival_us.tolist()):
        at_us = max(came_us, at_us)  # behind those that wait already
        if len(busy) >= profile.most and busy[0] > at_us:
            at_us = busy[0]
        while busy and busy[0] <= at_us:
            idle.append(heapq.heappop(busy))
        # Ends ascend as they are taken from the heap, so that the newest idle one stands last.
        if idle and at_us - idle[-1] <= profile.keep_us:
            idle.pop()
            extra_us = 0
        else:
            idle.clear()
            cold += 1
            extra_us = profile.cold_us
        start_us[number] = at_us + extra_us
        end_us[number] = at_us + extra_us + profile.service_us
        heapq.heappush(busy, int(end_us[number]))
        most_at_once = max(most_at_once, len(busy))
    worked_s = float((profile.service_us * len(arrival_us) + profile.cold_us * cold) / 1e6)
    cost = profile.price * len(arrival_us) + profile.price_per_s * worked_s
    return Calls(start_us, end_us, cold, most_at_once, cost)
