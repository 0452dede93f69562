"""Features of series: the numbers that a model looks at instead of one value.

Each comes from the values of one series up to now. Windows are so many rows, or so much time; in both ways a window
ends with the newest value and holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.detectors.values.contract import ALL, Reals, Sample, Which
from twinstorm.detectors.values.memory import total
from twinstorm.twin.flow import SECOND_US, Int, Mask

HOUR_US: Final = 3_600 * SECOND_US
DAYS: Final = 7
THURSDAY: Final = 3
"""Of 1970-01-01, Monday being 0."""
SPIKE: Final = 3.0
"""Standard deviations from the mean of its window, beyond which a value is a spike. Among n values none lies further
than (n - 1) / sqrt(n) of them: windows of less than 11 values have no spikes."""
STATISTICS: Final = ("mean", "sd", "min", "max", "spikes")
LAGS: Final = (1, 5, 10)
MOST: Final = 900
"""Values that a window of time holds, the newest: a quarter of an hour at one a second."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a statistic is taken of: `rows` values, or, if that is 0, those less than `span_us` old."""

    rows: int = 0
    span_us: int = 0

    @property
    def name(self) -> str:
        """As in ``mean_5min`` or ``mean_5rows``."""
        if self.rows:
            return f"{self.rows}rows"
        return f"{self.span_us // (60 * SECOND_US)}min" if self.span_us % (60 * SECOND_US) == 0 else f"{self.span_us}us"


def rows(*counts: int) -> tuple[Window, ...]:
    """Windows of so many values."""
    return tuple(Window(rows=count) for count in counts)


def minutes(*counts: int) -> tuple[Window, ...]:
    """Windows of so many minutes."""
    return tuple(Window(span_us=count * 60 * SECOND_US) for count in counts)


MINUTES: Final = minutes(1, 5, 15)


class Rolling:
    """Features of each series: the value, its change, older values, statistics of windows, and the time of the week.

    A value that is missing is no row: `lag_1` is the value before it, however long ago that was. Standard deviations
    are those of a population, so that one value has 0.

    Attributes:
        names: of the features, in the order of the rows of `of`.
    """

    def __init__(
        self,
        series: int,
        windows: Sequence[Window] = MINUTES,
        lags: Sequence[int] = LAGS,
        statistics: Sequence[str] = STATISTICS,
        calendar: bool = True,
        most: int = MOST,
    ) -> None:
        """
        Args:
            lags: rows back. statistics: of `STATISTICS`.
            calendar: with the hour of the day and the day of the week.
            most: values that windows of time remember.
        """
        self.names = (
            "value",
            "delta",
            *(f"lag_{lag}" for lag in lags),
            *(f"{statistic}_{window.name}" for window in windows for statistic in statistics),
            *(("hour", "weekday") if calendar else ()),
        )
        self._windows, self._lags, self._statistics = tuple(windows), tuple(lags), tuple(statistics)
        self._calendar = calendar
        depth = max([2, *(window.rows or most for window in windows), *(lag + 1 for lag in lags)])
        self._values: Reals = np.full((depth, series), np.nan)
        self._at_us: Int = np.zeros((depth, series), np.int64)
        self._count: Int = np.zeros(series, np.int64)

    def of(self, sample: Sample) -> Reals:
        """Features with this value as the newest: float64 (features, k).

        NaN where the value is missing, and where there is nothing yet to tell a feature from.
        """
        depth = len(self._values)
        values, count = sample.values, self._count[sample.series]
        columns = np.arange(len(values))
        held, at_us = self._values[:, sample.series].copy(), self._at_us[:, sample.series].copy()
        held[count % depth, columns], at_us[count % depth, columns] = values, sample.at_us

        def back(rows: int) -> Reals:
            return np.where(count >= rows, held[(count - rows) % depth, columns], np.nan)

        told = [values, values - back(1), *(back(lag) for lag in self._lags)]
        past = (count - np.arange(depth)[:, None]) % depth
        for window in self._windows:
            near = past < window.rows if window.rows else sample.at_us - at_us < window.span_us
            told += _statistics(held, near & (held == held), self._statistics)
        if self._calendar:
            told += calendar(sample.at_us)
        features = np.stack(told)
        features[:, values != values] = np.nan
        return features

    def learn(self, sample: Sample) -> None:
        """Take values as seen."""
        depth, series = self._values.shape
        here = sample.values == sample.values
        numbers = np.arange(series)[sample.series][here]
        place = self._count[numbers] % depth
        self._values[place, numbers] = sample.values[here]
        self._at_us[place, numbers] = sample.at_us[here]
        self._count[numbers] += 1

    def count(self, which: Which = ALL) -> Int:
        """Values so far, int64 (k,)."""
        return self._count[which]


def calendar(at_us: Int) -> tuple[Reals, Reals]:
    """Hour of the day, 0 to 24 with its fraction, and day of the week, Monday 0, in universal time."""
    hours = at_us // HOUR_US
    return at_us % (24 * HOUR_US) / HOUR_US, ((hours // 24 + THURSDAY) % DAYS).astype(np.float64)


def products(values: Reals, names: Sequence[str]) -> tuple[Reals, tuple[str, ...]]:
    """What pairs of channels do together: the product of each two.

    Args:
        values: float64 (channels, k), a row a channel.

    Returns:
        float64 (pairs, k), and their names, ``a*b``, in the order of the channels.
    """
    first, second = np.triu_indices(len(names), 1)
    return values[first] * values[second], tuple(
        f"{names[one]}*{names[other]}" for one, other in zip(first.tolist(), second.tolist(), strict=True)
    )


def _statistics(values: Reals, near: Mask, wanted: Sequence[str]) -> list[Reals]:
    """Of the values that are near, each column for itself."""
    held = np.maximum(total(near), 1.0)
    mean = total(np.where(near, values, 0.0)) / held
    away = np.where(near, values - mean, 0.0)
    sd = np.sqrt(total(away * away) / held)
    told = {"mean": mean, "sd": sd}
    if "min" in wanted or "max" in wanted:
        inside = np.where(near, values, np.nan)
        told["min"], told["max"] = np.fmin.reduce(inside, axis=0), np.fmax.reduce(inside, axis=0)
    if "spikes" in wanted:
        told["spikes"] = total(np.abs(away) > SPIKE * np.where(sd > 0.0, sd, np.inf))
    return [told[statistic] for statistic in wanted]
