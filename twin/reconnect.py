"""How long a client waits before it tries again: none, fixed or exponential back-off with four kinds of jitter.

Names and formulas after Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words, below
from twinstorm.twin.flow import Int

BACKOFFS = ("none", "fixed", "exponential")
JITTERS = ("none", "equal", "full", "decorrelated")

_DOUBLINGS = 20
"""Enough to pass any cap; bounds the shift."""


@dataclass(frozen=True)
class ReconnectPolicy:
    """What the firmware of one segment does after a failed attempt or a lost session.

    Attributes:
        backoff: of `BACKOFFS`.
        jitter: of `JITTERS`.
        base_us, cap_us: first and longest wait; 0 < base <= cap and 3 * cap < 2**32, the width of a draw.
        timeout_us: how long an attempt waits for its CONNACK, from sending.
    """

    backoff: str
    jitter: str
    base_us: int
    cap_us: int
    timeout_us: int

    def wait_us(self, failures: NDArray[np.integer], previous_us: Int, draws: Words) -> Int:
        """Waits of many devices: int64, shape of `draws`.

        Args:
            failures: failures in a row, this one included, >= 1.
            previous_us: the last wait of each, 0 if this is the first.
        """
        if self.backoff == "none":
            return np.zeros(len(draws), np.int64)
        if self.jitter == "decorrelated":
            spread = np.maximum(previous_us, self.base_us) * 3 - self.base_us
            return np.minimum(below(draws, spread) + self.base_us, self.cap_us)
        ceiling = self._ceiling_us(failures)
        if self.jitter == "full":
            return below(draws, ceiling)
        if self.jitter == "equal":
            half = ceiling // 2
            return half + below(draws, ceiling - half)
        return ceiling

    def _ceiling_us(self, failures: NDArray[np.integer]) -> Int:
        if self.backoff == "fixed":
            return np.full(len(failures), self.base_us, np.int64)
        doublings = np.minimum(failures, _DOUBLINGS).astype(np.int64)
        return np.minimum(np.int64(self.base_us) << doublings, self.cap_us)
