"""From scores to alarms, a series at a time: threshold, hysteresis, persistence, quiet period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinstorm.detectors.values.contract import ALL, Reals, Which
from twinstorm.twin.flow import Int, Mask


@dataclass(frozen=True)
class Limits:
    """When scores are an alarm.

    Attributes:
        threshold: an alarm opens from this score on.
        clear_threshold: an open one stays open down to this score.
        hold: so many scores in a row must reach the threshold.
        quiet: for so many values after an alarm has closed, none opens.
    """

    threshold: float = 1.0
    clear_threshold: float = 1.0
    hold: int = 1
    quiet: int = 0


class Gate:
    """One decision a series. A score that is missing changes nothing."""

    def __init__(self, series: int, limits: Limits) -> None:
        self._limits = limits
        self._open: Mask = np.zeros(series, np.bool_)
        self._over: Int = np.zeros(series, np.int64)
        """Scores in a row that reached the threshold."""
        self._since_closed: Int = np.full(series, limits.quiet, np.int64)

    def decide(self, scores: Reals, which: Which = ALL) -> Mask:
        """Whether an alarm is open now: bool (k,)."""
        limits, here = self._limits, scores == scores
        over = np.where(here, np.where(scores >= limits.threshold, self._over[which] + 1, 0), self._over[which])
        waited = self._since_closed[which] + here
        was = self._open[which]
        opens = ~was & here & (over >= limits.hold) & (waited > limits.quiet)
        closes = was & here & (scores < limits.clear_threshold)
        self._over[which] = over
        self._since_closed[which] = np.where(closes, 0, waited)
        self._open[which] = now = (was | opens) & ~closes
        return now
