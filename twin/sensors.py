"""What can be wrong with a sensor, laid over the true values at the moment of sampling."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Device

Quantised = NDArray[np.int16]


@dataclass
class StuckSensors:
    """One order: these devices repeat, on one channel, the value they had when it began.

    Attributes:
        device: int32, ascending, all of one sample group.
        channel: column of the kind's channels.
        held: int16 (n,), the value each repeats; valid where `has`.
        changed: readings that told something else than the truth, so far.
    """

    step: str
    device: Device
    channel: int
    held: Quantised = field(init=False)
    has: NDArray[np.bool_] = field(init=False)
    changed: int = 0

    def __post_init__(self) -> None:
        self.held = np.zeros(len(self.device), np.int16)
        self.has = np.zeros(len(self.device), np.bool_)

    def overlay(self, first: int, values: Quantised, powered: NDArray[np.bool_]) -> None:
        """Replace values in place.

        Args:
            first: device of row 0 of `values`.
            values: int16 (channels, n) of devices [first, first + n).
            powered: bool (n,), whose readings exist.
        """
        low, high = np.searchsorted(self.device, [first, first + values.shape[1]]).tolist()
        if low == high:
            return
        rows = self.device[low:high].astype(np.intp) - first
        truth = values[self.channel, rows]
        fresh = ~self.has[low:high] & powered[rows]
        self.held[low:high][fresh] = truth[fresh]
        self.has[low:high] |= fresh
        stuck = self.has[low:high]
        self.changed += int(np.count_nonzero((truth != self.held[low:high]) & stuck & powered[rows]))
        values[self.channel, rows] = np.where(stuck, self.held[low:high], truth)
