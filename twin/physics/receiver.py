"""A satellite receiver: how many satellites it uses, how far off its fix is, and what it tells without one.

The error has a slow part with a memory (orbits, air, reflections; a Gauss-Markov process of first order, Kaplan and
Hegarty, Understanding GPS, chapter 7) and a quick one, both in proportion to the dilution of precision, which rises as
satellites are lost. With fewer than four there is no fix: the last one is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from twinstorm.twin import exact
from twinstorm.twin.flow import SECOND_US, Mask, Values

MEMORY_S: Final = 180.0
"""Time constant of the slow error (assumed: one to ten minutes are reported)."""
SLOW_SHARE, QUICK_SHARE = 0.9, 0.436
"""Parts of the error: 0.9**2 + 0.436**2 = 1."""
FIX_SATELLITES: Final = 4
"""Three coordinates and the clock."""
MOST_SATELLITES: Final = 16
NO_FIX_HDOP: Final = 99.9
_HDOP: Final = np.array(
    [NO_FIX_HDOP] * 4 + [4.5, 3.0, 2.2, 1.7, 1.4, 1.2, 1.05, 0.95, 0.88, 0.82, 0.77, 0.73, 0.70], np.float32
)
"""Horizontal dilution of precision by satellites in use (assumed: medians under an open sky)."""
SATELLITE_NOISE: Final = 0.6
SPEED_NOISE_KM_H: Final = 0.3
HEADING_NOISE_DEG: Final = 1.0


def look(sky: Values, hidden: Values, jammed: Values | None, drawn: Values, satellites: Values, hdop: Values) -> Mask:
    """Fill satellites in use and dilution of precision.

    Args:
        sky: satellites in use under an open sky. hidden: how many of them something hides.
        jammed: how far a jammer drowns them, 0..1; None: not at all.
        drawn: standard normal; overwritten.

    Returns:
        Who has a fix.
    """
    np.subtract(sky, hidden, out=satellites)
    drawn *= SATELLITE_NOISE
    satellites += drawn
    if jammed is not None:
        satellites *= 1.0 - jammed
    satellites.clip(0.0, MOST_SATELLITES, out=satellites)
    np.rint(satellites, out=satellites)
    np.take(_HDOP, satellites.astype(np.intp), out=hdop, mode="clip")
    return satellites >= FIX_SATELLITES


@lru_cache(maxsize=64)
def _memory(dt_us: int) -> tuple[float, float]:
    """What is left of the slow error after so long, and how much comes new."""
    left = exact.exp(-dt_us / (MEMORY_S * SECOND_US))
    return left, float(np.sqrt(1.0 - left * left))


def err(
    state: Mapping[str, Values],
    error_m: Values,
    dt_us: int,
    fix: Mask,
    noise: Values,
    out: Values,
) -> None:
    """Add what the receiver gets wrong. Without a fix the error stays what it was, as the position does.

    Args:
        error_m: of a coordinate per unit of dilution, standard deviation.
        fix: who has one. noise: rows 0 to 5; overwritten.
        out: east, north, speed and heading are changed, dilution is read.
    """
    left, new = _memory(dt_us)
    reach = np.where(fix, out[5], np.float32(1.0))
    reach *= error_m
    for axis, name in enumerate(("slow_east", "slow_north")):
        slow, fresh, quick = state[name], noise[axis], noise[axis + 2]
        fresh *= new
        fresh += slow * np.float32(left)
        np.copyto(slow, fresh, where=fix)
        quick *= QUICK_SHARE
        quick *= fix
        np.multiply(slow, SLOW_SHARE, out=fresh)
        fresh += quick
        fresh *= reach
        out[axis] += fresh

    speed, heading = out[2], out[3]
    for axis, size in ((2, SPEED_NOISE_KM_H), (3, HEADING_NOISE_DEG)):
        drawn = noise[axis + 2]
        drawn *= size
        drawn *= fix
        out[axis] += drawn
    np.abs(speed, out=speed)
    heading[heading >= 360.0] -= 360.0
    heading[heading < 0.0] += 360.0


_FIX: Final = ("fix_east_m", "fix_north_m", "fix_speed_km_h", "fix_heading_deg")


def hold(state: Mapping[str, Values], jammed: Values | None, astray: Mask | None, fix: Mask, out: Values) -> None:
    """Repeat the last fix where there is none now. Under ground the table of the round has done that already."""
    if jammed is not None or astray is not None:
        held = np.zeros_like(fix)
        if jammed is not None:
            held |= jammed > 0.0
        if astray is not None:
            held |= astray
        held &= ~fix
        for name, row in zip(_FIX, out[:4], strict=True):
            np.copyto(row, state[name], where=held)
    for name, row in zip(_FIX, out[:4], strict=True):
        np.copyto(state[name], row)
