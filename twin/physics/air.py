"""Air around a sensor: vapour, pressure over altitude, the day, and a slow weather.

Weather and day are sums of a few waves of the simulated time, the same for everybody up to a phase: a wave at a phase
of its own is ``cos(phase) C + sin(phase) S``, with C and S computed once for all devices.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import DAY_US, HOUR_US, Values

Floats = NDArray[np.float64]

TURN: Final = 6.283185307179586
DAY_S: Final = 86_400.0

LOWEST_C, HIGHEST_C = -40.0, 85.0
_ENTRIES_PER_K: Final = 8
_ENTRIES_PER_TURN: Final = 4096

_WEATHER: Final = ((103 * HOUR_US, 5.0, 0.15), (218 * HOUR_US, 4.0, 0.62), (53 * HOUR_US, 1.5, 0.40))
"""Waves of pressure: period in microseconds, amplitude in hPa, phase at the start in turns (assumed: fronts of the
middle latitudes)."""
_TIDE_HPA: Final = 0.8
"""Half-daily tide of the atmosphere, highest about 10:00 and 22:00."""


def saturation_hpa(temperature_c: Floats) -> Floats:
    """Vapour pressure over water at which the air is full. Source: Magnus formula, WMO-No. 8, annex 4.B."""
    return 6.112 * exact.exp(17.62 * temperature_c / (243.12 + temperature_c))


def station_hpa(altitude_m: Floats) -> Floats:
    """Mean pressure at an altitude of the standard atmosphere (ISO 2533), up to 11 km."""
    return 1013.25 * exact.exp(5.25588 * exact.log(1.0 - 2.25577e-5 * altitude_m))


def humidity_pct(vapour_hpa: Values, temperature_c: Values) -> Values:
    """Relative humidity of air with this vapour pressure: float32; above 100 the vapour would be dew or fog.

    By a table over -40..85 C, right to 0.01 % of the value; warmer or colder air counts as the end of the table.
    """
    inverse, slope = _inverse_saturation()
    place = temperature_c - LOWEST_C
    place *= _ENTRIES_PER_K
    np.clip(place, 0.0, float(len(slope) - 1), out=place)
    entry = place.astype(np.int32)
    place -= entry
    place *= slope[entry]
    place += inverse[entry]
    place *= vapour_hpa
    return place


@cache
def _inverse_saturation() -> tuple[Values, Values]:
    """100 over the saturation pressure, and its change to the next entry."""
    count = int(HIGHEST_C - LOWEST_C) * _ENTRIES_PER_K + 2
    inverse = 100.0 / saturation_hpa(LOWEST_C + np.arange(count, dtype=np.float64) / _ENTRIES_PER_K)
    return inverse[:-1].astype(np.float32), np.diff(inverse).astype(np.float32)


def day(calendar_us: int) -> tuple[float, float]:
    """Cosine and sine of the time of day, 0 at midnight."""
    return _wave(calendar_us % DAY_US / DAY_US)


def weather_hpa(now_us: int) -> tuple[float, float]:
    """The weather's pressure at an instant, and a quarter of a wave later."""
    level, later = 0.0, 0.0
    for period_us, amplitude_hpa, phase in _WEATHER:
        # Whole turns go first, as integers: a long run must not cost precision.
        cosine, sine = _wave((now_us % period_us / period_us + phase) % 1.0)
        level += amplitude_hpa * cosine
        later += amplitude_hpa * sine
    return level, later


def tide_hpa(calendar_us: int) -> float:
    """Deviation of the pressure by the half-daily tide."""
    return _TIDE_HPA * day(2 * (calendar_us - 10 * HOUR_US))[0]


def _wave(turns: float) -> tuple[float, float]:
    """Cosine and sine of a part of a turn in [0, 1), to 3e-7 by a table."""
    table = _sines()
    entry = int(turns * _ENTRIES_PER_TURN)
    part = turns * _ENTRIES_PER_TURN - entry
    quarter = entry + _ENTRIES_PER_TURN // 4
    return (
        table[quarter] + (table[quarter + 1] - table[quarter]) * part,
        table[entry] + (table[entry + 1] - table[entry]) * part,
    )


@cache
def _sines() -> tuple[float, ...]:
    """A turn and a quarter."""
    entries = np.arange(_ENTRIES_PER_TURN * 5 // 4 + 1, dtype=np.float64)
    return tuple(exact.sin(entries * (TURN / _ENTRIES_PER_TURN)).tolist())


def lagged(cosine: Floats, sine: Floats, tau_s: Floats) -> tuple[Floats, Floats]:
    """Daily wave inside a body with time constant `tau_s`, once it has settled, from the wave around it.

    The exact particular solution of tau dT/dt + T = cosine cos(wt) + sine sin(wt), so that no step has to follow it.
    """
    turn = TURN / DAY_S * tau_s
    damping = 1.0 + turn * turn
    return (cosine - turn * sine) / damping, (sine + turn * cosine) / damping
