"""What belongs together in event time: readings of two kinds on one line, and two channels that move together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twinstorm.detectors.event_time import Figure
from twinstorm.detectors.sums import Floats
from twinstorm.detectors.windows import Window
from twinstorm.twin.flow import Device, Int, Values


@dataclass(frozen=True)
class Pairs:
    """Readings that belong together, a row a pair, by time and device of the left one, then of the right one."""

    left: Device
    left_us: Int
    left_values: Values
    right: Device
    right_us: Int
    right_values: Values

    def __len__(self) -> int:
        return len(self.left)


class _Side:
    """Readings that may still find a partner."""

    def __init__(self, key: Device, channels: int) -> None:
        self.key = key
        self.late = 0
        self.device: Device = np.empty(0, np.int32)
        self.at_us: Int = np.empty(0, np.int64)
        self.values: Values = np.empty((0, channels), np.float32)

    def add(self, device: Device, at_us: Int, values: Values, watermark_us: int | None) -> None:
        known = self.key[device] >= 0
        if watermark_us is not None:
            timely = at_us >= watermark_us
            self.late += int(np.count_nonzero(known & ~timely))
            known &= timely
        self.device = np.concatenate([self.device, device[known]])
        self.at_us = np.concatenate([self.at_us, at_us[known]])
        self.values = np.concatenate([self.values, values[known]])

    def drop_before(self, at_us: int) -> None:
        keep = self.at_us >= at_us
        self.device, self.at_us, self.values = self.device[keep], self.at_us[keep], self.values[keep]

    def sort(self) -> None:
        order = np.lexsort((self.device, self.at_us))
        self.device, self.at_us, self.values = self.device[order], self.at_us[order], self.values[order]


class IntervalJoin:
    """Joins each reading of the left kind to those of the right kind with the same key whose stamp lies between
    `before_us` before it and `after_us` after it, both ends included.

    Args:
        left_key, right_key: int32, one a device of the fleet (`windows.keys_of`); -1: not of this side.
        left_channels, right_channels: how many there are.
    """

    def __init__(
        self,
        left_key: Device,
        left_channels: int,
        right_key: Device,
        right_channels: int,
        before_us: int,
        after_us: int,
    ) -> None:
        if before_us < 0 or after_us < 0:
            raise ValueError("an interval reaches from before a reading to after it: neither may be negative")
        self._before_us, self._after_us = before_us, after_us
        self._left, self._right = _Side(left_key, left_channels), _Side(right_key, right_channels)
        self.watermark_us: int | None = None

    @property
    def late(self) -> int:
        """Readings of both sides that came behind the watermark and find nobody."""
        return self._left.late + self._right.late

    @property
    def waiting(self) -> int:
        """Readings that are kept: of the interval and the lateness."""
        return len(self._left.device) + len(self._right.device)

    def add_left(self, device: Device, at_us: Int, values: Values) -> None:
        self._left.add(device, at_us, values, self.watermark_us)

    def add_right(self, device: Device, at_us: Int, values: Values) -> None:
        self._right.add(device, at_us, values, self.watermark_us)

    def close(self, watermark_us: int) -> Pairs:
        """The watermark is at least here. Returns the pairs of left readings for which no partner can come any more."""
        if self.watermark_us is not None and watermark_us < self.watermark_us:
            watermark_us = self.watermark_us
        self.watermark_us = watermark_us
        left, right = self._left, self._right
        left.sort()
        right.sort()
        ripe_to_us = watermark_us - self._after_us
        ripe = int(np.searchsorted(left.at_us, ripe_to_us))
        first, second = self._matches(ripe)
        pairs = Pairs(
            left.device[first],
            left.at_us[first],
            left.values[first],
            right.device[second],
            right.at_us[second],
            right.values[second],
        )
        left.drop_before(ripe_to_us)
        right.drop_before(ripe_to_us - self._before_us)
        return pairs

    def _matches(self, ripe: int) -> tuple[Int, Int]:
        """Rows of both sides that belong together, of so many of the left."""
        left, right = self._left, self._right
        if not ripe or not len(right.at_us):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        # Key and time as one number, keys so far apart that no interval reaches into the next one.
        low = int(min(left.at_us[0], right.at_us[0])) - self._before_us
        high = int(max(left.at_us[ripe - 1], right.at_us[-1])) + self._after_us
        apart = high - low + 1
        place = right.key[right.device].astype(np.int64) * apart + (right.at_us - low)
        order = np.argsort(place, kind="stable")
        place = place[order]
        mine = left.key[left.device[:ripe]].astype(np.int64) * apart + (left.at_us[:ripe] - low)
        begin = np.searchsorted(place, mine - self._before_us, side="left")
        count = np.searchsorted(place, mine + self._after_us, side="right") - begin
        first = np.repeat(np.arange(ripe), count)
        within = np.arange(len(first)) - np.repeat(np.cumsum(count) - count, count)
        return first, order[np.repeat(begin, count) + within]


class Series(NamedTuple):
    """One channel under one key of windows: who moves, and whose mean it is."""

    figure: Figure
    key: int
    channel: int


class Correlation:
    """Pearson's correlation of pairs of series over the newest windows in which both have a mean.

    Args:
        pairs: of series of one span each.
        windows: how many ends of windows back.
    """

    FEWEST = 3

    def __init__(self, pairs: Sequence[tuple[Series, Series]], windows: int) -> None:
        for left, right in pairs:
            if left.figure.span != right.figure.span:
                raise ValueError("both series of a pair need windows of one span")
        self._pairs = list(pairs)
        self._means: dict[Figure, deque[tuple[int, Floats]]] = {}
        for side in (each for pair in pairs for each in pair):
            self._means[side.figure] = deque(maxlen=windows)
        self._windows = windows

    def take(self, closed: Mapping[Figure, Iterable[Window]]) -> None:
        """Windows that closed, as `EventTime.close` tells them."""
        for figure, windows in closed.items():
            if figure in self._means:
                self._means[figure].extend((window.to_us, window.mean) for window in windows)

    def values(self) -> Floats:
        """One a pair, -1 to 1; NaN where fewer than three windows have both, or one of both never moves."""
        found = [self._of(left, right) for left, right in self._pairs]
        return np.array(found, np.float64)

    def _of(self, left: Series, right: Series) -> float:
        mine = {to_us: mean[left.channel, left.key] for to_us, mean in self._means[left.figure]}
        other = {to_us: mean[right.channel, right.key] for to_us, mean in self._means[right.figure]}
        newest = max([*mine, *other], default=0)
        oldest = newest - self._windows * left.figure.span.every_us
        both = [(mine[to_us], other[to_us]) for to_us in sorted(mine) if to_us in other and to_us > oldest]
        table = np.array([pair for pair in both if not np.isnan(pair).any()], np.float64)
        if len(table) < self.FEWEST:
            return float("nan")
        from_mean = table - table.mean(axis=0)
        own = (from_mean**2).sum(axis=0)
        if not own.all():
            return float("nan")
        return float((from_mean[:, 0] * from_mean[:, 1]).sum() / np.sqrt(own[0] * own[1]))
