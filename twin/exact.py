"""exp, log, sin and cos with the same bits on every CPU.

Libraries pick their polynomials by processor, so that their last bit differs from one machine to another. These are
made from operations that IEEE 754 defines to the last bit (``+ - * /``, rounding to an integer, scaling by a power of
two), one NumPy call each, so that no compiler can fuse two of them. The series are plain Taylor and area-tangent ones
on a reduced argument; their coefficients are quotients of small integers.

They are for coefficients at the start of a run and cost about 30 passes over the data; inner loops use what was
computed here. Each takes a number or an array of any shape and returns float or float64 of that shape. Nothing warns.

Largest error found against 60-digit decimals on 300,000 arguments each: exp 0.77, log 0.80, sin 0.78, cos 0.75 ulp;
the tests hold all four to 1 ulp.
"""

from __future__ import annotations

from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LN2_HIGH: Final = float.fromhex("0x1.62e42fefap-1")
"""ln 2 to 37 bits: its product with an exponent is exact. `_LN2_LOW` is the rest."""
_LN2_LOW: Final = float.fromhex("0x1.cf79abc9e3b3ap-40")
_INVERSE_LN2: Final = float.fromhex("0x1.71547652b82fep+0")
_ROOT_HALF: Final = float.fromhex("0x1.6a09e667f3bcdp-1")

_EXP_LARGEST: Final = 709.782712893384
"""Largest argument whose exponential is finite; below `_EXP_SMALLEST` it rounds to zero."""
_EXP_SMALLEST: Final = -745.1332191019412

_TWO_OVER_PI: Final = float.fromhex("0x1.45f306dc9c883p-1")
_HALF_PI: Final = tuple(
    map(float.fromhex, ("0x1.921fb544p+0", "0x1.0b4611a6p-34", "0x1.3198a2ep-69", "0x1.b839a252049c1p-104"))
)
"""pi/2 in three parts of 33 bits, whose products with an integer under 2**20 are exact, and a rest."""
LARGEST_ANGLE: Final = 1e6
"""Largest magnitude that `sin` and `cos` take, radians: where the reduction above is still exact enough."""


@overload
def exp(x: float) -> float: ...
@overload
def exp(x: Floats) -> Floats: ...
def exp(x: Any) -> Any:
    """e to the power x; infinity above 709.78, zero below -745.13, NaN for NaN."""
    values = np.asarray(x, np.float64)
    inside = np.clip(np.where(np.isnan(values), 0.0, values), _EXP_SMALLEST - 1.0, _EXP_LARGEST + 1.0)
    twos = np.rint(inside * _INVERSE_LN2)
    high = inside - twos * _LN2_HIGH
    low = twos * _LN2_LOW
    r = high - low
    r_low = (high - r) - low
    nest = np.ones_like(r)
    for n in range(14, 2, -1):
        nest = 1.0 + r * nest / n
    whole = 1.0 + r
    lost = (1.0 - whole) + r
    mantissa = whole + (lost + (r * r * 0.5 * nest + r_low))
    # Scaled in two halves: 2**1024, needed just below overflow, is no float64.
    exponent = twos.astype(np.int32)
    half = exponent // 2
    with np.errstate(over="ignore", under="ignore"):
        result = np.ldexp(np.ldexp(mantissa, half), exponent - half)
    result = np.where(values > _EXP_LARGEST, np.inf, np.where(values < _EXP_SMALLEST, 0.0, result))
    return _like(x, np.where(np.isnan(values), np.nan, result))


@overload
def log(x: float) -> float: ...
@overload
def log(x: Floats) -> Floats: ...
def log(x: Any) -> Any:
    """Natural logarithm; minus infinity for 0, NaN for negative numbers and NaN."""
    values = np.asarray(x, np.float64)
    proper = (values > 0.0) & np.isfinite(values)
    mantissa, exponent = np.frexp(np.where(proper, values, 1.0))
    low_half = mantissa < _ROOT_HALF
    mantissa = np.where(low_half, mantissa + mantissa, mantissa)
    twos = (exponent - low_half).astype(np.float64)
    # log(1 + f) = 2 artanh(s) with s = f / (2 + f), written as f minus what is small, so that f keeps its last bit.
    f = mantissa - 1.0
    s = f / (2.0 + f)
    square = s * s
    series = np.zeros_like(s)
    for odd in range(25, 1, -2):
        series = square * (2.0 / odd + series)
    half_square = 0.5 * f * f
    small = s * (half_square + series) + twos * _LN2_LOW
    result = twos * _LN2_HIGH - ((half_square - small) - f)
    result = np.where(values == 0.0, -np.inf, np.where(values == np.inf, np.inf, result))
    return _like(x, np.where(np.isnan(values) | (values < 0.0), np.nan, result))


@overload
def sin(x: float) -> float: ...
@overload
def sin(x: Floats) -> Floats: ...
def sin(x: Any) -> Any:
    """Sine of x radians.

    Raises:
        ValueError: if a magnitude is above `LARGEST_ANGLE`, infinite or NaN.
    """
    quadrant, r, r_low = _reduced(x)
    return _like(x, _turned(quadrant, r, r_low))


@overload
def cos(x: float) -> float: ...
@overload
def cos(x: Floats) -> Floats: ...
def cos(x: Any) -> Any:
    """Cosine of x radians.

    Raises:
        ValueError: if a magnitude is above `LARGEST_ANGLE`, infinite or NaN.
    """
    quadrant, r, r_low = _reduced(x)
    return _like(x, _turned(quadrant + 1, r, r_low))


def _reduced(x: Any) -> tuple[NDArray[np.int64], Floats, Floats]:
    """x = quadrant pi/2 + r + r_low with r within about pi/4 of zero."""
    values = np.asarray(x, np.float64)
    if not np.all(np.abs(values) <= LARGEST_ANGLE):
        raise ValueError(f"angles must lie within +-{LARGEST_ANGLE:.0f} radians")
    quarters = np.rint(values * _TWO_OVER_PI)
    r = values - quarters * _HALF_PI[0]
    r_low = np.zeros_like(r)
    for part in _HALF_PI[1:]:
        product = quarters * part
        difference = r - product
        back = difference - r  # the sum of two numbers and what it lost, exactly (Knuth)
        r_low = r_low + ((r - (difference - back)) - (product + back))
        r = difference
    total = r + r_low
    return quarters.astype(np.int64), total, (r - total) + r_low


def _turned(quadrant: NDArray[np.int64], r: Floats, r_low: Floats) -> Floats:
    """Sine of quadrant pi/2 + r + r_low."""
    square = r * r
    tail = np.ones_like(r)
    for n in range(19, 3, -2):
        tail = 1.0 - square * tail / (n * (n - 1))
    sine = r + (r_low * (1.0 - 0.5 * square) - r * square * tail / 6.0)
    tail = np.ones_like(r)
    for n in range(20, 4, -2):
        tail = 1.0 - square * tail / (n * (n - 1))
    half_square = 0.5 * square
    whole = 1.0 - half_square
    lost = (1.0 - whole) - half_square
    cosine = whole + (lost + (square * square * tail / 24.0 - r * r_low))
    value = np.where(quadrant & 1, cosine, sine)
    return np.where(quadrant & 2, -value, value)


def _like(x: Any, result: Floats) -> Any:
    """A float where a float came in."""
    return result if isinstance(x, np.ndarray) else float(result)
