"""Detectors that learn a model of a series' features from its first rows, and score the others by it.

A model sees ten features of a series: the value, its change, and mean, standard deviation, least and greatest value of
the last 5 and 15, each in standard deviations of what was learnt. What comes out of it, whatever its unit, becomes a
score by the rows that it was learnt from: 0 is what half of them have, 1.0 what all but a share of them have.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector
from twinstorm.detectors.values.features import Rolling, rows
from twinstorm.detectors.values.memory import MOST_EXCESS, smallest
from twinstorm.detectors.values.scorers import Scorer
from twinstorm.twin.flow import Int

WINDOWS: Final = rows(5, 15)
STATISTICS: Final = ("mean", "sd", "min", "max")
MOST_AWAY: Final = 100.0
"""Standard deviations from what was learnt; further away is as strange."""
TRAIN = Option("train", "count", "200", "rows of each series that are taken as normal", least="20", most="100000")
RARE = Option("rare", "share", "0.5 %", "of the learnt rows that lie beyond the limit", least="0 %")


@dataclass(frozen=True, slots=True)
class Judge:
    """A model of one series, and what its answers mean.

    Attributes:
        moving: places of the features that moved at all while it learnt; others say nothing.
        mean, sd: float64, of those. usual, limit: what the model says of the middle row and of the last normal one.
        scorer: None: nothing moved.
    """

    moving: Int
    mean: Reals
    sd: Reals
    usual: float
    limit: float
    scorer: Scorer | None

    def score(self, features: Reals) -> Reals:
        """float64 (n,) of float64 (n, features), each finite: from 0 to `MOST_EXCESS`, 1.0 at the limit."""
        if self.scorer is None:
            away = np.abs(features - self.mean).max(axis=1)
            return np.where(away > self.sd.max(), MOST_EXCESS, 0.0)
        z = np.clip((features[:, self.moving] - self.mean) / self.sd, -MOST_AWAY, MOST_AWAY)
        told = (self.scorer.score(z) - self.usual) / max(self.limit - self.usual, 1e-12)
        return np.clip(told, 0.0, MOST_EXCESS)


class Learnt(ValueDetector):
    """A model a series, fitted once, when it has shown `train` rows."""

    options: ClassVar[tuple[Option, ...]] = (TRAIN, RARE)

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._features = Rolling(series, WINDOWS, lags=(), statistics=STATISTICS, calendar=False)
        self._rows: Reals = np.full((settings["train"], len(self._features.names), series), np.nan)
        self._count: Int = np.zeros(series, np.int64)
        self._judges: NDArray[np.object_] = np.full(series, None, np.object_)

    @abstractmethod
    def fitted(self, rows: Reals) -> Scorer:
        """A model of float64 (n, features), in standard deviations of these very rows."""

    def score(self, sample: Sample) -> Reals:
        return self._scored(sample, self._features.of(sample))

    def learn(self, sample: Sample) -> None:
        features = self._features.of(sample) if self._is_learning(sample) else None
        self._absorb(sample, features)

    def step(self, sample: Sample) -> Reals:
        features = self._features.of(sample)
        score = self._scored(sample, features)
        self._absorb(sample, features)
        return score

    def judge(self, rows: Reals) -> Judge:
        """What is learnt of float64 (n, features)."""
        mean, sd = rows.mean(axis=0), rows.std(axis=0)
        moving = np.flatnonzero(sd > smallest(mean))
        if not len(moving):
            return Judge(moving, mean, smallest(mean), 0.0, 1.0, None)
        mean, sd = mean[moving], sd[moving]
        z = np.clip((rows[:, moving] - mean) / sd, -MOST_AWAY, MOST_AWAY)
        scorer = self.fitted(z)
        told = scorer.score(z)
        usual, limit = np.quantile(told, (0.5, 1.0 - float(self.settings["rare"])))
        return Judge(moving, mean, sd, float(usual), float(limit), scorer)

    def _is_learning(self, sample: Sample) -> bool:
        return bool((self._count[sample.series] < self.settings["train"]).any())

    def _scored(self, sample: Sample, features: Reals) -> Reals:
        scores = np.full(len(sample.values), np.nan)
        whole = (features == features).all(axis=0)
        for place, judge in enumerate(self._judges[sample.series]):
            if judge is not None and whole[place]:
                scores[place] = judge.score(features[None, :, place])[0]
        return scores

    def _absorb(self, sample: Sample, features: Reals | None) -> None:
        """Features: None: nobody needs them any more."""
        self._features.learn(sample)
        if features is None:
            return
        numbers = np.arange(self.series)[sample.series]
        wanted = (features == features).all(axis=0) & (self._count[numbers] < self.settings["train"])
        new = numbers[wanted]
        self._rows[self._count[new], :, new] = features[:, wanted].T
        self._count[new] += 1
        for number in new[self._count[new] == self.settings["train"]].tolist():
            self._judges[number] = self.judge(np.ascontiguousarray(self._rows[:, :, number]))
            self._rows[:, :, number] = np.nan
