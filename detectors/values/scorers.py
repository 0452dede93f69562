"""What is left of a fitted PyOD model: arrays, and a few lines that score rows by them.

PyOD scores a batch in milliseconds, one row in milliseconds as well, and ECOD and COPOD rank a row among the others of
its batch. A stream needs a row at a time, the same score whatever else is asked, and state that is data. So these score
as PyOD does with one row at a time; tests/detectors/values/test_pyod_models.py compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.values.contract import Reals


class Scorer(Protocol):
    """A fitted model."""

    def score(self, rows: Reals) -> Reals:
        """The higher the stranger: float64 (n,) of float64 (n, features). A row's score depends on that row alone."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Isolation trees, each filled up to a complete one, so that the way down is arithmetic.

    Source: Liu, Ting and Zhou 2008, doi:10.1109/ICDM.2008.17.

    Attributes:
        feature, threshold: (trees, nodes) in the order of a heap: below node n lie 2n + 1, up to the threshold, and
            2n + 2. Below a leaf everything goes to the left.
        length: (trees, leaves), of the way to each.
        usual: length in a tree of so many rows, summed over the trees.
        offset: added to every score.
    """

    feature: NDArray[np.int32]
    threshold: Reals
    length: Reals
    usual: float
    offset: float

    @classmethod
    def of(cls, model: Any) -> Forest:
        """Of `pyod.models.iforest.IForest`."""
        trees = [each.tree_ for each in model.estimators_]
        levels = max(int(tree.max_depth) for tree in trees)
        nodes, leaves = 2**levels - 1, 2**levels
        feature = np.zeros((len(trees), nodes), np.int32)
        threshold = np.full((len(trees), nodes), np.inf)
        length = np.zeros((len(trees), leaves))
        for number, tree in enumerate(trees):
            columns = np.asarray(model.estimators_features_[number])
            waiting = [(0, 0, 0)]
            while waiting:
                at, node, depth = waiting.pop()
                if tree.children_left[at] < 0:
                    place = node
                    for _ in range(levels - depth):
                        place = 2 * place + 1
                    length[number, place - nodes] = depth + _unsplit(int(tree.n_node_samples[at]))
                    continue
                feature[number, node] = columns[tree.feature[at]]
                threshold[number, node] = tree.threshold[at]
                waiting.append((int(tree.children_left[at]), 2 * node + 1, depth + 1))
                waiting.append((int(tree.children_right[at]), 2 * node + 2, depth + 1))
        return cls(feature, threshold, length, len(trees) * _unsplit(int(model.max_samples_)), float(model.offset_))

    def score(self, rows: Reals) -> Reals:
        # Trees were grown on single precision.
        seen = rows.astype(np.float32)
        trees, nodes = self.feature.shape
        row = np.arange(len(rows))[:, None] * rows.shape[1]
        first = np.arange(trees) * nodes
        feature, threshold = self.feature.reshape(-1), self.threshold.reshape(-1)
        node = np.zeros((len(rows), trees), np.intp)
        while node[0, 0] < nodes:
            here = node + first
            node = 2 * node + 1 + (seen.take(feature.take(here) + row) > threshold.take(here))
        length = self.length[np.arange(trees), node - nodes].sum(axis=1)
        return np.exp2(-length / self.usual) + self.offset


def _unsplit(rows: int) -> float:
    """Expected length of the way through so many rows that nobody split."""
    if rows <= 1:
        return 0.0
    if rows == 2:
        return 1.0
    return 2.0 * (np.log(rows - 1.0) + np.euler_gamma) - 2.0 * (rows - 1.0) / rows


@dataclass(frozen=True, slots=True)
class Histograms:
    """One histogram a feature; what lies outside counts as its emptiest bin.

    Source: Goldstein and Dengel 2012, Histogram-based Outlier Score.

    Attributes:
        edges: of the bins of each feature. rarity: of each bin.
        tolerance: part of a bin's width, so far outside that the bin next to it still counts.
    """

    edges: tuple[Reals, ...]
    rarity: tuple[Reals, ...]
    tolerance: float

    @classmethod
    def of(cls, model: Any) -> Histograms:
        """Of `pyod.models.hbos.HBOS`."""
        counts = [np.asarray(each, np.float64) for each in model.hist_]
        edges = tuple(np.asarray(each, np.float64) for each in model.bin_edges_)
        return cls(edges, tuple(-np.log2(each + model.alpha) for each in counts), float(model.tol))

    def score(self, rows: Reals) -> Reals:
        summed = np.zeros(len(rows))
        for column, (edges, rarity) in enumerate(zip(self.edges, self.rarity, strict=True)):
            values = rows[:, column]
            place = np.searchsorted(edges, values, side="left") - 1
            told = rarity[np.clip(place, 0, len(rarity) - 1)]
            low = edges[0] - values > (edges[1] - edges[0]) * self.tolerance
            high = values - edges[-1] > (edges[-1] - edges[-2]) * self.tolerance
            outside = ((place < 0) & low) | ((place >= len(rarity)) & high)
            summed += np.where(outside, rarity.max(), told)
        return summed


@dataclass(frozen=True, slots=True)
class Tails:
    """How far out each feature lies in the tails of what was learnt, added up: ECOD and COPOD.

    Source: Li et al. 2022, doi:10.1109/TKDE.2022.3159580 (ECOD); Li et al. 2020, doi:10.1109/ICDM50108.2020.00135.

    Attributes:
        ordered: float64 (rows, features), each column ascending.
        skew: float64 (features,), the sign of each column's skewness.
        both: COPOD's: the mean of both tails counts, and not the worse one.
    """

    ordered: Reals
    skew: Reals
    both: bool

    @classmethod
    def of(cls, model: Any, *, both: bool) -> Tails:
        """Of `pyod.models.ecod.ECOD` or `pyod.models.copod.COPOD`."""
        from scipy.stats import skew

        rows = np.asarray(model.X_train, np.float64)
        return cls(np.sort(rows, axis=0), np.sign(np.nan_to_num(skew(rows, axis=0))), both)

    def score(self, rows: Reals) -> Reals:
        many = len(self.ordered)
        summed = np.zeros(len(rows))
        with np.errstate(divide="ignore"):
            rarity = -np.log(np.arange(many + 2) / (many + 1))
        for column, skew in enumerate(self.skew.tolist()):
            ordered, values = self.ordered[:, column], rows[:, column]
            # A row counts as one of those that it is compared with, as in PyOD.
            below = np.searchsorted(ordered, values, side="right") + 1
            above = many - np.searchsorted(ordered, values, side="left") + 1
            left, right = rarity[below], rarity[above]
            skewed = left if skew < 0 else right if skew > 0 else left + right
            summed += np.maximum(skewed, (left + right) / 2.0 if self.both else np.maximum(left, right))
        return summed


LEAST_WEIGHT: Final = 1e-9
"""Part of the variance; a component of less is rounding."""


@dataclass(frozen=True, slots=True)
class Components:
    """Distances from the principal components, more from those that explain less.

    Source: Shyu et al. 2003, A Novel Anomaly Detection Scheme Based on Principal Component Classifier.

    Attributes:
        mean, scale: float64 (features,), of what was learnt.
        components: float64 (components, features). weight: of each, its part of the variance.
    """

    mean: Reals
    scale: Reals
    components: Reals
    weight: Reals

    @classmethod
    def of(cls, model: Any) -> Components:
        """Of `pyod.models.pca.PCA`."""
        weight = np.maximum(np.asarray(model.selected_w_components_, np.float64), LEAST_WEIGHT)
        scaler = model.scaler_
        return cls(np.asarray(scaler.mean_), np.asarray(scaler.scale_), np.asarray(model.selected_components_), weight)

    def score(self, rows: Reals) -> Reals:
        z = (rows - self.mean) / self.scale
        away = z[:, None, :] - self.components
        return (np.sqrt((away * away).sum(axis=-1)) / self.weight).sum(axis=-1)
