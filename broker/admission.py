"""The token bucket at the door of the embedded broker: the scalar twin of what the modelled broker does in batches."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from twinstorm.twin.flow import SECOND_US


@dataclass
class Admission:
    """Admits `rate` connects per second, `burst` of them at once; up to `queue` more wait in order.

    GCRA in integers: time is scaled by the rate's numerator, see ``docs/storm-model.md``.
    """

    rate: Fraction
    burst: int
    queue: int
    tat: int = 0

    def offer(self, now_us: int) -> int | None:
        """A connect now: the instant at which it is let in (>= now), or None if it is refused.

        Example:
            >>> door = Admission(Fraction(10), burst=1, queue=1)
            >>> [door.offer(0) for _ in range(3)]
            [0, 100000, None]
        """
        per_s = self.rate.numerator
        interval = self.rate.denominator * SECOND_US
        now = now_us * per_s
        if self.tat - (self.burst - 1 + self.queue) * interval > now:
            return None
        start = max(now, self.tat - (self.burst - 1) * interval)
        self.tat = max(self.tat, now) + interval
        return -(-start // per_s)
