"""Control charts: each value, a smoothed one, or a sum of deviations against limits around what was normal at first.

Limits hold if values are independent and normally distributed around the baseline; a daily cycle needs `seasonal`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Finest, Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.memory import Baseline

FADED = 1e-17
"""1 less this is 1."""

TRAIN = Option("train", "count", "200", "values that are taken as normal before anything is said", least="2")


class Chart(ValueDetector):
    """A chart over a baseline."""

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.baseline = Baseline(settings["train"], series)

    def tells(self, finest: Finest) -> None:
        self.baseline.finest = finest


class Shewhart(Chart):
    """A value further than so many standard deviations from the mean.

    At 3 deviations, one of 370 normal values is outside. Sees at once what is large, and late what is small: of a
    shift by one deviation every 44th value.

    Source: Shewhart 1931; run lengths from the normal distribution.
    """

    name: ClassVar[str] = "shewhart"
    summary: ClassVar[str] = "a value far from the mean of the first ones"
    leap: ClassVar[float] = 4.0
    options: ClassVar[tuple[Option, ...]] = (
        TRAIN,
        Option("deviations", "number", "3", "standard deviations to the limit", least="0.1"),
    )

    def score(self, sample: Sample) -> Reals:
        z = self.baseline.z(sample.series, sample.values)
        return np.abs(z) / float(self.settings["deviations"])

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        mean = self.baseline.mean(sample.series)
        away = self.baseline.deviation(sample.series) * float(self.settings["deviations"]) * reach
        return mean - away, mean + away

    def learn(self, sample: Sample) -> None:
        self.baseline.learn(sample.series, sample.values)


class Ewma(Chart):
    """The exponentially weighted moving average of a series against its limits.

    Limits are L sigma sqrt(w / (2 - w) (1 - (1 - w)^(2 t))), narrower for the first values.

    Source: Roberts 1959, doi:10.1080/00401706.1959.10489860; Lucas and Saccucci 1990 for run lengths.
    """

    name: ClassVar[str] = "ewma"
    summary: ClassVar[str] = "a smoothed value far from the mean of the first ones"
    leap: ClassVar[float] = 3.0
    options: ClassVar[tuple[Option, ...]] = (
        TRAIN,
        Option("weight", "share", "10 %", "of the newest value", least="0.1 %"),
        Option("deviations", "number", "2.814", "L, standard deviations of the average to the limit", least="0.1"),
        Option("limits", "word", "narrow", "at first narrower, or as wide as in the end", choices=("narrow", "steady")),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._average: Reals = np.zeros(series)
        self._fading: Reals = np.full(series, 1.0 if settings["limits"] == "narrow" else 0.0)
        """(1 - w)^(2 t) after t values."""

    def _next(self, sample: Sample) -> tuple[Reals, Reals | float]:
        """The average in deviations with this value, NaN where there is none; and its fading: one for all where it is
        the same, as of series that began together, and 0 when it is over."""
        weight = float(self.settings["weight"])
        average = self.baseline.z(sample.series, sample.values)
        before = self._average[sample.series]
        average -= before
        average *= weight
        average += before
        fading = self._fading[sample.series]
        most = float(fading.max(initial=0.0))
        if most < FADED:
            return average, 0.0
        kept = (1.0 - weight) * (1.0 - weight)
        return average, most * kept if most == fading.min() else fading * kept

    def score(self, sample: Sample) -> Reals:
        return self._score_of(*self._next(sample))

    def _score_of(self, average: Reals, fading: Reals | float) -> Reals:
        score = np.abs(average)
        score /= self._limit_of(fading)
        return score

    def _limit_of(self, fading: Reals | float) -> Reals | float:
        """Deviations of the average that score 1."""
        weight = float(self.settings["weight"])
        limit: Reals | float = float(self.settings["deviations"]) * np.sqrt(weight / (2.0 - weight) * (1.0 - fading))
        return limit

    def learn(self, sample: Sample) -> None:
        self._absorb(sample, *self._next(sample))

    def look(self, sample: Sample) -> tuple[Reals, Callable[[], None]]:
        average, fading = self._next(sample)
        return self._score_of(average, fading), partial(self._absorb, sample, average, fading)

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        weight = float(self.settings["weight"])
        average, fading = self._average[sample.series], self._next(sample)[1]
        away = reach * self._limit_of(fading)
        low, high = ((each - (1.0 - weight) * average) / weight for each in (-away, away))
        return self.baseline.at(sample.series, low), self.baseline.at(sample.series, high)

    def _absorb(self, sample: Sample, average: Reals, fading: Reals | float) -> None:
        # The largest is NaN if one of them is: there is no value, or no baseline yet.
        if math.isnan(average.max(initial=0.0)):
            here = average == average
            average = np.where(here, average, self._average[sample.series])
            fading = np.where(here, fading, self._fading[sample.series])
            self.baseline.learn(sample.series, sample.values)
        self._average[sample.series] = average
        if not isinstance(fading, float) or fading > 0.0:
            self._fading[sample.series] = fading


class Cusum(Chart):
    """Sums of deviations beyond a slack, one upwards and one downwards, each never under 0.

    With a slack of 0.5 and a limit of 4 deviations: 168 values between false alarms, a shift by one deviation is seen
    after 8.4, by two after 3.3. A sum begins anew once it has passed the limit, so that the end of a shift is seen.

    Source: Page 1954, doi:10.1093/biomet/41.1-2.100; run lengths Lucas and Crosier 1982.
    """

    name: ClassVar[str] = "cusum"
    summary: ClassVar[str] = "a small shift of the mean that lasts"
    headline: ClassVar[str] = "have shifted"
    leap: ClassVar[float] = 3.0
    options: ClassVar[tuple[Option, ...]] = (
        TRAIN,
        Option("slack", "number", "0.5", "k, standard deviations that cost nothing: half of the shift to see"),
        Option("limit", "number", "4", "h, the sum at which a shift is seen, standard deviations", least="0.1"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._sums: Reals = np.zeros((2, series))

    def _next(self, sample: Sample) -> Reals:
        z = self.baseline.z(sample.series, sample.values)
        slack = float(self.settings["slack"])
        sums = np.empty((2, len(z)))
        np.subtract(z, slack, out=sums[0])
        np.subtract(-slack, z, out=sums[1])
        sums += self._sums[:, sample.series]
        return np.maximum(sums, 0.0, out=sums)

    def _score_of(self, sums: Reals) -> Reals:
        score = np.maximum(sums[0], sums[1])
        score /= float(self.settings["limit"])
        return score

    def score(self, sample: Sample) -> Reals:
        return self._score_of(self._next(sample))

    def learn(self, sample: Sample) -> None:
        sums = self._next(sample)
        self._absorb(sample, sums, self._score_of(sums))

    def look(self, sample: Sample) -> tuple[Reals, Callable[[], None]]:
        sums = self._next(sample)
        score = self._score_of(sums)
        return score, partial(self._absorb, sample, sums, score)

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        upwards, downwards = self._sums[:, sample.series]
        room = reach * float(self.settings["limit"]) + float(self.settings["slack"])
        return self.baseline.at(sample.series, downwards - room), self.baseline.at(sample.series, room - upwards)

    def _absorb(self, sample: Sample, sums: Reals, score: Reals) -> None:
        limit = float(self.settings["limit"])
        # The largest is NaN if one of them is: there is no value, or no baseline yet.
        if not score.max(initial=0.0) < 1.0:
            begun = np.where(sums >= limit, 0.0, sums)
            sums = np.where(sums == sums, begun, self._sums[:, sample.series])
            self.baseline.learn(sample.series, sample.values)
        self._sums[:, sample.series] = sums


class Spread(Chart):
    """The variance of a series has changed: noise where there was none, or a sensor that hardly moves any more.

    The exponentially weighted mean of squared deviations from the baseline's mean, over the baseline's variance; the
    score is the larger of this ratio and of its inverse, over `factor`. A shift of the mean counts as variance too.
    """

    name: ClassVar[str] = "spread"
    summary: ClassVar[str] = "a change of variance, up or down"
    headline: ClassVar[str] = "scatter as they did not before"
    leap: ClassVar[float] = 3.0
    options: ClassVar[tuple[Option, ...]] = (
        TRAIN,
        Option("weight", "share", "5 %", "of the newest value", least="0.1 %"),
        Option("factor", "number", "4", "of the variance, up or down, that is too much", least="1.1"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._ratio: Reals = np.ones(series)

    def _next(self, sample: Sample) -> Reals:
        z = self.baseline.z(sample.series, sample.values)
        ratio = self._ratio[sample.series]
        return ratio + float(self.settings["weight"]) * (z * z - ratio)

    def score(self, sample: Sample) -> Reals:
        ratio = self._next(sample)
        return np.maximum(ratio, 1.0 / np.maximum(ratio, 1e-12)) / float(self.settings["factor"])

    def learn(self, sample: Sample) -> None:
        ratio = self._next(sample)
        self._ratio[sample.series] = np.where(ratio == ratio, ratio, self._ratio[sample.series])
        self.baseline.learn(sample.series, sample.values)


class PageHinkley(ValueDetector):
    """The sum of deviations from the running mean has moved away from its extreme: the mean drifts.

    Knows no baseline: the mean goes on to be learnt, so that a new level becomes normal; after it was seen the sums
    begin anew. Deviations are in units of the running standard deviation.

    Source: Page 1954; Hinkley 1971, doi:10.1093/biomet/58.3.509.
    """

    name: ClassVar[str] = "page-hinkley"
    summary: ClassVar[str] = "a drift of the mean against all values so far"
    leap: ClassVar[float] = 15.0
    options: ClassVar[tuple[Option, ...]] = (
        Option("least", "count", "30", "values before anything is said", least="2"),
        Option("slack", "number", "0.5", "standard deviations that cost nothing"),
        Option("limit", "number", "8", "the sum at which a drift is seen, standard deviations", least="0.1"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._count: Reals = np.zeros(series)
        self._mean: Reals = np.zeros(series)
        self._squares: Reals = np.zeros(series)
        self._sums: Reals = np.zeros((2, series))

    def _next(self, sample: Sample) -> Reals:
        z = (sample.values - self._mean[sample.series]) / self._deviation(sample.series)
        z = np.where(self._count[sample.series] >= self.settings["least"], z, sample.values * 0.0)
        slack = float(self.settings["slack"])
        return np.maximum(self._sums[:, sample.series] + np.stack((z - slack, -z - slack)), 0.0)

    def _deviation(self, series: Which) -> Reals:
        variance = self._squares[series] / np.maximum(self._count[series] - 1.0, 1.0)
        least = 1e-9 * (1.0 + np.abs(self._mean[series]))
        return self.at_least_a_step(series, np.maximum(np.sqrt(variance), least))

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        series = sample.series
        (upwards, downwards), mean = self._sums[:, series], self._mean[series]
        deviation = np.where(self._count[series] >= self.settings["least"], self._deviation(series), np.nan)
        room = reach * float(self.settings["limit"]) + float(self.settings["slack"])
        return mean + (downwards - room) * deviation, mean + (room - upwards) * deviation

    def score(self, sample: Sample) -> Reals:
        score = self._next(sample).max(axis=0) / float(self.settings["limit"])
        return np.where(self._count[sample.series] >= self.settings["least"], score, np.nan)

    def learn(self, sample: Sample) -> None:
        sums, series = self._next(sample), sample.series
        here = sample.values == sample.values
        seen = (sums >= float(self.settings["limit"])).any(axis=0)
        count = np.where(seen, 1.0, self._count[series] + here)
        step = np.where(here, sample.values - self._mean[series], 0.0)
        mean = np.where(seen, sample.values, self._mean[series] + step / np.maximum(count, 1.0))
        squares = self._squares[series] + step * np.where(here, sample.values - mean, 0.0)
        self._count[series], self._mean[series] = count, mean
        self._squares[series] = np.where(seen, 0.0, squares)
        self._sums[:, series] = np.where(seen, 0.0, np.where(here, sums, self._sums[:, series]))
