"""Detectors that compare a value with the middle of the newest ones, which a few wild values do not move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.memory import Newest, quantile, smallest

WINDOW = Option("window", "count", "100", "newest values that tell what is normal", least="4", most="10000")
LEAST = Option("least", "count", "20", "values before anything is said", least="2")

NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


class RobustZ(ValueDetector):
    """Distance from the median of the newest values, in median absolute deviations.

    Half of the window may be wild before the median moves. If half of it is one and the same value, every other value
    is infinitely far away: such a series is for `band`.

    Source: Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers, who cut at 3.5.
    """

    name: ClassVar[str] = "robust-z"
    summary: ClassVar[str] = "a value far from the median of the newest ones"
    leap: ClassVar[float] = 25.0
    options: ClassVar[tuple[Option, ...]] = (
        WINDOW,
        LEAST,
        Option("deviations", "number", "3.5", "robust standard deviations to the limit", least="0.1"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._newest = Newest(settings["window"], series)

    def score(self, sample: Sample) -> Reals:
        median, deviation = self._around(sample.series)
        score = np.abs(sample.values - median) / deviation / float(self.settings["deviations"])
        return np.where(self._newest.held(sample.series) >= self.settings["least"], score, np.nan)

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        median, deviation = self._around(sample.series)
        allowed = deviation * float(self.settings["deviations"]) * reach
        return median - allowed, median + allowed

    def _around(self, series: Which) -> tuple[Reals, Reals]:
        """Median and robust deviation of what is held."""
        (median,) = self._newest.quantiles(series, 0.5)
        away = np.sort(np.abs(self._newest.values[:, series] - median), axis=0)
        deviation = np.maximum(quantile(away, self._newest.held(series), 0.5) * NORMAL_MAD, smallest(median))
        return median, self.at_least_a_step(series, deviation)

    def learn(self, sample: Sample) -> None:
        self._newest.push(sample.series, sample.values)


class Iqr(ValueDetector):
    """Distance beyond the quartiles of the newest values, in distances between them: Tukey's fences.

    Source: Tukey 1977, Exploratory Data Analysis: 1.5 outside, 3 far out.
    """

    name: ClassVar[str] = "iqr"
    summary: ClassVar[str] = "a value far outside the quartiles of the newest ones"
    leap: ClassVar[float] = 30.0
    options: ClassVar[tuple[Option, ...]] = (
        WINDOW,
        LEAST,
        Option("fence", "number", "3", "distances between the quartiles to the limit", least="0.1"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._newest = Newest(settings["window"], series)

    def score(self, sample: Sample) -> Reals:
        low, high, between = self._fences(sample.series)
        outside = np.maximum(np.maximum(low - sample.values, sample.values - high), 0.0)
        # `maximum` keeps a NaN of the value.
        score = outside / between / float(self.settings["fence"])
        return np.where(self._newest.held(sample.series) >= self.settings["least"], score, np.nan)

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        low, high, between = self._fences(sample.series)
        allowed = between * float(self.settings["fence"]) * reach
        return low - allowed, high + allowed

    def _fences(self, series: Which) -> tuple[Reals, Reals, Reals]:
        """Quartiles of what is held, and the distance between them."""
        low, high = self._newest.quantiles(series, 0.25, 0.75)
        return low, high, self.at_least_a_step(series, np.maximum(high - low, smallest(high)))

    def learn(self, sample: Sample) -> None:
        self._newest.push(sample.series, sample.values)
