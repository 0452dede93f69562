"""What a value should be at this time of the day: one mean a slot, from the days before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector
from twinstorm.detectors.values.memory import NO_TIME, smallest
from twinstorm.twin.flow import DAY_US, Int


class DayProfile:
    """Exponentially weighted mean of a series in each slot of the day, in universal time.

    Attributes:
        slots: in a day.
    """

    def __init__(self, slots: int, weight: float, series: int) -> None:
        self.slots = slots
        self._weight = weight
        self._means: Reals = np.full((slots, series), np.nan)
        self._level: Reals = np.full(series, np.nan)
        """A slow mean over all slots, for a slot that knows nothing yet."""
        self._first_us: Int = np.full(series, NO_TIME, np.int64)

    def expected(self, sample: Sample) -> Reals:
        """Mean of the slot and its two neighbours, as far as they are known; else the level; NaN before a value."""
        slot, numbers = self._slot(sample)
        known, total = np.zeros(len(slot)), np.zeros(len(slot))
        for beside in (-1, 0, 1):
            mean = self._means[(slot + beside) % self.slots, numbers]
            here = mean == mean
            known += here
            total += np.where(here, mean, 0.0)
        return np.where(known > 0, total / np.maximum(known, 1.0), self._level[sample.series])

    def whole(self, sample: Sample) -> Reals:
        """1.0 for series that are at least a day old, NaN for others."""
        first_us = self._first_us[sample.series]
        return np.where((first_us != NO_TIME) & (sample.at_us - first_us >= DAY_US), 1.0, np.nan)

    def learn(self, sample: Sample) -> None:
        """Take values into their slots."""
        slot, numbers = self._slot(sample)
        values, here = sample.values, sample.values == sample.values
        before = self._means[slot, numbers]
        after = np.where(before == before, before + self._weight * (values - before), values)
        self._means[slot, numbers] = np.where(here, after, before)
        level = self._level[sample.series]
        moved = np.where(level == level, level + 0.01 * (values - level), values)
        self._level[sample.series] = np.where(here, moved, level)
        first_us = self._first_us[sample.series]
        self._first_us[sample.series] = np.where(here & (first_us == NO_TIME), sample.at_us, first_us)

    def _slot(self, sample: Sample) -> tuple[Int, Int]:
        slot = sample.at_us % DAY_US * self.slots // DAY_US
        return slot, np.arange(self._means.shape[1])[sample.series]


class Seasonal(ValueDetector):
    """Distance from what the days before had at this time, in the usual such distances.

    Knows days, not weeks: a quiet Sunday looks strange until five of them have weighed in. It needs a day before it
    says anything.
    """

    name: ClassVar[str] = "seasonal"
    summary: ClassVar[str] = "a value unlike those of other days at this time"
    leap: ClassVar[float] = 4.0
    options: ClassVar[tuple[Option, ...]] = (
        Option("slots", "count", "96", "in a day", least="1", most="1440"),
        Option("weight", "share", "30 %", "of the newest day", least="1 %"),
        Option("deviations", "number", "6", "usual distances to the limit", least="0.1"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._profile = DayProfile(settings["slots"], float(settings["weight"]), series)
        self._square: Reals = np.full(series, np.nan)

    def score(self, sample: Sample) -> Reals:
        away = np.abs(sample.values - self._profile.expected(sample)) * self._profile.whole(sample)
        return away / self._usual(sample) / float(self.settings["deviations"])

    def _usual(self, sample: Sample) -> Reals:
        usual = np.sqrt(self._square[sample.series])
        return self.at_least_a_step(sample.series, np.maximum(usual, smallest(sample.values)))

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        expected = self._profile.expected(sample) * self._profile.whole(sample)
        away = self._usual(sample) * float(self.settings["deviations"]) * reach
        return expected - away, expected + away

    def learn(self, sample: Sample) -> None:
        away = (sample.values - self._profile.expected(sample)) * self._profile.whole(sample)
        square = self._square[sample.series]
        moved = np.where(square == square, square + 0.01 * (away * away - square), away * away)
        self._square[sample.series] = np.where(away == away, moved, square)
        self._profile.learn(sample)
