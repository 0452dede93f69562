"""Features of whole devices over minutes: what shows how worn a machine is, and which way it goes.

A model of strange readings looks at the newest few. Wear shows over minutes and hours, and as much in how a machine is
as in how it has changed: so a row is a device at the end of a minute, five features of each of its channels, in their
own units. Who trains a model and who looks by it make rows by this one class.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.memory import NO_TIME
from twinstorm.twin.flow import MINUTE_US, Int, Mask

FAST: Final = 5
SLOW: Final = 30
"""Minutes over which moving averages go."""
LEVEL: Final = 10
"""First minutes of a device, whose mean is its level: nothing is said of it before."""
STATISTICS: Final = ("mean", "sd", "mean_5min", "trend_30min", "from_level")


def minute_names(channels: Sequence[str]) -> tuple[str, ...]:
    """Of the columns of a row: ``flow_m3_h.trend_30min``, by channel.

    mean and sd are those of the minute, mean_5min and the like moving averages of the means; the trend is the shorter
    one less the longer one, and from_level the shorter one less the level.
    """
    return tuple(f"{channel}.{name}" for channel in channels for name in STATISTICS)


class Minutes(ValueDetector):
    """Judges devices that all have the same channels, each when a minute of it is over.

    A sample holds whole devices only, the channels of each beside each other in one order, which is how `OnFleet` asks.
    A minute is over with the first reading of another one, by the device's own clock; what scores then stays until the
    next. A minute in which a channel was silent is none. Who has no value in a sample is not there: its minute goes on.
    """

    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.width = 1
        self._minute: Int = np.full(series, NO_TIME, np.int64)
        """That is not over; `NO_TIME`: none has begun."""
        self._count: Int = np.zeros(series, np.int64)
        self._sum: Reals = np.zeros(series)
        self._squares: Reals = np.zeros(series)
        self._begin: Reals = np.zeros(series)
        """First value of the minute, from which the squares are told: else they would lose a small deviation."""
        self._means: Int = np.zeros(series, np.int64)
        self._fast: Reals = np.zeros(series)
        self._slow: Reals = np.zeros(series)
        self._level_sum: Reals = np.zeros(series)
        self._told: Reals = np.full(series, np.nan)

    def of_width(self, channels: int) -> None:
        """Say how many channels a device has, before the first sample."""
        self.width = channels

    def forget(self, series: Which) -> None:
        self._minute[series], self._told[series] = NO_TIME, np.nan
        for whole in (self._count, self._means):
            whole[series] = 0
        for real in (self._sum, self._squares, self._begin, self._fast, self._slow, self._level_sum):
            real[series] = 0.0

    @abstractmethod
    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        """Scores of devices, float64 (k,), NaN where nothing can be said.

        Args:
            rows: float64 (k, features), each finite.
            device: int64 (k,), the number of each among those that are watched.
            at_us: int64 (k,), the end of the minute of each.
            learns: these rows count as seen; else nothing may change.
        """

    def score(self, sample: Sample) -> Reals:
        series = np.arange(self.series)[sample.series]
        told = self._told[series]
        ended = self._ended(sample, series)
        if ended.any():
            averages = self._averages(series[ended])
            told[ended] = self._scores(series[ended], averages, learns=False)
        return np.where(sample.values == sample.values, told, np.nan)

    def learn(self, sample: Sample) -> None:
        self.step(sample)

    def step(self, sample: Sample) -> Reals:
        series = np.arange(self.series)[sample.series]
        ended = self._ended(sample, series)
        if ended.any():
            over = series[ended]
            averages = self._averages(over)
            self._told[over] = self._scores(over, averages, learns=True)
            self._fast[over], self._slow[over], self._level_sum[over], self._means[over] = averages
            self._minute[over], self._count[over], self._sum[over], self._squares[over] = NO_TIME, 0, 0.0, 0.0
        here = sample.values == sample.values
        mine, values = series[here], sample.values[here]
        fresh = self._count[mine] == 0
        self._begin[mine[fresh]] = values[fresh]
        self._count[mine] += 1
        self._sum[mine] += values - self._begin[mine]
        self._squares[mine] += (values - self._begin[mine]) ** 2
        begins = self._there(sample) & (self._minute[series] == NO_TIME)
        self._minute[series[begins]] = sample.at_us[begins] // MINUTE_US
        return np.where(here, self._told[series], np.nan)

    def _ended(self, sample: Sample, series: Int) -> Mask:
        """bool (k,): whose minute is over with this sample."""
        minute = self._minute[series]
        return self._there(sample) & (minute != NO_TIME) & (minute != sample.at_us // MINUTE_US)

    def _there(self, sample: Sample) -> Mask:
        """bool (k,): of devices that tell anything. A stretch of a fleet holds others too, whose times mean nothing."""
        there = (sample.values == sample.values).reshape(-1, self.width).any(axis=1)
        return np.repeat(there, self.width)

    def _averages(self, series: Int) -> tuple[Reals, Reals, Reals, Int]:
        """Moving averages, sum of the level and number of means with the minute that is over."""
        mean = self._mean(series)
        there = mean == mean
        number = self._means[series] + there
        with np.errstate(divide="ignore"):
            fast = self._fast[series] + np.where(there, (mean - self._fast[series]) * _weight(number, FAST), 0.0)
            slow = self._slow[series] + np.where(there, (mean - self._slow[series]) * _weight(number, SLOW), 0.0)
        level = self._level_sum[series] + np.where(there & (number <= LEVEL), mean, 0.0)
        return fast, slow, level, number

    def _mean(self, series: Int) -> Reals:
        count = self._count[series]
        return np.where(count > 0, self._begin[series] + self._sum[series] / np.maximum(count, 1), np.nan)

    def _scores(self, series: Int, averages: tuple[Reals, Reals, Reals, Int], *, learns: bool) -> Reals:
        """Scores of the series of devices whose minute is over; those of one that cannot be judged stay."""
        fast, slow, level_sum, number = averages
        count = np.maximum(self._count[series], 1)
        away = self._sum[series] / count
        sd = np.sqrt(np.maximum(self._squares[series] / count - away * away, 0.0))
        level = np.where(number > LEVEL, level_sum / LEVEL, np.nan)
        features = np.stack([self._mean(series), sd, fast, fast - slow, fast - level])
        rows = (
            features.reshape(len(features), -1, self.width).transpose(1, 2, 0).reshape(-1, len(features) * self.width)
        )
        whole = (rows == rows).all(axis=1)
        scores = self._told[series[:: self.width]]
        if whole.any():
            owner = series[:: self.width][whole]
            at_us = (self._minute[owner] + 1) * MINUTE_US
            given = np.ascontiguousarray(rows[whole])
            scores[whole] = self.judged(given, owner // self.width, at_us, learns=learns)
        return np.repeat(scores, self.width)


def _weight(number: Int, minutes: int) -> Reals:
    """Of the newest mean: a plain mean until there are so many."""
    return np.maximum(1.0 / np.maximum(number, 1), 1.0 / minutes)


def bytes_a_channel() -> int:
    """What is remembered of a channel of a device."""
    return 10 * 8
