"""Detectors that compare a value with the middle of the newest ones, which a few wild values do not move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector
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
        held = self._newest.held(sample.series)
        (median,) = self._newest.quantiles(sample.series, 0.5)
        away = np.sort(np.abs(self._newest.values[:, sample.series] - median), axis=0)
        deviation = np.maximum(quantile(away, held, 0.5) * NORMAL_MAD, smallest(median))
        deviation = self.at_least_a_step(sample.series, deviation)
        score = np.abs(sample.values - median) / deviation / float(self.settings["deviations"])
        return np.where(held >= self.settings["least"], score, np.nan)

    def normal(self, sample: Sample, scores: Reals) -> tuple[Reals, Reals]:  # noqa: ARG002
        held = self._newest.held(sample.series)
        (median,) = self._newest.quantiles(sample.series, 0.5)
        away = np.sort(np.abs(self._newest.values[:, sample.series] - median), axis=0)
        allowed = np.maximum(quantile(away, held, 0.5) * NORMAL_MAD, smallest(median))
        allowed *= float(self.settings["deviations"])
        return median - allowed, median + allowed

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
        low, high = self._newest.quantiles(sample.series, 0.25, 0.75)
        outside = np.maximum(np.maximum(low - sample.values, sample.values - high), 0.0)
        # `maximum` keeps a NaN of the value.
        between = self.at_least_a_step(sample.series, np.maximum(high - low, smallest(high)))
        score = outside / between / float(self.settings["fence"])
        return np.where(self._newest.held(sample.series) >= self.settings["least"], score, np.nan)

    def normal(self, sample: Sample, scores: Reals) -> tuple[Reals, Reals]:  # noqa: ARG002
        low, high = self._newest.quantiles(sample.series, 0.25, 0.75)
        allowed = np.maximum(high - low, smallest(high)) * float(self.settings["fence"])
        return low - allowed, high + allowed

    def learn(self, sample: Sample) -> None:
        self._newest.push(sample.series, sample.values)
