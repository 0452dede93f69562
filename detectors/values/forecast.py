"""Where a series is going: when it will cross a limit, if it goes on as lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Finest, Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.memory import Extremes, smallest, total
from twinstorm.detectors.values.predictions import Predictions
from twinstorm.twin.flow import DAY_US, NEVER_US, SECOND_US, Int


class Forecast(ValueDetector):
    """A straight line through the last values crosses a limit within `horizon`.

    The limit lies `margin` times the range of the first `train` values beyond them, on either side. The score is the
    horizon over the time that is left: 1.0 if the crossing is expected at the horizon, 2.0 at half of it, at most 1,000
    beyond the limit; 0 if the line goes another way, or if its slope is less than `sure` of its own standard errors,
    which is what noise makes.

    A prediction is right if the limit is crossed within the horizon after it: `predictions` counts that. A cycle looks
    like a trend as long as half of it is longer than the window.

    Source: least squares; the standard error of the slope is that for independent residuals.
    """

    name: ClassVar[str] = "forecast"
    summary: ClassVar[str] = "a series that will leave its range within the horizon"
    leap: ClassVar[float] = 1.0
    least_us: ClassVar[int] = DAY_US
    options: ClassVar[tuple[Option, ...]] = (
        Option("train", "count", "100", "values whose range is normal", least="2"),
        Option("margin", "share", "50 %", "of that range, beyond it, to the limit", least="1 %"),
        Option("window", "count", "60", "newest values that tell the trend", least="4", most="10000"),
        Option("horizon", "duration", "1 h", "ahead, within which a crossing counts", least="1 s"),
        Option("sure", "number", "4", "standard errors that the slope must exceed", least="0"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        depth = settings["window"]
        self._values: Reals = np.full((depth, series), np.nan)
        self._at_us: Int = np.zeros((depth, series), np.int64)
        self._count: Int = np.zeros(series, np.int64)
        self._normal = Extremes(1, series)
        self._train: int = settings["train"]
        self.predictions = Predictions(series, int(settings["horizon"]))

    def tells(self, finest: Finest) -> None:
        """Who learns limits learns the range as well, from all values."""
        super().tells(finest)
        self._train = NEVER_US

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
        ready = self._count[sample.series] >= max(self.settings["train"], self.settings["window"])
        return np.where(ready & (sample.values == sample.values), np.where(left_s < np.inf, score, 0.0), np.nan)

    def learn(self, sample: Sample) -> None:
        series, depth = sample.series, len(self._values)
        here = sample.values == sample.values
        early = here & (self._count[series] < self._train)
        self._normal.learn(series, np.where(early, sample.values, np.nan)[None])
        numbers = np.arange(self.series)[series][here]
        place = self._count[numbers] % depth
        self._values[place, numbers] = sample.values[here]
        self._at_us[place, numbers] = sample.at_us[here]
        self._count[numbers] += 1

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
        place = self._count[sample.series] % depth
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
        error = np.sqrt(total(rest * rest) / np.maximum(many - 2.0, 1.0) / length)
        return mean - slope * mean_s, slope, error
