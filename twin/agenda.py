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


class Agenda:
    """Timers of one fleet in order of (time, device)."""

    def __init__(self, due_us: Int) -> None:
        self._due_us = due_us
        self.slot_end_us = 0
        self._calm_until_us = 0
        """Nobody that is not listed is due before it."""
        self._times, self._devices = _NONE, _NONE
        self._near_times, self._near_devices = _NONE, _NONE

    def look_from(self, now_us: int) -> None:
        """Make sure that the second of `now_us` is listed."""
        if now_us < self.slot_end_us:
            return
        self.slot_end_us = (now_us // SECOND_US + 1) * SECOND_US
        self._near_times, self._near_devices = _NONE, _NONE
        if self.slot_end_us <= self._calm_until_us:
            self._times, self._devices = _NONE, _NONE
            return
        devices = np.flatnonzero(self._due_us < self.slot_end_us)
        times = self._due_us[devices]
        order = np.argsort(times, kind="stable")
        self._times, self._devices = times[order], devices[order]
        self._calm_until_us = self.slot_end_us if len(devices) else int(self._due_us.min(initial=NEVER_US))

    def add(self, devices: Devices) -> None:
        """The timers of these devices changed."""
        times = self._due_us[devices]
        self._calm_until_us = min(self._calm_until_us, int(times.min(initial=NEVER_US)))
        soon = times < self.slot_end_us
        if soon.any():
            times = np.concatenate([self._near_times, times[soon]])
            devices = np.concatenate([self._near_devices, devices[soon]])
            order = np.lexsort((devices, times))
            self._near_times, self._near_devices = times[order], devices[order]

    def first_us(self) -> int:
        """A lower bound of the next due instant in this second; `NEVER_US` if nothing is listed."""
        first = int(self._times[0]) if len(self._times) else NEVER_US
        return min(first, int(self._near_times[0])) if len(self._near_times) else first

    def before(self, end_us: int) -> tuple[Int, Devices]:
        """Those who are due before `end_us`, by (time, device), each once. Changes nothing."""
        listed = int(np.searchsorted(self._times, end_us))
        near = int(np.searchsorted(self._near_times, end_us))
        times, devices = self._times[:listed], self._devices[:listed]
        if near:
            times = np.concatenate([times, self._near_times[:near]])
            devices = np.concatenate([devices, self._near_devices[:near]])
            order = np.lexsort((devices, times))
            times, devices = times[order], devices[order]
        counts = self._due_us[devices] == times
        if len(times) > 1:
            counts[1:] &= (times[1:] != times[:-1]) | (devices[1:] != devices[:-1])
        return (times, devices) if counts.all() else (times[counts], devices[counts])

    def drop_before(self, end_us: int) -> None:
        """These instants are done."""
        listed = int(np.searchsorted(self._times, end_us))
        self._times, self._devices = self._times[listed:], self._devices[listed:]
        near = int(np.searchsorted(self._near_times, end_us))
        self._near_times, self._near_devices = self._near_times[near:], self._near_devices[near:]
