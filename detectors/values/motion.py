"""Detectors on how a series moves: not at all, or too fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector
from twinstorm.detectors.values.memory import smallest
from twinstorm.twin.flow import Int


class FlatLine(ValueDetector):
    """The same value again and again, for longer than this series ever did while nobody complained.

    A sensor whose resolution is coarse repeats itself by nature, hence the longest run so far: the limit is `values`
    equal ones in a row, and `times` the longest run that ended by itself. What is exactly constant by design (a set
    point) looks stuck: leave such channels out.
    """

    name: ClassVar[str] = "flat-line"
    summary: ClassVar[str] = "a value that repeats itself for too long"
    headline: ClassVar[str] = "repeat themselves"
    leap: ClassVar[float] = 1.0
    options: ClassVar[tuple[Option, ...]] = (
        Option("values", "count", "20", "equal values in a row, at least", least="2"),
        Option("times", "number", "3", "as long as the longest run that ended", least="1"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._last: Reals = np.full(series, np.nan)
        self._run: NDArray[np.int32] = np.zeros(series, np.int32)
        self._longest: NDArray[np.int32] = np.zeros(series, np.int32)

    def score(self, sample: Sample) -> Reals:
        run = np.where(sample.values == self._last[sample.series], self._run[sample.series] + 1, 1)
        limit = np.maximum(self._longest[sample.series] * float(self.settings["times"]), float(self.settings["values"]))
        # A run as long as the limit is one value more than its repetitions.
        return np.where(sample.values == sample.values, run / limit, np.nan)

    def learn(self, sample: Sample) -> None:
        series, values = sample.series, sample.values
        here, last, run = values == values, self._last[series], self._run[series]
        ended = here & (values != last)
        self._longest[series] = np.where(ended, np.maximum(self._longest[series], run), self._longest[series])
        self._run[series] = np.where(ended, 1, run + here)
        self._last[series] = np.where(here, values, last)

    def step(self, sample: Sample) -> Reals:
        """The same as `score` and `learn`, with fewer passes where no value is missing."""
        series, values = sample.series, sample.values
        if np.isnan(values.max(initial=0.0)):
            return super().step(sample)
        # Of a slice these are views, and what is done to them is done.
        last, run, longest = self._last[series], self._run[series], self._longest[series]
        goes_on = values == last
        limit = longest * float(self.settings["times"])
        np.maximum(limit, float(self.settings["values"]), out=limit)
        np.maximum(longest, run * ~goes_on, out=longest)
        run *= goes_on
        run += 1
        last[:] = values
        if not isinstance(series, slice):
            self._last[series], self._run[series], self._longest[series] = last, run, longest
        return np.divide(run, limit, out=limit)


class Rate(ValueDetector):
    """A change a second far beyond the usual one.

    What is usual is the exponentially weighted mean of squares of changes a second; a change of `times` its root is at
    the limit. Values far apart in time tell little of a rate: the time between them is what it was, not what it should
    be.
    """

    name: ClassVar[str] = "rate"
    summary: ClassVar[str] = "a change a second far beyond the usual one"
    headline: ClassVar[str] = "tell values that jump"
    leap: ClassVar[float] = 8.0
    options: ClassVar[tuple[Option, ...]] = (
        Option("least", "count", "20", "changes before anything is said", least="2"),
        Option("weight", "share", "2 %", "of the newest change", least="0.1 %"),
        Option("times", "number", "6", "the usual change a second, to the limit", least="0.1"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._last: Reals = np.full(series, np.nan)
        self._last_us: Int = np.zeros(series, np.int64)
        self._square: Reals = np.zeros(series)
        self._count: Int = np.zeros(series, np.int64)

    def _rate(self, sample: Sample) -> Reals:
        """Change a second since the last value; NaN without one, or for two at one instant."""
        apart_s = self._apart_s(sample)
        change = sample.values - self._last[sample.series]
        return np.where(apart_s > 0, change / np.where(apart_s > 0, apart_s, 1.0), np.nan)

    def _apart_s(self, sample: Sample) -> Reals:
        return (sample.at_us - self._last_us[sample.series]).astype(np.float64) * 1e-6

    def score(self, sample: Sample) -> Reals:
        usual = np.sqrt(self._square[sample.series])
        usual = np.maximum(usual, smallest(usual))
        if self.finest is not None:
            usual = np.maximum(usual, self.finest.step[sample.series] / np.maximum(self._apart_s(sample), 1e-6))
        score = np.abs(self._rate(sample)) / usual / float(self.settings["times"])
        return np.where(self._count[sample.series] >= self.settings["least"], score, np.nan)

    def learn(self, sample: Sample) -> None:
        series, rate = sample.series, self._rate(sample)
        known, here = rate == rate, sample.values == sample.values
        count = self._count[series] + known
        # The first ones weigh as in a plain mean, so that nothing of the zero at the start is left.
        weight = np.maximum(1.0 / np.maximum(count, 1), float(self.settings["weight"]))
        square = self._square[series]
        self._square[series] = np.where(known, square + weight * (rate * rate - square), square)
        self._count[series] = count
        self._last[series] = np.where(here, sample.values, self._last[series])
        self._last_us[series] = np.where(here, sample.at_us, self._last_us[series])
