"""How far what a model sees has moved from what it was taught: the population stability index of each feature.

The range of a feature is cut at the deciles of the rows that taught the model. With e the share of those rows in a bin
and a that of the rows since, the index is the sum of (a - e) ln(a / e) over the bins. As a rule of thumb less than 0.1
is nothing and more than 0.25 a change that asks for another model.

It looks at all devices together: one of many that is ill moves few rows, a season or another product moves all of them.

Source: Siddiqi 2006, Credit Risk Scorecards, chapter 10 (with the limits); Yurdakul and Naranjo 2020,
doi:10.21314/JRMV.2020.227, for its distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.detectors.values.contract import Reals
from twinstorm.twin.flow import SECOND_US, Int

BINS: Final = 10
MOVED: Final = 0.25
"""Index from which a population counts as another one."""
UNSEEN: Final = 0.5
"""Rows that are added to every bin, so that an empty one has a logarithm."""
LONGEST_US: Final = 3_600 * SECOND_US
"""Rows of so long a stretch are compared, or of a quarter of the time that taught a model if that is shorter."""
QUARTERS: Final = 4


@dataclass(frozen=True, slots=True)
class Population:
    """Rows that taught a model, as far as later ones are compared with them.

    Attributes:
        edges: float64 (features, BINS - 1), ascending in each row. share: float64 (features, BINS), summing to 1.
        usual: float64 (features,), the highest index of a stretch of these very rows: by how much a part of them
            differs from the whole is no drift. What follows the hour of the day has a high one.
        stretch_us: how long a stretch is.
    """

    edges: Reals
    share: Reals
    usual: Reals
    stretch_us: int

    @classmethod
    def of(cls, rows: Reals, at_us: Int) -> Population:
        """Of float64 (n, features), finite, by time; int64 (n,), when each was told."""
        first_us, last_us = int(at_us[0]), int(at_us[-1])
        stretch_us = max(min(LONGEST_US, (last_us - first_us + 1) // QUARTERS), 1)
        edges = np.quantile(rows, np.arange(1, BINS) / BINS, axis=0).T.copy()
        nothing = np.zeros(rows.shape[1])
        blank = cls(edges, np.full((rows.shape[1], BINS), 1.0 / BINS), nothing, stretch_us)
        whole = cls(edges, _shares(blank.counts(rows)), nothing, stretch_us)
        ends = np.arange(first_us + stretch_us, last_us + 1, stretch_us)
        parts = [part for part in np.split(rows, np.searchsorted(at_us, ends)) if len(part) >= BINS * BINS]
        usual = np.max([whole.index(whole.counts(part)) for part in parts], axis=0) if parts else nothing
        return cls(edges, whole.share, usual, stretch_us)

    def counts(self, rows: Reals) -> Int:
        """Rows in each bin, int64 (features, BINS), of float64 (n, features)."""
        found = np.zeros((len(self.edges), BINS), np.int64)
        for feature, edges in enumerate(self.edges):
            bins = np.searchsorted(edges, rows[:, feature], side="right")
            found[feature] = np.bincount(bins, minlength=BINS)
        return found

    def index(self, counts: Int) -> Reals:
        """Population stability index of each feature, float64 (features,), 0 or more; of int64 (features, BINS)."""
        now = _shares(counts)
        return ((now - self.share) * np.log(now / self.share)).sum(axis=1)


def _shares(counts: Int) -> Reals:
    added = counts + UNSEEN
    return added / added.sum(axis=1, keepdims=True)
