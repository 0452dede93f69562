"""Clocks that are wrong: offset, drift, ageing, temperature, and what trimming leaves of it.

Rates are in ppm, parts per million of the time gone by; positive is fast. 1 ppm is 31.6 s in a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.twin.flow import SECOND_US, Int

DAY_S: Final = 86_400.0
YEAR_S: Final = 365.25 * DAY_S
MONTH_S: Final = YEAR_S / 12.0


@dataclass(frozen=True, slots=True)
class Clock:
    """A free-running clock at constant temperature.

    Attributes:
        offset_s: how far it is ahead at the start.
        drift_ppm: its rate at the start.
        ageing_ppm_per_year: how its mean rate since the start grows: the rate itself grows twice as fast.
    """

    offset_s: float = 0.0
    drift_ppm: float = 0.0
    ageing_ppm_per_year: float = 0.0

    def error_s(self, elapsed_s: float) -> float:
        """How far it is ahead, offset + (drift + ageing t) t.

        Example:
            >>> round(Clock(drift_ppm=20.0).error_s(DAY_S), 3)
            1.728
        """
        mean_ppm = self.drift_ppm + self.ageing_ppm_per_year * (elapsed_s / YEAR_S)
        return self.offset_s + mean_ppm * 1e-6 * elapsed_s

    def rate_ppm(self, elapsed_s: float) -> float:
        """How fast it is at that moment: the derivative of `error_s`."""
        return self.drift_ppm + 2.0 * self.ageing_ppm_per_year * (elapsed_s / YEAR_S)

    def synchronised(self, elapsed_s: float, left_s: float = 0.0) -> Clock:
        """The same clock, set at that moment to within `left_s`; its time then counts from there."""
        return Clock(left_s, self.rate_ppm(elapsed_s), self.ageing_ppm_per_year)


# --- exactly, for many ------------------------------------------------------------------------------------------------

PPM: Final = 1_000_000
"""Parts per 10^12 in one part per million: the unit of rates that must be exact."""
_YEAR_S: Final = int(YEAR_S)


def gained_us(from_us: Int, to_us: Int | int, rate_e12: Int, ageing_e12: Int | int) -> Int:
    """How much clocks gain on the truth between two instants of the run, rounded down to whole microseconds.

    The same law as `Clock`, in integers, so that it is the same on every processor and exact to the microsecond over
    years.

    Args:
        rate_e12: rate of each at the start of the run, parts per 10^12, up to 2 %.
        ageing_e12: how the mean rate since the start of the run grows in a year; see `Clock.ageing_ppm_per_year`.
    """
    mean_e12 = rate_e12 + ageing_e12 * ((from_us + to_us) // SECOND_US) // _YEAR_S
    seconds, rest_us = np.divmod(to_us - from_us, SECOND_US)
    gained: Int = (seconds * mean_e12 + rest_us * mean_e12 // SECOND_US) // SECOND_US
    return gained


# --- what a scenario says ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockPlan:
    """The clocks of one firmware. The default is a perfect one.

    Attributes:
        sync_us: time between two synchronisations while there is a session; 0: never.
        accuracy_us: how far a synchronisation leaves it off at most, either way.
        drift_ppm: largest rate, either way; one draw a device. At most 1,000.
        ageing_ppm_per_year: see `Clock`.
        temperature_c: where the crystal works; None: as if at its turnover.
        has_battery: it runs on without power. False: after a boot it shows the epoch until it is synchronised.
        epoch_us: what it then shows, microseconds since 1970.
        offset_us: least and most that it is ahead at the start of the run, one draw a device; negative: behind. A clock
            with an offset has not been synchronised before.
    """

    sync_us: int = 0
    accuracy_us: int = 0
    drift_ppm: float = 0.0
    ageing_ppm_per_year: float = 0.0
    temperature_c: float | None = None
    has_battery: bool = True
    epoch_us: int = 0
    offset_us: tuple[int, int] = (0, 0)

    @property
    def common_ppm(self) -> float:
        """What temperature adds to the rate of all."""
        return 0.0 if self.temperature_c is None else tuning_fork_ppm(self.temperature_c)


PERFECT: Final = ClockPlan()


# --- temperature ------------------------------------------------------------------------------------------------------

TUNING_FORK_PPM_K2: Final = -0.034
"""Usual curvature of 32.768 kHz crystals; makers give -0.03 to -0.04."""
TURNOVER_C: Final = 25.0


def tuning_fork_ppm(
    temperature_c: float, turnover_c: float = TURNOVER_C, curvature_ppm_k2: float = TUNING_FORK_PPM_K2
) -> float:
    """Rate of a tuning-fork crystal over the one at its turnover: a parabola, slow on both sides.

    Example:
        >>> round(tuning_fork_ppm(40.0), 2)
        -7.65
    """
    away_k = temperature_c - turnover_c
    return curvature_ppm_k2 * away_k * away_k


Limits = Sequence[tuple[float, float, float]]
"""Lowest and highest temperature, and the bound of the rate between them in ppm."""
DS3231: Final = ((0.0, 40.0, 2.0), (-40.0, 85.0, 3.5))
"""A temperature-compensated clock of Maxim, by its data sheet."""


def compensated_ppm(temperature_c: float, limits: Limits = DS3231) -> float:
    """Largest rate, fast or slow, of a compensated oscillator: that of the narrowest range that holds.

    Raises:
        ValueError: if the temperature lies in none of the ranges.
    """
    bounds = [bound for lowest, highest, bound in limits if lowest <= temperature_c <= highest]
    if not bounds:
        raise ValueError(f"no limit is known at {temperature_c:g} C")
    return min(bounds)


# --- trimming ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trim:
    """A register that adds or drops oscillator cycles in each of its intervals.

    Attributes:
        cycles: of one interval, > 0.
        added, dropped: cycles that one step forwards or backwards stands for, > 0.
        steps: largest number of steps in either direction, >= 0.
    """

    cycles: int
    added: int
    dropped: int
    steps: int

    @property
    def faster_ppm(self) -> float:
        """What one step forwards adds to the rate."""
        return self.added / self.cycles * 1e6

    @property
    def slower_ppm(self) -> float:
        """What one step backwards takes from it, > 0."""
        return self.dropped / self.cycles * 1e6

    def nearest(self, rate_ppm: float) -> int:
        """Steps, forwards positive, that leave least of a rate."""
        step_ppm = self.faster_ppm if rate_ppm < 0.0 else self.slower_ppm
        return max(-self.steps, min(self.steps, round(-rate_ppm / step_ppm)))

    def left_ppm(self, rate_ppm: float) -> float:
        """Rate after trimming by `nearest`."""
        steps = self.nearest(rate_ppm)
        return rate_ppm + steps * (self.faster_ppm if steps > 0 else self.slower_ppm)


M41T00: Final = Trim(cycles=125_829_120, added=512, dropped=256, steps=31)
"""ST's clock of this name: an interval is 64 minutes of a crystal of 32.768 kHz."""
