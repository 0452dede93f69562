"""What is wrong with a machine, how healthy it is and how long it will last, learnt from labelled twins.

A twin knows what a real machine keeps to itself: what fails in it, its health, its remaining life. Gradient boosting
over features of minutes (`minutes.py`) learns to tell these from what is measured. Once fitted a model is arrays and
nothing else, as `model.py` has it: it needs neither the library nor the rows that taught it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.values.contract import Reals
from twinstorm.detectors.values.minutes import minute_names
from twinstorm.detectors.values.model import LEAST_ROWS, UnfitModelError, digest_of
from twinstorm.detectors.values.trees import Trees
from twinstorm.twin.flow import Int, Mask

NONE: Final = "none"
"""Nothing fails."""
WEAR: Final = "wear"
"""Nothing fails but time: the machine is near the end of its life."""
WORN: Final = 0.3
"""Health from which down a machine in which nothing fails counts as worn."""
SHOWS: Final = 0.25
"""Severity from which on a failure has a name; below it says nothing either way."""
SHORTEST_H: Final = 1.0 / 60.0
LONGEST_H: Final = 10_000.0
"""Remaining lives are told between these, in hours."""
SURE: Final = 0.8
"""Share of lives that should end within their bounds."""

_GROWN: Final[dict[str, Any]] = {
    "learning_rate": 0.1,
    "max_leaf_nodes": 15,
    "max_depth": 8,
    "min_samples_leaf": 30,
    "l2_regularization": 1.0,
    "early_stopping": False,
}
TYPE_ROUNDS, HEALTH_ROUNDS, LIFE_ROUNDS = 60, 80, 80
FOLDS: Final = 5
"""Parts of the machines, each of which says how wrong a model is that the others taught."""
BINS: Final = 10
LEAST_IN_BIN: Final = 50
"""Bounds are told for so many stretches of expected lives, each of so many rows at least."""
_PARTS: Final = ("types", "health", "life")
_BOUNDS: Final = ("expected", "below", "above")


@dataclass(frozen=True, slots=True)
class Taught:
    """Rows and the truth about each.

    Attributes:
        rows: float64 (n, features), finite; features as `minutes.minute_names` has them.
        device: int64 (n,), whose each is. at_us: int64 (n,), end of the minute.
        failure: names (n,): `NONE`, `WEAR`, or of a failure mode; empty: it does not show yet, and nobody may say.
        health: float64 (n,), 0..1. hours: float64 (n,), of remaining life, inf: nothing wears.
    """

    rows: Reals
    device: Int
    at_us: Int
    failure: NDArray[np.str_]
    health: Reals
    hours: Reals

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, which: Mask | Int) -> Taught:
        """These rows alone."""
        return Taught(
            self.rows[which],
            self.device[which],
            self.at_us[which],
            self.failure[which],
            self.health[which],
            self.hours[which],
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What a model says of rows.

    Attributes:
        failure: int64 (n,), place among the types of the model.
        health: float64 (n,), 0..100. hours: float64 (n,), of life that is expected to remain (the median);
            least, most: its bounds, which should hold for `SURE` of all; `LONGEST_H` and more are not told apart.
    """

    failure: Int
    health: Reals
    hours: Reals
    least: Reals
    most: Reals


@dataclass(frozen=True, slots=True)
class ConditionModel:
    """What was learnt of the machines of one kind.

    The life that is told is the median. Its bounds are quantiles of how wrong the same model was about machines that
    had not taught it, among those of which it had expected about as much.

    Sources: boosting: Friedman 2001, doi:10.1214/aos/1013203451; bounds: split conformal by groups of predictions, Vovk
    et al. 2005, Algorithmic Learning in a Random World.

    Attributes:
        kind: of machine. channels: names, in the order of its rows.
        types: what can be wrong, sorted; `NONE` among them if any machine was well.
        trees: an output a type (of two types: one, above 0 the second), the highest wins.
        health: of 0..1. life: logarithm to base 2 of the hours that remain.
        expected, below, above: float64 (k,), in the same logarithm: where a life was expected, so far off the true ones
            were at least and at most; expected ascending, between them straight lines.
    """

    kind: str
    channels: tuple[str, ...]
    types: tuple[str, ...]
    trees: Trees
    health: Trees
    life: Trees
    expected: Reals
    below: Reals
    above: Reals

    @classmethod
    def trained(cls, kind: str, channels: Sequence[str], taught: Taught, fold: Int, seed: int) -> ConditionModel:
        """Learn.

        Args:
            fold: int64 (n,), 0 to `FOLDS` - 1, the same for all rows of a machine.

        Raises:
            UnfitModelError: too few rows, or of too few machines.
        """
        if len(taught) < LEAST_ROWS:
            raise UnfitModelError(f"{len(taught):,} rows are too few to learn from; {LEAST_ROWS} at least")
        if len(np.unique(fold)) < 2:
            raise UnfitModelError("one machine is too few to learn from; two at least, some dozens to trust")
        import sklearn.ensemble  # noqa: F401 - only what is loaded can be limited
        from threadpoolctl import threadpool_limits

        given = {**_GROWN, "random_state": seed}
        # Threads that wait for each other cost more than they bring where other work goes on.
        with threadpool_limits(1, user_api="openmp"):
            types, trees = _types(taught, given)
            health, life = _health(taught, given), _life(taught, given)
            told = np.full(len(taught), np.nan)
            for number in np.unique(fold).tolist():
                others = _life(taught.some(fold != number), given)
                told[fold == number] = others.predict(taught.rows[fold == number])[:, 0]
        return cls(kind, tuple(channels), types, trees, health, life, *_bounds(told, taught))

    def look(self, rows: Reals) -> Found:
        """Say of each of float64 (n, features), each finite, what is known."""
        chosen = self.trees.predict(rows)
        failure = (chosen[:, 0] > 0.0).astype(np.int64) if chosen.shape[1] == 1 else chosen.argmax(axis=1)
        told = self.life.predict(rows)[:, 0]
        off = (np.interp(told, self.expected, self.below), 0.0, np.interp(told, self.expected, self.above))
        least, hours, most = (np.clip(np.exp2(told + each), SHORTEST_H, LONGEST_H) for each in off)
        health = np.clip(self.health.predict(rows)[:, 0], 0.0, 1.0) * 100.0
        return Found(failure, health, hours, least, most)

    @property
    def held(self) -> int:
        """None: minutes are summed up as they go on."""
        return 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns of its rows."""
        return minute_names(self.channels)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All parameters by name, without objects."""
        found = {"names": np.array(self.types), **{name: getattr(self, name) for name in _BOUNDS}}
        for part, trees in zip(_PARTS, (self.trees, self.health, self.life), strict=True):
            found |= {f"{part}.{name}": array for name, array in trees.arrays().items()}
        return dict(sorted(found.items()))

    @classmethod
    def of_arrays(cls, kind: str, channels: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> ConditionModel:
        """The same model again.

        Raises:
            UnfitModelError: these are not the arrays of a model.
        """
        try:
            trees, health, life = (
                Trees.of_arrays(
                    {
                        name.removeprefix(f"{part}."): array
                        for name, array in arrays.items()
                        if name.startswith(f"{part}.")
                    }
                )
                for part in _PARTS
            )
            types = tuple(str(each) for each in arrays["names"].tolist())
            model = cls(kind, tuple(channels), types, trees, health, life, *(arrays[name] for name in _BOUNDS))
            found = model.look(np.zeros((1, len(model.names))))
            told = np.concatenate([found.health, found.hours, found.least, found.most])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnfitModelError(f"these are not the arrays of a model: {type(error).__name__}: {error}") from None
        outputs = len(types) if len(types) > 2 else 1
        single = health.baseline.shape == life.baseline.shape == (1,)
        rising = (np.diff(model.expected) > 0.0).all() and len(set(types)) == len(types)
        if not np.isfinite(told).all() or trees.baseline.shape != (outputs,) or not single or not rising:
            raise UnfitModelError("the arrays of this model do not go together")
        return model

    def digest(self) -> str:
        """See `digest_of`."""
        return digest_of(self.arrays())


def _types(taught: Taught, given: Mapping[str, Any]) -> tuple[tuple[str, ...], Trees]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    named = taught.some(taught.failure != "")
    types = tuple(str(each) for each in np.unique(named.failure).tolist()) or (NONE,)
    if len(types) == 1:
        return types, Trees.constant(0.0)
    chooser = HistGradientBoostingClassifier(max_iter=TYPE_ROUNDS, **given)
    return types, Trees.of(chooser.fit(named.rows, named.failure))


def _health(taught: Taught, given: Mapping[str, Any]) -> Trees:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return Trees.of(HistGradientBoostingRegressor(max_iter=HEALTH_ROUNDS, **given).fit(taught.rows, taught.health))


def _life(taught: Taught, given: Mapping[str, Any]) -> Trees:
    from sklearn.ensemble import HistGradientBoostingRegressor

    median = HistGradientBoostingRegressor(loss="absolute_error", max_iter=LIFE_ROUNDS, **given)
    return Trees.of(median.fit(taught.rows, logged(taught.hours)))


def _bounds(told: Reals, taught: Taught) -> tuple[Reals, Reals, Reals]:
    """Where lives were expected, and how far off the true ones were, at least and at most."""
    # Of a machine at its end nothing can be foretold.
    living = taught.hours > 0.0
    if not living.any():
        return np.zeros(1), np.zeros(1), np.zeros(1)
    told, off = told[living], logged(taught.hours[living]) - told[living]
    order = np.argsort(told, kind="stable")
    parts = np.array_split(order, min(max(len(order) // LEAST_IN_BIN, 1), BINS))
    expected = np.array([np.median(told[part]) for part in parts])
    quantiles = np.array([np.quantile(off[part], ((1.0 - SURE) / 2.0, (1.0 + SURE) / 2.0)) for part in parts])
    # Of the same expectation twice the first one counts.
    expected, first = np.unique(expected, return_index=True)
    return expected, np.minimum(quantiles[first, 0], 0.0), np.maximum(quantiles[first, 1], 0.0)


def logged(hours: Reals) -> Reals:
    """Logarithm to base 2 of lives within what is told of them."""
    logarithm: Reals = np.log2(np.clip(hours, SHORTEST_H, LONGEST_H))
    return logarithm
