"""Incidents in words: for the panel, the list and the detail."""

from __future__ import annotations

from twinstorm.scenarios.protocol import Frame, IncidentRow
from twinstorm.tui.app import numbers
from twinstorm.tui.app.lines import PLAIN, Line, cut, ends, plain, wrap
from twinstorm.tui.app.signs import MARK_LETTERS, OTHER_MARK, Signs

_STATES = {"open": "OPEN", "acknowledged": "ACK", "resolved": "done"}


def newest_first(frame: Frame) -> list[IncidentRow]:
    """Open ones before resolved ones, then the newest first."""
    return sorted(frame.incidents, key=lambda row: (row.state == "resolved", -row.opened_us, -row.number))


def headline(row: IncidentRow, frame: Frame, signs: Signs, width: int) -> Line:
    """``! INC-2 sessions lost eu      0:41 OPEN``."""
    sign, style = signs.severity(row.severity)
    word = _STATES.get(row.state, row.state)
    age = numbers.span(frame.at_us - row.opened_us)
    right: Line = [(f"{age} ", signs.muted), (word, signs.strong if row.state == "open" else signs.muted)]
    title = f"INC-{row.number} {row.title}"
    room = width - sum(len(letters) for letters, _ in right) - 3
    return ends([(f"{sign} ", style), (title[: max(room, 6)], PLAIN)], right, width)


def detail(row: IncidentRow, frame: Frame, signs: Signs, width: int) -> list[Line]:
    """The incident, its alarms, and what stood on the timeline since a minute before."""
    sign, style = signs.severity(row.severity)
    made: list[Line] = [[(f"{sign} INC-{row.number} ", style), (row.title, signs.strong)], []]
    opened = f"{numbers.clock(row.opened_us)}, {numbers.span(frame.at_us - row.opened_us)} ago"
    facts = (("state", row.state), ("severity", row.severity), ("group", row.group), ("opened", opened))
    made += [[(f"{name:<10}", signs.muted), (words, PLAIN)] for name, words in facts if words]
    made += [[], [(f"Alarms ({len(row.alarms)})", signs.strong)]]
    for alarm in row.alarms:
        made += [plain(line) for line in wrap(alarm, width, "  ")]
    nearby = [
        mark
        for mark in frame.marks
        if row.opened_us - numbers.MINUTE_US <= mark.at_us <= frame.at_us and mark.kind not in ("incident", "step")
    ]
    made += [[], [("Timeline from a minute before", signs.strong)]]
    for mark in nearby:
        letter = MARK_LETTERS.get(mark.kind, OTHER_MARK)
        made.append([(f"  {numbers.clock(mark.at_us)} {letter} ", signs.muted), (mark.text, PLAIN)])
    if not nearby:
        made.append([("  nothing else", signs.muted)])
    return [cut(line, width) for line in made]
