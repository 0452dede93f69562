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
the first half of that is not remembered: a detector that has just begun is easily surprised. Time is that between the
stamps of its values; nobody was seen while a clock was set, so that one step of it counts for little, and one back for
nothing. What is known stays known.
"""

from __future__ import annotations

import math

import numpy as np

from twinstorm.detectors.values.contract import Reals, Sample, Which
from twinstorm.detectors.values.memory import NO_TIME
from twinstorm.twin.flow import Int, Mask

BYTES = 44
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
        # Who needs all of its steps for as many changes as there must be is never held up by this.
        self._longest_us = learn_us // max(changes // 2, 2)
        """For no more than that counts the time between two values."""
        self._highest: Reals = np.ones(series)
        """And no less than the detector's own limit."""
        self._limit: Reals = np.full(series, np.nan)
        """NaN: too little was seen."""
        self._last: Reals = np.full(series, np.nan)
        self._changed = np.zeros(series, np.int32)
        self._last_us: Int = np.full(series, NO_TIME, np.int64)
        self._seen_us: Int = np.zeros(series, np.int64)

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
        last = self._last[which]
        here = scores == scores
        changed = self._changed[which] + (here & (values != last))
        seen_us = self._seen(sample)
        known = (changed >= self._changes) & (seen_us >= self._learn_us)
        begun = (2 * changed >= self._changes) & (2 * seen_us >= self._learn_us)
        told: Reals = np.where(known, scores / (self._leap * self._highest[which]), np.nan)
        self._last[which] = np.where(here, values, last)
        self._changed[which] = np.minimum(changed, self._changes)
        self._seen_us[which] = seen_us
        self._last_us[which] = np.where(values == values, sample.at_us, self._last_us[which])
        self._raise(scores, which, begun & ~(told >= 1.0))
        self._limit[which] = np.where(known, self._leap * self._highest[which], np.nan)
        return told

    def _seen(self, sample: Sample) -> Int:
        """For how long each was seen with these values, int64 (k,)."""
        last_us = self._last_us[sample.series]
        goes_on = (sample.values == sample.values) & (last_us != NO_TIME)
        step_us = np.where(goes_on, sample.at_us - np.where(goes_on, last_us, 0), 0)
        return self._seen_us[sample.series] + np.clip(step_us, 0, self._longest_us)

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
        self._changed[series], self._seen_us[series], self._last_us[series] = 0, 0, NO_TIME
