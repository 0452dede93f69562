"""Where a series is going: when it will cross a limit, if it goes on as lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Finest, Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.memory import NO_TIME, Extremes, smallest, total
from twinstorm.detectors.values.predictions import Predictions
from twinstorm.twin.flow import DAY_US, SECOND_US, Int, Mask

MOST_OWED: Final = 0.99
"""Of a residual to the one before."""


class Forecast(ValueDetector):
    """A straight line through the last values crosses a limit within `horizon`.

    The limit lies `margin` times the range of the first `train` values, and of those of the first `horizon`, beyond
    them, on either side: what a minute shows is not what an hour may. Points of the line are so far apart that it is
    half as long as the horizon or longer; values between them are passed over.

    The score is the horizon over the time that is left: 1.0 if the crossing is expected at the horizon, 2.0 at half of
    it, at most 1,000 beyond the limit; 0 if the line goes another way, or if its slope is less than `sure` of its own
    standard errors, which is what noise makes.

    A prediction is right if the limit is crossed within the horizon after it: `predictions` counts that. A cycle looks
    like a trend as long as half of it is longer than the window.

    Source: least squares; the standard error of the slope is that for independent residuals, widened by what each
    residual owes to the one before: sqrt((1 + r) / (1 - r)), von Storch and Zwiers 1999, 6.6.8.
    """

    name: ClassVar[str] = "forecast"
    summary: ClassVar[str] = "a series that will leave its range within the horizon"
    leap: ClassVar[float] = 1.0
    least_us: ClassVar[int] = DAY_US
    chosen_by: ClassVar[tuple[str, ...] | None] = ("train",)
    options: ClassVar[tuple[Option, ...]] = (
        Option("train", "count", "100", "values whose range is normal", least="2"),
        Option("margin", "share", "50 %", "of that range, beyond it, to the limit", least="1 %"),
        Option("window", "count", "60", "newest points that tell the trend", least="4", most="10000"),
        Option("horizon", "duration", "1 h", "ahead, within which a crossing counts", least="1 s"),
        Option("sure", "number", "4", "standard errors that the slope must exceed", least="0"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        depth = settings["window"]
        self._values: Reals = np.full((depth, series), np.nan)
        self._at_us: Int = np.zeros((depth, series), np.int64)
        self._count: Int = np.zeros(series, np.int64)
        """Values so far."""
        self._first_us: Int = np.full(series, NO_TIME, np.int64)
        self._points: Int = np.zeros(series, np.int64)
        """Of them that were kept."""
        self._last_us: Int = np.full(series, NO_TIME, np.int64)
        """When the newest point was sampled."""
        self._apart_us = int(settings["horizon"]) // (2 * depth)
        self._normal = Extremes(1, series)
        self._learns_on = False
        """The range is learnt from all values, not from the first."""
        self.predictions = Predictions(series, int(settings["horizon"]))

    def tells(self, finest: Finest) -> None:
        """Who learns limits learns the range as well, from all values."""
        super().tells(finest)
        self._learns_on = True

    def is_now(self, now_us: int) -> None:
        """Whose horizon is over is decided, though nothing more may have been heard of it."""
        self.predictions.decide(now_us)

    def forget(self, series: Which) -> None:
        """What was foretold of them is withdrawn."""
        self.predictions.withdraw(series)
        super().forget(series)

    def step(self, sample: Sample) -> Reals:
        """`score`, then `learn`; and what came of what was foretold."""
        scores = self.score(sample)
        low, high = self._limits(sample.series)
        beyond = (sample.values < low) | (sample.values > high)
        self.predictions.see(sample.series, sample.at_us, scores, beyond)
        self.learn(sample)
        return scores

    def score(self, sample: Sample) -> Reals:
        left_s = self.left_s(sample)
        horizon_s = self.settings["horizon"] / SECOND_US
        score = horizon_s / np.maximum(left_s, horizon_s / 1_000.0)
        ready = ~self._is_early(sample) & (self._points[sample.series] >= self.settings["window"])
        return np.where(ready & (sample.values == sample.values), np.where(left_s < np.inf, score, 0.0), np.nan)

    def learn(self, sample: Sample) -> None:
        series, depth = sample.series, len(self._values)
        here = sample.values == sample.values
        self._first_us[series] = np.where(
            here & (self._first_us[series] == NO_TIME), sample.at_us, self._first_us[series]
        )
        early = here & (self._is_early(sample) | self._learns_on)
        self._normal.learn(series, np.where(early, sample.values, np.nan)[None])
        last_us = self._last_us[series]
        # A clock that was set back begins a line of its own sooner or later: what is not after the last counts as well.
        far = (last_us == NO_TIME) | (sample.at_us - last_us >= self._apart_us) | (sample.at_us < last_us)
        kept = here & far
        numbers = np.arange(self.series)[series]
        self._count[numbers[here]] += 1
        numbers = numbers[kept]
        place = self._points[numbers] % depth
        self._values[place, numbers] = sample.values[kept]
        self._at_us[place, numbers] = self._last_us[numbers] = sample.at_us[kept]
        self._points[numbers] += 1

    def _is_early(self, sample: Sample) -> Mask:
        """Whose range is not known yet: few values, or not for long enough."""
        first_us = self._first_us[sample.series]
        short = (first_us == NO_TIME) | (sample.at_us - first_us < self.settings["horizon"])
        few: Mask = self._count[sample.series] < self.settings["train"]
        return few | short

    def left_s(self, sample: Sample) -> Reals:
        """Time to the limit with this value as the newest, s: float64 (k,), 0 beyond it, infinite if it is not met."""
        level, slope, error = self._trend(sample)
        low, high = self._limits(sample.series)
        above, below = high - level, level - low
        sure = np.abs(slope) > float(self.settings["sure"]) * error
        to_go = np.where(slope > 0, above, below)
        speed = np.where(sure & (slope != 0), np.abs(slope), np.nan)
        left = np.where(speed == speed, np.maximum(to_go, 0.0) / speed, np.inf)
        return np.where((above <= 0) | (below <= 0), 0.0, left)

    def _limits(self, series: Which) -> tuple[Reals, Reals]:
        """What must not be crossed, downwards and upwards."""
        low, high = self._normal.bounds(series)
        margin = np.maximum((high - low)[0] * float(self.settings["margin"]), smallest(high[0]))
        margin = self.at_least_a_step(series, margin)
        return low[0] - margin, high[0] + margin

    def _trend(self, sample: Sample) -> tuple[Reals, Reals, Reals]:
        """Level now, slope a second and its standard error, of the least-squares line through the newest values."""
        depth, columns = len(self._values), np.arange(len(sample.values))
        place = self._points[sample.series] % depth
        values, at_us = self._values[:, sample.series].copy(), self._at_us[:, sample.series].copy()
        values[place, columns], at_us[place, columns] = sample.values, sample.at_us
        here = values == values
        many = np.maximum(total(here), 1.0)
        ago_s = np.where(here, (at_us - sample.at_us) * 1e-6, 0.0)
        mean_s, mean = total(ago_s) / many, total(np.where(here, values, 0.0)) / many
        along = np.where(here, ago_s - mean_s, 0.0)
        away = np.where(here, values - mean, 0.0)
        length = np.maximum(total(along * along), 1e-12)
        slope = total(along * away) / length
        rest = away - slope * along
        square = total(rest * rest)
        error = np.sqrt(square / np.maximum(many - 2.0, 1.0) / length)
        # From the oldest point to the newest, which lies at `place`.
        rest = np.take_along_axis(rest, (place + 1 + np.arange(depth)[:, None]) % depth, axis=0)
        owed = np.clip(total(rest[1:] * rest[:-1]) / np.maximum(square, 1e-300), 0.0, MOST_OWED)
        return mean - slope * mean_s, slope, error * np.sqrt((1.0 + owed) / (1.0 - owed))
