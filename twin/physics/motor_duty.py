"""The duty profile of a motor: shares of the rated load by time, for each motor with a phase of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import SECOND_US, Values

LEVEL_S: Final = 256
"""How long one level of the duty profile lasts: a power of two, so that the phase below is exact in float32."""
LEVEL_US: Final = LEVEL_S * SECOND_US
PROFILE: Final = np.array(
    [
        [0.62, 0.70, 0.78, 0.78, 0.85, 0.92, 0.92, 0.74, 0.55, 0.30, 0.62, 0.81, 0.88, 0.95, 1.00, 0.83],
        [0.66, 0.48, 0.25, 0.25, 0.58, 0.72, 0.86, 0.90, 0.90, 0.79, 0.68, 0.74, 0.97, 0.64, 0.42, 0.35],
    ],
    np.float32,
).reshape(-1)
"""Shares of the rated load, one after the other for `LEVEL_S` each, then again: set-up, runs, changeovers."""
PHASE_STEP_S: Final = 2.0**-10
"""Phases are whole multiples of this."""
MEAN: Final = float(np.round(sum(PROFILE.tolist()) / len(PROFILE), 6))
MEAN_SQUARE: Final = float(np.round(sum(share * share for share in PROFILE.tolist()) / len(PROFILE), 6))
MEAN_CUBE: Final = float(np.round(sum(share * share * share for share in PROFILE.tolist()) / len(PROFILE), 6))


def changed_levels(phase_s: Values, now_us: int, dt_us: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Motors whose level changed within the last `dt_us` <= `LEVEL_US`, and how long ago."""
    # Compared as quotients of whole microseconds, so that the end of one step is the start of the next to the last bit.
    into_level_us = now_us % LEVEL_US
    now_changing_us = LEVEL_US - into_level_us
    past_end = phase_s >= now_changing_us / SECOND_US
    rows = past_end & (phase_s < (now_changing_us + dt_us) / SECOND_US)
    if dt_us > into_level_us:
        rows |= phase_s < (dt_us - into_level_us) / SECOND_US
    changed = np.flatnonzero(rows)
    ago_s = phase_s[changed].astype(np.float64) + into_level_us / SECOND_US
    ago_s[past_end[changed]] -= LEVEL_S
    # The comparisons above round to float32, so that "now" may come out as a microsecond ahead.
    return changed, np.maximum(ago_s, 0.0)


def level(parameters: Mapping[str, Values], rows: NDArray[np.intp], now_us: int) -> Values:
    """Load that the profile asks of some motors at an instant, as a share of the rated load."""
    levels, into_level_us = divmod(now_us, LEVEL_US)
    ahead = parameters["phase_level"][rows].astype(np.int64) + levels
    ahead += parameters["phase_s"][rows] >= (LEVEL_US - into_level_us) / SECOND_US
    return PROFILE[ahead % len(PROFILE)] * parameters["duty"][rows]
