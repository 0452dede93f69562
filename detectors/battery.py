"""How long a full battery would last at the pace at which levels fall. Only made when somebody asks."""

from __future__ import annotations

import numpy as np

from twinstorm.twin.flow import HOUR_US, MINUTE_US, NEVER_US, Int, Values

CHANNEL = "battery_pct"
SPAN_US = HOUR_US
"""Levels are told in steps of a tenth of a per cent: what falls in less time is mostly rounding."""
RISE_PCT = 0.5
"""A level that rises by more was charged, or is another battery."""


class BatteryPace:
    """Columns have one row a device.

    Attributes:
        lasts_us: int64, for how long 100 % would last; 0: nobody knows. `NEVER_US` where nothing falls.
    """

    def __init__(self, devices: int) -> None:
        self.lasts_us: Int = np.zeros(devices, np.int64)
        self._levels = np.full((2, devices), np.nan, np.float32)
        """Where the present stretch began, and its middle: the next begins there, so that a pace is never younger than
        half a span."""
        self._since_us = np.zeros((2, devices), np.int64)
        self._next_us = 0

    def is_due(self, now_us: int) -> bool:
        """Levels are looked at once a minute."""
        return now_us >= self._next_us

    def look(self, now_us: int, level: Values) -> None:
        """Take the newest levels: float32 (n,), NaN for devices without one."""
        self._next_us = now_us + MINUTE_US
        begin, middle = self._levels
        anew = ~np.isnan(level) & (np.isnan(begin) | (level > begin + RISE_PCT) | (level > middle + RISE_PCT))
        self._levels[:, anew], self._since_us[:, anew] = level[anew], now_us
        self.lasts_us[anew] = 0
        lost = np.isnan(level)
        self._levels[:, lost], self.lasts_us[lost] = np.nan, 0
        age_us = now_us - self._since_us[0]
        known = ~np.isnan(level) & (age_us >= SPAN_US)
        fallen = np.maximum(begin[known].astype(np.float64) - level[known], 0.0)
        pace_us = np.full(len(fallen), float(NEVER_US))
        np.divide(age_us[known] * 100.0, fallen, out=pace_us, where=fallen > 0.0)
        self.lasts_us[known] = np.minimum(pace_us, float(1 << 61)).astype(np.int64)
        half = known & (now_us - self._since_us[1] >= SPAN_US)
        self._levels[0, half], self._since_us[0, half] = self._levels[1, half], self._since_us[1, half]
        self._levels[1, half], self._since_us[1, half] = level[half], now_us
