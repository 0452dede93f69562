"""What it takes to believe the stamps of readings, for whoever goes by them.

A stamp from the future, or from before anybody was commissioned, says nothing: its reading is *misdated*. One that is
dated before another of the same device that came earlier is *out of order*, which costs nothing as long as it is not
late. *Late* is what was dated before the watermark when it was received: where readings wait to be processed, the
watermark waits with them, and what was late stays so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twinstorm.detectors.tally import OLDEST_US, SOONEST_US
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import SECOND_US, Device, Int, Mask


class Dated(NamedTuple):
    """What was found in a batch.

    Attributes:
        where: bool (n,), rows that count and whose stamps can be right; None: all.
    """

    where: Mask | None
    misdated: int
    out_of_order: int


def came_us(accepted: Accepted) -> Int:
    """int64 (n,), when each was received, whenever it was processed."""
    return accepted.arrived_us if accepted.received_us is None else accepted.received_us


def second_before_us(received_us: Int) -> Int:
    """The last whole second before each of these instants: where the core's clock stood when it came."""
    return -(-received_us // SECOND_US) * SECOND_US - SECOND_US


def was_late(accepted: Accepted, lateness_us: int) -> Mask | None:
    """bool (n,), rows that lay behind the watermark of that time; None: that is where it is still."""
    if accepted.received_us is None:
        return None
    return accepted.dated_us < second_before_us(accepted.received_us) - lateness_us


def without(where: Mask | None, late: Mask | None) -> tuple[Mask | None, int]:
    """Rows that count but for these, and how many of those there are."""
    if late is None:
        return where, 0
    gone = late if where is None else late & where
    count = int(np.count_nonzero(gone))
    if not count:
        return where, 0
    return (~late if where is None else where & ~late), count


class Dating:
    """Newest stamps of the devices of a fleet, and what is wrong with those that come."""

    def __init__(self, devices: int) -> None:
        self._newest_us: Int = np.full(devices, -(1 << 62), np.int64)

    def look(self, accepted: Accepted) -> Dated:
        """Look at readings once, as they come."""
        device, at_us, where = accepted.device, accepted.dated_us, accepted.good
        if not len(device):
            return Dated(where, 0, 0)
        sound = (at_us >= OLDEST_US) & (at_us - SOONEST_US <= came_us(accepted))
        good = sound if where is None else sound & where
        wrong = (len(device) if where is None else int(np.count_nonzero(where))) - int(np.count_nonzero(good))
        if wrong or where is not None:
            where = good
        if accepted.rows is not None and where is None:
            return Dated(None, wrong, self._behind(accepted.rows, at_us))
        return Dated(where, wrong, self._out_of_order(device, at_us, accepted.arrived_us, where))

    def _behind(self, which: slice | Device, at_us: Int) -> int:
        """Readings of different devices that are older than one of theirs before."""
        before = self._newest_us[which]
        found = int(np.count_nonzero(at_us < before))
        self._newest_us[which] = np.maximum(before, at_us)
        return found

    def _out_of_order(self, device: Device, at_us: Int, arrived_us: Int, where: Mask | None) -> int:
        if where is not None:
            device, at_us, arrived_us = device[where], at_us[where], arrived_us[where]
        if not len(device):
            return 0
        if (device[1:] > device[:-1]).all():
            return self._behind(device, at_us)
        order = np.lexsort((arrived_us, device))
        device, at_us = device[order], at_us[order]
        starts = np.append(True, device[1:] != device[:-1])
        # The latest so far of each device: runs are lifted above each other, so that one accumulation does for all.
        low = int(at_us.min())
        lift = (np.cumsum(starts) - 1) * (int(at_us.max()) - low + 1)
        latest = np.maximum.accumulate(at_us - low + lift) - lift + low
        before = np.append(0, latest[:-1])
        before[starts] = self._newest_us[device[starts]]
        found = int(np.count_nonzero(at_us < np.maximum(before, self._newest_us[device])))
        ends = np.append(np.flatnonzero(starts)[1:], len(device)) - 1
        self._newest_us[device[ends]] = np.maximum(latest[ends], self._newest_us[device[ends]])
        return found
