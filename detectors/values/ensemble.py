"""Several detectors as one: their scores, made comparable, and then the highest of them or their mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.charts import Ewma
from twinstorm.detectors.values.contract import Finest, Reals, Sample, ValueDetector, Which, defaults
from twinstorm.detectors.values.memory import MOST_EXCESS, Newest, total
from twinstorm.detectors.values.motion import Rate
from twinstorm.detectors.values.windows import RobustZ

MEMBERS: Final = (RobustZ, Ewma, Rate)
LEAST: Final = 20
"""Scores of a member before it is asked."""
FLOOR: Final = 0.05
"""Of its limit: a member whose scores all lie lower is not made louder than this allows."""


class _Member:
    """One detector and its newest scores."""

    def __init__(self, kind: type[ValueDetector], series: int, window: int) -> None:
        self.detector = kind(series, defaults(kind.options, f"detector `{kind.name}`"))
        self.past = Newest(window, series)

    def calibrated(self, sample: Sample, scores: Reals, usual: float) -> Reals:
        """Scores over a quantile of those that this series had lately, NaN while there are few."""
        (limit,) = self.past.quantiles(sample.series, usual)
        known = self.past.held(sample.series) >= LEAST
        return np.where(known, scores / np.maximum(limit, FLOOR), np.nan)

    def forget(self, series: Which) -> None:
        self.detector.forget(series)
        self.past.values[:, series] = np.nan
        self.past.count[series] = 0


class Ensemble(ValueDetector):
    """`robust-z`, `ewma` and `rate`, each measured by its own past, then joined.

    1.0 means something else to each detector. So a member's score is divided by a quantile of its own newest scores of
    the same series; the highest of them counts, or their mean, and is at the limit at `times` that quantile. The mean
    wants several to agree: fewer false alarms, and what one alone can see is found later or not at all.

    What is joined is no score of known distribution: the highest of three is beyond a quantile of each thrice as often.
    So on fleets it learns a limit of its own as one score, also where channels are named (`adaptive`).
    """

    name: ClassVar[str] = "ensemble"
    summary: ClassVar[str] = "several detectors, each measured by its own past"
    leap: ClassVar[float] = 15.0
    chosen_by: ClassVar[tuple[str, ...] | None] = None
    options: ClassVar[tuple[Option, ...]] = (
        Option("window", "count", "200", "newest scores of a member that calibrate it", least="20", most="10000"),
        Option("usual", "share", "99 %", "of a member's scores that are usual", least="50 %"),
        Option("times", "number", "1.5", "what is usual, to the limit", least="1"),
        Option("join", "word", "mean", "of the members, or the highest", choices=("mean", "max")),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._members = [_Member(kind, series, settings["window"]) for kind in MEMBERS]

    def leaps(self) -> float:
        """The highest of its members moves as far as the one that moves farthest."""
        return self.leap if self.settings["join"] == "mean" else max(member.leap for member in MEMBERS)

    def tells(self, finest: Finest) -> None:
        for member in self._members:
            member.detector.tells(finest)

    def score(self, sample: Sample) -> Reals:
        return self._joined(sample, [member.detector.score(sample) for member in self._members])

    def learn(self, sample: Sample) -> None:
        self.step(sample)

    def step(self, sample: Sample) -> Reals:
        scores = [member.detector.step(sample) for member in self._members]
        joined = self._joined(sample, scores)
        for member, score in zip(self._members, scores, strict=True):
            member.past.push(sample.series, score)
        return joined

    def forget(self, series: Which) -> None:
        for member in self._members:
            member.forget(series)

    def _joined(self, sample: Sample, scores: list[Reals]) -> Reals:
        usual = float(self.settings["usual"])
        told = np.stack(
            [member.calibrated(sample, score, usual) for member, score in zip(self._members, scores, strict=True)]
        )
        known = (told == told).sum(axis=0)
        highest = np.fmax.reduce(told, axis=0)
        mean = total(np.where(told == told, told, 0.0)) / np.maximum(known, 1)
        joined = (mean if self.settings["join"] == "mean" else highest) / float(self.settings["times"])
        return np.where(known > 0, np.minimum(joined, MOST_EXCESS), np.nan)
