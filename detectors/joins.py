"""What belongs together in event time: readings of two kinds under one key whose stamps lie near each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinstorm.detectors.sums import Floats
from twinstorm.twin.flow import Device, Int, Values


@dataclass(frozen=True)
class Met:
    """Left readings for which no partner can come any more, by stamp and device.

    Attributes:
        key: int32, of each. partners: int64, readings of the right side that belong to it.
        right_mean: float64, mean of their values; NaN where there is none.
    """

    left: Device
    left_us: Int
    key: Device
    value: Floats
    partners: Int
    right_mean: Floats

    def __len__(self) -> int:
        return len(self.left)


class _Side:
    """Readings that may still find a partner."""

    def __init__(self, key: Device) -> None:
        self.key = key
        self.late = 0
        self.device: Device = np.empty(0, np.int32)
        self.at_us: Int = np.empty(0, np.int64)
        self.value: Floats = np.empty(0, np.float64)
        self._came: list[tuple[Device, Int, Values]] = []

    def __len__(self) -> int:
        return len(self.device) + sum(len(device) for device, *_ in self._came)

    def add(self, device: Device, at_us: Int, value: Values, watermark_us: int | None) -> None:
        """Take readings; those that say nothing are left out."""
        known = (self.key[device] >= 0) & ~np.isnan(value)
        if watermark_us is not None:
            timely = at_us >= watermark_us
            self.late += int(np.count_nonzero(known & ~timely))
            known &= timely
        if known.any():
            self._came.append((device[known], at_us[known], value[known]))

    def settle(self) -> None:
        """Put what came in its place: in order of stamp, device and value, in whatever order it came."""
        if not self._came:
            return
        device, at_us, value = (np.concatenate(column) for column in zip(*self._came, strict=True))
        self._came.clear()
        device = np.concatenate([self.device, device])
        at_us, value = np.concatenate([self.at_us, at_us]), np.concatenate([self.value, value])
        order = np.lexsort((value, device, at_us))
        self.device, self.at_us, self.value = device[order], at_us[order], value[order]

    def drop_before(self, at_us: int) -> None:
        first = int(np.searchsorted(self.at_us, at_us))
        self.device, self.at_us, self.value = self.device[first:], self.at_us[first:], self.value[first:]


class IntervalJoin:
    """Joins each reading of the left side to those of the right side with the same key whose stamp lies between
    `before_us` before it and `after_us` after it, both ends included. Pairs are counted and averaged, and not made.

    Args:
        left_key, right_key: int32, one a device of the fleet (`windows.keys_of`); -1: not of this side.
    """

    def __init__(self, left_key: Device, right_key: Device, before_us: int, after_us: int) -> None:
        if before_us < 0 or after_us < 0:
            raise ValueError("an interval reaches from before a reading to after it: neither may be negative")
        self._before_us, self._after_us = before_us, after_us
        self._left, self._right = _Side(left_key), _Side(right_key)
        self.watermark_us: int | None = None

    @property
    def late(self) -> int:
        """Readings of both sides that came behind the watermark and find nobody."""
        return self._left.late + self._right.late

    @property
    def waiting(self) -> int:
        """Readings that are kept: of the interval and the lateness."""
        return len(self._left) + len(self._right)

    def add_left(self, device: Device, at_us: Int, value: Values) -> None:
        """Add readings: int32, int64 and float32, each (n,); NaN: silent."""
        self._left.add(device, at_us, value, self.watermark_us)

    def add_right(self, device: Device, at_us: Int, value: Values) -> None:
        self._right.add(device, at_us, value, self.watermark_us)

    def close(self, watermark_us: int) -> Met:
        """The watermark is at least here."""
        if self.watermark_us is not None and watermark_us < self.watermark_us:
            watermark_us = self.watermark_us
        self.watermark_us = watermark_us
        left, right = self._left, self._right
        left.settle()
        right.settle()
        ripe_to_us = watermark_us - self._after_us
        ripe = int(np.searchsorted(left.at_us, ripe_to_us))
        device, at_us = left.device[:ripe], left.at_us[:ripe]
        partners, mean = self._met(device, at_us)
        met = Met(device, at_us, left.key[device], left.value[:ripe], partners, mean)
        left.drop_before(ripe_to_us)
        right.drop_before(ripe_to_us - self._before_us)
        return met

    def _met(self, device: Device, at_us: Int) -> tuple[Int, Floats]:
        """How many partners these left readings have, and the mean of their values."""
        right = self._right
        if not len(device) or not len(right.at_us):
            return np.zeros(len(device), np.int64), np.full(len(device), np.nan)
        # Key and time as one number, keys so far apart that no interval reaches into the next one.
        low = int(min(at_us[0], right.at_us[0])) - self._before_us
        high = int(max(at_us[-1], right.at_us[-1])) + self._after_us
        apart = high - low + 1
        place = right.key[right.device].astype(np.int64) * apart + (right.at_us - low)
        order = np.argsort(place, kind="stable")
        place = place[order]
        mine = self._left.key[device].astype(np.int64) * apart + (at_us - low)
        begin = np.searchsorted(place, mine - self._before_us, side="left")
        end = np.searchsorted(place, mine + self._after_us, side="right")
        total = np.append(0.0, np.cumsum(right.value[order]))
        partners: Int = (end - begin).astype(np.int64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return partners, (total[end] - total[begin]) / partners
