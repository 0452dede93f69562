"""How fast a live run really goes, beside what is asked of it: over the last seconds on the wall."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

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
        held: connects that had to wait below the ceiling.
    """

    wall_s: float
    now_us: int
    asked: int
    reached: int
    attempts: int
    admitted: int
    held: int = 0


@dataclass(frozen=True)
class Figures:
    """Of the last seconds, a wall second.

    Attributes:
        asked, reached: messages.
        attempts, admitted: connects.
        speed: simulated seconds.
    """

    asked: float
    reached: float
    attempts: float
    admitted: float
    speed: float


class Rates:
    """Totals of the last seconds.

    Args:
        speed: simulated seconds a wall second that are asked for.
    """

    def __init__(self, speed: float) -> None:
        self.trouble = ""
        """What will end the run if it lasts."""
        self._speed = speed
        self._seen: deque[Totals] = deque()

    def note(self, totals: Totals) -> None:
        """Call it a few times a second."""
        self._seen.append(totals)
        while len(self._seen) > 2 and self._seen[1].wall_s <= totals.wall_s - WINDOW_S:
            self._seen.popleft()

    @property
    def figures(self) -> Figures | None:
        """None before there is anything to compare."""
        if len(self._seen) < 2 or self._seen[-1].wall_s <= self._seen[0].wall_s:
            return None
        first, last = self._seen[0], self._seen[-1]
        wall_s = last.wall_s - first.wall_s
        return Figures(
            asked=(last.asked - first.asked) / wall_s,
            reached=(last.reached - first.reached) / wall_s,
            attempts=(last.attempts - first.attempts) / wall_s,
            admitted=(last.admitted - first.admitted) / wall_s,
            speed=(last.now_us - first.now_us) / SECOND_US / wall_s,
        )

    def __str__(self) -> str:
        """One line; empty before there is anything to compare."""
        found = self.figures
        if found is None:
            return self.trouble
        held = self._seen[-1].held
        words = [
            f"messages/s {found.asked:,.0f} asked {found.reached:,.0f} reached",
            f"connects/s {found.attempts:,.0f} asked {found.admitted:,.0f} admitted",
            f"speed {self._speed:g}x asked {found.speed:.1f}x held",
        ]
        words += [f"{held:,} connects held back by the ceiling"] if held else []
        return ", ".join([*([self.trouble] if self.trouble else []), *words])
