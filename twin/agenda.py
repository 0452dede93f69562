"""Which devices are due next: derived from the timer column, never saved.

Once a simulated second one pass over the timers takes everybody who is due in it, sorted; consequences that fall into
the same second go to a small sorted buffer beside it. An entry counts only while the device's timer still says so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import NEVER_US, SECOND_US, Int

Devices = NDArray[np.int64]
_NONE = np.empty(0, np.int64)
_DEVICE_BITS = 32


class Agenda:
    """Timers of one fleet in order of (time, device)."""

    def __init__(self, due_us: Int) -> None:
        self._due_us = due_us
        self.slot_end_us = 0
        self._calm_until_us = 0
        """Nobody that is not listed is due before it."""
        self._listed, self._near = _NONE, _NONE
        """Entries, ascending: time before the end of the slot and device, packed into one number."""

    def _packed(self, times: Int, devices: Devices) -> Int:
        packed: Int = (times - self.slot_end_us) << _DEVICE_BITS
        packed |= devices
        return packed

    def _time_of(self, entry: int) -> int:
        return (entry >> _DEVICE_BITS) + self.slot_end_us

    def _places(self, end_us: int) -> tuple[int, int]:
        """How many entries of either list lie before an instant."""
        first = (end_us - self.slot_end_us) << _DEVICE_BITS
        return int(self._listed.searchsorted(first)), int(self._near.searchsorted(first))

    def look_from(self, now_us: int) -> None:
        """Make sure that the second of `now_us` is listed."""
        if now_us < self.slot_end_us:
            return
        self.slot_end_us = (now_us // SECOND_US + 1) * SECOND_US
        self._listed = self._near = _NONE
        if self.slot_end_us <= self._calm_until_us:
            return
        devices = np.flatnonzero(self._due_us < self.slot_end_us)
        self._listed = self._packed(self._due_us[devices], devices)
        self._listed.sort()
        self._calm_until_us = self.slot_end_us if len(devices) else int(self._due_us.min(initial=NEVER_US))

    def add(self, devices: Devices) -> None:
        """The timers of these devices changed."""
        times = self._due_us[devices]
        self._calm_until_us = min(self._calm_until_us, int(times.min(initial=NEVER_US)))
        soon = times < self.slot_end_us
        if soon.any():
            self._near = np.concatenate([self._near, self._packed(times[soon], devices[soon])])
            self._near.sort()

    def first_us(self) -> int:
        """A lower bound of the next due instant in this second; `NEVER_US` if nothing is listed."""
        return min((self._time_of(int(each[0])) for each in (self._listed, self._near) if len(each)), default=NEVER_US)

    def before(self, end_us: int) -> tuple[Int, Devices]:
        """Those who are due before `end_us`, by (time, device), each once. Changes nothing."""
        listed, near = self._places(end_us)
        entries = self._listed[:listed]
        if near:
            entries = np.concatenate([entries, self._near[:near]])
            entries.sort()
        times = entries >> _DEVICE_BITS
        times += self.slot_end_us
        devices = entries & ((1 << _DEVICE_BITS) - 1)
        counts = self._due_us[devices] == times
        if len(entries) > 1:
            counts[1:] &= entries[1:] != entries[:-1]
        return (times, devices) if counts.all() else (times[counts], devices[counts])

    def drop_before(self, end_us: int) -> None:
        """These instants are done."""
        listed, near = self._places(end_us)
        self._listed, self._near = self._listed[listed:], self._near[near:]
