"""Limits that every series learns from its own past: the policy of those who watch everything and tune nothing.

A detector's own limit of 1.0 holds for what its assumptions hold for. Load that comes and goes, a day and a night, a
shift that begins, break them on healthy machines, each series in its own way. What such a series scored while all was
well says by how much. So its limit is a *leap* beyond the highest calm score so far, and beyond the detector's own:

    limit = leap * max(1, highest)

A score below the limit is calm and raises `highest`, so that what grows little by little grows into it; one at the
limit or above teaches nothing. How much of a leap is one is the detector's to say (`ValueDetector.leap`): what smooths
moves little from one value to the next, what looks at single values meets record after record.

Nothing is said of a series before it was seen for a while *and* its values were scored and changed often enough: a
battery that falls by one step of its sensor in half an hour has shown little in a hundred readings. What it scored in
the first half of that is not remembered: a detector that has just begun is easily surprised.
"""

from __future__ import annotations

import math

import numpy as np

from twinstorm.detectors.values.contract import Reals, Sample, Which
from twinstorm.twin.flow import Int, Mask

BYTES = 36
"""Of a series."""
CERTAINLY_CALM = 1.0 - 1e-12
"""A score over the highest calm one: below it, rounding or not, it is no higher."""


class History:
    """The highest calm score of each series, and how much was seen of it.

    Args:
        series: how many there are.
        leap: a score so many times the highest calm one is at the limit, and so many times its own limit at least.
        changes: values unlike the one before that must have been scored first.
        learn_us: so long must a series have been seen, by the stamps of its values.
    """

    def __init__(self, series: int, leap: float, changes: int, learn_us: int) -> None:
        self._leap, self._changes, self._learn_us = leap, changes, learn_us
        self._highest: Reals = np.ones(series)
        """And no less than the detector's own limit."""
        self._limit: Reals = np.full(series, np.nan)
        """NaN: too little was seen."""
        self._last: Reals = np.full(series, np.nan)
        self._changed = np.zeros(series, np.int32)
        self._since_us: Int = np.full(series, -1, np.int64)

    def judged(self, scores: Reals, sample: Sample) -> Reals:
        """Scores in units of what each series has learnt to be its limit, float64 (k,), NaN before; and learn."""
        told = scores / self._limit[sample.series]
        most = told.max(initial=0.0)
        # The largest is NaN if one is: without a score, or not known yet.
        if math.isnan(most):
            return self._learnt(scores, sample)
        if most * self._leap > CERTAINLY_CALM:
            self._raise(scores, sample.series, told < 1.0)
        return told

    def _learnt(self, scores: Reals, sample: Sample) -> Reals:
        """The same, where some series are not known yet."""
        which, values = sample.series, sample.values
        last, since_us = self._last[which], self._since_us[which]
        here = scores == scores
        changed = self._changed[which] + (here & (values != last))
        since_us = np.where((values == values) & (since_us < 0), sample.at_us, since_us)
        seen_us = sample.at_us - since_us
        known = (changed >= self._changes) & (seen_us >= self._learn_us)
        begun = (2 * changed >= self._changes) & (2 * seen_us >= self._learn_us)
        told: Reals = np.where(known, scores / (self._leap * self._highest[which]), np.nan)
        self._last[which] = np.where(here, values, last)
        self._changed[which] = np.minimum(changed, self._changes)
        self._since_us[which] = since_us
        self._raise(scores, which, begun & ~(told >= 1.0))
        self._limit[which] = np.where(known, self._leap * self._highest[which], np.nan)
        return told

    def _raise(self, scores: Reals, which: Which, calm: Mask) -> None:
        """What was calm is normal from now on."""
        highest = self._highest[which]
        # A comparison with NaN is false: what has no score teaches nothing.
        highest = np.where(calm & (scores > highest), scores, highest)
        self._highest[which] = highest
        self._limit[which] = np.where(np.isnan(self._limit[which]), np.nan, self._leap * highest)

    def forget(self, series: Which) -> None:
        """Begin anew with some series."""
        self._highest[series], self._limit[series], self._last[series] = 1.0, np.nan, np.nan
        self._changed[series], self._since_us[series] = 0, -1
