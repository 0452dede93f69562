"""A run as lines of text while it goes on: what is played and what happens. What was found is in `reports.ending`."""

from __future__ import annotations

import re
from collections.abc import Callable

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.reports.color import paint
from twinstorm.scenarios.reports.words import clock, duration
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult

_SHORT = {"fault-end": "ended"}
_TOLD = {"fault", "fault-end", "alarm", "steady", "mark", "note", "stop", "abort"}
"""Kinds of events that everybody sees; `-v` shows the others as well."""

_KIND_CELLS = 8
_KIND_CELLS_VERBOSE = 11
_LAST_COLUMN = 59
"""Where the last column of an alarm's line begins, so that the delays stand below each other."""


class Printed:
    """A `Sink` that prints the timeline.

    Args:
        line: takes one line, without its end.
    """

    def __init__(self, line: Callable[[str], None], color: bool, verbose: bool) -> None:
        self._line = line
        self._color = color
        self._verbose = verbose

    def event(self, row: EventRow) -> None:
        if row.kind in _TOLD or (self._verbose and row.kind not in ("begin", "end")):
            self._line(event_line(row, self._color, self._verbose))

    def pane(self, row: PaneRow) -> None:
        """Seconds are for the record."""

    def close(self, result: RunResult | None, why: str = "") -> None:
        """The ending needs the report's path, which the record knows: see `ending`."""


def heading(scenario: Scenario, seed: int, until_us: int | None, live: bool, speed: float) -> str:
    """What is about to be played."""
    end_us = scenario.duration_us if until_us is None else min(until_us, scenario.duration_us)
    parts = [
        scenario.name,
        f"seed {seed}",
        f"{scenario.fleet.devices:,} devices",
        f"{duration(end_us / 1e6)} simulated",
    ]
    if live:
        parts.append(f"live {speed or 1:g}x")
    return "  ".join(parts)


def event_line(row: EventRow, color: bool = False, verbose: bool = False) -> str:
    """One line of the timeline."""
    cells = _KIND_CELLS_VERBOSE if verbose else _KIND_CELLS
    kind = _SHORT.get(row.kind, row.kind).ljust(cells - 1) + " "
    if row.kind in ("alarm", "stop", "abort"):
        kind = paint(kind, "warn", color)
    columns = [printable(part) for part in re.split(r"\s{2,}", row.text.strip()) if part]
    if row.kind == "alarm":
        columns = [f"{printable(row.name)} {columns[0]}" if columns else printable(row.name), *columns[1:]]
    else:
        columns = [printable(row.name), *columns]
    text = "  ".join(columns)
    if row.kind in ("alarm", "steady") and len(columns) > 1:
        before = "  ".join(columns[:-1])
        text = before.ljust(_LAST_COLUMN - 12 - cells) + "  " + _aligned(columns[-1])
    return f"  {clock(row.at_s)}  {kind}{text}".rstrip()


def _aligned(text: str) -> str:
    """``41 s after`` with its number as wide as the largest usual one."""
    found = re.match(r"[\d,]+", text)
    return text.rjust(len(text) + max(3 - len(found[0]), 0)) if found else text
