"""R134a (1,1,1,2-tetrafluoroethane): how warm it boils at which pressure."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import Values

Floats = NDArray[np.float64]

CRITICAL_K: Final = 374.18
CRITICAL_BAR: Final = 40.5629
_WAGNER: Final = (-7.686556, 2.311791, -2.039554, -3.583758)
"""Of the reduced distance from the critical point to the powers 1, 1.5, 2 and 4."""

LOWEST_C, HIGHEST_C = -60.0, 100.0
_ENTRIES_PER_K: Final = 4


def saturation_bar(temperature_c: Floats) -> Floats:
    """Pressure, bar absolute, at which liquid and vapour are in balance; -60 to 100 C.

    Example:
        >>> saturation_bar(np.array([0.0, 40.0])).round(2).tolist()
        [2.93, 10.16]

    Source: vapour pressure equation of R. Tillner-Roth and H. D. Baehr, J. Phys. Chem. Ref. Data 23 (1994) 657; within
    0.02 % of their equation of state from -40 to 100 C, 0.12 % at -60 C.
    """
    kelvin = temperature_c + 273.15
    distance = 1.0 - kelvin / CRITICAL_K
    one, one_and_half, two, four = _WAGNER
    square = distance * distance
    total = one * distance + one_and_half * distance * np.sqrt(distance) + two * square + four * square * square
    return CRITICAL_BAR * exact.exp(CRITICAL_K / kelvin * total)


def pressure_bar(temperature_c: Values) -> Values:
    """`saturation_bar` for steps: float32, new, by a table, right to 0.01 %; past the ends of the table they stand."""
    start, slope = _table()
    place = temperature_c - np.float32(LOWEST_C)
    place *= _ENTRIES_PER_K
    np.clip(place, 0.0, float(len(slope) - 1), out=place)
    entry = place.astype(np.int32)
    place -= entry
    place *= slope[entry]
    place += start[entry]
    return place


@cache
def _table() -> tuple[Values, Values]:
    """Pressure, and its change to the next entry, 0 at the last."""
    count = int(HIGHEST_C - LOWEST_C) * _ENTRIES_PER_K + 1
    pressure = saturation_bar(LOWEST_C + np.arange(count, dtype=np.float64) / _ENTRIES_PER_K)
    return pressure.astype(np.float32), np.append(np.diff(pressure), 0.0).astype(np.float32)
