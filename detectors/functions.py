"""Functions that a cloud calls once a message: as many instances as there is work, started cold, at a price a call.

Nothing here draws lots or looks at a clock: the same calls give the same answers.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from twinstorm.twin.flow import Int


@dataclass(frozen=True)
class Serverless:
    """A function that is called once a message.

    Attributes:
        cold_us: what the first call of an instance takes longer. keep_us: how long an idle instance is kept warm.
        most: instances at one time; further calls wait.
        price: of a call, in whatever the scenario counts in; price_per_s: of a second of an instance's work.
    """

    service_us: int
    cold_us: int
    keep_us: int
    most: int
    price: float
    price_per_s: float = 0.0

    def __post_init__(self) -> None:
        if min(self.service_us, self.most) < 1 or min(self.cold_us, self.keep_us) < 0:
            raise ValueError("service and instances are at least 1, and no time is negative")


class Functions:
    """
    Attributes:
        calls: so far. cold: those that an instance was started for. most_at_once: instances at work.
    """

    def __init__(self, profile: Serverless) -> None:
        self.profile = profile
        self.calls = self.cold = self.most_at_once = 0
        self._busy: list[int] = []
        """Heap of when each instance at work ends."""
        self._idle: list[int] = []
        """Since when each idle instance is; the newest last."""
        self._at_us = 0

    @property
    def cost(self) -> float:
        """Of all calls so far."""
        profile = self.profile
        worked_s = float((profile.service_us * self.calls + profile.cold_us * self.cold) / 1e6)
        return profile.price * self.calls + profile.price_per_s * worked_s

    def call(self, arrival_us: Int) -> tuple[Int, Int]:
        """What becomes of calls at these instants, ascending, none before those of the last time. The instance that was
        used last takes the next call.

        Returns:
            When each begins its work and when it ends, int64 (n,).
        """
        profile, busy, idle = self.profile, self._busy, self._idle
        start_us, end_us = np.empty_like(arrival_us), np.empty_like(arrival_us)
        at_us = self._at_us
        for number, came_us in enumerate(arrival_us.tolist()):
            at_us = max(came_us, at_us)  # behind those that wait already
            if len(busy) >= profile.most and busy[0] > at_us:
                at_us = busy[0]
            while busy and busy[0] <= at_us:
                idle.append(heapq.heappop(busy))
            # Ends ascend as they are taken from the heap, so that the newest idle one stands last.
            if idle and at_us - idle[-1] <= profile.keep_us:
                idle.pop()
                extra_us = 0
            else:
                idle.clear()
                self.cold += 1
                extra_us = profile.cold_us
            start_us[number] = at_us + extra_us
            end_us[number] = at_us + extra_us + profile.service_us
            heapq.heappush(busy, int(end_us[number]))
            self.most_at_once = max(self.most_at_once, len(busy))
        self._at_us = at_us
        self.calls += len(arrival_us)
        return start_us, end_us
