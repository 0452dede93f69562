"""A small network that has to tell the features of a series through a bottleneck: what it cannot tell is strange."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.values.contract import Reals
from twinstorm.detectors.values.learnt import Learnt
from twinstorm.detectors.values.scorers import Scorer

SEED: Final = 20_300_101
LAYERS: Final = (8, 3, 8)
PASSES: Final = 60


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Weights and biases of a network with hyperbolic tangents between, by layer; scores by its mean squared error."""

    weights: tuple[Reals, ...]
    biases: tuple[Reals, ...]

    @classmethod
    def of(cls, model: Any) -> Reconstruction:
        """Of a fitted `sklearn.neural_network.MLPRegressor`."""
        return cls(tuple(map(np.asarray, model.coefs_)), tuple(map(np.asarray, model.intercepts_)))

    def score(self, rows: Reals) -> Reals:
        told = rows
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            # A row alone is added up in the same order as one of many, which a product of matrices does not promise.
            told = (told[:, :, None] * weight).sum(axis=1) + bias
            if layer < len(self.weights) - 1:
                told = np.tanh(told)
        away = told - rows
        return (away * away).mean(axis=1)


class Autoencoder(Learnt):
    """Layers of 8, 3 and 8 learn to reproduce the features of the first rows; the score grows with the squared error.

    Sees features that each lie in their range and do not belong together. It is fitted on `train` rows of one series,
    some thousand weights' worth of data at best: with a few hundred rows it is a curved `pyod:PCA`.

    Source: Hawkins et al. 2002, doi:10.1007/3-540-46145-0_17; scikit-learn's `MLPRegressor`.
    """

    name: ClassVar[str] = "autoencoder"
    summary: ClassVar[str] = "features that a network, taught by the first rows, cannot reproduce"

    def fitted(self, rows: Reals) -> Scorer:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        network = MLPRegressor(
            hidden_layer_sizes=LAYERS, activation="tanh", solver="lbfgs", alpha=1e-2, max_iter=PASSES, random_state=SEED
        )
        with warnings.catch_warnings():
            # The number of passes is a budget.
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(rows, rows if rows.shape[1] > 1 else rows[:, 0])
        return Reconstruction.of(network)
