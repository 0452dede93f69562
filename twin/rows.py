"""Devices of a block: a slice of the fleet, or some rows of it in ascending order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Device, Int, Mask

Rows = slice | Int


def count(rows: Rows) -> int:
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def devices(rows: Rows, chosen: Int) -> Int:
    """The devices that stand at these places of a block: int64."""
    return chosen + rows.start if isinstance(rows, slice) else rows[chosen]


def put(column: NDArray[Any], rows: Rows, values: NDArray[Any], only: Mask | None = None) -> None:
    """Write into a column what these rows have now.

    Args:
        only: bool, of a slice: which of them; None: all.
    """
    if only is None:
        column[rows] = values
    else:
        np.copyto(column[rows], values, where=only)


def shifted(rows: Rows, first: int) -> Rows:
    """The same devices, counted from `first`."""
    return slice(rows.start - first, rows.stop - first) if isinstance(rows, slice) else rows - first


def compact(rows: Int) -> Rows:
    """Rows in ascending order, as a slice if they follow one another without a gap."""
    if len(rows) and int(rows[-1]) - int(rows[0]) == len(rows) - 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def blocks(rows: Rows, size: int) -> Iterator[Rows]:
    """The same rows in blocks of at most `size`, in their order."""
    for first in range(0, count(rows), size):
        if isinstance(rows, slice):
            yield slice(rows.start + first, min(rows.start + first + size, rows.stop))
        else:
            yield rows[first : first + size]


def meet(device: Device | Int, rows: Rows) -> tuple[Rows, Int]:
    """Which of some devices, ascending, stand in a block.

    Returns:
        Their places in `device`, and in the block.
    """
    if isinstance(rows, slice):
        low, high = np.searchsorted(device, [rows.start, rows.stop]).tolist()
        return slice(low, high), device[low:high].astype(np.int64) - rows.start
    place = np.searchsorted(device, rows)
    place[place == len(device)] = 0
    here = np.flatnonzero(device[place] == rows) if len(device) else np.empty(0, np.int64)
    return place[here], here
