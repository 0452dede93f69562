"""How long a machine will last, learnt from others that ran until they failed.

A *unit* is the record of one machine: a row a cycle (an hour, a flight, a shift), a column a channel. Units that
failed teach what wear looks like; of one that still runs the model says for how many cycles more, and how sure it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twinstorm.detectors.values.contract import Reals
from twinstorm.twin.flow import Int

WELL: Final = 30
"""First cycles of a unit, taken as those of a machine that is well."""
WINDOWS: Final = (5, 15, 30)
AVERAGES: Final = (0.1, 0.03)
"""Weights of the newest cycle in moving averages."""
TREND: Final = 40
"""Cycles over which the slope of each channel is taken."""
SURE: Final = 0.8
"""Share of units whose life should end within the bounds."""
HELD_OUT: Final = 5
"""One unit of so many does not teach the bounds, but judges them."""
TREES: Final[dict[str, Any]] = {
    "max_iter": 250,
    "learning_rate": 0.04,
    "max_leaf_nodes": 10,
    "min_samples_leaf": 60,
    "l2_regularization": 5.0,
    "max_features": 0.3,
}
STILL = 1e-9
"""A channel whose deviation is this part of its level, or less, says nothing."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Remaining cycles of one unit: the expected number, and bounds that hold it with a probability of `SURE`."""

    cycles: float
    at_least: float
    at_most: float


class RemainingLife:
    """Gradient boosting and a small network over rolling features, averaged.

    Features of each channel, in deviations from machines that are well: rolling means, moving averages and their
    difference, distance from the unit's own first cycles, slope; and the unit's age. Lives longer than `horizon` are
    not told apart: nothing shows on a machine that is well.

    Assumes units of one sort under one regime, sampled once a cycle; a machine that fails by what never failed before
    looks well until it does. Bounds are quantiles of trees over four fifths of the units, widened until they hold for
    the last fifth: they are worth as much as that fifth is like what comes.

    Sources: target with a plateau: Heimes 2008, doi:10.1109/PHM.2008.4711422; boosting: Friedman 2001,
    doi:10.1214/aos/1013203451; bounds: Romano, Patterson and Candes 2019, arXiv:1905.03222.
    """

    def __init__(self, horizon: float = 125.0, seed: int = 0) -> None:
        """
        Args:
            horizon: cycles, > 0; the longest remaining life that is told.
        """
        if not horizon > 0:
            raise ValueError(f"horizon is above 0 cycles, not {horizon}")
        self.horizon = horizon
        self._seed = seed
        self._models: list[Any] = []
        self._bounds: tuple[Any, Any] | None = None
        self._widened: float = 0.0
        self._mean: Reals = np.zeros(0)
        self._deviation: Reals = np.zeros(0)
        self._channels: Int = np.zeros(0, np.int64)

    def fit(self, units: Sequence[Reals]) -> None:
        """Learn from units that failed after their last row.

        Args:
            units: float64 (cycles, channels) each, oldest row first, no NaN; two at least, of more than `WELL` cycles.

        Raises:
            ValueError: too few units, unlike channels, values that are not finite, nothing that moves.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        _check(units)
        well = np.vstack([unit[:WELL] for unit in units])
        moving = np.vstack(units).std(axis=0) > STILL * (1.0 + np.abs(well.mean(axis=0)))
        if not moving.any():
            raise ValueError("no channel moves: there is nothing to learn from")
        self._channels = np.flatnonzero(moving)
        self._mean = well.mean(axis=0)[moving]
        spread = well.std(axis=0)[moving]
        self._deviation = np.where(spread > 0, spread, np.vstack(units).std(axis=0)[moving])
        features = [self.features(unit) for unit in units]
        left = [np.minimum(np.arange(len(unit))[::-1], self.horizon) for unit in units]
        network = MLPRegressor(
            hidden_layer_sizes=(32, 16), alpha=3.0, early_stopping=True, max_iter=60, random_state=self._seed
        )
        self._models = [
            HistGradientBoostingRegressor(**TREES, random_state=self._seed),
            make_pipeline(StandardScaler(), network),
        ]
        with warnings.catch_warnings():
            # The number of passes is a budget; more of them cost time and change little.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for model in self._models:
                model.fit(np.vstack(features), np.hstack(left))
        low, high = (
            HistGradientBoostingRegressor(loss="quantile", quantile=share, **TREES, random_state=self._seed)
            for share in ((1.0 - SURE) / 2.0, (1.0 + SURE) / 2.0)
        )
        kept = max(1, len(units) - len(units) // HELD_OUT)
        for model in (low, high):
            model.fit(np.vstack(features[:kept]), np.hstack(left[:kept]))
        self._bounds = low, high
        if kept < len(units):
            others, truth = np.vstack(features[kept:]), np.hstack(left[kept:])
            missed = np.maximum(low.predict(others) - truth, truth - high.predict(others))
            self._widened = max(0.0, float(np.quantile(missed, SURE)))

    def outlook(self, unit: Reals) -> Outlook:
        """Of a unit, after its last row."""
        return self.outlooks(unit, [len(unit)])[0]

    def outlooks(self, unit: Reals, cycles: Sequence[int]) -> list[Outlook]:
        """What would have been said of a unit after so many cycles each.

        Raises:
            ValueError: nothing was learnt.
        """
        if self._bounds is None:
            raise ValueError("nothing was learnt yet: call `fit` with units that failed")
        features = self.features(unit)[np.asarray(cycles) - 1]
        told = np.mean([self._clipped(model, features) for model in self._models], axis=0)
        low, high = (
            self._clipped(model, features, by)
            for model, by in zip(self._bounds, (-self._widened, self._widened), strict=True)
        )
        return [
            Outlook(float(each), float(min(each, least)), float(max(each, most)))
            for each, least, most in zip(told, low, high, strict=True)
        ]

    def features(self, unit: Reals) -> Reals:
        """float64 (cycles, features), each row from the rows up to it."""
        z = (unit[:, self._channels] - self._mean) / self._deviation
        age = np.arange(len(z))
        fast, slow = (_average(z, weight) for weight in AVERAGES)
        own = _rolling(z, WELL)[np.minimum(WELL - 1, age)]
        means = [_rolling(z, window) for window in WINDOWS]
        ages = np.stack((age, np.sqrt(age)), axis=1)
        return np.hstack([*means, fast, slow, fast - slow, _slope(z, TREND) * TREND, fast - own, ages])

    def _clipped(self, model: Any, features: Reals, by: float = 0.0) -> Reals:
        clipped: Reals = np.clip(model.predict(features) + by, 0.0, self.horizon)
        return clipped


def _check(units: Sequence[Reals]) -> None:
    if len(units) < 2:
        raise ValueError(f"{len(units)} units are too few to learn from; two at least, some dozens to trust")
    for number, unit in enumerate(units):
        if unit.ndim != 2 or unit.shape[1] != units[0].shape[1]:
            raise ValueError(f"unit {number} has the shape {unit.shape}, the first one {units[0].shape}")
        if len(unit) <= WELL:
            raise ValueError(f"unit {number} has {len(unit)} cycles; more than {WELL} are needed")
        if not np.isfinite(unit).all():
            raise ValueError(f"unit {number} has values that are missing or infinite")


def _rolling(values: Reals, window: int) -> Reals:
    """Mean of the last rows, of fewer at first."""
    summed = np.vstack([np.zeros(values.shape[1]), np.cumsum(values, axis=0)])
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(end - window, 0)
    mean: Reals = (summed[end] - summed[begin]) / (end - begin)[:, None]
    return mean


def _average(values: Reals, weight: float) -> Reals:
    """Exponentially weighted, a plain mean until the weight is reached."""
    averages, average = np.empty_like(values), np.zeros(values.shape[1])
    for row, value in enumerate(values):
        average = average + max(1.0 / (row + 1), weight) * (value - average)
        averages[row] = average
    return averages


def _slope(values: Reals, window: int) -> Reals:
    """Of the least-squares line through the last rows, a cycle; 0 through fewer than five."""
    slopes = np.zeros_like(values)
    for row in range(4, len(values)):
        lately = values[max(0, row - window + 1) : row + 1]
        place = np.arange(len(lately)) - (len(lately) - 1) / 2.0
        slopes[row] = place @ lately / (place @ place)
    return slopes
