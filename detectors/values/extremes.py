"""Detectors by extremes: what was never seen before, and by how much.

`band` looks at the value alone. `context` looks at the value in six ways, each against its own history, which is what
finds a spike on a slope, a night in which nothing sleeps, and a signal that falls quiet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Finest, Reals, Sample, ValueDetector
from twinstorm.detectors.values.memory import Extremes, Newest, total
from twinstorm.detectors.values.seasons import DayProfile
from twinstorm.twin.flow import Int, Mask


class Band(ValueDetector):
    """How far a value lies outside everything that its series ever showed, in units of what it showed.

    Nothing to tune and hard to beat where what is wrong is extreme; blind to what is wrong within the range. Its
    scores fall with time, as records do.
    """

    name: ClassVar[str] = "band"
    summary: ClassVar[str] = "a value beyond all that were seen before"
    leap: ClassVar[float] = 25.0
    options: ClassVar[tuple[Option, ...]] = (
        Option("least", "count", "100", "values before anything is said", least="2"),
        Option("excess", "share", "5 %", "of the range so far, to the limit", least="0.1 %"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._extremes = Extremes(1, series)
        self._count: Int = np.zeros(series, np.int64)

    def tells(self, finest: Finest) -> None:
        self._extremes.finest = finest

    def score(self, sample: Sample) -> Reals:
        excess = self._extremes.excess(sample.series, sample.values[None])[0]
        score = excess / float(self.settings["excess"])
        return np.where(self._count[sample.series] >= self.settings["least"], score, np.nan)

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        (low,), (high,) = self._extremes.bounds(sample.series)
        allowed = self._extremes.between(sample.series)[0] * float(self.settings["excess"]) * reach
        return low - allowed, high + allowed

    def learn(self, sample: Sample) -> None:
        self._extremes.learn(sample.series, sample.values[None])
        self._count[sample.series] += sample.values == sample.values


SLOW, FAST = 0.01, 0.05
"""Weights of the newest value in the two moving averages."""
SLOTS = 96
"""Of a quarter of an hour."""
DAYS_WEIGHT = 0.3
RESIDUALS = 12
"""Seasonal residuals that are averaged."""
SPREAD = 96
"""Values whose standard deviation is one of the features."""

WEIGHTS: Final = np.array([[0.7], [1.0], [1.4], [0.7], [0.25], [0.25]])
"""Of the excess of each feature, see `Context`."""
FEATURES = len(WEIGHTS)
WARM: Final = np.array([[0], [100], [100], [20], [RESIDUALS], [2 * SPREAD]])
"""Values that each feature needs before its history begins."""
HISTORY: Final = 50
"""Values of its history before it says anything: who has shown two has hardly a range to lie beyond."""

REFRACTORY = 20
"""Values: a score that is not the highest of so many is 0, because a storm of alarms says the same as its first."""
NOTICED = 0.02
HABIT, HABIT_FADES = 0.1, 1e-3
"""Every score above `NOTICED` makes the next ones weigh a tenth less, and is forgotten after some 1,000 values: who
shows records all the time has none."""


class Context(ValueDetector):
    """A value against its past in six ways at once; how far each lies beyond its own extremes so far, together.

    The features: the value; its distance from a slow moving average, with sign and without; from a faster one; the
    mean of the last distances from the same time of other days; the root of the standard deviation of the last
    values. Their excess over all that was seen (`Extremes`), weighed, adds up as a Euclidean length. What follows a
    higher score closely is silenced, and whoever exceeds itself all the time is believed less.

    Takes about two kilobytes a series. Weights were chosen on the Numenta benchmark's files; see docs/detection.md for
    what that is worth elsewhere.
    """

    name: ClassVar[str] = "context"
    summary: ClassVar[str] = "a value strange for its level, its pace, its time of day or its restlessness"
    changes: ClassVar[int] = 400
    leap: ClassVar[float] = 40.0
    options: ClassVar[tuple[Option, ...]] = (
        Option("least", "count", "100", "values before anything is said", least="2"),
        Option("excess", "share", "2.6 %", "of the range so far, to the limit", least="0.01 %"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._averages: Reals = np.full((2, series), np.nan)
        self._day = DayProfile(SLOTS, DAYS_WEIGHT, series)
        self._residuals = Newest(RESIDUALS, series)
        self._newest = Newest(SPREAD, series)
        self._extremes = Extremes(FEATURES, series)
        self._count: Int = np.zeros((FEATURES, series), np.int64)
        """Values that each feature has had."""
        self._scores = Newest(REFRACTORY, series)
        self._habit: Reals = np.zeros(series)

    def score(self, sample: Sample) -> Reals:
        features, _ = self._features(sample)
        surprise = self._surprise(sample, features)
        return self._judged(sample, surprise, self._loud(sample, surprise))

    def learn(self, sample: Sample) -> None:
        self.step(sample)

    def step(self, sample: Sample) -> Reals:
        features, residual = self._features(sample)
        surprise = self._surprise(sample, features)
        loud = self._loud(sample, surprise)
        score = self._judged(sample, surprise, loud)
        self._absorb(sample, features, residual, surprise, loud)
        return score

    def _features(self, sample: Sample) -> tuple[Reals, Reals]:
        """float64 (6, k): NaN where there is no value, or nothing to compare it with; and the seasonal residuals."""
        values, series = sample.values, sample.series
        slow, fast = values - self._averages[:, series]
        residual = (values - self._day.expected(sample)) * self._day.whole(sample)
        # A sum with the newest is NaN where that is.
        lately = _mean(_with(self._residuals, sample, residual)) + residual * 0.0
        spread = _deviation(_with(self._newest, sample, values)) + values * 0.0
        return np.stack((values, slow, np.abs(slow), fast, lately, np.sqrt(spread))), residual

    def _surprise(self, sample: Sample, features: Reals) -> Reals:
        """Weighed excess of all features together, NaN where there is no value."""
        warm = self._count[:, sample.series] >= WARM + HISTORY
        excess = np.where(warm, self._extremes.excess(sample.series, features), 0.0) * WEIGHTS
        length = np.sqrt(total(np.where(excess == excess, excess * excess, 0.0)))
        return np.where(sample.values == sample.values, length, np.nan)

    def _loud(self, sample: Sample, surprise: Reals) -> Mask:
        """Whose surprise is above all of the last ones."""
        loud: Mask = surprise > np.fmax.reduce(self._scores.values[:, sample.series], axis=0, initial=0.0)
        return loud

    def _judged(self, sample: Sample, surprise: Reals, loud: Mask) -> Reals:
        """What is left of it behind higher ones, and of one who always surprises."""
        believed = surprise / (1.0 + HABIT * self._habit[sample.series] * (1.0 - HABIT_FADES))
        score = np.where(loud, believed, surprise * 0.0) / float(self.settings["excess"])
        return np.where(self._count[0, sample.series] >= self.settings["least"], score, np.nan)

    def _absorb(self, sample: Sample, features: Reals, residual: Reals, surprise: Reals, loud: Mask) -> None:
        series, values = sample.series, sample.values
        here = values == values
        faded = self._habit[series] * (1.0 - HABIT_FADES) + (loud & (surprise > NOTICED))
        self._habit[series] = np.where(here, faded, self._habit[series])
        self._scores.push(series, surprise)
        known = features == features
        warm = self._count[:, series] >= WARM
        self._extremes.learn(series, np.where(warm & known, features, np.nan))
        self._count[:, series] += known
        self._residuals.push(series, residual)
        self._newest.push(series, values)
        self._day.learn(sample)
        averages = self._averages[:, series]
        moved = averages + np.array([[SLOW], [FAST]]) * (values - averages)
        self._averages[:, series] = np.where(here, np.where(averages == averages, moved, values), averages)


def _with(newest: Newest, sample: Sample, values: Reals) -> Reals:
    """The newest values as they would be with these: float64 (depth, k)."""
    depth = len(newest.values)
    held = newest.values[:, sample.series].copy()
    place = newest.count[sample.series] % depth
    held[place, np.arange(held.shape[1])] = values
    return held


def _mean(values: Reals) -> Reals:
    """Of each column, without NaN."""
    here = values == values
    return total(np.where(here, values, 0.0)) / np.maximum(total(here), 1.0)


def _deviation(values: Reals) -> Reals:
    """Population standard deviation of each column, without NaN."""
    here = values == values
    away = np.where(here, values - _mean(values), 0.0)
    return np.sqrt(total(away * away) / np.maximum(total(here), 1.0))
