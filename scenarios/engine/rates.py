"""How fast a live run really goes, beside what is asked of it: over the last seconds on the wall."""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass

from twinstorm.twin.flow import SECOND_US

WINDOW_S = 3.0


@dataclass(frozen=True)
class Totals:
    """Counts since the run began.

    Attributes:
        wall_s: of a clock that only goes forward.
        now_us: simulated instant that the run has reached.
        asked: messages that the twins made.
        reached: those that the core has taken.
        attempts, admitted: connects.
    """

    wall_s: float
    now_us: int
    asked: int
    reached: int
    attempts: int
    admitted: int


class Rates:
    """Totals of the last seconds.

    Args:
        speed: simulated seconds a wall second that are asked for.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._seen: deque[Totals] = deque()

    def note(self, totals: Totals) -> None:
        """Call it a few times a second."""
        self._seen.append(totals)
        while len(self._seen) > 2 and self._seen[1].wall_s <= totals.wall_s - WINDOW_S:
            self._seen.popleft()

    def __str__(self) -> str:
        """One line; empty before there is anything to compare."""
        if len(self._seen) < 2 or self._seen[-1].wall_s <= self._seen[0].wall_s:
            return ""
        first, last = astuple(self._seen[0]), astuple(self._seen[-1])
        wall_s = last[0] - first[0]
        now_us, asked, reached, attempts, admitted = (
            (end - begin) / wall_s for begin, end in zip(first[1:], last[1:], strict=True)
        )
        return (
            f"messages/s {asked:,.0f} asked {reached:,.0f} reached, connects/s {attempts:,.0f} asked "
            f"{admitted:,.0f} admitted, speed {self._speed:g}x asked {now_us / SECOND_US:.1f}x held"
        )
