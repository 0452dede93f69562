"""Boosted trees as arrays: what gradient boosting has fitted, and a few lines that predict by it.

They add up in the order in which they were grown, as the library does that fitted them, so that both tell the same to
the last bit; tests/detectors/values/test_trees.py compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.values.contract import Reals
from twinstorm.twin.flow import Int

BLOCK_ROWS: Final = 256
"""Rows that go down all trees at a time: what fits the cache. No result depends on it."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Regression trees whose leaves are added to baselines: one prediction an output, each by trees of its own.

    Source: Friedman 2001, doi:10.1214/aos/1013203451.

    Attributes:
        baseline: float64 (outputs,).
        first: int64 (trees,), the root of each; all nodes of all trees are beside each other. Tree t belongs to output
            t modulo outputs.
        feature: int64 (nodes,), column that is looked at. threshold: float64 (nodes,); up to it the way goes to
            `left`, beyond it to `right`, int64 (nodes,); a leaf leads to itself.
        value: float64 (nodes,), of leaves.
        depth: of the deepest.
    """

    baseline: Reals
    first: Int
    feature: Int
    threshold: Reals
    left: Int
    right: Int
    value: Reals
    depth: int

    @classmethod
    def of(cls, model: Any) -> Trees:
        """Of `sklearn.ensemble.HistGradientBoostingRegressor` or `HistGradientBoostingClassifier`, fitted on rows
        without gaps and without categories."""
        grown = [tree for round_ in model._predictors for tree in round_]
        parts = [_nodes(tree.nodes) for tree in grown]
        sizes = [len(part["value"]) for part in parts]
        first = np.concatenate(([0], np.cumsum(sizes)))[:-1].astype(np.int64)
        for part, root in zip(parts, first.tolist(), strict=True):
            part["left"] += root
            part["right"] += root
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return cls(
            np.ravel(model._baseline_prediction).astype(np.float64),
            first,
            **whole,
            depth=max(int(tree.nodes["depth"].max()) for tree in grown),
        )

    @classmethod
    def constant(cls, *values: float) -> Trees:
        """No tree at all."""
        none = np.empty(0, np.int64)
        return cls(np.array(values), none, none, np.empty(0), none, none, np.empty(0), 0)

    def predict(self, rows: Reals) -> Reals:
        """float64 (n, outputs) of float64 (n, features), each finite. A row's prediction depends on that row alone."""
        outputs = len(self.baseline)
        return np.concatenate(
            [self._predict(rows[begin : begin + BLOCK_ROWS]) for begin in range(0, len(rows), BLOCK_ROWS)]
            or [np.empty((0, outputs))]
        )

    def _predict(self, rows: Reals) -> Reals:
        outputs, count = len(self.baseline), len(rows)
        flat, begin = np.ascontiguousarray(rows).ravel(), np.arange(count) * rows.shape[1]
        # Both ways from a node beside each other: one look-up instead of two.
        ways = np.stack([self.left, self.right], axis=1).ravel()
        at = np.repeat(self.first[:, None], count, axis=1)
        for _ in range(self.depth):
            beyond = flat.take(self.feature.take(at) + begin) > self.threshold.take(at)
            at = ways.take(2 * at + beyond)
        told = self.value.take(at)
        summed = np.empty((count, outputs))
        for output, baseline in enumerate(self.baseline.tolist()):
            terms = np.vstack([np.full((1, count), baseline), told[output::outputs]])
            # A running sum adds one term after the other, as the library did; `sum` would add pairs.
            summed[:, output] = np.cumsum(terms, axis=0)[-1]
        return summed

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it by name."""
        return {each.name: np.asarray(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Trees:
        """The same trees again.

        Raises:
            KeyError: one is missing. ValueError: they do not go together.
        """
        given: dict[str, Any] = {each.name: arrays[each.name] for each in fields(cls)}
        trees = cls(**{**given, "depth": int(arrays["depth"].item())})
        trees.check()
        return trees

    def check(self) -> None:
        """Raises ValueError: these are no trees."""
        nodes = len(self.value)
        columns: Sequence[NDArray[Any]] = (self.feature, self.threshold, self.left, self.right, self.value)
        places: Sequence[NDArray[Any]] = (self.first, self.left, self.right)
        whole = all(len(column) == nodes for column in columns) and all(
            column.dtype == np.int64 and ((column >= 0) & (column < nodes)).all() for column in places
        )
        if not whole or self.feature.min(initial=0) < 0 or not 0 <= self.depth <= nodes or not len(self.baseline):
            raise ValueError("these trees have branches that lead nowhere")
        if len(self.first) % len(self.baseline) or not np.isfinite(self.value).all():
            raise ValueError("these trees are not whole")


def _nodes(nodes: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """One tree, its places counted from its root."""
    leaf = nodes["is_leaf"].astype(np.bool_)
    itself = np.arange(len(nodes), dtype=np.int64)
    return {
        "feature": np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        "threshold": np.where(leaf, np.inf, nodes["num_threshold"]).astype(np.float64),
        "left": np.where(leaf, itself, nodes["left"].astype(np.int64)),
        "right": np.where(leaf, itself, nodes["right"].astype(np.int64)),
        "value": np.where(leaf, nodes["value"], 0.0).astype(np.float64),
    }
