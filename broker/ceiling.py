"""A bound that nothing gets past: so many in any second, by the clock on the wall."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_SPAN_S = 1.0


class Ceiling:
    """Remembers when the last ones went, so that no second, wherever it begins, holds more of them. A bucket that fills
    while nothing happens would let twice as many through.

    Args:
        per_s: at most so many in any second, 1 or more.
        clock: monotonic seconds; tests give their own.

    Attributes:
        held: so many had to wait.
    """

    def __init__(self, per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self.held = 0
        self._clock = clock
        self._went: deque[float] = deque(maxlen=per_s)

    def lets(self) -> bool:
        """Whether one more may go now; if so it counts as gone."""
        now = self._clock()
        if len(self._went) == self.per_s and now - self._went[0] <= _SPAN_S:
            return False
        self._went.append(now)
        return True
