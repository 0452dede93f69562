"""Exponential and geometric draws out of standard normal ones: waiting times and what stands in a queue.

A normal draw z stands for its probability; the exponential draw of the same probability is -ln(1 - Phi(z)). So one word
of chance serves both, and what is unlucky in one sense is so in the other.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from twinstorm.twin import exact
from twinstorm.twin.flow import Values
from twinstorm.twin.physics.air import TURN
from twinstorm.twin.physics.spread import Floats
from twinstorm.twin.physics.tables import Table, looked_up, table

_REACH: Final = 6.5
"""Normal draws do not go further."""
_ENTRIES_PER_SIGMA: Final = 64
_ENTRIES_PER_SHARE: Final = 4096


def exponential(normal: Values) -> Values:
    """Exponential draws of mean 1: float32, new, rising with `normal`, which is overwritten."""
    normal += _REACH
    normal *= _ENTRIES_PER_SIGMA
    return looked_up(_exponentials(), normal)


def geometric(drawn: Values, mean: Values) -> Values:
    """Whole numbers n >= 0 with P(N >= n) = (mean / (1 + mean)) ** n: float32, new.

    That is what an arrival finds in an M/M/1 queue. With E exponential of mean 1, N is the whole part of E / -ln(q).

    Args:
        drawn: exponential draws of mean 1. mean: >= 0. Neither is changed.
    """
    share = mean / (mean + 1.0)
    share *= _ENTRIES_PER_SHARE
    scale = looked_up(_excess(), share)
    scale += mean
    scale *= drawn
    return np.floor(scale, out=scale)


def upper_tail(z: Floats) -> Floats:
    """1 - Phi(z) at ascending, evenly spaced z, the last at least 5: Simpson's rule from an asymptotic end."""
    step = float(z[1] - z[0])

    def density(at: Floats) -> Floats:
        return exact.exp(-0.5 * at * at) / np.sqrt(TURN)

    pieces = (density(z[:-1]) + 4.0 * density(z[:-1] + step / 2.0) + density(z[1:])) * (step / 6.0)
    last = float(z[-1])
    square = last * last
    beyond = float(density(z[-1:])[0]) / last * (1.0 - 1.0 / square + 3.0 / square**2 - 15.0 / square**3)
    # From the small end, so that no digit of the tail is lost; added one after the other, the same on every CPU.
    return np.cumsum(np.append(beyond, pieces[::-1]))[::-1]


@cache
def _exponentials() -> Table:
    z = np.arange(-int(_REACH * _ENTRIES_PER_SIGMA), int(_REACH * _ENTRIES_PER_SIGMA) + 1) / _ENTRIES_PER_SIGMA
    upper = upper_tail(z)
    # Left of the middle the lower tail has the digits.
    return table(np.where(z < 0.0, -exact.log(1.0 - upper[::-1]), -exact.log(upper)))


@cache
def _excess() -> Table:
    """1 / -ln(q) less the mean q / (1 - q) by q: from 0 to 1/2."""
    q = np.arange(1, _ENTRIES_PER_SHARE, dtype=np.float64) / _ENTRIES_PER_SHARE
    middle = -1.0 / exact.log(q) - q / (1.0 - q)
    return table(np.concatenate([[0.0], middle, [0.5]]))
