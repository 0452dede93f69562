"""For how long the message at the head of a queue has waited, told by how many wait and how many have left.

What waits now and waited at some instant before is the older the fewer have left since: of a queue in order, some of
those that waited then are there as long as fewer have left than there were. Nothing else need be known of messages.
"""

from __future__ import annotations

from collections import deque
from typing import Final

LONGEST: Final = 86_400
"""Looks that are remembered: what has waited for longer has waited for so long at least."""


class HeadWait:
    """Looked at once a second, it is right to a second, and never too much, of a queue that is left in the order in
    which it was entered, and if whatever leaves is counted."""

    def __init__(self) -> None:
        self._past: deque[tuple[int, int, int]] = deque(maxlen=LONGEST)
        """Instant, how many waited, and how many had left; the oldest first. Of the oldest some are still there."""

    def look(self, now_us: int, waiting: int, left: int) -> int:
        """How long the first of those that wait has done so, microseconds; 0: none does, or it has just come.

        Args:
            now_us: later than before.
            left: so far; a number that fell belongs to a queue that began anew.
        """
        past = self._past
        if not waiting or (past and left < past[-1][2]):
            past.clear()
        while past and left - past[0][2] >= past[0][1]:
            past.popleft()
        if waiting:
            past.append((now_us, waiting, left))
        return now_us - past[0][0] if past else 0
