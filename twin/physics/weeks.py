"""What people do by hour and weekday: profiles of a week, the same for all up to a shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from twinstorm.twin.flow import DAY_US, Values
from twinstorm.twin.machines.kind import Inputs

WEEK_US: Final = 7 * DAY_US
NEW_YEAR_WEEKDAY: Final = 1
"""Weekday of the first of January, Monday 0: a Tuesday as in 2030, where simulated calendars start by default. Every
year counts as that one (assumed: a step knows the day of the year, not the year)."""


def of_week_us(inputs: Inputs, ago_us: int = 0) -> int:
    """Time since Monday's midnight, `ago_us` before the instant of the step."""
    midnight_us = inputs.year_us // DAY_US * DAY_US
    return (midnight_us + inputs.calendar_us - ago_us + NEW_YEAR_WEEKDAY * DAY_US) % WEEK_US


def week(workday: Sequence[float], saturday: Sequence[float], sunday: Sequence[float], per_hour: int) -> Values:
    """A profile from Monday's midnight in `per_hour` entries an hour, from 24 hourly values a day, linear between.

    Each hourly value stands at the beginning of its hour.
    """
    hours = np.array([*(list(workday) * 5), *saturday, *sunday], np.float64)
    later = np.append(hours[1:], hours[0])
    share = np.arange(per_hour, dtype=np.float64) / per_hour
    return (hours[:, None] + (later - hours)[:, None] * share).reshape(-1).astype(np.float32)
