"""A run as lines of text: what is played, what happens while it goes on, what was found, how to see it again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.reports.words import clock, duration, missed_interval, number, objective_value
from twinstorm.scenarios.result import EventRow, ExpectationResult, ObjectiveResult, PaneRow, RunResult
from twinstorm.tui.cli.talk import paint

SIGNS = {"held": "+", "missed": "x", "inconclusive": "?"}
_STYLES = {"held": "good", "missed": "bad", "inconclusive": "warn"}

_SHORT = {"fault-end": "ended"}
_TOLD = {"fault", "fault-end", "alarm", "steady", "mark", "note", "stop", "abort"}
"""Kinds of events that everybody sees; `-v` shows the others as well."""

_KIND_CELLS = 8
_KIND_CELLS_VERBOSE = 11
_LAST_COLUMN = 59
"""Where the last column of an alarm's line begins, so that the delays stand below each other."""

_WIDEST_NAME = 56


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


def ending(result: RunResult, color: bool = False) -> list[str]:
    """Everything after the timeline."""
    lines = list(judged(result, color))
    lines.append(verdict_line(result, color))
    lines += [f"note: {printable(note)}" for note in result.notes]
    lines.append(f"digest: {result.digest}")
    lines.append(f"repeat: {printable(result.repeat)}")
    return lines


def judged(result: RunResult, color: bool = False) -> Iterable[str]:
    """A line for every objective and every written expectation; the implied ones are the objectives."""
    rows = [_objective_row(each) for each in result.objectives]
    rows += [_expectation_row(each) for each in result.expectations if each.line]
    names = min(max((len(name) for _, name, *_ in rows), default=0), _WIDEST_NAME)
    values = max((len(value) for _, _, value, *_ in rows), default=0)
    wanteds = max((len(wanted) for *_, wanted, _ in rows), default=0)
    for verdict, name, value, wanted, more in rows:
        sign = paint(SIGNS[verdict], _STYLES[verdict], color)
        yield f"{sign} {name.ljust(names)}  {value.ljust(values)}  {wanted.ljust(wanteds)}    {more}".rstrip()


def verdict_line(result: RunResult, color: bool = False) -> str:
    """``MISSED 1 of 3 in 6.2 s (290x)   report: runs/.../report.html``."""
    word = paint(result.verdict.upper(), _STYLES[result.verdict], color)
    pace = f" ({number(round(result.simulated_s / result.wall_s))}x)" if result.wall_s else ""
    cut = "" if result.ended == "completed" else f", {result.ended} at {clock(result.simulated_s)}"
    report = f"   report: {result.report}" if result.report else ""
    return f"{word} {tally(result)} in {duration(result.wall_s)}{pace}{cut}{report}"


def tally(result: RunResult) -> str:
    """How many expectations are as the verdict says, of how many; faults without effect by name."""
    same = sum(each.verdict == result.verdict for each in result.expectations)
    told = f"{same} of {len(result.expectations)}"
    blunt = [fault.name for fault in result.faults if not fault.bit and not fault.injected]
    if result.verdict == "inconclusive" and blunt:
        told += f", no effect of {', '.join(map(printable, blunt))}"
    return told


def _objective_row(each: ObjectiveResult) -> tuple[str, str, str, str, str]:
    interval = missed_interval(each)
    more = f"missed {interval}" if each.verdict == "missed" and interval else ""
    return each.verdict, each.name, objective_value(each), f"want {each.wanted}", more


def _expectation_row(each: ExpectationResult) -> tuple[str, str, str, str, str]:
    return each.verdict, printable(each.text), printable(each.value or "-"), f"want {each.wanted}", printable(each.why)
