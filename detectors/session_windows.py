"""Session windows: stretches in which a device spoke without a pause longer than a gap, in event time.

A reading between two sessions may still join them, as long as it is not late. So what is dated behind the watermark is
kept row by row; what lies before it, where nothing can change any more, is one row of sums a device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinstorm.detectors.sums import Scale, Summary, Sums
from twinstorm.twin.flow import Channel, Device, Int, Values

_NONE_US = -(1 << 62)


@dataclass(frozen=True)
class Sessions(Summary):
    """Closed sessions, by device and beginning; columns of figures are (channels, sessions).

    Attributes:
        device: int32. from_us, last_us: int64, stamps of the first and the last reading. readings: int64.
    """

    device: Device
    from_us: Int
    last_us: Int
    readings: Int

    def __len__(self) -> int:
        return len(self.device)


class SessionWindows:
    """Sessions of the devices of one kind.

    Args:
        devices: of the fleet.
        gap_us: a pause that is not shorter ends a session.

    Attributes:
        late: readings that came behind the watermark and count nowhere.
    """

    def __init__(self, channels: tuple[Channel, ...], devices: int, gap_us: int) -> None:
        if gap_us <= 0:
            raise ValueError("a gap is longer than nothing")
        self.late = 0
        self.watermark_us: int | None = None
        self._scale = Scale(channels)
        self._gap_us = gap_us
        self._from_us: Int = np.full(devices, _NONE_US, np.int64)
        self._last_us: Int = np.full(devices, _NONE_US, np.int64)
        """Of the session of each device that may go on; far below 0: it has none."""
        self._readings: Int = np.zeros(devices, np.int64)
        self._sums = Sums(len(channels), devices, self._scale.is_wide)
        self._device: list[Device] = []
        self._at_us: list[Int] = []
        self._values: list[Values] = []

    @property
    def waiting(self) -> int:
        """Readings that are kept row by row."""
        return sum(len(part) for part in self._device)

    def add(self, device: Device, at_us: Int, values: Values) -> None:
        """Add readings; columns as in `Windows.add`."""
        if self.watermark_us is not None:
            timely = at_us >= self.watermark_us
            late = len(timely) - int(np.count_nonzero(timely))
            if late:
                self.late += late
                device, at_us, values = device[timely], at_us[timely], values[timely]
        if len(device):
            self._device.append(device.copy())
            self._at_us.append(at_us.copy())
            self._values.append(values.copy())

    def close(self, watermark_us: int) -> Sessions:
        """The watermark is at least here. Returns sessions that nothing can extend any more."""
        if self.watermark_us is not None and watermark_us <= self.watermark_us:
            return self._told([])
        self.watermark_us = watermark_us
        parts = self._settle(watermark_us)
        # A reading at the watermark itself may still come, and joins what ended less than a gap before.
        over = np.flatnonzero((self._last_us > _NONE_US) & (self._last_us + self._gap_us <= watermark_us))
        if len(over):
            parts.append(self._taken(over))
        return self._told(parts)

    def _settle(self, before_us: int) -> list[Sessions]:
        """Add the readings before this instant to their sessions. Returns those that another one followed."""
        if not self._device:
            return []
        device, at_us = np.concatenate(self._device), np.concatenate(self._at_us)
        values = np.concatenate(self._values)
        ripe = at_us < before_us
        rest = ~ripe
        self._device, self._at_us, self._values = [device[rest]], [at_us[rest]], [values[rest]]
        device, at_us, values = device[ripe], at_us[ripe], values[ripe]
        if not len(device):
            return []
        order = np.lexsort((at_us, device))
        device, at_us, values = device[order], at_us[order], values[order]
        first_of = np.append(True, device[1:] != device[:-1])
        before = np.append(0, at_us[:-1])
        before[first_of] = self._last_us[device[first_of]]
        begins = (before == _NONE_US) | (at_us - before >= self._gap_us)
        parts = []
        ended = device[first_of & begins & (before > _NONE_US)]
        if len(ended):
            parts.append(self._taken(ended))
        # Each stretch but the last one of its device is over; the last goes on, the first may have begun before.
        starts = np.flatnonzero(first_of | begins)
        ends = np.append(starts[1:], len(device)) - 1
        whose = device[starts]
        is_last = np.append(whose[1:] != whose[:-1], True)
        done = Sums(len(self._scale.channels), len(starts), self._scale.is_wide)
        for channel in range(len(self._scale.channels)):
            steps, heard = self._scale.steps(values, channel)
            done.add_runs(channel, np.arange(len(starts)), starts, steps, heard)
        from_us = at_us[starts]
        readings = np.diff(starts, append=len(device))
        goes_on = np.flatnonzero(~begins[starts])
        if len(goes_on):
            known = whose[goes_on]
            from_us[goes_on] = self._from_us[known]
            readings[goes_on] += self._readings[known]
            done.merge(_at(self._sums, known, into=len(starts), places=goes_on))
            self._forget(known)
        over = np.flatnonzero(~is_last)
        if len(over):
            parts.append(
                Sessions(self._scale, _at(done, over), whose[over], from_us[over], at_us[ends[over]], readings[over])
            )
        kept = np.flatnonzero(is_last)
        _put(self._sums, whose[kept], done, kept)
        self._from_us[whose[kept]] = from_us[kept]
        self._last_us[whose[kept]] = at_us[ends[kept]]
        self._readings[whose[kept]] = readings[kept]
        return parts

    def _taken(self, device: Device | Int) -> Sessions:
        """The sessions of these devices that may go on, and no longer do."""
        told = Sessions(
            self._scale,
            _at(self._sums, device),
            device.astype(np.int32),
            self._from_us[device],
            self._last_us[device],
            self._readings[device],
        )
        self._forget(device)
        return told

    def _forget(self, device: Device | Int) -> None:
        self._from_us[device] = self._last_us[device] = _NONE_US
        self._readings[device] = 0
        _put(self._sums, device, Sums(len(self._scale.channels), len(device), self._scale.is_wide), slice(None))

    def _told(self, parts: list[Sessions]) -> Sessions:
        """Parts as one, in order."""
        device = np.concatenate([np.empty(0, np.int32), *(part.device for part in parts)])
        from_us = np.concatenate([np.empty(0, np.int64), *(part.from_us for part in parts)])
        last_us = np.concatenate([np.empty(0, np.int64), *(part.last_us for part in parts)])
        readings = np.concatenate([np.empty(0, np.int64), *(part.readings for part in parts)])
        sums = Sums(len(self._scale.channels), len(device), self._scale.is_wide)
        begin = 0
        for part in parts:
            _put(sums, slice(begin, begin + len(part)), part.sums, slice(None))
            begin += len(part)
        order = np.lexsort((from_us, device))
        return Sessions(self._scale, _at(sums, order), device[order], from_us[order], last_us[order], readings[order])


def _at(sums: Sums, keys: Device | Int, into: int | None = None, places: Int | None = None) -> Sums:
    """Some keys of sums; with `into`, at these places of so many others that have nothing."""
    found = Sums(len(sums.count), len(keys) if into is None else into, sums.upper is not None)
    _put(found, slice(None) if places is None else places, sums, keys)
    return found


def _put(target: Sums, keys: Device | Int | slice, source: Sums, at: Device | Int | slice) -> None:
    for mine, theirs in zip(target.columns(), source.columns(), strict=True):
        mine[:, keys] = theirs[:, at]
