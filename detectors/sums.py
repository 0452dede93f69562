"""What is known of many values without keeping them: how many, their sum, their squares, the least and the greatest.

All in whole steps of the sensor, hence in integers: the same values give the same sums in whatever order, in whatever
blocks, and merged from whatever parts. A value that a better sensor sends between two steps counts as the nearest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Channel, Int, Mask, Values

Floats = NDArray[np.float64]
Steps = NDArray[np.int32]

_NOTHING_LOW, _NOTHING_HIGH = 2**31 - 1, -(2**31)
_PLAIN_SQUARES = float(2**62)
"""Below it a sum of squares about the mean is surely exact in 64 bits, whatever its parts overflowed."""


@dataclass(frozen=True)
class Scale:
    """Steps of the channels of one kind: `value = offset + step * whole number`."""

    channels: tuple[Channel, ...]

    @property
    def is_wide(self) -> bool:
        """Squares of some channel may add up to more than 64 bits hold."""
        return any(channel.is_wide for channel in self.channels)

    def steps(self, values: Values, channel: int) -> tuple[Int, Mask | None]:
        """One channel of readings in steps, 0 where it is silent, and who is heard; None: everybody.

        Args:
            values: float32 (n, channels), within the range of their sensor or NaN.
        """
        known = self.channels[channel]
        number = values[:, channel].astype(np.float64)
        if known.offset:
            number -= known.offset
        number /= known.step
        np.rint(number, out=number)
        heard = None
        if np.isnan(np.add.reduce(number)):
            heard = ~np.isnan(number)
            number[~heard] = 0.0
        return number.astype(np.int64), heard


class Sums:
    """Sums of the channels of one kind under some keys; columns are (channels, keys).

    Attributes:
        count: int64, values. total: int64, their sum. squares: int64, that of their squares modulo 2^64.
        upper: int64, sum of what is above 32 bits of each square; None: no channel is wide.
        least, most: int32; meaningless where there is no value.
    """

    __slots__ = ("count", "least", "most", "squares", "total", "upper")

    def __init__(self, channels: int, keys: int, wide: bool) -> None:
        shape = channels, keys
        self.count: Int = np.zeros(shape, np.int64)
        self.total: Int = np.zeros(shape, np.int64)
        self.squares: Int = np.zeros(shape, np.int64)
        self.upper: Int | None = np.zeros(shape, np.int64) if wide else None
        self.least: Steps = np.full(shape, _NOTHING_LOW, np.int32)
        self.most: Steps = np.full(shape, _NOTHING_HIGH, np.int32)

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns())

    def clear(self) -> None:
        """Begin anew."""
        for column in self.columns():
            column[...] = 0
        self.least[...] = _NOTHING_LOW
        self.most[...] = _NOTHING_HIGH

    def merge(self, other: Sums) -> None:
        """Add the values of others."""
        for mine, theirs in zip(self.columns(), other.columns(), strict=True):
            if mine is self.least:
                np.minimum(mine, theirs, out=mine)
            elif mine is self.most:
                np.maximum(mine, theirs, out=mine)
            else:
                np.add(mine, theirs, out=mine)

    def add_each(self, channel: int, keys: slice, steps: Int, heard: Mask | None) -> None:
        """Add one value to each of these keys, to those alone that are heard."""
        # Views, which are added to in place: `column[channel, keys] += ...` would write each of them twice.
        count, total, sums = (column[channel, keys] for column in (self.count, self.total, self.squares))
        least, most = self.least[channel, keys], self.most[channel, keys]
        squares = steps * steps
        if self.upper is not None:
            self.upper[channel, keys] += squares >> 32
        sums += squares
        total += steps
        narrow = steps.astype(np.int32)
        if heard is None:
            count += 1
            np.minimum(least, narrow, out=least)
            np.maximum(most, narrow, out=most)
            return
        count += heard
        np.minimum(least, narrow, out=least, where=heard)
        np.maximum(most, narrow, out=most, where=heard)

    def add_runs(self, channel: int, keys: Int, starts: Int, steps: Int, heard: Mask | None) -> None:
        """Add values to keys, each of which has a run of them.

        Args:
            keys: of each run, no two the same. starts: of each run among `steps`.
        """
        if len(starts) == len(steps):
            self._add_one_each(channel, keys, steps, heard)
            return
        squares = steps * steps
        if self.upper is not None:
            self.upper[channel, keys] += np.add.reduceat(squares >> 32, starts)
        self.squares[channel, keys] += np.add.reduceat(squares, starts)
        self.total[channel, keys] += np.add.reduceat(steps, starts)
        if heard is None:
            self.count[channel, keys] += np.diff(starts, append=len(steps))
            low = high = steps
        else:
            self.count[channel, keys] += np.add.reduceat(heard, starts, dtype=np.int64)
            low, high = np.where(heard, steps, _NOTHING_LOW), np.where(heard, steps, _NOTHING_HIGH)
        self.least[channel, keys] = np.minimum(self.least[channel, keys], np.minimum.reduceat(low, starts))
        self.most[channel, keys] = np.maximum(self.most[channel, keys], np.maximum.reduceat(high, starts))

    def _add_one_each(self, channel: int, keys: Int, steps: Int, heard: Mask | None) -> None:
        squares = steps * steps
        if self.upper is not None:
            self.upper[channel, keys] += squares >> 32
        self.squares[channel, keys] += squares
        self.total[channel, keys] += steps
        self.count[channel, keys] += 1 if heard is None else heard
        low = high = steps
        if heard is not None:
            low, high = np.where(heard, steps, _NOTHING_LOW), np.where(heard, steps, _NOTHING_HIGH)
        self.least[channel, keys] = np.minimum(self.least[channel, keys], low)
        self.most[channel, keys] = np.maximum(self.most[channel, keys], high)

    def columns(self) -> Sequence[NDArray[Any]]:
        """All of them, in one order."""
        columns: tuple[NDArray[Any], ...] = (self.count, self.total, self.squares, self.least, self.most)
        return columns if self.upper is None else (*columns, self.upper)


@dataclass(frozen=True)
class Summary:
    """Figures of values in the units of their channels: float64 (channels, keys), NaN where there are too few."""

    scale: Scale
    sums: Sums

    @property
    def count(self) -> Int:
        """int64 (channels, keys)."""
        return self.sums.count

    @property
    def total(self) -> Floats:
        """Sum of the values."""
        return self._in_units(self.sums.total, self.sums.count)

    @property
    def mean(self) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._in_units(self.sums.total / self.sums.count, 1)

    @property
    def least(self) -> Floats:
        return self._in_units(self.sums.least, 1)

    @property
    def most(self) -> Floats:
        return self._in_units(self.sums.most, 1)

    @property
    def sd(self) -> Floats:
        """Standard deviation of a sample (n - 1); NaN of fewer than two values.

        The squares about a whole number next to the mean are taken in integers, where nothing cancels: what overflowed
        on the way comes back. Only where they themselves are too large are they a difference of floats.
        """
        count, total = self.sums.count, self.sums.total
        near = total // np.maximum(count, 1)
        about = self.sums.squares - 2 * near * total + count * near * near
        rest = total - near * count
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = about - rest.astype(np.float64) ** 2 / count
            if self.sums.upper is not None:
                lower = (self.sums.squares - (self.sums.upper << 32)).view(np.uint64)
                rough = self.sums.upper * 2.0**32 + lower - total.astype(np.float64) ** 2 / count
                squares = np.where(rough < _PLAIN_SQUARES, squares, rough)
            variance = np.where(count > 1, squares / (count - 1), np.nan)
        found: Floats = np.sqrt(variance) * self._step
        return found

    def _in_units(self, steps: NDArray[Any], times: Int | int) -> Floats:
        offset = np.array([channel.offset for channel in self.scale.channels])[:, np.newaxis]
        found: Floats = np.where(self.sums.count > 0, steps * self._step + offset * times, np.nan)
        return found

    @property
    def _step(self) -> Floats:
        step: Floats = np.array([channel.step for channel in self.scale.channels])[:, np.newaxis]
        return step
