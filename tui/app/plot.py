"""Bars and sparklines as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style

from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.signs import Signs


def resample(values: Sequence[float | None], width: int) -> list[float | None]:
    """`values` in `width` columns, oldest first: the highest of each column's values, None where there is none. A peak
    never goes missing, however narrow the plot."""
    total = len(values)
    columns: list[float | None] = []
    for column in range(width):
        first = column * total // width
        known = [value for value in values[first : max((column + 1) * total // width, first + 1)] if value is not None]
        columns.append(max(known) if known else None)
    return columns


def bars(
    values: Sequence[float | None], width: int, height: int, signs: Signs, style: Style, top: float | None = None
) -> list[Line]:
    """A bar a column on a common floor, `height` rows high, the highest row first.

    Args:
        values: not negative; None draws nothing, any value above 0 at least the lowest block.
        top: value of a full bar; by default the highest of `values`.
    """
    columns = resample(values, width) if values else [None] * width
    highest = top if top else max((value for value in columns if value is not None), default=0.0)
    steps = len(signs.blocks) - 1
    heights = [_height(value, highest, height * steps) for value in columns]
    rows: list[Line] = []
    for row in range(height):
        floor = (height - 1 - row) * steps
        rows.append([("".join(signs.blocks[min(max(bar - floor, 0), steps)] for bar in heights), style)])
    return rows


def spark(values: Sequence[float | None], width: int, signs: Signs) -> str:
    """One row between the lowest and the highest value, blank where none is known."""
    known = [value for value in values if value is not None]
    if not known or width < 1:
        return " " * max(width, 0)
    lowest, highest = min(known), max(known)
    steps = len(signs.blocks) - 2
    letters = []
    for value in resample(values, width):
        if value is None:
            letters.append(" ")
        else:
            part = (value - lowest) / (highest - lowest) if highest > lowest else 0.0
            letters.append(signs.blocks[1 + round(part * steps)])
    return "".join(letters)


def _height(value: float | None, highest: float, full: int) -> int:
    if value is None or value <= 0 or highest <= 0:
        return 0
    return max(1, min(full, round(value / highest * full)))
