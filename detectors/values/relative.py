"""Detectors that compare a series with its like at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Comparing, Reals, Sample
from twinstorm.detectors.values.memory import smallest
from twinstorm.detectors.values.windows import NORMAL_MAD
from twinstorm.twin.flow import Int

NEWEST = 0.1
"""Weight of the newest instant in the usual spread."""


class FleetRelative(Comparing):
    """Distance from the median of its like at the same time, in robust standard deviations of theirs: the median
    absolute deviation, but never less than it usually is (of a few it is small by chance now and then), nor than the
    resolution of the sensor. What all share, weather, shifts, load, moves the median as well and counts for nothing.

    Who always stands apart, a sensor in the sun, is judged by how that changes once `train` instants have taught its
    usual distance; with 0 everybody should tell the same.

    Limits: nothing is said of fewer than `least` at a time. If most of a group drift together, the others look
    strange. A fault that all have alike (one bad batch at one site) is invisible, and so is one during `train`.

    Source: Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers, across devices instead of along time.
    """

    name: ClassVar[str] = "fleet-relative"
    summary: ClassVar[str] = "a value far from those of its like at the same time"
    headline: ClassVar[str] = "tell something else than their like"
    leap: ClassVar[float] = 4.0
    changes: ClassVar[int] = 12
    options: ClassVar[tuple[Option, ...]] = (
        Option("deviations", "number", "6", "robust standard deviations of its like to the limit", least="0.1"),
        Option("least", "count", "5", "that must be heard at a time, itself among them", least="3"),
        Option("floor", "number", "0", "least spread that counts, in the unit of the channel; at least its resolution"),
        Option("train", "count", "0", "first instants that teach how far from its like each usually is", most="100000"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._usual: Reals = np.zeros(series)
        """Mean distance from the median so far."""
        self._count: Int = np.zeros(series, np.int64)
        """Instants of it, at most `train`."""
        self._spread: Reals = np.full(series, np.nan)
        """Running mean of the spread of its like."""

    @property
    def fewest(self) -> int:
        return int(self.settings["least"])

    def score(self, sample: Sample) -> Reals:
        return self.look(sample)[0]

    def learn(self, sample: Sample) -> None:
        self.look(sample)[1]()

    def look(self, sample: Sample) -> tuple[Reals, Callable[[], None]]:
        away, _, spread = self._compared(sample)
        return np.abs(away) / self._scale(sample, spread) / float(self.settings["deviations"]), partial(
            self._absorb, sample, spread
        )

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:
        """Of all that are compared: the middle is that of their like, themselves among them."""
        _, middle, spread = self._compared(sample)
        away = self._scale(sample, spread) * float(self.settings["deviations"]) * reach
        return middle - away, middle + away

    def _compared(self, sample: Sample) -> tuple[Reals, Reals, Reals]:
        """How far each is from what it should tell, what that is, and the spread of its like at this instant: float64
        (k,) each, NaN where it is not taught or, the spread, where too few are heard."""
        series, group = sample.series, self.peers.group[sample.series]
        usual = np.where(self._count[series] >= self.settings["train"], self._usual[series], np.nan)
        told = sample.values - usual
        middle, heard = medians(told, group)
        away = told - middle
        spread = np.where(heard >= self.settings["least"], medians(np.abs(away), group)[0] * NORMAL_MAD, np.nan)
        return away, usual + middle, spread

    def _scale(self, sample: Sample, spread: Reals) -> Reals:
        """A standard deviation."""
        series = sample.series
        finest = np.maximum(self.peers.resolution[series], float(self.settings["floor"]))
        least = np.maximum(np.fmax(self._spread[series], finest), smallest(sample.values))
        return np.maximum(spread, least)

    def _absorb(self, sample: Sample, spread: Reals) -> None:
        series, before = sample.series, self._spread[sample.series]
        after = np.where(before == before, before + NEWEST * (spread - before), spread)
        self._spread[series] = np.where(spread == spread, after, before)
        wanted = self._count[series] < self.settings["train"]
        if not wanted.any():
            return
        middle, heard = medians(sample.values, self.peers.group[series])
        step = sample.values - middle - self._usual[series]
        wanted &= (step == step) & (heard >= self.settings["least"])
        self._count[series] += wanted
        self._usual[series] += np.where(wanted, step / np.maximum(self._count[series], 1), 0.0)


def medians(values: Reals, group: Int) -> tuple[Reals, Int]:
    """Median of each value's group, and of how many values it is: float64 (k,), NaN where there are none, and int64
    (k,).

    Args:
        values: float64 (k,); a NaN is none.
        group: int64 (k,), from 0.
    """
    if not len(values):
        return values, group
    # By group, and there by value; a NaN sorts last.
    ordered = values[np.lexsort((values, group))]
    held = np.bincount(group, weights=values == values).astype(np.int64)
    begins = np.concatenate(([0], np.cumsum(np.bincount(group))[:-1]))
    # Of an empty group this is a NaN, or a value of another one that `held` covers.
    below = ordered[np.minimum(begins + np.maximum(held - 1, 0) // 2, len(values) - 1)]
    above = ordered[np.minimum(begins + held // 2, len(values) - 1)]
    median = np.where(held > 0, below + 0.5 * (above - below), np.nan)
    return median[group], held[group]
