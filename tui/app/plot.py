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
    values: Sequence[float | None],
    width: int,
    height: int,
    signs: Signs,
    style: Style,
    ends: tuple[float, float] | None = None,
) -> list[Line]:
    """A bar a column on a common floor, `height` rows high, the highest row first.

    Args:
        values: None draws nothing, any value above the floor at least the lowest block.
        ends: values of the floor, which is drawn as the lowest block, and of a full bar; by default nothing (which is
            not drawn) and the highest of `values`.
    """
    columns = resample(values, width) if values else [None] * width
    steps = len(signs.blocks) - 1
    if ends is None:
        highest = max((value for value in columns if value is not None), default=0.0)
        heights = [_height(value, highest, height * steps) for value in columns]
    else:
        heights = [_level(value, ends, height * steps) for value in columns]
    rows: list[Line] = []
    for row in range(height):
        floor = (height - 1 - row) * steps
        rows.append([("".join(signs.blocks[min(max(bar - floor, 0), steps)] for bar in heights), style)])
    return rows


def span_of(values: Sequence[float | None], least: float = 0.0, *, least_share: float = 0.0) -> tuple[float, float]:
    """Values at the floor and at the top of a plot: the lowest and the highest, further apart if they are close.

    What hardly moves shall look like it, so the span is `least` and `least_share` of the highest value or more, with
    the values in its middle. Only zero for ever stays on the floor.
    """
    known = [value for value in values if value is not None]
    lowest, highest = min(known, default=0.0), max(known, default=0.0)
    span = max(least, least_share * abs(highest), highest - lowest)
    if span == highest - lowest > 0:
        return lowest, highest
    if lowest == highest == 0:
        return 0.0, 1.0
    middle = (lowest + highest) / 2
    span = span or abs(middle)
    return middle - span / 2, middle + span / 2


def spark(values: Sequence[float | None], width: int, signs: Signs, ends: tuple[float, float] | None = None) -> str:
    """One row between two values (by default the lowest and the highest, see `span_of`), blank where none is known."""
    if width < 1:
        return ""
    known_ends = ends if ends is not None else span_of(values)
    steps = len(signs.blocks) - 1
    return "".join(signs.blocks[_level(value, known_ends, steps)] for value in resample(values, width))


def _level(value: float | None, ends: tuple[float, float], full: int) -> int:
    if value is None:
        return 0
    lowest, highest = ends
    return 1 + round(min(max((value - lowest) / (highest - lowest), 0.0), 1.0) * (full - 1))


def _height(value: float | None, highest: float, full: int) -> int:
    if value is None or value <= 0 or highest <= 0:
        return 0
    return max(1, min(full, round(value / highest * full)))
