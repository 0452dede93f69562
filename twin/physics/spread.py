"""How machines of one kind differ: keyed words into parameters, at the start of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Values

Floats = NDArray[np.float64]


def unit(draws: Words) -> Floats:
    """Uniform in [0, 1): float64, multiples of 2**-53."""
    return (draws >> np.uint64(11)).astype(np.float64) * 2.0**-53


def uniform(draws: Words, low: float, high: float) -> Values:
    """Uniform between two bounds: float32; rounding may reach `high`, never pass it."""
    values = (low + (high - low) * unit(draws)).astype(np.float32)
    return np.minimum(values, np.float32(high))


def whole(draws: Words, limit: int) -> Values:
    """Uniform among 0, 1, ..., limit - 1 as float32; limit <= 2**24, a power of two."""
    return (unit(draws) * limit).astype(np.int64).astype(np.float32)


def weibull(draws: Words, scale: float, shape: float) -> Floats:
    """Weibull by its inverse distribution function, scale (-ln(1 - u))**(1 / shape): float64, >= 0."""
    hazard = -exact.log(1.0 - unit(draws))
    return scale * exact.exp(exact.log(hazard) / shape)
