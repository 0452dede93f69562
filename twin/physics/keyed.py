"""Chance numbered by what happens, for machines that go from event to event: times and shares out of keyed words."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.chance import Words
from twinstorm.twin.flow import HOUR_US, SECOND_US, Int, Values

_BITS: Final = 16
_LONGEST_US: Final = 8_766.0 * HOUR_US


@cache
def _quantiles() -> NDArray[np.float64]:
    """The exponential distribution of mean 1 in slices of equal probability, each by its mean: float64 (2**16,)."""
    n = 1 << _BITS
    upper = 1.0 - np.arange(n, dtype=np.float64) / n  # P(beyond the slice's start)
    # The integral of -ln(u) is u (1 - ln(u)), and 0 at 0.
    integral = np.append(upper * (1.0 - exact.log(upper)), 0.0)
    return (integral[:-1] - integral[1:]) * n


def exponential(drawn: Words) -> NDArray[np.float64]:
    """Exponential draws of mean 1, exact in the mean, by the 16 highest bits: float64, new."""
    return _quantiles()[(drawn >> np.uint64(64 - _BITS)).astype(np.int64)]


def share(drawn: Words, shift: int) -> Values:
    """Uniform in [0, 1) by the 24 bits from `shift` on, at most 24: float32, exact, new."""
    bits = (drawn >> np.uint64(shift)) & np.uint64((1 << 24) - 1)
    return bits.astype(np.float32) * np.float32(2.0**-24)


def to_us(seconds: NDArray[np.float64]) -> Int:
    """Whole microseconds: at least one, so that time goes on, and no more than a year."""
    time_us = seconds * SECOND_US
    np.rint(time_us, out=time_us)
    np.maximum(time_us, 1.0, out=time_us)
    np.minimum(time_us, _LONGEST_US, out=time_us)
    return time_us.astype(np.int64)
