"""Detectors on how a series moves: not at all, or too fast."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.memory import smallest
from twinstorm.twin.flow import Int, Mask

ONCE_IN: Final = 1e9
"""Values in which chance may repeat one for so long."""
FEWEST: Final = 10
KNOWN: Final = 30
"""Values that a series must have shown before its own chances count."""


class FlatLine(ValueDetector):
    """The same value again and again, for longer than this series does by nature.

    A sensor whose resolution is coarse repeats itself: `values` equal ones in a row are enough, or `times` the longest
    run that ended, if that is more. Fewer `values` are enough, down to ten, for a series that has shown how rarely it
    repeats itself: as many as chance would give it once in a billion. Ten, because what moves slowly stands still now
    and then; and no fewer where a value lies at an end of what its sensor can tell. What is exactly constant by design
    (a set point) looks stuck: leave such channels out.
    """

    name: ClassVar[str] = "flat-line"
    summary: ClassVar[str] = "a value that repeats itself for too long"
    headline: ClassVar[str] = "repeat themselves"
    leap: ClassVar[float] = 1.0
    sees_ends: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("values", "count", "20", "equal values in a row, or fewer where chance never gives so many", least="2"),
        Option("times", "number", "3", "its longest run that ended, if that is more of them", least="1"),
    )
    decides: ClassVar[Mapping[str, str]] = MappingProxyType({"hold": "0 s"})
    """A run has lasted already."""

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._last: Reals = np.full(series, np.nan)
        self._run: NDArray[np.int32] = np.zeros(series, np.int32)
        self._limit: NDArray[np.float32] = np.full(series, settings["values"], np.float32)
        """Of the run that goes on, as it was when the run began to be one."""
        self._longest: NDArray[np.int32] = np.zeros(series, np.int32)
        self._count: NDArray[np.int32] = np.zeros(series, np.int32)
        """Values."""
        self._repeated: NDArray[np.int32] = np.zeros(series, np.int32)
        """Values that were equal to the one before."""
        self._again: NDArray[np.int32] = np.zeros(series, np.int32)
        """Those among them whose one before was equal to its own as well."""

    def score(self, sample: Sample) -> Reals:
        run = np.where(sample.values == self._last[sample.series], self._run[sample.series] + 1, 1)
        limit = self._limit[sample.series].copy()
        self._begin(sample.series, sample.values, run, limit)
        return np.where(sample.values == sample.values, run / limit.astype(np.float64), np.nan)

    def learn(self, sample: Sample) -> None:
        here = sample.values == sample.values
        which = np.arange(self.series)[sample.series][here]
        self._take(which, sample.values[here])

    def step(self, sample: Sample) -> Reals:
        """The same as `score` and `learn`, with fewer passes where no value is missing."""
        if np.isnan(sample.values.max(initial=0.0)):
            return super().step(sample)
        run, limit = self._take(sample.series, sample.values)
        return run / limit.astype(np.float64)

    def _take(self, series: Which, values: Reals) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Learn, and tell the runs and their limits."""
        # Of a slice these are views, and what is done to them is done.
        last, run, limit, longest = self._last[series], self._run[series], self._limit[series], self._longest[series]
        goes_on = values == last
        again = goes_on & (run > 1)
        np.maximum(longest, run * ~goes_on, out=longest)
        run *= goes_on
        run += 1
        last[:] = values
        if not isinstance(series, slice):
            self._last[series], self._run[series], self._longest[series] = last, run, longest
        # The runs so far have all ended where one begins: how long it may go on is told without it.
        self._begin(series, values, run, limit)
        if not isinstance(series, slice):
            self._limit[series] = limit
        self._count[series] += 1
        self._repeated[series] += goes_on
        self._again[series] += again
        return run, limit

    def _begin(self, series: Which, values: Reals, run: NDArray[np.int32], limit: NDArray[np.float32]) -> None:
        """Write the limit of each run that has just begun, by what its series has shown before it."""
        begun = np.flatnonzero(run == 2)
        if len(begun):
            limit[begun] = self._enough(np.arange(self.series)[series][begun], values[begun])

    def _enough(self, which: Int, values: Reals) -> Reals:
        """How many times in a row are too often for these values of these series, float64 (k,)."""
        longest = self._longest[which] * float(self.settings["times"])
        most, count = float(self.settings["values"]), self._count[which]
        repeated, again = self._repeated[which], self._again[which]
        # Laplace's rule: what never came is not impossible. That a repetition goes on is taken as likely as that one
        # begins, with the weight of three, until it has been seen.
        begins = (repeated - again + 1) / (count + 2)
        goes_on = (again + 3 * begins) / (repeated + 3)
        by_chance = 2.0 + np.log(ONCE_IN * begins) / -np.log(goes_on)
        few = np.clip(np.ceil(by_chance), min(FEWEST, most), most)
        return np.maximum(np.where((count >= KNOWN) & ~self._is_at_an_end(which, values), few, most), longest)

    def _is_at_an_end(self, which: Int, values: Reals) -> Mask:
        """Of what the sensor can tell: fog is 100 % for hours."""
        if self.ends is None:
            return np.zeros(len(which), np.bool_)
        lowest, highest = self.ends.lowest[which], self.ends.highest[which]
        # Values are of single precision on their way.
        margin = 1e-6 * (highest - lowest)
        return (values <= lowest + margin) | (values >= highest - margin)


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
        return np.abs(self._rate(sample)) / self._usual(sample) / float(self.settings["times"])

    def _usual(self, sample: Sample) -> Reals:
        """A change a second; NaN where it is not known yet."""
        usual = np.sqrt(self._square[sample.series])
        usual = np.maximum(usual, smallest(usual))
        if self.finest is not None:
            usual = np.maximum(usual, self.finest.step[sample.series] / np.maximum(self._apart_s(sample), 1e-6))
        known = self._count[sample.series] >= self.settings["least"]
        return np.where(known, usual, np.nan)

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        last, apart_s = self._last[sample.series], self._apart_s(sample)
        away = self._usual(sample) * float(self.settings["times"]) * reach * np.where(apart_s > 0, apart_s, np.nan)
        return last - away, last + away

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
