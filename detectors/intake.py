"""Readings on their way into the core: they wait for a consumer of a modelled pool, or for a function that is called.

What the core is given here it takes when a consumer is through with it, and not before: to everything behind, that is
when it arrives. What nobody can read is refused at the door, and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Protocol

import numpy as np

from twinstorm.detectors.dating import second_before_us
from twinstorm.detectors.functions import Functions, Serverless
from twinstorm.detectors.pool import Pool, PoolSettings
from twinstorm.twin.flow import SECOND_US, Delivery, Device, Int, Mask, Readings, Registry
from twinstorm.twin.wire.merging import merged, parted

_NONE: Final[Int] = np.empty(0, np.int64)


@dataclass(frozen=True)
class Processing:
    """How readings are processed before the core has them.

    Attributes:
        by: ``device``, ``gateway`` or ``site``: whose readings stand in one partition.
    """

    how: PoolSettings | Serverless
    by: str = "device"


@dataclass
class Figures:
    """What became of readings so far, those alone that came once.

    Attributes:
        processed: through; `shed` found no room, `replayed` were processed once more since a crash.
        waited_us: of all that are through, together. longest_us: of one.
        deepest: lag. most: consumers, or instances, at one time. crashed: consumers.
    """

    processed: int = 0
    shed: int = 0
    replayed: int = 0
    waited_us: int = 0
    longest_us: int = 0
    deepest: int = 0
    most: int = 0
    crashed: int = 0

    @property
    def mean_us(self) -> float | None:
        """Wait and service of a reading; None: there was none."""
        return self.waited_us / self.processed if self.processed else None


class _Ended(NamedTuple):
    """Rows that a step has ended: int64, ascending by `row`, but a row that is served again may stand twice."""

    row: Int
    end_us: Int
    again: Mask
    settled: Int
    shed: Int


class _Work(Protocol):
    """Whoever works at rows, a second at a time.

    Attributes:
        rows: that were handed in so far. lag: that nobody has begun with. consumers: that there are.
        oldest_us: arrival of the one among them that has waited longest; None: none waits.
    """

    @property
    def rows(self) -> int: ...
    @property
    def lag(self) -> int: ...
    @property
    def consumers(self) -> int: ...
    @property
    def oldest_us(self) -> int | None: ...
    def serve(self, arrival_us: Int, device: Device, end_us: int) -> _Ended:
        """Take rows of the second that ends at `end_us`, ascending, and work until then."""

    def crash(self, consumers: int) -> tuple[int, int]:
        """See `Intake.crash`."""


class _Consumers:
    """A pool. Partitions are of each device."""

    def __init__(self, settings: PoolSettings, key: Int) -> None:
        self._pool = Pool(settings)
        self._partition = key % settings.partitions

    @property
    def rows(self) -> int:
        return self._pool.rows

    @property
    def lag(self) -> int:
        return self._pool.lag

    @property
    def consumers(self) -> int:
        return self._pool.consumers

    @property
    def oldest_us(self) -> int | None:
        return self._pool.oldest_us

    def serve(self, arrival_us: Int, device: Device, end_us: int) -> _Ended:  # noqa: ARG002
        # A reading in the name of nobody is told to be one by the core.
        self._pool.offer(arrival_us, self._partition[np.clip(device, 0, len(self._partition) - 1)])
        done = self._pool.step()
        by_row = np.argsort(done.row, kind="stable")
        return _Ended(done.row[by_row], done.end_us[by_row], done.again[by_row], done.settled, done.shed)

    def crash(self, consumers: int) -> tuple[int, int]:
        dead = min(consumers, self._pool.consumers)
        return dead, sum(self._pool.crash(each) for each in range(dead))


class _Calls:
    """Functions: `consumers` are instances at work. What they have done of a device is handed on in its order."""

    def __init__(self, functions: Functions, devices: int) -> None:
        self._functions = functions
        self._last_us: Int = np.zeros(devices + 1, np.int64)
        """Until when each device keeps what comes later; the last place is of those that nobody knows."""
        self.rows = self.lag = self.consumers = 0
        self.oldest_us: int | None = None
        self._row = self._arrival_us = self._start_us = self._end_us = _NONE

    def serve(self, arrival_us: Int, device: Device, end_us: int) -> _Ended:
        start_us, ends_us = self._functions.call(arrival_us)
        ends_us = self._in_order(device, ends_us)
        row = np.concatenate([self._row, np.arange(self.rows, self.rows + len(arrival_us))])
        start_us, ends_us = np.concatenate([self._start_us, start_us]), np.concatenate([self._end_us, ends_us])
        came_us = np.concatenate([self._arrival_us, arrival_us])
        self.rows += len(arrival_us)
        over = ends_us <= end_us
        self._row, self._start_us, self._end_us = row[~over], start_us[~over], ends_us[~over]
        self._arrival_us = came_us[~over]
        waits = self._start_us > end_us
        self.oldest_us = int(self._arrival_us[waits].min()) if waits.any() else None
        self.consumers = int(np.count_nonzero(~waits))
        self.lag = len(self._row) - self.consumers
        return _Ended(row[over], ends_us[over], np.zeros(np.count_nonzero(over), np.bool_), row[over], _NONE)

    def _in_order(self, device: Device, ends_us: Int) -> Int:
        known = (device >= 0) & (device < len(self._last_us) - 1)
        who = np.where(known, device, len(self._last_us) - 1)
        order = np.argsort(who, kind="stable")
        starts = np.append(True, np.diff(who[order]) != 0)[: len(order)]
        # Runs are lifted above each other, so that one accumulation does for all.
        width = int(max(ends_us.max(initial=0), self._last_us.max())) + 1
        lift = (np.cumsum(starts) - 1) * width
        own_us = np.maximum(ends_us[order], np.where(starts, self._last_us[who[order]], 0))
        in_order: Int = np.empty_like(ends_us)
        in_order[order] = np.maximum.accumulate(own_us + lift) - lift
        np.maximum.at(self._last_us, who, in_order)
        self._last_us[-1] = 0
        return in_order

    def crash(self, consumers: int) -> tuple[int, int]:  # noqa: ARG002
        return 0, 0


@dataclass
class _Block:
    """Readings of one kind that came in one step.

    Attributes:
        row: int64, ascending: their numbers. arrived_us: int64, ascending. gone: bool, need not be kept.
        through: bool, the core has had them, or never will.
    """

    row: Int
    readings: Readings
    arrived_us: Int
    gone: Mask = field(init=False)
    through: Mask = field(init=False)

    def __post_init__(self) -> None:
        self.gone, self.through = (np.zeros(len(self.row), np.bool_) for _ in range(2))

    @property
    def oldest_us(self) -> int | None:
        """Arrival of the first one that is not through; None: all are."""
        first = int(np.argmin(self.through))
        return None if self.through[first] else int(self.arrived_us[first])

    def places(self, rows: Int) -> tuple[Int, Int]:
        """Which of these rows, ascending, stand here, and where."""
        low, high = np.searchsorted(rows, (self.row[0], self.row[-1] + 1))
        places = np.minimum(np.searchsorted(self.row, rows[low:high]), len(self.row) - 1)
        here = np.flatnonzero(self.row[places] == rows[low:high])
        return here + low, places[here]

    def forget(self, rows: Int) -> bool:
        """Drop rows that are not asked for any more. Returns whether some are left."""
        _, places = self.places(rows)
        self.gone[places] = True
        left = len(self.gone) - np.count_nonzero(self.gone)
        if left and 2 * left < len(self.gone):
            kept = np.flatnonzero(~self.gone)
            self.row, self.arrived_us = self.row[kept], self.arrived_us[kept]
            self.readings, self.through = self.readings.taken(kept), self.through[kept]
            self.gone = np.zeros(left, np.bool_)
        return bool(left)


class Intake:
    """
    Args:
        registry: what devices, gateways and sites there are.

    Attributes:
        figures: what became of readings so far.
        functions: that are called; None: there is a pool.
        inside: int64 (n,), readings of each device that are here or were shed, each once.
        again: readings that the core has been given for another time. unrepeated: that came for another time, and that
            it has not been given.
    """

    def __init__(self, processing: Processing, registry: Registry) -> None:
        self.processing = processing
        self.figures = Figures()
        self.inside: Int = np.zeros(len(registry), np.int64)
        self.again = self.unrepeated = 0
        how = processing.how
        self.functions = Functions(how) if isinstance(how, Serverless) else None
        self._work: _Work
        if isinstance(how, PoolSettings):
            self._work = _Consumers(how, _keys(processing.by, registry))
        else:
            assert self.functions is not None
            self._work = _Calls(self.functions, len(registry))
        self._shed: list[Int] = []
        """Keys of readings that found no room, so that a copy that does is told apart from a repeat."""
        self._coming: tuple[Delivery, ...] = ()
        """Not yet handed in."""
        self._blocks: list[_Block] = []
        self._now_us = 0

    @property
    def waiting(self) -> int:
        """Readings that are here, each once."""
        return int(self.inside.sum()) - self.figures.shed

    @property
    def lag(self) -> int:
        """Readings that nobody has begun with, at the end of the last whole second."""
        return self._work.lag

    @property
    def waited_us(self) -> int:
        """For how long the one among them has waited that came first; 0: none waits."""
        oldest_us = self._work.oldest_us
        return 0 if oldest_us is None else max(self._now_us - oldest_us, 0)

    @property
    def through_us(self) -> int:
        """Whole second up to which all that was received is through, or was shed."""
        oldest_us = [each for block in self._blocks if (each := block.oldest_us) is not None]
        oldest_us += [int(each.arrived_us.min()) for each in self._coming]
        behind = second_before_us(np.array(oldest_us, np.int64))
        return int(behind.min(initial=self._now_us))

    @property
    def consumers(self) -> int:
        """That take readings, starting ones among them; instances at work."""
        return self._work.consumers

    def offer(self, delivery: Delivery) -> Delivery | None:
        """Take what has arrived. Returns what waits for nobody, if anything does."""
        readings = delivery.readings
        if readings is not None and len(readings):
            every = np.ones(len(readings.device), np.bool_)
            rows = np.flatnonzero(every if readings.present is None else readings.present)
            known = rows[(readings.device[rows] >= 0) & (readings.device[rows] < len(self.inside))]
            if readings.duplicate:
                self.unrepeated += len(rows)
            else:
                np.add.at(self.inside, readings.device[known], 1)
            self._coming += (Delivery(readings.taken(rows), delivery.arrived_us[rows], delivery.last_us),)
        if not delivery.malformed:
            return None
        return Delivery(None, _NONE, delivery.last_us, delivery.malformed)

    def advance(self, now_us: int) -> Iterator[Delivery]:
        """Let whole seconds pass up to this instant. Yields what is through, in order of the seconds."""
        while self._now_us + SECOND_US <= now_us:
            end_us = self._now_us + SECOND_US
            ended = self._serve(end_us)
            self._now_us = end_us
            yield from self._given(ended)
            self._settle(ended)

    @property
    def has_consumers(self) -> bool:
        """There are some that can crash."""
        return self.functions is None

    def crash(self, consumers: int) -> tuple[int, int]:
        """So many consumers die and start again; the first ones, and not more than there are.

        Returns:
            How many did, and how many readings are processed once more.
        """
        dead, replayed = self._work.crash(consumers)
        self.figures.crashed += dead
        self.figures.replayed += replayed
        return dead, replayed

    # --- a second -----------------------------------------------------------------------------------------------------

    def _serve(self, end_us: int) -> _Ended:
        """Hand in what came before this instant, and let it be worked at."""
        here, self._coming = parted(self._coming, end_us - 1)
        came = merged(here)
        arrived_us = np.concatenate([_NONE, *(each.arrived_us for each in came)])
        device = np.concatenate([np.empty(0, np.int32), *(each.readings.device for each in came if each.readings)])
        order = np.argsort(arrived_us, kind="stable")
        number = np.empty(len(order), np.int64)
        number[order] = self._work.rows + np.arange(len(order))
        self._keep(came, number)
        # What is told late, as it may be live, cannot have been begun before it was told.
        ended = self._work.serve(np.maximum(arrived_us[order], self._now_us), device[order], end_us)
        self.figures.deepest = max(self.figures.deepest, self._work.lag)
        most = self._work.consumers if self.functions is None else self.functions.most_at_once
        self.figures.most = max(self.figures.most, most)
        return ended

    def _keep(self, came: Sequence[Delivery], number: Int) -> None:
        first = 0
        for each in came:
            assert each.readings is not None
            mine = number[first : first + len(each.arrived_us)]
            first += len(mine)
            order = np.argsort(mine, kind="stable")
            self._blocks.append(_Block(mine[order], each.readings.taken(order), each.arrived_us[order]))

    def _given(self, ended: _Ended) -> Iterator[Delivery]:
        """What the core gets of these rows: those of a block together, what it has had before apart."""
        figures = self.figures
        for again in (False, True):
            chosen = ended.again == again
            rows, end_us = ended.row[chosen], ended.end_us[chosen]
            for block in self._blocks if len(rows) else ():
                which, places = block.places(rows)
                if not len(which):
                    continue
                readings = block.readings.taken(places)
                block.through[places] = True
                if again:
                    self.again += len(which)
                elif readings.duplicate:
                    self._give_copies(readings)
                else:
                    self._leave(readings)
                    waited_us = end_us[which] - block.arrived_us[places]
                    figures.processed += len(which)
                    figures.waited_us += int(waited_us.sum())
                    figures.longest_us = max(figures.longest_us, int(waited_us.max()))
                by_device = np.argsort(readings.device, kind="stable")
                through_us, received_us = end_us[which][by_device], block.arrived_us[places][by_device]
                given = replace(readings.taken(by_device), received_us=received_us)
                yield Delivery(given, through_us, int(through_us.max()))

    def _give_copies(self, readings: Readings) -> None:
        """Repeats, but for those whose first copy was shed: these are what the core gets of it."""
        first = np.zeros(len(readings.device), np.bool_)
        if self._shed:
            self._shed = [np.concatenate(self._shed)]
            keys, at = np.unique(_key(readings), return_index=True)
            first[at[np.isin(keys, self._shed[0])]] = True
            self._shed = [np.setdiff1d(self._shed[0], keys)]
        firsts = int(np.count_nonzero(first))
        self.unrepeated -= len(first) - firsts
        self.figures.shed -= firsts
        self.figures.processed += firsts
        self._leave(readings.taken(first))

    def _leave(self, readings: Readings) -> None:
        known = (readings.device >= 0) & (readings.device < len(self.inside))
        np.subtract.at(self.inside, readings.device[known], 1)

    def _settle(self, ended: _Ended) -> None:
        """Forget what nobody asks for any more."""
        for block in self._blocks if len(ended.shed) else ():
            _, places = block.places(ended.shed)
            block.through[places] = True
            if len(places) and not block.readings.duplicate:
                self.figures.shed += len(places)
                self._shed.append(_key(block.readings.taken(places)))
        gone = np.union1d(ended.settled, ended.shed)
        if len(gone):
            self._blocks = [block for block in self._blocks if block.forget(gone)]


def _key(readings: Readings) -> Int:
    """Device and number of each reading as one; numbers do not begin anew with a boot."""
    return (readings.device.astype(np.int64) << 40) + readings.seq


def _keys(by: str, registry: Registry) -> Int:
    """What partitions are made by, of each device."""
    if by == "site":
        return registry.site.astype(np.int64)
    if by == "gateway":
        # The first gateway is none: without gateways all stand in one line.
        return np.zeros(len(registry), np.int64) if registry.gateway is None else registry.gateway.astype(np.int64)
    return np.arange(len(registry))
