"""Readings of many instants at once, of devices that say one thing after the other, as they do nearly always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import SECOND_US, Delivery, Device, Int, Values


@dataclass(frozen=True, slots=True)
class Line:
    """Readings of devices of one kind, by device and number.

    Attributes:
        device: int32 (d,), who speaks, ascending. times: int64, how often. newest, values: number and values of the
            last reading of each.
        who: int32 (m,), of each reading. at_us: when it arrives. before_us: when the one before it did.
    """

    device: Device
    times: Int
    newest: Int
    values: Values
    who: Device
    at_us: Int
    before_us: Int


@dataclass(frozen=True, slots=True)
class Turn:
    """Readings of any kinds, each the next one of its device.

    Attributes:
        device, at_us: int32 and int64 (m,), by arrival.
    """

    lines: Sequence[Line]
    device: Device
    at_us: Int

    @staticmethod
    def of(lines: Sequence[Line]) -> Turn:
        device = np.concatenate([np.empty(0, np.int32), *(line.who for line in lines)])
        at_us = np.concatenate([np.empty(0, np.int64), *(line.at_us for line in lines)])
        order = np.argsort(at_us, kind="stable")
        return Turn(lines, device[order], at_us[order])

    def changes_us(self, silences_us: Sequence[Int | int], last_us: Int, from_us: int, to_us: int) -> list[int]:
        """Ends of seconds, after `from_us` and up to `to_us`, in which a device has become silent for one of these
        times, or is heard after it was.

        Args:
            silences_us: each for all devices or one each.
            last_us: int64, one a device: when it was heard last before.
        """
        ended_us = last_us.copy()
        for line in self.lines:
            ended_us[line.device] = line.at_us[np.cumsum(line.times) - 1]
        who = np.concatenate([np.arange(len(last_us)), *(line.who for line in self.lines)])
        begins_us = np.concatenate([ended_us, *(line.before_us for line in self.lines)])
        ends_us = np.concatenate([np.full(len(last_us), to_us + 1), *(line.at_us for line in self.lines)])
        found: set[int] = set()
        for silence_us in silences_us:
            limit_us = silence_us if isinstance(silence_us, int) else silence_us[who]
            long = np.flatnonzero(ends_us - begins_us >= limit_us)
            if len(long):
                reached_us = begins_us[long] + (limit_us if isinstance(limit_us, int) else limit_us[long])
                seen_us, over_us = whole_s(reached_us), whole_s(ends_us[long])
                shows = seen_us < over_us
                found.update(seen_us[shows].tolist(), over_us[shows].tolist())
        return sorted(at_us for at_us in found if from_us < at_us <= to_us)


def whole_s(at_us: Int) -> Int:
    """Ends of the seconds in which these instants are seen."""
    ends_us: Int = -(-at_us // SECOND_US) * SECOND_US
    return ends_us


def columns_of(deliveries: Sequence[Delivery]) -> list[NDArray[Any]]:
    """Device, boot, number, date, arrival and values of the readings of deliveries that are of one kind and have some,
    those alone that are present."""
    parts = []
    for each in deliveries:
        readings = each.readings
        assert readings is not None
        rows = slice(None) if readings.present is None else np.flatnonzero(readings.present)
        columns = (readings.device, readings.boot, readings.seq, readings.device_time_us, each.arrived_us)
        parts.append([*(column[rows] for column in columns), readings.values[rows]])
    return [column[0] if len(column) == 1 else np.concatenate(column) for column in zip(*parts, strict=True)]
