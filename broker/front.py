"""What stands at the door of a broker: a CONNECT that arrives is let in, now or later, or turned away.

The embedded broker asks one of these. `Admission` counts real arrivals alone; a crowd lets them join the queue of
everybody who is only modelled.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from twinstorm.broker.admission import Admission


class Front(Protocol):
    """Asked in the loop of the broker."""

    guests_too: bool
    """Guests stand in the same queue as devices."""

    def offer(self, now_us: int) -> Awaitable[int | None]:
        """A CONNECT now: the instant at which it is let in (>= now), or None if it is refused."""

    def reset(self) -> None:
        """The broker has begun anew: nobody waits."""


class Alone:
    """Real arrivals have a token bucket of their own."""

    guests_too = False

    def __init__(self, limit: Admission) -> None:
        self._limit = limit

    async def offer(self, now_us: int) -> int | None:
        return self._limit.offer(now_us)

    def reset(self) -> None:
        self._limit.tat = 0
