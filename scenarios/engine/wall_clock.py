"""Simulated time that follows the clock on the wall; every process of a live run has one, and they agree."""

from __future__ import annotations

import time
from fractions import Fraction

from twinstorm.twin.flow import SECOND_US


class WallClock:
    """Args:
    speed: simulated seconds per wall second.
    """

    def __init__(self, speed: Fraction) -> None:
        self.speed = speed
        self._started_s = float("inf")

    def begin(self, at_s: float) -> None:
        """Let simulated time begin at this instant of the monotonic clock, which all processes of a machine share."""
        self._started_s = at_s

    def now_us(self) -> int:
        """Simulated instant; 0 before it has begun."""
        elapsed = time.monotonic() - self._started_s
        return int(elapsed * SECOND_US * self.speed) if elapsed > 0 else 0
