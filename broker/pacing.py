"""How fast somebody may go, by the clock on the wall."""

from __future__ import annotations

import time
from fractions import Fraction

from twinstorm.broker.admission import Admission
from twinstorm.twin.flow import SECOND_US

_NOBODY_IS_REFUSED = 1 << 60


class Pace:
    """A rate in wall time.

    Args:
        per_s: of what is asked for.
        burst: so many of it at once after a calm.
        waits: who comes too fast waits for its turn; False: is refused.
    """

    def __init__(self, per_s: Fraction, burst: int = 1, *, waits: bool = True) -> None:
        self._bucket = Admission(per_s.limit_denominator(10**6), burst, _NOBODY_IS_REFUSED if waits else 0)

    def wait_s(self) -> float | None:
        """One more: seconds until it may go; None: it is refused."""
        now_us = time.monotonic_ns() // 1_000
        start_us = self._bucket.offer(now_us)
        return None if start_us is None else (start_us - now_us) / SECOND_US
