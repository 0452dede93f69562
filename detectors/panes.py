"""What the core tells of a simulated second, and counts that are kept a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from twinstorm.twin.flow import Alarm, Incident, Int

RATE_PANES = 60
"""Panes of connect attempts that detectors see."""
ROOM_PANES = 1_024
"""Panes until the array of them is begun anew."""


@dataclass(slots=True)
class Pane:
    """One simulated second as the core saw it.

    Attributes:
        at_us: end of the pane.
        accepted, repeated, dead_letters: readings in it.
        slis: objective name to its (good, total) in this pane, in the order of the objectives.
        live_sessions: devices with one at the end.
        reboots: new boot numbers seen in it.
        attempts, refused: CONNECTs in it, by the broker's counters.
    """

    at_us: int
    accepted: int
    repeated: int
    dead_letters: int
    slis: Mapping[str, tuple[int, int]]
    live_sessions: int
    reboots: int
    attempts: int
    refused: int
    new_alarms: list[Alarm] = field(default_factory=list)
    resolved_alarms: list[Alarm] = field(default_factory=list)
    new_incidents: list[Incident] = field(default_factory=list)
    resolved_incidents: list[Incident] = field(default_factory=list)
    flapping_alarms: list[Alarm] = field(default_factory=list)
    """Those that were opened once more."""
    escalated: list[Incident] = field(default_factory=list)
    """Those whose page nobody acknowledged in time."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Seconds in which the core saw the same, but for the number of readings.

    Attributes:
        accepted: int64, readings in each; there are no others.
        slis, live_sessions: as in `Pane`.
    """

    accepted: Int
    slis: Mapping[str, tuple[int, int]]
    live_sessions: int


class Rates:
    """A count a pane, the newest `RATE_PANES` of them as an array."""

    def __init__(self) -> None:
        self._counts: Int = np.zeros(ROOM_PANES, np.int64)
        self._end = 0

    def add(self, count: int, seconds: int) -> None:
        """Add what was counted in so many panes: spread evenly, the rest in the last one."""
        panes = min(seconds, RATE_PANES)
        if self._end + panes > ROOM_PANES:
            # A new array: whoever keeps an old window sees it unchanged.
            kept, self._counts = self.newest, np.zeros(ROOM_PANES, np.int64)
            self._counts[: len(kept)] = kept
            self._end = len(kept)
        self._counts[self._end : self._end + panes] = count // seconds
        self._end += panes
        self._counts[self._end - 1] = count - count // seconds * (seconds - 1)

    @property
    def newest(self) -> Int:
        """int64 (up to `RATE_PANES`,), the newest last; read-only."""
        window = self._counts[max(self._end - RATE_PANES, 0) : self._end]
        window.flags.writeable = False
        return window
