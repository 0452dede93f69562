"""Tables of units: a row a cycle (an hour, a flight, a shift) of one unit, which a column names."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence

import numpy as np

from twinstorm.detectors.values.contract import Reals
from twinstorm.detectors.values.tables import MOST, Manner, TableError


def read_units(
    lines: Iterable[str], unit: str, manner: Manner | None = None, channels: Sequence[str] | None = None
) -> tuple[dict[str, Reals], tuple[str, ...]]:
    """Units of a table with a header, in the order in which they come.

    Args:
        unit: name of the column that says whose a row is.
        manner: how it is written; None: with commas between cells, and dots in numbers.
        channels: columns with values; None: all others.

    Returns:
        By name of the unit its rows, float64 (cycles, channels), in the order of the table; and the channels.

    Raises:
        TableError: no rows, no such column, or a cell that is no finite number: every cycle needs all its channels.
    """
    manner = Manner() if manner is None else manner
    reader = csv.reader(lines, delimiter=manner.separator)
    head = [name.strip() for name in next(reader, [])]
    if unit not in head:
        raise TableError(f"there is no column `{unit}` that names units; columns: {', '.join(head) or 'none'}")
    chosen = tuple(name for name in head if name != unit) if channels is None else tuple(channels)
    for name in chosen:
        if name not in head or name == unit:
            raise TableError(f"there is no column `{name}` of values; columns: {', '.join(head)}")
        if chosen.count(name) > 1:
            raise TableError(f"column `{name}` is named {chosen.count(name)} times: each is looked at once")
    if not chosen:
        raise TableError(f"there is no column beside `{unit}`")
    places, owner = [head.index(name) for name in chosen], head.index(unit)
    rows: dict[str, list[list[float]]] = {}
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(head):
            raise TableError(f"line {reader.line_num} has {len(cells)} cells, the header {len(head)}")
        values = [_number(cells[place], manner, chosen[column], reader.line_num) for column, place in enumerate(places)]
        rows.setdefault(cells[owner].strip(), []).append(values)
    if not rows:
        raise TableError("the table has no rows")
    return {name: np.array(values, np.float64) for name, values in rows.items()}, chosen


def _number(cell: str, manner: Manner, channel: str, line: int) -> float:
    try:
        value = manner.number(cell)
    except ValueError:
        value = math.nan
    if not abs(value) <= MOST:
        raise TableError(
            f"line {line}: `{cell.strip()}` in column `{channel}` is no finite number; leave the column out by "
            "--channels, or the cycle"
        )
    return value
