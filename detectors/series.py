"""Panes of indicators: sums over exact windows, and of the last minute who was good, device by device."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.contract import Batch
from twinstorm.detectors.lasting import Hold
from twinstorm.detectors.slis import Sli
from twinstorm.detectors.tally import Counts
from twinstorm.twin.flow import SECOND_US, Int, Mask

RING_PANES = 60
"""Panes that are kept device by device."""

LONGEST_PANES = 7 * 24 * 3600
"""No window is longer."""
ROOM_RUNS = 1_024
"""Runs of equal panes that are kept at any rate."""


class Totals:
    """Sums of good and total over panes, so that every window is exact. Equal panes in a row take one entry, and what
    no window reaches is dropped.

    Args:
        kept_panes: windows are at most this long.
    """

    def __init__(self, kept_panes: int = LONGEST_PANES) -> None:
        self._kept_panes = kept_panes
        self._ends, self._good, self._total = array("q", [0]), array("q", [0]), array("q", [0])
        """Where each run of equal panes ends, and the sums up to there; the first entry is where windows may begin."""
        self._newest = 0, 0
        """Counts of the last run."""
        self._room = ROOM_RUNS

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def runs(self) -> int:
        """Entries that are kept."""
        return len(self._ends) - 1

    def add(self, good: int, total: int, panes: int = 1) -> None:
        """Add so many panes, each with these counts."""
        if panes <= 0:
            return
        if (good, total) == self._newest and len(self._ends) > 1:
            self._ends[-1] += panes
            self._good[-1] += good * panes
            self._total[-1] += total * panes
            return
        self._newest = good, total
        self._ends.append(self._ends[-1] + panes)
        self._good.append(self._good[-1] + good * panes)
        self._total.append(self._total[-1] + total * panes)
        if len(self._ends) > self._room:
            self._forget()

    def _forget(self) -> None:
        first = bisect_right(self._ends, self._ends[-1] - self._kept_panes) - 1
        if first > 0:
            for column in (self._ends, self._good, self._total):
                del column[:first]
        self._room = max(2 * len(self._ends), ROOM_RUNS)

    def last(self, panes: int) -> tuple[int, int]:
        """Good and total over this many newest panes, or over all if there are fewer."""
        start = self._ends[-1] - panes
        if start <= self._ends[0]:
            return self._good[-1] - self._good[0], self._total[-1] - self._total[0]
        if start >= self._ends[-2]:
            return self._newest[0] * panes, self._newest[1] * panes
        run = bisect_right(self._ends, start)
        # Panes of a run are equal, so that both quotients are whole.
        before, length = start - self._ends[run - 1], self._ends[run] - self._ends[run - 1]
        good = self._good[run - 1] + (self._good[run] - self._good[run - 1]) // length * before
        total = self._total[run - 1] + (self._total[run] - self._total[run - 1]) // length * before
        return self._good[-1] - good, self._total[-1] - total


@dataclass(frozen=True, slots=True)
class Members:
    """Some devices as bits, eight to a byte, and how many they are."""

    bits: NDArray[np.uint8]
    count: int

    @staticmethod
    def of(mask: Mask) -> Members:
        return Members(np.packbits(mask), int(np.count_nonzero(mask)))

    def among(self, bits: NDArray[np.uint8]) -> int:
        """How many of them are among these."""
        return int(np.bitwise_count(self.bits & bits).sum(dtype=np.int64))


class Series:
    """Panes of one indicator.

    Args:
        devices: of the fleet.
    """

    def __init__(self, sli: Sli, devices: int) -> None:
        self.sli = sli
        self.fleet = Totals()
        self.devices = devices
        self._ring: list[NDArray[np.uint8] | None] = [None] * RING_PANES
        """Good devices of the newest panes as bits, the same array while nothing changes; None: nobody looked, or the
        indicator has no devices."""
        self._listed: list[Members | None] = [None] * RING_PANES
        """Devices that counted in those panes; None: all."""
        self._newest: NDArray[np.uint8] | None = None
        self._counts = 0, 0
        self.each: Counts | None = None
        """Of an indicator with counts of its own: those of the newest pane, if they are of each device."""
        self.missing: Int | None = None
        """Devices that are not good, if the answer hangs on whether they are heard."""
        self.hold = Hold()
        """For how long the newest pane is like those to come."""

    def close(self, batch: Batch, listed: Members | None = None) -> None:
        """Add a pane.

        Args:
            listed: devices that count; None: all.
        """
        if not self.hold.still(batch.now_us, batch.news):
            good = self.sli.good(batch)
            self.each = None
            if isinstance(good, Counts):
                self.each = good if isinstance(good.total, np.ndarray) else None
                self._newest, self._counts = None, (_sum(good.good), _sum(good.total))
            elif isinstance(good, np.ndarray):
                self._newest, self._counts = np.packbits(good), (int(np.count_nonzero(good)), self.devices)
            else:
                self._newest, self._counts = None, (int(good), 1)
            lasting = self.sli.lasting(batch, good)
            missing = ~good if isinstance(good, np.ndarray) and lasting.waking_us == 0 else None
            self.missing = None if missing is None else np.flatnonzero(missing)
            self.hold.renew(lasting)
        pane = len(self.fleet) % RING_PANES
        newest, (good_devices, total) = self._newest, self._counts
        if listed is not None and newest is not None:
            newest = newest & listed.bits
            good_devices, total = listed.among(newest), listed.count
        self._ring[pane], self._listed[pane] = newest, listed
        self.fleet.add(good_devices, total)

    def repeat(self, panes: int) -> None:
        """Add so many panes like the newest, in which the registry lists everybody."""
        first = len(self.fleet)
        for pane in range(max(first, first + panes - RING_PANES), first + panes):
            self._ring[pane % RING_PANES], self._listed[pane % RING_PANES] = self._newest, None
        self.fleet.add(*self._counts, panes)

    def skip(self) -> None:
        """Add a pane in which nobody looked."""
        self._ring[len(self.fleet) % RING_PANES] = None
        self.each = None
        self.fleet.add(0, 0)

    @property
    def newest(self) -> NDArray[np.uint8] | None:
        """Good devices of the newest pane as bits: the same array as in the pane before if nothing has changed."""
        return self._ring[(len(self.fleet) - 1) % RING_PANES]

    def last(self, members: Members | None, panes: int) -> tuple[int, int]:
        """Good and total of these devices over the newest panes.

        Raises:
            ValueError: for a part of the fleet and more than `RING_PANES` panes.
        """
        if members is None:
            return self.fleet.last(panes)
        if panes > RING_PANES:
            raise ValueError(f"for a part of the fleet only the last {RING_PANES} s can be asked for")
        total = good = before = 0
        known: NDArray[np.uint8] | None = None
        for pane in range(max(len(self.fleet) - panes, 0), len(self.fleet)):
            bits = self._ring[pane % RING_PANES]
            if bits is None:
                continue
            if bits is not known:
                known, before = bits, members.among(bits)
            listed = self._listed[pane % RING_PANES]
            total += members.count if listed is None else listed.among(members.bits)
            good += before
        return good, total

    def found(self, panes: int, *, good: bool) -> Mask | None:
        """Devices that were good, or not good, in any of the newest panes; None: nobody looked at devices.

        Args:
            panes: at most `RING_PANES` are looked at.
        """
        mine: NDArray[np.uint8] | None = None
        known: NDArray[np.uint8] | None = None
        for pane in range(max(len(self.fleet) - min(panes, RING_PANES), 0), len(self.fleet)):
            bits = self._ring[pane % RING_PANES]
            if bits is None or bits is known:
                continue
            known = bits
            listed = self._listed[pane % RING_PANES]
            wanted = bits if good else ~bits if listed is None else ~bits & listed.bits
            mine = wanted if mine is None else mine | wanted
        return None if mine is None else np.unpackbits(mine, count=self.devices).astype(np.bool_)

    def value(self, counts: tuple[int, int]) -> float | None:
        """The indicator's value in its own unit; None without data."""
        good, total = counts
        return good * self.sli.scale / total if total else None


def _sum(counts: Any) -> int:
    return int(counts.sum(dtype=np.int64)) if isinstance(counts, np.ndarray) else int(counts)


def panes_of(window_us: int) -> int:
    """Whole panes that cover a window."""
    return max(-(-window_us // SECOND_US), 1)
