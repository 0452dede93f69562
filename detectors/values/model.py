"""A model of the devices of one kind, once it is trained: arrays and nothing else, so that it can be kept and compared.

What a library fitted has become a `Scorer` (`scorers.py`), which is arrays; a model that is read again needs neither
the library nor the rows that taught it, and scores to the last bit as it did. Nothing of it is code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, Final, get_type_hints

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.values.autoencoder import Reconstruction
from twinstorm.detectors.values.contract import Reals, build, catalogue
from twinstorm.detectors.values.learnt import RARE, TRAIN, Judge, Learnt
from twinstorm.detectors.values.scorers import Components, Forest, Histograms, Scorer, Tails
from twinstorm.detectors.values.shift import Population
from twinstorm.twin.flow import Int

Arrays = Mapping[str, NDArray[Any]]

LEAST_ROWS: Final = 200
"""Rows of devices that teach a model anything."""

_SCORERS: Final[Mapping[str, Any]] = {
    each.__name__: each for each in (Forest, Histograms, Tails, Components, Reconstruction)
}
_JUDGE: Final = ("moving", "mean", "sd", "usual", "limit")
_POPULATION: Final = ("edges", "share", "usual", "stretch_us")


class UnfitModelError(ValueError):
    """What is wrong with rows, or with the arrays of a model, and what would do."""


def algorithms() -> tuple[str, ...]:
    """Detectors whose model can be trained on rows and kept, sorted: those that learn a model of features."""
    return tuple(name for name, kind in catalogue().working().items() if issubclass(kind, Learnt))


@dataclass(frozen=True, slots=True)
class Model:
    """What was learnt of the devices of one kind.

    Attributes:
        kind: of machine. channels: names, in the order of its rows.
        level: readings of a device that make its level, held: values that windows of minutes hold, 0: rows are by rows;
            see `whole.py`.
        judge: model and limit. population: what it was taught from, to tell a drift by; of the features that moved.
    """

    kind: str
    channels: tuple[str, ...]
    level: int
    judge: Judge
    population: Population
    held: int = 0

    @classmethod
    def trained(
        cls,
        algorithm: str,
        kind: str,
        channels: Sequence[str],
        level: int,
        rows: Reals,
        at_us: Int,
        rare: float,
        held: int = 0,
    ) -> Model:
        """Learn from rows of healthy devices.

        Args:
            algorithm: one of `algorithms()`.
            rows: float64 (n, features), finite, by time; features as `whole.feature_names` has them.
            at_us: int64 (n,), when each was told.
            rare: share of these rows that lies beyond the limit, 0..1.

        Raises:
            UnfitModelError: too few rows, or nothing in them moves.
        """
        if len(rows) < LEAST_ROWS:
            raise UnfitModelError(f"{len(rows):,} healthy rows are too few to learn from; {LEAST_ROWS} at least")
        learner = build(algorithm, 1, {TRAIN.name: int(TRAIN.least), RARE.name: rare})
        assert isinstance(learner, Learnt)
        judge = learner.judge(rows)
        if judge.scorer is None:
            raise UnfitModelError("nothing in these rows moves, so there is nothing to learn")
        return cls(kind, tuple(channels), level, judge, Population.of(rows[:, judge.moving], at_us), held)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All parameters by name, without objects."""
        scorer = self.judge.scorer
        assert scorer is not None
        found = {"level": np.asarray(self.level)} | ({"held": np.asarray(self.held)} if self.held else {})
        found |= {f"judge.{name}": np.asarray(getattr(self.judge, name)) for name in _JUDGE}
        found |= {f"population.{name}": np.asarray(getattr(self.population, name)) for name in _POPULATION}
        kind = type(scorer).__name__
        for name in (each.name for each in fields(_SCORERS[kind])):
            value = getattr(scorer, name)
            if isinstance(value, tuple):
                found |= {f"{kind}.{name}.{place:03}": np.asarray(each) for place, each in enumerate(value)}
            else:
                found[f"{kind}.{name}"] = np.asarray(value)
        return dict(sorted(found.items()))

    @classmethod
    def of_arrays(cls, kind: str, channels: Sequence[str], arrays: Arrays) -> Model:
        """The same model again.

        Raises:
            UnfitModelError: these are not the arrays of a model.
        """
        try:
            judge = {name: arrays[f"judge.{name}"] for name in _JUDGE}
            population = {name: arrays[f"population.{name}"] for name in _POPULATION}
            model = cls(
                kind,
                tuple(channels),
                int(arrays["level"].item()),
                Judge(**_plain(judge), scorer=_scorer(arrays)),
                Population(**_plain(population)),
                int(arrays["held"].item()) if "held" in arrays else 0,
            )
            some = model.judge.score(np.zeros((1, int(model.judge.moving.max()) + 1)))
            same = model.population.index(np.zeros(model.population.share.shape, np.int64))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnfitModelError(f"these are not the arrays of a model: {type(error).__name__}: {error}") from None
        if some.shape != (1,) or not np.isfinite(some).all() or same.shape != model.population.usual.shape:
            raise UnfitModelError("the arrays of this model do not go together")
        return model

    def digest(self) -> str:
        """See `digest_of`."""
        return digest_of(self.arrays())


def digest_of(arrays: Arrays) -> str:
    """SHA-256 of all parameters of a model, hexadecimal: names, types, shapes and bytes."""
    found = sha256()
    for name, array in arrays.items():
        whole = np.ascontiguousarray(array)
        found.update(f"{name} {whole.dtype.str} {whole.shape}\n".encode())
        found.update(whole.tobytes())
    return found.hexdigest()


def _scorer(arrays: Arrays) -> Scorer:
    (kind,) = {name.partition(".")[0] for name in arrays} & set(_SCORERS)
    hints = get_type_hints(_SCORERS[kind])
    given: dict[str, Any] = {}
    for each in fields(_SCORERS[kind]):
        name = f"{kind}.{each.name}"
        if hints[each.name] in (float, bool):
            given[each.name] = arrays[name].item()
        elif name in arrays:
            given[each.name] = arrays[name]
        else:
            given[each.name] = tuple(arrays[part] for part in sorted(arrays) if part.startswith(f"{name}."))
    scorer: Scorer = _SCORERS[kind](**given)
    return scorer


def _plain(arrays: Arrays) -> dict[str, Any]:
    """Numbers as numbers, arrays as they are."""
    return {name: array.item() if array.ndim == 0 else array for name, array in arrays.items()}
