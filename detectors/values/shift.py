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
from twinstorm.twin.flow import Int

BINS: Final = 10
MOVED: Final = 0.25
"""Index from which a population counts as another one."""
UNSEEN: Final = 0.5
"""Rows that are added to every bin, so that an empty one has a logarithm."""
STRETCHES: Final = 4
"""Parts of what taught a model, each of which is compared with the whole."""


@dataclass(frozen=True, slots=True)
class Population:
    """Rows that taught a model, as far as later ones are compared with them.

    Attributes:
        edges: float64 (features, BINS - 1), ascending in each row. share: float64 (features, BINS), summing to 1.
        usual: float64 (features,), the highest index in a quarter of these very rows, by time: by how much a part of
            them differs from the whole is no drift. What follows the hour of the day has a high one.
    """

    edges: Reals
    share: Reals
    usual: Reals

    @classmethod
    def of(cls, rows: Reals) -> Population:
        """Of float64 (n, features), finite, by time."""
        edges = np.quantile(rows, np.arange(1, BINS) / BINS, axis=0).T.copy()
        nothing = np.zeros(rows.shape[1])
        blank = cls(edges, np.full((rows.shape[1], BINS), 1.0 / BINS), nothing)
        whole = cls(edges, _shares(blank.counts(rows)), nothing)
        indices = [whole.index(whole.counts(part)) for part in np.array_split(rows, STRETCHES)]
        return cls(edges, whole.share, np.max(indices, axis=0))

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
