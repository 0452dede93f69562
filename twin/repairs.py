"""Machines that fail and crews that repair them, one failure at a time.

Chance is keyed by machine and number of the failure: another crew, or another machine, changes nobody's times to the
next failure. `twin.waiting.Repairable` has the formula for the steady state of the exponential case.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np

from twinstorm.twin.chance import Words, words
from twinstorm.twin.flow import NEVER_US, Int
from twinstorm.twin.physics.spread import weibull

_BLOCK: Final = 256
"""Failures of each machine that are drawn at once."""
_LONGEST_US: Final = float(1 << 53)


@dataclass(frozen=True, slots=True)
class Scatter:
    """Durations after Weibull.

    Attributes:
        scale_us: > 0; with shape 1 the mean.
        shape: > 0: 1 by chance alone, above 1 wear.

    Raises:
        ValueError: if one is not positive; the text names it.
    """

    scale_us: float
    shape: float = 1.0

    def __post_init__(self) -> None:
        for name in ("scale_us", "shape"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name):g}")


@dataclass(frozen=True, slots=True)
class Repairs:
    """Every failure before the end, in order of failure: int64 (n,) each.

    Attributes:
        machine: which failed, by its place among the keys.
        failed_us: when.
        begun_us: when a crew came; `NEVER_US` if none was free before the end.
        repaired_us: when it ran again, which may lie after the end; `NEVER_US` likewise.
        machines: how many there are.
        until_us: the end.
    """

    machine: Int
    failed_us: Int
    begun_us: Int
    repaired_us: Int
    machines: int
    until_us: int

    @property
    def availability(self) -> float:
        """Share of the time in which a machine is up, from the start to the end."""
        down_us = np.minimum(self.repaired_us, self.until_us) - self.failed_us
        return 1.0 - int(down_us.sum()) / (self.machines * self.until_us)

    @property
    def mean_down_us(self) -> float:
        """From failure to repaired, of those repaired; NaN without any."""
        return self._mean_us(self.repaired_us)

    @property
    def mean_wait_us(self) -> float:
        """From failure until a crew came, of those repaired; NaN without any."""
        return self._mean_us(self.begun_us)

    def _mean_us(self, end_us: Int) -> float:
        done = self.repaired_us < self.until_us
        return int((end_us - self.failed_us)[done].sum()) / int(done.sum()) if done.any() else float("nan")


def simulate(stream_key: int, keys: Words, crews: int, up: Scatter, repair: Scatter, until_us: int) -> Repairs:
    """All machines run at 0; crews take failures in order, at one instant in the order of machines.

    Args:
        stream_key: see `chance.stream`.
        keys: uint64 (n,), of the machines; n >= 1.
        crews: >= 1; each repairs one machine at a time.
        up, repair: how long machines run from repair to failure, and how long a repair takes.
        until_us: > 0.

    Raises:
        ValueError: if there is no machine, crew or time; the text names it.
    """
    for name, value in (("keys", len(keys)), ("crews", crews), ("until_us", until_us)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value}")
    ups, repairs = _Durations(stream_key, keys, 0, up), _Durations(stream_key, keys, 1, repair)
    machine: list[int] = []
    failed_us: list[int] = []
    begun_us: list[int] = []
    repaired_us: list[int] = []
    count = [0] * len(keys)
    waiting: deque[int] = deque()
    free = crews
    # (when, machine, row of the failure that ends then or -1: the machine fails)
    ahead = [(ups.of(which, 0), which, -1) for which in range(len(keys))]
    heapify(ahead)
    while ahead[0][0] < until_us:
        at_us, which, row = heappop(ahead)
        if row < 0:
            waiting.append(len(machine))
            machine.append(which)
            failed_us.append(at_us)
            begun_us.append(NEVER_US)
            repaired_us.append(NEVER_US)
        else:
            free += 1
            count[which] += 1
            heappush(ahead, (at_us + ups.of(which, count[which]), which, -1))
        if free and waiting:
            free -= 1
            row = waiting.popleft()
            which = machine[row]
            begun_us[row] = at_us
            repaired_us[row] = at_us + repairs.of(which, count[which])
            heappush(ahead, (repaired_us[row], which, row))
    return Repairs(
        np.array(machine, np.int64),
        np.array(failed_us, np.int64),
        np.array(begun_us, np.int64),
        np.array(repaired_us, np.int64),
        machines=len(keys),
        until_us=until_us,
    )


@dataclass
class _Durations:
    """Durations of one sort of all machines, drawn in blocks."""

    stream_key: int
    keys: Words
    sort: int
    scatter: Scatter
    _blocks: list[list[list[int]]] = field(default_factory=list)

    def of(self, machine: int, number: int) -> int:
        """At least a microsecond."""
        block, place = divmod(number, _BLOCK)
        while len(self._blocks) <= block:
            self._blocks.append(self._drawn(len(self._blocks) * _BLOCK))
        return self._blocks[block][machine][place]

    def _drawn(self, first: int) -> list[list[int]]:
        numbers = np.tile(np.arange(first, first + _BLOCK, dtype=np.int64), len(self.keys))
        lasting = lasting_us(self.stream_key, np.repeat(self.keys, _BLOCK), numbers, self.sort, self.scatter)
        return [row.tolist() for row in lasting.reshape(len(self.keys), _BLOCK)]


def lasting_us(stream_key: int, keys: Words, number: Int, sort: int, scatter: Scatter) -> Int:
    """Keyed durations, at least a microsecond each: int64, shape of `keys`.

    Args:
        number: of each duration of its sort. sort: 0 up, 1 repair.
    """
    draws = words(stream_key, keys, 2 * number + sort)
    return np.clip(np.rint(weibull(draws, scatter.scale_us, scatter.shape)), 1.0, _LONGEST_US).astype(np.int64)
