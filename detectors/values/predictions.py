"""What came of what was foretold: a limit will be crossed within a horizon, and is, or is not."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.values.contract import Reals, Which
from twinstorm.twin.flow import SECOND_US, Int

_NONE_US = -(1 << 62)
"""Instant of what has not been."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """Predictions of all series together.

    Attributes:
        right: predictions whose limit was crossed within the horizon. wrong: those whose horizon passed without.
        unknown: those whose series was silent for the second half of their horizon or longer, so that nobody saw.
        withdrawn: those whose series began anew before their horizon was over: it was serviced.
        missed: crossings that nobody had foretold. waiting: predictions whose horizon is not over.
        lead_s: mean time from a right prediction to its crossing; None: there was none.
    """

    right: int
    wrong: int
    unknown: int
    withdrawn: int
    missed: int
    waiting: int
    lead_s: float | None


class Predictions:
    """Follows the predictions of each series. Plain data of bounded size.

    A prediction is made by the first value that scores 1.0 or more while none is waiting, and waits for its horizon.
    If no value of the second half of it was heard, nobody knows whether the limit was crossed.
    Who goes on warning after that makes another. A crossing is a value beyond the limit that comes a horizon or more
    after the last such value, so that a series which trembles about its limit has crossed it once; meanwhile nothing
    is foretold.

    Args:
        series: how many. horizon_us: of each prediction.
    """

    def __init__(self, series: int, horizon_us: int) -> None:
        self._horizon_us = horizon_us
        self._since_us: Int = np.full(series, _NONE_US, np.int64)
        self._beyond_us: Int = np.full(series, _NONE_US, np.int64)
        self._heard_us: Int = np.full(series, _NONE_US, np.int64)
        """The newest value of a series with a prediction that waits."""
        self._right = self._wrong = self._unknown = self._withdrawn = self._missed = self._lead_us = 0

    def see(self, series: Which, at_us: Int, scores: Reals, beyond: NDArray[np.bool_]) -> None:
        """Look at a value of each of some series.

        Args:
            scores: float64 (k,), NaN where nothing can be said: such a value crosses nothing. beyond: bool (k,), it is
                beyond its limit.
        """
        since_us, beyond_us = self._since_us[series], self._beyond_us[series]
        known = scores == scores
        beyond = beyond & known
        warns = known & (scores >= 1.0)
        if not (warns.any() or beyond.any() or (since_us != _NONE_US).any()):
            return
        open_ = since_us != _NONE_US
        late = open_ & (at_us - since_us > self._horizon_us)
        seen = self._seen(since_us, self._heard_us[series])
        self._wrong += int(np.count_nonzero(late & seen))
        self._unknown += int(np.count_nonzero(late & ~seen))
        open_ &= ~late
        apart = at_us - beyond_us > self._horizon_us
        crosses = beyond & apart
        right = crosses & open_
        self._right += int(np.count_nonzero(right))
        self._missed += int(np.count_nonzero(crosses & ~open_))
        self._lead_us += int((at_us - since_us)[right].sum())
        open_ &= ~crosses
        begins = warns & apart & ~beyond & ~open_
        self._since_us[series] = np.where(begins, at_us, np.where(open_, since_us, _NONE_US))
        self._beyond_us[series] = np.where(beyond, at_us, beyond_us)
        self._heard_us[series] = np.where(begins | known, at_us, self._heard_us[series])

    def decide(self, now_us: int) -> None:
        """It is `now_us`: predictions whose horizon is over wait no longer, whether or not a value has come since."""
        over = (self._since_us != _NONE_US) & (now_us - self._since_us > self._horizon_us)
        seen = self._seen(self._since_us, self._heard_us)
        self._wrong += int(np.count_nonzero(over & seen))
        self._unknown += int(np.count_nonzero(over & ~seen))
        self._since_us[over] = _NONE_US

    def withdraw(self, series: Which) -> None:
        """These begin anew: what was said of them speaks of something that is no more."""
        self._withdrawn += int(np.count_nonzero(self._since_us[series] != _NONE_US))
        self._since_us[series] = self._beyond_us[series] = self._heard_us[series] = _NONE_US

    def _seen(self, since_us: Int, heard_us: Int) -> NDArray[np.bool_]:
        """Whose values reach into the second half of the horizon that began at `since_us`."""
        return heard_us - since_us >= self._horizon_us // 2

    def foretold(self, now_us: int | None = None) -> Foretold:
        """What came of all of them.

        Args:
            now_us: up to this instant, by the clock of the values; None: up to the newest value of each series.
        """
        if now_us is not None:
            told = deepcopy(self)
            told.decide(now_us)
            return told.foretold()
        return Foretold(
            right=self._right,
            wrong=self._wrong,
            unknown=self._unknown,
            withdrawn=self._withdrawn,
            missed=self._missed,
            waiting=int(np.count_nonzero(self._since_us != _NONE_US)),
            lead_s=self._lead_us / self._right / SECOND_US if self._right else None,
        )
