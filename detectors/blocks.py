"""Passes over the fleet that a processor likes: slices that fit the cache, and no branch an element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinstorm.twin.flow import Mask

BLOCK_DEVICES = 16_384
"""Rows of one slice. No result depends on it."""


def blocks(devices: int) -> Iterator[slice]:
    """Slices that cover a fleet, in order."""
    for first in range(0, devices, BLOCK_DEVICES):
        yield slice(first, min(first + BLOCK_DEVICES, devices))


def put(target: NDArray[Any], source: ArrayLike, where: Mask) -> None:
    """As ``np.copyto(target, source, where=where)``, but by bits: in a storm a mask is as good as random, and what a
    processor guesses wrong costs five times as much as the copy.

    Args:
        target: numbers of up to eight bytes. source, where: as wide as `target`, or broadcast to it.
    """
    size = target.itemsize
    chosen = (-where.view(np.int8)).astype(f"i{size}", copy=False)
    bits = target.view(f"i{size}")
    changed = bits ^ np.asarray(source, target.dtype).view(f"i{size}")
    changed &= chosen
    bits ^= changed
