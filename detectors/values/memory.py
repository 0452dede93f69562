"""What detectors remember of each series: the newest values, what was normal at first, the extremes so far."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinstorm.detectors.values.contract import ALL, Finest, Reals, Which
from twinstorm.twin.flow import Int, Mask

SMALLEST = 1e-9
"""A spread of nothing counts as this part of the level: a series that never moved is judged by the last digits."""

MOST_EXCESS = 1_000.0

NO_TIME: Final = -(1 << 63)
"""Where a time is not known yet: no clock tells this one, while a clock that is wrong tells times before 1970."""


class Newest:
    """The newest `depth` values of each series.

    Attributes:
        values: float64 (depth, series), in no order, NaN where none came yet.
        count: int64 (series,), values so far.
    """

    def __init__(self, depth: int, series: int) -> None:
        self.values: Reals = np.full((depth, series), np.nan)
        self.count: Int = np.zeros(series, np.int64)

    def push(self, which: Which, values: Reals) -> None:
        """Remember a value of each; a NaN is none."""
        depth, series = self.values.shape
        numbers = np.arange(series)[which]
        here = values == values
        numbers = numbers[here]
        self.values[self.count[numbers] % depth, numbers] = values[here]
        self.count[numbers] += 1

    def held(self, which: Which) -> Int:
        """How many there are, int64 (k,)."""
        return np.minimum(self.count[which], len(self.values))

    def last(self, which: Which) -> Reals:
        """The newest of each, NaN before the first."""
        depth, series = self.values.shape
        numbers = np.arange(series)[which]
        newest: Reals = self.values[(self.count[numbers] - 1) % depth, numbers]
        return newest

    def quantiles(self, which: Which, *shares: float) -> list[Reals]:
        """Quantiles of what is held, between neighbours in proportion; NaN where nothing is."""
        held = self.held(which)
        # NaN sorts last, behind what is held.
        ordered = np.sort(self.values[:, which], axis=0)
        return [quantile(ordered, held, share) for share in shares]


def quantile(ordered: Reals, held: Int, share: float) -> Reals:
    """One quantile of each column.

    Args:
        ordered: float64 (depth, k), ascending.
        held: int64 (k,), how many of each column count.
    """
    place = np.maximum(held - 1, 0) * share
    below = place.astype(np.int64)
    columns = np.arange(ordered.shape[1])
    low = ordered[below, columns]
    high = ordered[np.minimum(below + 1, np.maximum(held - 1, 0)), columns]
    between: Reals = low + (high - low) * (place - below)
    return between


class Baseline:
    """Mean and standard deviation of the first `size` values of each series, which are taken as normal.

    A deviation that is estimated from few values is itself uncertain (5 % of it from 200), and false alarms are more
    often than the limits promise; until all have come, nothing is `ready`.
    """

    def __init__(self, size: int, series: int) -> None:
        self._size = size
        self.finest: Finest | None = None
        """Deviations are no less than that, once it is known."""
        self._count: Int = np.zeros(series, np.int64)
        self._mean: Reals = np.zeros(series)
        self._squares: Reals = np.zeros(series)
        self._centre: Reals = np.full(series, np.nan)
        """The mean, once it is known; so that nothing is worked out again for each value."""
        self._scale: Reals = np.ones(series)
        """The deviation, likewise."""

    def know(self, mean: float, deviation: float) -> None:
        """Take these as known for all series, instead of learning them."""
        self._count[:] = self._size
        self._mean[:] = mean
        self._squares[:] = deviation * deviation * max(self._size - 1, 1)
        self._settle(np.arange(len(self._count)))

    def learn(self, which: Which, values: Reals) -> None:
        """Take values into account until there are enough.

        Source: Welford 1962, doi:10.2307/1266577.
        """
        if not np.isnan(self._centre[which]).any():
            return
        wanted = (self._count[which] < self._size) & (values == values)
        if not wanted.any():
            return
        count = self._count[which] + wanted
        step = np.where(wanted, values - self._mean[which], 0.0)
        mean = self._mean[which] + step / np.maximum(count, 1)
        self._squares[which] += step * np.where(wanted, values - mean, 0.0)
        self._mean[which] = mean
        self._count[which] = count
        whole = wanted & (count >= self._size)
        if whole.any():
            self._settle(np.arange(len(self._count))[which][whole])

    def _settle(self, series: Int) -> None:
        """The baseline of these series is whole."""
        self._centre[series] = self._mean[series]
        self._scale[series] = self.deviation(series)

    def ready(self, which: Which = ALL) -> Mask:
        """bool (k,), whose baseline is whole."""
        return self._count[which] >= self._size

    def mean(self, which: Which = ALL) -> Reals:
        """float64 (k,)"""
        mean: Reals = self._mean[which]
        return mean

    def deviation(self, which: Which = ALL) -> Reals:
        """float64 (k,), above 0."""
        deviation = np.sqrt(self._squares[which] / np.maximum(self._count[which] - 1, 1))
        deviation = np.maximum(deviation, smallest(self._mean[which]))
        return deviation if self.finest is None else np.maximum(deviation, self.finest.step[which])

    def z(self, which: Which, values: Reals) -> Reals:
        """Values in deviations from the mean, a new array; NaN where the baseline is not whole."""
        z = values - self._centre[which]
        z /= self._scale[which]
        return z

    def at(self, which: Which, z: Reals) -> Reals:
        """Values that lie so many deviations from the mean; NaN where the baseline is not whole."""
        value: Reals = self._centre[which] + z * self._scale[which]
        return value


class Extremes:
    """The least and the greatest value so far of several features of each series, (features, series).

    A value's *excess* is how far it lies outside, in units of the distance between the two: 0 inside, at most
    `MOST_EXCESS`, because the first values of a series lie infinitely far outside of a range that is hardly there.
    """

    def __init__(self, features: int, series: int) -> None:
        self.finest: Finest | None = None
        """No distance is less than that, once it is known; where the feature is the value itself."""
        self._low: Reals = np.full((features, series), np.nan)
        self._high: Reals = np.full((features, series), np.nan)

    def excess(self, which: Which, values: Reals) -> Reals:
        """float64 (features, k): 0 for the first value, NaN for none."""
        low, high = self._low[:, which], self._high[:, which]
        excess = np.maximum(values - high, low - values) / self.between(which)
        return np.where(low == low, np.clip(excess, 0.0, MOST_EXCESS), values * 0.0)

    def between(self, which: Which) -> Reals:
        """The distance between the two that excess is told in, float64 (features, k); NaN before a value."""
        low, high = self._low[:, which], self._high[:, which]
        between = np.maximum(high - low, smallest(high))
        return between if self.finest is None else np.maximum(between, self.finest.step[which])

    def bounds(self, which: Which) -> tuple[Reals, Reals]:
        """The least and the greatest, float64 (features, k) each; NaN before a value."""
        return self._low[:, which], self._high[:, which]

    def learn(self, which: Which, values: Reals) -> None:
        """Widen them."""
        self._low[:, which] = np.fmin(self._low[:, which], values)
        self._high[:, which] = np.fmax(self._high[:, which], values)


def total(values: Reals | Mask) -> Reals:
    """Sum over the first axis, the same to the last bit however many columns there are.

    NumPy adds a lone column in another order than one among others, hence rows of their own.
    """
    summed: Reals = np.ascontiguousarray(values.T, np.float64).sum(axis=-1)
    return summed


def smallest(level: Reals) -> Reals:
    """The least spread that counts at this level."""
    return SMALLEST * (1.0 + np.abs(level))
