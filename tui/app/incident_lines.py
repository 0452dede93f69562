"""Incidents in words: for the panel, the list and the detail."""

from __future__ import annotations

import re

from twinstorm.scenarios.protocol import Frame, IncidentRow
from twinstorm.tui.app import numbers
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.lines import PLAIN, Line, cut, ends, plain, shorten, width_of, wrap
from twinstorm.tui.app.signs import MARK_LETTERS, OTHER_MARK, Signs

_STATES = {"open": "OPEN", "acknowledged": "ACK", "resolved": "done"}
_HANGING = "    "
_LIST_COMMA = re.compile(r",(?=[^\s\d])")
"""A comma between names, not one between the digits of a number."""


def newest_first(frame: Frame) -> list[IncidentRow]:
    """Open ones before resolved ones, then the newest first."""
    return sorted(frame.incidents, key=lambda row: (row.state == "resolved", -row.opened_us, -row.number))


def quiet_words(board: Board) -> str:
    """What stands where there is no incident."""
    since_us = board.hello.warm_up_us if board.hello is not None else 0
    if board.frame is not None and board.frame.at_us < since_us:
        return "Warming up: nothing is judged yet."
    return f"All quiet since {numbers.clock(since_us)}."


def headline(row: IncidentRow, frame: Frame, signs: Signs, width: int) -> Line:
    """``! INC-2 sessions lost eu      0:41 OPEN``; a title that does not fit ends after a whole word."""
    right = _when(row, frame, signs)
    left = _lead(row, signs)
    room = width - width_of(left) - width_of(right) - 1
    return ends([*left, (shorten(_title(row), max(room, 6)), PLAIN)], right, width)


def block(row: IncidentRow, frame: Frame, signs: Signs, width: int, *, more: bool) -> list[Line]:
    """The headline with all of its title, in as many lines as that needs; with `more` cause, alarms and its end."""
    right, left = _when(row, frame, signs), _lead(row, signs)
    lead = width_of(left)
    room = max(width - lead - width_of(right) - 1, 6)
    first, *rest = wrap(_title(row), room) or [""]
    # Below the first line there is nothing at the right end.
    rest = wrap(" ".join(rest), width - lead)
    made: list[Line] = [ends([*left, (first, PLAIN)], right, width)]
    made += [plain(" " * lead + line) for line in rest]
    if more:
        facts = [f"cause: {', '.join(row.causes)}"] if row.causes else []
        if row.state != "resolved":
            facts += row.alarms
        elif row.resolved_us is not None:
            facts.append(f"resolved {numbers.clock(row.resolved_us)}")
        made += [[(line, signs.muted)] for fact in facts for line in wrap(_apart(fact), width, _HANGING)]
    return made


def panel_lines(frame: Frame, signs: Signs, width: int, height: int) -> list[Line]:
    """Every incident, with as much of each as `height` lines have room for."""
    rows = newest_first(frame)
    for more in (True, False):
        made = [line for row in rows for line in block(row, frame, signs, width, more=more)]
        if len(made) <= height:
            return made
    return [headline(row, frame, signs, width) for row in rows]


def detail(row: IncidentRow, frame: Frame, signs: Signs, width: int) -> list[Line]:
    """The incident, its alarms, and what stood on the timeline since a minute before."""
    left = _lead(row, signs)
    first, *rest = wrap(_title(row), width - width_of(left)) or [""]
    made: list[Line] = [[*left, (first, signs.strong)]]
    made += [[(" " * width_of(left) + line, signs.strong)] for line in rest]
    made.append([])
    opened = numbers.clock(row.opened_us)
    if row.state != "resolved":
        opened += f", {numbers.span(frame.at_us - row.opened_us)} ago"
    resolved = ""
    if row.resolved_us is not None:
        resolved = f"{numbers.clock(row.resolved_us)}, after {numbers.span(row.resolved_us - row.opened_us)}"
    facts = (
        ("state", row.state),
        ("severity", row.severity),
        ("group", row.group),
        ("cause", ", ".join(row.causes) or "none found"),
        ("opened", opened),
        ("taken", "" if row.acknowledged_us is None else f"{numbers.clock(row.acknowledged_us)}, acknowledged"),
        ("escalated", "" if row.escalated_us is None else f"{numbers.clock(row.escalated_us)}, nobody had taken it"),
        ("resolved", resolved),
    )
    for name, words in facts:
        if words:
            made += _hanging([(f"{name:<10}", signs.muted)], words, width)
    made += [[], [(f"Alarms ({len(row.alarms)})", signs.strong)]]
    for alarm in row.alarms:
        made += [plain(line) for line in wrap(_apart(alarm), width, "  ")]
    until_us = frame.at_us if row.resolved_us is None else row.resolved_us + numbers.MINUTE_US
    nearby = [
        mark
        for mark in frame.marks
        if row.opened_us - numbers.MINUTE_US <= mark.at_us <= min(until_us, frame.at_us)
        and mark.kind not in ("incident", "step")
    ]
    to = "now" if row.resolved_us is None else "a minute after"
    made += [[], [(f"Timeline from a minute before to {to}", signs.strong)]]
    for mark in nearby:
        letter = MARK_LETTERS.get(mark.kind, OTHER_MARK)
        made += _hanging([(f"  {numbers.clock(mark.at_us)} {letter} ", signs.muted)], mark.text, width)
    if not nearby:
        made.append([("  nothing else", signs.muted)])
    return [cut(line, width) for line in made]


def _lead(row: IncidentRow, signs: Signs) -> Line:
    sign, style = signs.severity(row.severity)
    return [(f"{sign} ", style), (f"INC-{row.number} ", PLAIN)]


def _when(row: IncidentRow, frame: Frame, signs: Signs) -> Line:
    """How long it has been open, or was, and its state."""
    word = _STATES.get(row.state, row.state)
    if row.state == "open" and row.escalated_us is not None:
        word = "ESCALATED"
    if row.state == "resolved":
        lasted = f"{numbers.span(row.resolved_us - row.opened_us)} " if row.resolved_us is not None else ""
        return [(f"{lasted}{word}", signs.muted)]
    age = numbers.span(frame.at_us - row.opened_us)
    return [(f"{age} ", signs.muted), (word, signs.strong if row.state == "open" else signs.muted)]


def _title(row: IncidentRow) -> str:
    return _apart(row.title)


def _apart(words: str) -> str:
    """``fra-1,fra-2`` with a blank, so that a line can end between them."""
    return _LIST_COMMA.sub(", ", words)


def _hanging(lead: Line, words: str, width: int) -> list[Line]:
    """`lead`, and beside it the words in as many lines as they need."""
    indent = width_of(lead)
    first, *rest = wrap(_apart(words), max(width - indent, 8)) or [""]
    return [[*lead, (first, PLAIN)], *(plain(" " * indent + line) for line in rest)]
