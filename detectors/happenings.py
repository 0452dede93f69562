"""What happens to devices, one thing after the other: what patterns of events are about.

Kept for the pane in which it happens, and only if somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import Codes, Device, Int, SessionEvent

CONNECT, DISCONNECT, WILL, TAKEOVER, BOOT, LATE, DEAD_LETTER = range(7)
EVENTS: Final = ("connect", "disconnect", "will", "takeover", "boot", "late", "dead-letter")
"""Names of the codes, as the language has them."""
ALARM: Final = "alarm "
"""Begins the name of an event that is an alarm."""

OF_SESSIONS: Final = np.zeros(max(SessionEvent) + 1, np.uint8)
"""Code of each `SessionEvent`."""
OF_SESSIONS[[SessionEvent.BORN, SessionEvent.CLOSED, SessionEvent.LOST, SessionEvent.TAKEN_OVER]] = (
    CONNECT,
    DISCONNECT,
    WILL,
    TAKEOVER,
)
MOST_ALARMS: Final = 50


@dataclass(frozen=True, slots=True)
class Happened:
    """Events, ordered by time and device, and then as they came.

    Attributes:
        at_us: int64 (n,). device: int32 (n,).
        what: uint8 (n,), see `Happenings.code`.
    """

    at_us: Int
    device: Device
    what: Codes

    def __len__(self) -> int:
        return len(self.device)


NOTHING: Final = Happened(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.uint8))


class Happenings:
    """Collects what happens until the end of a pane.

    Args:
        alarms: names of those that somebody asks for; others are passed over.

    Raises:
        ValueError: there are more than `MOST_ALARMS`.
    """

    def __init__(self, alarms: Iterable[str] = ()) -> None:
        self._alarms = tuple(sorted(set(alarms)))
        if len(self._alarms) > MOST_ALARMS:
            raise ValueError(f"patterns ask for {len(self._alarms)} alarms; at most {MOST_ALARMS}")
        self._parts: list[Happened] = []

    def code(self, event: str) -> int:
        """Number of an event by its name. Raises ValueError if there is none of this name."""
        if event.startswith(ALARM):
            return len(EVENTS) + self._alarms.index(event.removeprefix(ALARM))
        return EVENTS.index(event)

    @property
    def codes(self) -> int:
        """How many there are."""
        return len(EVENTS) + len(self._alarms)

    def add(self, at_us: Int, device: Device, what: Codes | int) -> None:
        """Remember events; of one device and instant in this order."""
        if len(device):
            codes = np.full(len(device), what, np.uint8) if isinstance(what, int) else what
            self._parts.append(Happened(at_us, device, codes))

    def raised(self, name: str, device: Device, at_us: int) -> None:
        """An alarm was raised about these devices."""
        if name in self._alarms:
            self.add(np.full(len(device), at_us, np.int64), device, self.code(ALARM + name))

    def take(self, accepted: Accepted) -> None:
        """Readings that came behind newer ones; see `Tap`."""
        if accepted.late:
            self.add(accepted.arrived_us.copy(), accepted.device.copy(), LATE)

    def turn(self) -> Happened:
        """All since the last turn, in order."""
        parts, self._parts = self._parts, []
        if not parts:
            return NOTHING
        at_us, device, what = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("at_us", "device", "what")
        )
        order = np.lexsort((device, at_us))
        return Happened(at_us[order], device[order], what[order])
