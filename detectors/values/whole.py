"""Features of whole devices: those of all their channels side by side, so that a model sees what belongs together.

A detector that looks at series takes each channel by itself. Here a row is a device at one reading: ten features of
each of its channels, the same that `learnt.py` makes of a series. Machines of a kind differ, and one model is for all
of them: so values are told from the *level* of their device, the mean of its first readings. Who trains a model and who
scores by it make rows by this one class, so that both see the same numbers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.features import Rolling
from twinstorm.detectors.values.learnt import STATISTICS, WINDOWS
from twinstorm.twin.flow import Int


def feature_names(channels: Sequence[str]) -> tuple[str, ...]:
    """Of the columns of a row: ``flow_m3_h.mean_5rows``, by channel."""
    each = _rolling(1).names
    return tuple(f"{channel}.{name}" for channel in channels for name in each)


def _rolling(series: int) -> Rolling:
    return Rolling(series, WINDOWS, lags=(), statistics=STATISTICS, calendar=False)


class WholeDevices(ValueDetector):
    """Scores rows of devices that all have the same channels.

    A sample holds whole devices only, the channels of each beside each other in one order, which is how `OnFleet` asks;
    all channels of a device get its score. So here a series changes scores of others, but only of its own device.
    """

    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._features = _rolling(series)
        self._level_count: Int = np.zeros(series, np.int64)
        self._level_sum: Reals = np.zeros(series)
        """Of the first readings, those that make the level."""
        self.width, self.level = 1, 0

    def of_width(self, channels: int, level: int) -> None:
        """Say how many channels a device has and how many readings make its level (0: there is none), before the first
        sample. Nothing is said of a device before."""
        self.width, self.level = channels, level

    def forget(self, series: Which) -> None:
        self._level_count[series], self._level_sum[series] = 0, 0.0
        fresh = _rolling(1)
        for name, blank in vars(fresh).items():
            if isinstance(blank, np.ndarray):
                getattr(self._features, name)[..., series] = blank

    @abstractmethod
    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        """Scores of devices, float64 (k,), NaN where nothing can be said.

        Args:
            rows: float64 (k, features), each finite.
            device: int64 (k,), the number of each among those that are watched.
            at_us: int64 (k,), when each was sampled.
            learns: these rows count as seen; else nothing may change.
        """

    def score(self, sample: Sample) -> Reals:
        return self._scored(self._from_level(sample), learns=False)

    def learn(self, sample: Sample) -> None:
        self.step(sample)

    def step(self, sample: Sample) -> Reals:
        told = self._from_level(sample)
        scores = self._scored(told, learns=True)
        self._features.learn(told)
        self._learn_level(sample)
        return scores

    def _from_level(self, sample: Sample) -> Sample:
        """Values less the level of their device; NaN where it is not known yet."""
        if not self.level:
            return sample
        known = self._level_count[sample.series] >= self.level
        away = np.where(known, sample.values - self._level_sum[sample.series] / self.level, np.nan)
        return Sample(sample.at_us, away, sample.series)

    def _learn_level(self, sample: Sample) -> None:
        wanted = (self._level_count[sample.series] < self.level) & (sample.values == sample.values)
        if wanted.any():
            self._level_sum[sample.series] += np.where(wanted, sample.values, 0.0)
            self._level_count[sample.series] += wanted

    def _scored(self, sample: Sample, *, learns: bool) -> Reals:
        features = self._features.of(sample)
        # (features, devices, channels) to a row a device, by channel.
        rows = (
            features.reshape(len(features), -1, self.width).transpose(1, 2, 0).reshape(-1, len(features) * self.width)
        )
        whole = (rows == rows).all(axis=1)
        scores = np.full(len(rows), np.nan)
        if whole.any():
            series = np.arange(self.series)[sample.series][:: self.width]
            at_us = sample.at_us[:: self.width][whole]
            scores[whole] = self.judged(
                np.ascontiguousarray(rows[whole]), series[whole] // self.width, at_us, learns=learns
            )
        return np.repeat(scores, self.width)


def bytes_a_channel() -> int:
    """What is remembered of a channel of a device."""
    return 16 + sum(each.nbytes for each in vars(_rolling(1)).values() if isinstance(each, np.ndarray))
