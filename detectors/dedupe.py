"""Which readings came already: a bounded memory of (device, boot, sequence number).

For the two newest boots of each device it keeps the newest number, a 64-bit map of the numbers just behind it, and one
gap of older numbers that never came. So a stream that is shuffled within 64 readings is told apart exactly, and so is a
device that sends live first and what it had buffered after it, oldest first. Anything older counts as a repeat.

Numbers may go on over a boot, as those of twins do, or begin again, as those of many real devices do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.blocks import put
from twinstorm.twin.flow import Device, Int, Mask

WINDOW = 64
"""Numbers behind the newest one that are remembered one by one."""

LEAST_RUN = 4
"""Readings that a stretch has at least, on the average, where stretches are looked at instead of readings."""

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)
_FAR = 1 << 62


class SeenInBoot:
    """Numbers of one boot a device. Columns have one row a device.

    Attributes:
        boot: int32, 0: no boot yet.
        newest: int64, the newest number.
        missing: uint64, bit i says that number ``newest - i`` has not come.
        gap_from, gap_to: int64, numbers in [from, to) behind the map that have not come.
    """

    def __init__(self, devices: int) -> None:
        self.boot: Device = np.zeros(devices, np.int32)
        self.newest: Int = np.zeros(devices, np.int64)
        self.missing: NDArray[np.uint64] = np.zeros(devices, np.uint64)
        self.gap_from: Int = np.zeros(devices, np.int64)
        self.gap_to: Int = np.zeros(devices, np.int64)

    def begin(self, device: Device, boot: Device, first: Int, gap_from: Int) -> None:
        """Start a boot whose lowest number so far is `first` (about to be taken); what lies in [gap_from, first) may
        still come."""
        self.boot[device] = boot
        self.newest[device] = first - 1
        self.missing[device] = _ALL
        self.gap_from[device] = gap_from
        self.gap_to[device] = np.maximum(first, gap_from)

    def copy(self, device: Device, to: SeenInBoot) -> None:
        """Hand what is known of these devices over."""
        for name in ("boot", "newest", "missing", "gap_from", "gap_to"):
            getattr(to, name)[device] = getattr(self, name)[device]

    def take(self, device: Device, seq: Int, starts: NDArray[np.intp]) -> tuple[Mask, Mask]:
        """Take numbers of these boots.

        Args:
            device: of each run, all different.
            seq: int64 (n,), ascending and without repeats within a run.
            starts: first row of each run.

        Returns:
            Which rows are new, and which of them are newer than everything before this call.
        """
        run = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(seq)))
        newest, missing = self.newest[device], self.missing[device]
        gap_from, gap_to = self.gap_from[device], self.gap_to[device]
        behind = newest[run] - seq
        ahead = behind < 0
        mapped = (behind >= 0) & (behind < WINDOW)
        bit = np.where(mapped, behind, 0).astype(np.uint64)
        in_gap = (seq >= gap_from[run]) & (seq < gap_to[run])
        new = np.where(mapped, (missing[run] >> bit) & _ONE != 0, ahead | in_gap)

        self._shrink_gap(device, seq, starts, new & in_gap)
        if ahead.any():
            self._open_gap(device, seq, starts, run, ahead)
        last = np.append(starts[1:], len(seq)) - 1
        reached = np.maximum(newest, seq[last])
        self.newest[device] = reached
        self.missing[device] = _moved(missing, reached - newest) & ~_came(reached[run] - seq, new, starts)
        return new, ahead

    def _shrink_gap(self, device: Device, seq: Int, starts: NDArray[np.intp], came: Mask) -> None:
        """Numbers inside the gap came: the longer of what is left before and after them stays open."""
        if not came.any():
            return
        low = np.minimum.reduceat(np.where(came, seq, _FAR), starts)
        high = np.maximum.reduceat(np.where(came, seq, -1), starts)
        touched = high >= 0
        device, low, high = device[touched], low[touched], high[touched]
        gap_from, gap_to = self.gap_from[device], self.gap_to[device]
        before = low - gap_from > gap_to - (high + 1)
        self.gap_from[device] = np.where(before, gap_from, high + 1)
        self.gap_to[device] = np.where(before, low, gap_to)

    def _open_gap(self, device: Device, seq: Int, starts: NDArray[np.intp], run: NDArray[np.intp], ahead: Mask) -> None:
        """Numbers were skipped: remember the longest stretch, unless a longer one is open already."""
        before = np.empty_like(seq)
        before[1:] = seq[:-1]
        newest = self.newest[device]
        before[starts] = newest
        before = np.maximum(before, newest[run])
        skipped = np.where(ahead, seq - before - 1, 0)
        if not skipped.any():
            return
        longest = np.maximum.reduceat(skipped, starts)
        replaces = longest > self.gap_to[device] - self.gap_from[device]
        # Backwards, so that of two equally long stretches the first is written last.
        rows = np.flatnonzero((skipped == longest[run]) & replaces[run])[::-1]
        self.gap_from[device[run[rows]]] = before[rows] + 1
        self.gap_to[device[run[rows]]] = seq[rows]


def _moved(missing: NDArray[np.uint64], by: Int) -> NDArray[np.uint64]:
    """The map after the newest number went up: the numbers passed over are missing."""
    short = np.minimum(by, WINDOW - 1).astype(np.uint64)
    near = (missing << short) | ((_ONE << short) - _ONE)
    return np.where(by >= WINDOW, _ALL, near)


def _came(behind: Int, new: Mask, starts: NDArray[np.intp]) -> NDArray[np.uint64]:
    """One word a run: bit i set if number ``newest - i`` is among its new rows."""
    here = new & (behind < WINDOW)
    return np.bitwise_or.reduceat(np.where(here, _ONE << np.where(here, behind, 0).astype(np.uint64), 0), starts)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a batch of numbers.

    Attributes:
        new: bool (n,), the others are repeats.
        newest: intp, rows that are newer than all that came before, ascending in (device, boot, number).
        began: intp, rows that showed a new boot of their device, ascending in (device, boot).
    """

    new: Mask
    newest: NDArray[np.intp]
    began: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows of which each device has one stretch, numbered without a gap: what devices send that were away. Columns with
    one row a device.

    Attributes:
        start: intp, the first row of each. length: int64.
        boot: int32. first: int64, number of its first row.
    """

    start: NDArray[np.intp]
    length: Int
    device: Device
    boot: Device
    first: Int

    @staticmethod
    def of(device: Device, boot: Device, seq: Int) -> Runs | None:
        """None: the rows are not so, or the stretches are too short to be worth it."""
        same = device[1:] == device[:-1]
        going_on = int(np.count_nonzero(same))
        if (len(device) - going_on) * LEAST_RUN > len(device):
            return None
        same &= seq[1:] - seq[:-1] == 1
        same &= boot[1:] == boot[:-1]
        if np.count_nonzero(same) < going_on:
            return None
        start = np.append(0, np.flatnonzero(~same) + 1)
        start = start[np.argsort(device[start], kind="stable")]
        who = device[start]
        if np.count_nonzero(who[1:] == who[:-1]):
            return None
        end = np.sort(start)
        length = np.diff(end, append=len(device))[np.searchsorted(end, start)]
        return Runs(start, length, who, boot[start], seq[start])


class Seen:
    """Memory of a whole fleet. The fast ways: `next_in_line` with `advance`, `are_next` with `advance_each`,
    `follow` with `advance_runs`; the general one is `take`."""

    def __init__(self, devices: int) -> None:
        self.current = SeenInBoot(devices)
        self.former = SeenInBoot(devices)

    def next_in_line(self, rows: slice, boot: Device, seq: Int) -> Mask:
        """Which rows are simply the next reading of their device; row i belongs to device ``rows.start + i``."""
        current = self.current
        return (seq - current.newest[rows] == 1) & (boot == current.boot[rows])

    def advance(self, rows: slice, seq: Int, regular: Mask | None) -> None:
        """Take rows that are next in line.

        Args:
            regular: which; None: all.
        """
        missing = self.current.missing[rows]
        holes = np.count_nonzero(missing) > 0
        if regular is None:
            self.current.newest[rows] = seq
            if holes:
                missing <<= _ONE
        else:
            put(self.current.newest[rows], seq, regular)
            if holes:
                missing <<= regular.astype(np.uint64)

    def are_next(self, device: Device, boot: Device, seq: Int) -> bool:
        """Whether each of these rows, of different devices, is simply the next reading of its device."""
        current = self.current
        known = current.boot[device]
        following = (seq - current.newest[device] == 1) & (boot == known)
        return np.count_nonzero(following) + np.count_nonzero(known) == 2 * len(device)

    def advance_each(self, device: Device, seq: Int) -> None:
        """Take rows that `are_next`."""
        self.current.newest[device] = seq
        missing = self.current.missing[device]
        if np.count_nonzero(missing):
            self.current.missing[device] = missing << _ONE

    def advance_by(self, device: Device, newest: Int, times: Int) -> None:
        """Take rows that are next, and those that follow them: so many a device, the last with this number."""
        current = self.current
        current.newest[device] = newest
        missing = current.missing[device]
        if np.count_nonzero(missing):
            left = missing << np.minimum(times, WINDOW - 1).astype(np.uint64)
            current.missing[device] = np.where(times < WINDOW, left, np.uint64(0))

    def follow(self, runs: Runs) -> bool:
        """Whether each of these runs goes on where its device left off, or begins a boot."""
        known = self.current.boot[runs.device]
        goes_on = (runs.boot == known) & (runs.first == self.current.newest[runs.device] + 1)
        return bool((goes_on | (runs.boot > known)).all())

    def advance_runs(self, runs: Runs) -> Mask:
        """Take runs that `follow`. Returns which of them began a boot."""
        later: Mask = runs.boot > self.current.boot[runs.device]
        if later.any():
            self._begin(runs.device[later], runs.boot[later], runs.first[later])
        self.advance_by(runs.device, runs.first + runs.length - 1, runs.length)
        return later

    def take(self, device: Device, boot: Device, seq: Int) -> Judged:
        """Take numbers in any order, with repeats.

        Args:
            device: int32 (n,), of the fleet.
            boot: int32 (n,), > 0.
            seq: int64 (n,), 0 .. 2**53. Of equal rows the first one counts.
        """
        new = np.zeros(len(device), np.bool_)
        if not len(device):
            return Judged(new, np.empty(0, np.intp), np.empty(0, np.intp))
        order = _order(device, boot, seq)
        d, b, s = device[order], boot[order], seq[order]
        starts_run = np.ones(len(order), np.bool_)
        starts_run[1:] = (d[1:] != d[:-1]) | (b[1:] != b[:-1])
        once = starts_run.copy()
        once[1:] |= s[1:] != s[:-1]
        if not once.all():
            order, d, b, s, starts_run = order[once], d[once], b[once], s[once], starts_run[once]

        starts = np.flatnonzero(starts_run)
        newest, began = [], []
        for rows, begins in _rounds(d[starts], starts, len(order)):
            fresh, ahead, first = self._round(d[rows][begins], b[rows][begins], s[rows], begins)
            new[order[rows[fresh]]] = True
            newest.append(rows[ahead])
            began.append(rows[first])
        return Judged(new, order[_joined(newest)], order[_joined(began)])

    def _round(
        self, device: Device, boot: Device, seq: Int, starts: NDArray[np.intp]
    ) -> tuple[Mask, Mask, NDArray[np.intp]]:
        """One run a device. Returns new rows, rows newer than all before, and first rows of runs that began a boot."""
        later = boot > self.current.boot[device]
        first = starts[later]
        if later.any():
            self._begin(device[later], boot[later], seq[first])
        present = boot == self.current.boot[device]
        if present.all():
            new, ahead = self.current.take(device, seq, starts)
            return new, ahead, first

        run = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(seq)))
        between = ~present & (boot > self.former.boot[device])
        if between.any():
            unseen = np.zeros(int(np.count_nonzero(between)), np.int64)
            self.former.begin(device[between], boot[between], seq[starts[between]], unseen)
        old = ~present & (boot == self.former.boot[device])
        new, ahead = np.zeros(len(seq), np.bool_), np.zeros(len(seq), np.bool_)
        for memory, chosen in ((self.current, present), (self.former, old)):
            if chosen.any():
                rows = chosen[run]
                some, later_than = memory.take(device[chosen], seq[rows], _starts_of(run[rows]))
                new[rows] = some
                if memory is self.current:
                    ahead[rows] = later_than
        return new, ahead, first

    def _begin(self, device: Device, boot: Device, first: Int) -> None:
        """These devices show a newer boot."""
        self.current.copy(device, self.former)
        last = self.former.newest[device]
        goes_on = (self.former.boot[device] > 0) & (first > last)
        self.current.begin(device, boot, first, np.where(goes_on, last + 1, 0))


def _order(device: Device, boot: Device, seq: Int) -> NDArray[np.intp]:
    """Stable order by (device, boot, number): one sort of packed keys where they fit 62 bits."""
    low_boot, low_seq = int(boot.min()), int(seq.min())
    boots, numbers = int(boot.max()) - low_boot + 1, int(seq.max()) - low_seq + 1
    if (int(device.max()) + 1) * boots * numbers >= _FAR:
        return np.lexsort((seq, boot, device))
    key = device.astype(np.int64)
    if boots > 1:
        key *= boots
        key += boot
        key -= low_boot
    key *= numbers
    key += seq
    key -= low_seq
    return np.argsort(key, kind="stable")


def _rounds(device: Device, starts: NDArray[np.intp], total: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Part runs so that each part has a device at most once, in the order of its boots.

    Returns:
        Rows of each part and, counted within it, the first row of each run.
    """
    same = device[1:] == device[:-1]
    if not same.any():
        return [(np.arange(total), starts)]
    index = np.arange(len(device))
    first_of_device = np.ones(len(device), np.bool_)
    first_of_device[1:] = ~same
    rank = index - np.maximum.accumulate(np.where(first_of_device, index, 0))
    lengths = np.diff(starts, append=total)
    rank_of_row = np.repeat(rank, lengths)
    rows = np.argsort(rank_of_row, kind="stable")
    edges = np.searchsorted(rank_of_row[rows], np.arange(int(rank.max()) + 2))
    run_of_row = np.repeat(index, lengths)
    return [
        (part, _starts_of(run_of_row[part]))
        for part in (rows[low:high] for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    ]


def _starts_of(run: NDArray[np.intp]) -> NDArray[np.intp]:
    """First row of each run, given the run of each row, ascending."""
    new = np.ones(len(run), np.bool_)
    new[1:] = run[1:] != run[:-1]
    return np.flatnonzero(new)


def _joined(parts: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    # Rows are in the order of (device, boot, number): back to it after the rounds.
    return parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
