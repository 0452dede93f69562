"""What was repaired, calibrated or replaced is another thing than before: detectors on values learn it anew.

The core is told as an operator is, by the log of whoever did the work: which devices, and when the work was done. It is
told neither what was wrong nor whether anything was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.twin.flow import Device, Int


class Renewals:
    """Lets detectors forget devices that were worked at.

    What a device sampled before the work ended may come after it. So it is forgotten twice: at once, for what was
    learnt of it is about something that is no more, and once more a sampling period later.

    Args:
        detectors: who forgets.
        every_us: int64 (n,), sampling period of each device.

    Attributes:
        count: entries of the log so far, one a device and piece of work.
    """

    def __init__(self, detectors: Sequence[OnFleet], every_us: Int) -> None:
        self.count = 0
        self._detectors = detectors
        self._every_us = every_us
        self._again: list[tuple[int, Device]] = []
        """When whom once more."""

    def begin(self, device: Device, now_us: int) -> None:
        """Work at these devices, int32, each once, was done."""
        if not len(device):
            return
        self.count += len(device)
        self._forget(device, now_us)
        due_us = now_us + self._every_us[device]
        self._again += [(each, device[due_us == each]) for each in np.unique(due_us).tolist()]

    def turn(self, now_us: int) -> None:
        """A pane ends: forget once more whose period has passed."""
        if not self._again:
            return
        for due_us, device in self._again:
            if due_us <= now_us:
                self._forget(device, now_us)
        self._again = [each for each in self._again if each[0] > now_us]

    def _forget(self, device: Device, now_us: int) -> None:
        for each in self._detectors:
            each.forget(device, now_us)
