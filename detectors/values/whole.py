"""Features of whole devices: those of all their channels side by side, so that a model sees what belongs together.

A detector that looks at series takes each channel by itself. Here a row is a device at one reading, and of two sorts.
*By rows* there is one at each reading: ten features of each of its channels, the same that `learnt.py` makes of a
series. *By minutes* there is one a minute, at the first reading of it that is whole: of each channel the value, its
change, older ones, and statistics of the last 1, 5 and 15 minutes (`features.py`); the product of each two channels;
and the time of the day and of the week.

Machines of a kind differ, and one model is for all of them: so values are told from the *level* of their device, the
mean of its first readings. Who trains a model and who scores by it make rows by this one class, so that both see the
same numbers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.features import LAGS, MINUTES, MOST, Rolling, calendar, products
from twinstorm.detectors.values.features import STATISTICS as ALL_STATISTICS
from twinstorm.detectors.values.learnt import STATISTICS, WINDOWS
from twinstorm.detectors.values.memory import NO_TIME
from twinstorm.twin.flow import DAY_US, MINUTE_US, Int, Mask

TIMES: Final = {"hour": DAY_US, "weekday": 7 * DAY_US}
"""Features of the time, last in a row by minutes, and for how long rows must be told to teach anything of it."""
LONGEST: Final = max(window.span_us for window in MINUTES) // MINUTE_US
"""Minutes of a device that must have been told before a row of one: then its windows are whole."""

AT_ONCE: Final = 65_536
"""Values of windows that are summed up at a time. No result depends on it."""


def held_by(every_us: int) -> int:
    """Values of a channel that windows of minutes have to hold, of devices that sample so often."""
    return int(min(max(LONGEST * MINUTE_US // every_us, *LAGS) + 1, MOST))


def feature_names(channels: Sequence[str], held: int = 0) -> tuple[str, ...]:
    """Of the columns of a row: ``flow_m3_h.mean_5rows``, by channel.

    Args:
        held: see `WholeDevices.of_width`.
    """
    each = _rolling(1, held).names
    names = tuple(f"{channel}.{name}" for channel in channels for name in each)
    if not held:
        return names
    _, pairs = products(np.zeros((len(channels), 1)), channels)
    return (*names, *pairs, *TIMES)


def without_times(rows: Reals, at_us: Int) -> Reals:
    """Rows by minutes that say nothing of the time where they are of less than a day, or of less than a week: a model
    would take the other hours as strange."""
    told = rows.copy()
    for place, least_us in enumerate(TIMES.values(), start=rows.shape[1] - len(TIMES)):
        if np.ptp(at_us) < least_us:
            told[:, place] = 0.0
    return told


def _rolling(series: int, held: int) -> Rolling:
    if held:
        return Rolling(series, MINUTES, LAGS, ALL_STATISTICS, calendar=False, most=held)
    return Rolling(series, WINDOWS, lags=(), statistics=STATISTICS, calendar=False)


class WholeDevices(ValueDetector):
    """Scores rows of devices that all have the same channels.

    A sample holds whole devices only, the channels of each beside each other in one order, which is how `OnFleet` asks;
    all channels of a device get its score. So here a series changes scores of others, but only of its own device. By
    minutes a score stays until the next row.
    """

    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._level_count: Int = np.zeros(series, np.int64)
        self._level_sum: Reals = np.zeros(series)
        """Of the first readings, those that make the level."""
        self.of_width(1, 0)

    def of_width(self, channels: int, level: int, held: int = 0) -> None:
        """Say how many channels a device has and how many readings make its level (0: there is none), before the first
        sample. Nothing is said of a device before.

        Args:
            held: 0: rows are by rows; else they are by minutes, and windows hold so many values of a channel at most.
        """
        self.width, self.level, self.held = channels, level, held
        self._features = _rolling(self.series, held)
        devices = self.series // channels if held else 0
        self._minute: Int = np.full(devices, NO_TIME, np.int64)
        """That the newest row of a device is of."""
        self._minutes: Int = np.zeros(devices, np.int64)
        """That were told."""
        self._told: Reals = np.full(devices, np.nan)

    def forget(self, series: Which) -> None:
        self._level_count[series], self._level_sum[series] = 0, 0.0
        fresh = _rolling(1, self.held)
        for name, blank in vars(fresh).items():
            if isinstance(blank, np.ndarray):
                getattr(self._features, name)[..., series] = blank
        if self.held:
            device = np.arange(self.series)[series] // self.width
            self._minute[device], self._minutes[device], self._told[device] = NO_TIME, 0, np.nan

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
        device = np.arange(self.series)[sample.series][:: self.width] // self.width
        if not self.held:
            rows = self._rows_of(sample)
            whole = (rows == rows).all(axis=1)
            scores = np.full(len(rows), np.nan)
            if whole.any():
                scores[whole] = self._judged(rows, whole, device, sample.at_us[:: self.width], learns=learns)
            return np.repeat(scores, self.width)
        scores = self._told[device]
        due = self._due(sample, device)
        if due.any():
            scores[due] = self._of_minutes(sample, due, device[due], learns=learns)
        return np.where(sample.values == sample.values, np.repeat(scores, self.width), np.nan)

    def _due(self, sample: Sample, device: Int) -> Mask:
        """bool (devices,): whose minute has had no row yet, and who is there: others of a stretch have no time."""
        there = (sample.values == sample.values).reshape(-1, self.width).all(axis=1)
        return there & (sample.at_us[:: self.width] // MINUTE_US != self._minute[device])

    def _of_minutes(self, sample: Sample, due: Mask, device: Int, *, learns: bool) -> Reals:
        """Scores of these devices at the beginning of a minute of theirs; who cannot be judged keeps its own."""
        asked = np.repeat(due, self.width)
        series = np.arange(self.series)[sample.series]
        part = Sample(sample.at_us[asked], sample.values[asked], series[asked])
        rows, at_us, scores = self._rows_in_parts(part), part.at_us[:: self.width], self._told[device]
        whole = (rows == rows).all(axis=1)
        ready = whole & (self._minutes[device] >= LONGEST)
        if ready.any():
            scores[ready] = self._judged(rows, ready, device, at_us, learns=learns)
        if learns:
            self._told[device] = scores
            self._minute[device[whole]] = at_us[whole] // MINUTE_US
            self._minutes[device[whole]] += 1
        return scores

    def _rows_in_parts(self, sample: Sample) -> Reals:
        """The same as `_rows_of`, of so many devices at a time that what their windows hold fits the cache."""
        size = max(AT_ONCE // (self.held * self.width), 1) * self.width
        parts = (slice(begin, begin + size) for begin in range(0, len(sample.values), size))
        series = np.arange(self.series)[sample.series]
        rows = [self._rows_of(Sample(sample.at_us[each], sample.values[each], series[each])) for each in parts]
        return np.concatenate(rows)

    def _judged(self, rows: Reals, which: Mask, device: Int, at_us: Int, *, learns: bool) -> Reals:
        return self.judged(np.ascontiguousarray(rows[which]), device[which], at_us[which], learns=learns)

    def _rows_of(self, sample: Sample) -> Reals:
        """float64 (devices, features), NaN where there is nothing yet to tell a feature from."""
        features = self._features.of(sample)
        # (features, devices, channels) to a row a device, by channel.
        rows = (
            features.reshape(len(features), -1, self.width).transpose(1, 2, 0).reshape(-1, len(features) * self.width)
        )
        if not self.held:
            return rows
        pairs, _ = products(sample.values.reshape(-1, self.width).T, [""] * self.width)
        return np.column_stack([rows, pairs.T, *calendar(sample.at_us[:: self.width])])


def bytes_a_channel(held: int = 0) -> int:
    """What is remembered of a channel of a device; see `WholeDevices.of_width`."""
    own = 24 if held else 0
    return own + 16 + sum(each.nbytes for each in vars(_rolling(1, held)).values() if isinstance(each, np.ndarray))
