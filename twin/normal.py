"""Standard normal draws from keyed words by table: four from one word, the same bits on every CPU.

Each 16-bit lane of a word picks the middle quantile of one of 65,536 equally likely strata. The two outermost strata,
1 draw in 32,768, are split again into 65,536 by bits mixed anew, so that draws reach 6.3 standard deviations instead
of stopping at 4.3. Quantiles are rounded to 2**-20, which float32 holds exactly.

Source of the quantile function: M. J. Wichura, Algorithm AS 241, Applied Statistics 37 (1988), PPND16.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import chance, exact
from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Values

LANES: Final = 4
"""Draws in a word."""
STRATA: Final = 1 << 16
GRID: Final = 2.0**-20

_TAIL_STREAM: Final = 0x7461696C
_LANE_ORDER: Final = (0, 1, 2, 3) if sys.byteorder == "little" else (3, 2, 1, 0)
"""Where lane i, bits 16 i to 16 i + 15, lies in the memory of a word."""

_Floats = NDArray[np.float64]

# Numerators and denominators of AS 241, constant term first: the middle, and the tails down to 1e-11.
_MIDDLE: Final = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_OUTER: Final = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)


def normals(words: Words, out: Values | None = None) -> Values:
    """Standard normal draws.

    Args:
        words: uint64 (n,) or (w, n).
        out: float32 (4 w, n) with contiguous rows, to write into instead of a new array.

    Returns:
        float32 (4 w, n), row 4 i + j from bits 16 j to 16 j + 15 of row i of `words`.

    Example:
        >>> normals(np.array([0x8000_0000_8000_7FFF], np.uint64))[:, 0].round(1).tolist()
        [-0.0, 0.0, -4.5, 0.0]
    """
    rows = np.atleast_2d(words)
    count, n = rows.shape
    drawn = np.empty((LANES * count, n), np.float32) if out is None else out
    middle, _ = _tables()
    for i in range(count):
        row = np.ascontiguousarray(rows[i])
        lanes = row.view(np.uint16).reshape(n, LANES)
        for lane, place in enumerate(_LANE_ORDER):
            # Every index is in range; `wrap` only spares the check.
            np.take(middle, lanes[:, place], out=drawn[LANES * i + lane], mode="wrap")
        _replace_outermost(row, lanes, drawn[LANES * i : LANES * (i + 1)])
    return drawn


def _replace_outermost(row: Words, lanes: NDArray[np.uint16], drawn: Values) -> None:
    """Draw anew, from the tables of the tails, where a lane fell into the first or last stratum."""
    flat = lanes.reshape(-1)
    hit = np.flatnonzero(flat + np.uint16(1) <= 1)
    if not len(hit):
        return
    device = hit // LANES
    lane = np.array(_LANE_ORDER)[hit % LANES]
    _, tail = _tables()
    part = (chance.words(_TAIL_STREAM, row[device], lane) >> np.uint64(48)).astype(np.intp)
    drawn[lane, device] = np.where(flat[hit] == 0, tail[part], -tail[part])


@cache
def _tables() -> tuple[Values, Values]:
    """Middle quantiles of the strata of (0, 1), and of those of its first stratum."""
    half = _quantiles((np.arange(STRATA // 2) + 0.5) / STRATA)
    middle = np.concatenate([half, -half[::-1]]).astype(np.float32)
    tail = _quantiles((np.arange(STRATA) + 0.5) / STRATA / STRATA).astype(np.float32)
    for table in (middle, tail):
        table.flags.writeable = False
    return middle, tail


def _quantiles(p: _Floats) -> _Floats:
    """Standard normal quantiles of probabilities in [1e-11, 0.5], rounded to `GRID`."""
    q = p - 0.5
    central = q * _ratio(_MIDDLE, 0.180625 - q * q)
    r = np.sqrt(-exact.log(p))
    outer = -_ratio(_OUTER, r - 1.6)
    return np.rint(np.where(q >= -0.425, central, outer) / GRID) * GRID


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: _Floats) -> _Floats:
    above, below = (np.zeros_like(x), np.zeros_like(x))
    for a, b in zip(*map(reversed, polynomials), strict=True):
        above = above * x + a
        below = below * x + b
    return above / below
