"""How far things with one time constant have gone towards where they are going: rooms, heat sinks, the air in a room.

What follows tau dx/dt = goal - x with a constant goal has gone the share 1 - exp(-dt / tau) of its way after dt.
Machines differ in tau, so the share is a column and comes out of a table; a sum of steps goes as far as one long step.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from twinstorm.twin import exact
from twinstorm.twin.flow import Values

_ENTRIES_PER_TAU: Final = 256
_LONGEST: Final = 16.0
"""Time constants after which nothing is left: exp(-16) is 1e-7, the last bit of float32."""


def gone(taus: Values) -> Values:
    """1 - exp(-taus), to 1e-6 of itself however small: float32, shape of `taus`.

    Args:
        taus: time passed over the time constant, >= 0; overwritten.
    """
    # (1 - exp(-x)) / x is smooth and 1 at zero, so that short steps keep all their digits.
    mean, slope = _mean_left()
    np.minimum(taus, _LONGEST, out=taus)
    part = taus * _ENTRIES_PER_TAU
    entry = part.astype(np.int32)
    part -= entry
    part *= slope.take(entry)
    part += mean.take(entry)
    part *= taus
    return part


@cache
def _mean_left() -> tuple[Values, Values]:
    """Mean of exp(-t) over 0..x at the entries x, and its change to the next entry."""
    x = np.arange(1, int(_LONGEST * _ENTRIES_PER_TAU) + 3, dtype=np.float64) / _ENTRIES_PER_TAU
    mean = np.concatenate([[1.0], (1.0 - exact.exp(-x)) / x])
    return mean[:-1].astype(np.float32), np.diff(mean).astype(np.float32)
