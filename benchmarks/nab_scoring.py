"""The score of the Numenta Anomaly Benchmark, for scores of a detector that it has one threshold for.

Sources: Lavin and Ahmad 2015, arXiv:1510.03336; Ahmad et al. 2017, doi:10.1016/j.neucom.2017.04.070.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twinstorm.detectors.values.contract import Reals
from twinstorm.twin.flow import Int


class Profile(NamedTuple):
    """What a mistake costs, where a detection at the start of a window earns 1."""

    missed: float
    false_alarm: float


PROFILES = {
    "standard": Profile(1.0, 0.11),
    "low false positives": Profile(1.0, 0.22),
    "low false negatives": Profile(2.0, 0.11),
}


@dataclass(frozen=True)
class Scored:
    """One file.

    Attributes:
        scores: float64 (rows,), NaN where the detector says nothing.
        windows: (first, last) row of each labelled anomaly, ascending and apart.
    """

    scores: Reals
    windows: Sequence[tuple[int, int]]

    @property
    def probation(self) -> int:
        """First rows, which nobody is judged by."""
        return min(int(0.15 * len(self.scores)), 750)


def benchmark(files: Sequence[Scored], profile: Profile) -> tuple[float, float]:
    """The score with the one threshold that is best for all files, and the one that is left when each file's threshold
    is the best for all the others. 100: perfect; 0: no alarm at all."""
    earned, _ = _earned(files, profile)
    # Nothing detected earns minus `missed` a window, everything at once 1.
    unit = sum(len(file.windows) for file in files) * (1.0 + profile.missed)
    together = earned.sum(axis=0)
    held_out = sum(earned[row, place] for row, place in enumerate(_held_out(earned)))
    return 100.0 * float(together.max()) / unit, 100.0 * float(held_out) / unit


class Counted(NamedTuple):
    """What became of the labels, each file at the threshold that is best for all the others.

    Attributes:
        hit, missed: labelled anomalies with an alarm in their window, and without. false_rows: alarms in none.
    """

    hit: int
    missed: int
    false_rows: int


def counted(files: Sequence[Scored], profile: Profile) -> Counted:
    """Hits and mistakes in plain numbers."""
    earned, thresholds = _earned(files, profile)
    hit = false_rows = 0
    for file, place in zip(files, _held_out(earned), strict=True):
        alarmed = (np.arange(len(file.scores)) >= file.probation) & (file.scores >= thresholds[place])
        hit += sum(bool(alarmed[first : last + 1].any()) for first, last in file.windows)
        for first, last in file.windows:
            alarmed[first : last + 1] = False
        false_rows += int(np.count_nonzero(alarmed))
    return Counted(hit, sum(len(file.windows) for file in files) - hit, false_rows)


def _held_out(earned: Reals) -> list[int]:
    """Of each file the place of the threshold that is best for all the others."""
    together = earned.sum(axis=0)
    return [int(np.argmax(together - mine)) for mine in earned]


def _earned(files: Sequence[Scored], profile: Profile) -> tuple[Reals, Reals]:
    """What each file earns at every threshold, alarms from the highest score downwards: float64 (files, thresholds);
    and the thresholds, falling."""
    events = [_events(file, profile) for file in files]
    # The first is one that nothing reaches.
    thresholds = np.unique(np.concatenate([[np.inf], *(at for at, _ in events)]))[::-1]
    earned = np.zeros((len(files), len(thresholds)))
    for row, (at, gain) in enumerate(events):
        place = len(thresholds) - 1 - np.searchsorted(thresholds[::-1], at)
        earned[row] = np.cumsum(np.bincount(place, gain, len(thresholds)))
    return earned, thresholds


def _events(file: Scored, profile: Profile) -> tuple[Reals, Reals]:
    """Thresholds at which what a file earns changes when they are lowered, and by how much."""
    rows = np.arange(len(file.scores))
    judged = (rows >= file.probation) & ~np.isnan(file.scores)
    inside = np.zeros(len(rows), np.bool_)
    last = np.full(len(rows), -1)
    width = np.ones(len(rows), np.int64)
    at: list[Reals] = []
    gain: list[Reals] = []
    for first_row, last_row in file.windows:
        window = slice(first_row, last_row + 1)
        inside[window] = True
        last[last_row + 1 :] = last_row
        width[last_row + 1 :] = last_row - first_row
        levels, earned = _detections(file.scores[window], judged[window])
        at.append(levels)
        # The first detection also takes away what a missed window costs.
        gain.append(np.diff(earned, prepend=-profile.missed))
    outside = judged & ~inside
    after = np.where(last >= 0, (rows - last) / np.maximum(width, 1), np.inf)[outside]
    at.append(file.scores[outside])
    gain.append(profile.false_alarm * np.where(after > 3.0, -1.0, _sigmoid(np.minimum(after, 3.0))))
    return np.concatenate(at), np.concatenate(gain)


def _detections(scores: Reals, judged: np.ndarray) -> tuple[Reals, Reals]:
    """Thresholds, falling, at which a window's earliest detection changes, and what it earns then."""
    known = np.where(judged, scores, -np.inf)
    before = np.concatenate(([-np.inf], np.maximum.accumulate(known)[:-1]))
    records: Int = np.flatnonzero(known > before)[::-1]
    place = records / len(scores) - 1.0
    return known[records], _sigmoid(place) / float(_sigmoid(np.array(-1.0)))


def _sigmoid(place: Reals) -> Reals:
    sigmoid: Reals = 2.0 / (1.0 + np.exp(5.0 * place)) - 1.0
    return sigmoid
