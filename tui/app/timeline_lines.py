"""The run as one line of time: past, now, future, and the marks on it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from twinstorm.scenarios.protocol import Frame, Mark
from twinstorm.tui.app import numbers
from twinstorm.tui.app.lines import PLAIN, Line, cut
from twinstorm.tui.app.signs import MARK_LETTERS, OTHER_MARK, Signs

KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("all", ()),
    ("faults", ("fault", "fault-end", "steady", "abort", "stop")),
    ("alarms and incidents", ("alarm", "incident")),
    ("notes", ("note", "mark")),
    ("steps", ("step",)),
)
"""What the timeline screen can be narrowed to; no kinds are all kinds."""

_ORDER = {kind: place for place, kind in enumerate(MARK_LETTERS)}


def axis(frame: Frame, duration_us: int, width: int, signs: Signs) -> Line:
    """One line of `width` columns from the start to the end of the run; the most needed kind wins a column."""
    if width < 3:
        return []
    now = _column(frame.at_us, duration_us, width)
    letters = [signs.past] * now + [signs.now] + [signs.future] * (width - now - 1)
    holders: dict[int, int] = {}
    for mark in planned_and_past(frame):
        column = _column(mark.at_us, duration_us, width)
        if mark.at_us > frame.at_us:
            if column > now:
                letters[column] = signs.hollow
            continue
        rank = _ORDER.get(mark.kind, len(_ORDER))
        if column == now or rank >= holders.get(column, len(_ORDER) + 1):
            continue
        holders[column] = rank
        letters[column] = _letter(mark)
    styles = [signs.strong if column in holders else PLAIN for column in range(now + 1)]
    styles += [signs.muted] * (width - now - 1)
    runs = groupby(zip(letters, styles, strict=True), key=itemgetter(1))
    return [("".join(letter for letter, _ in run), style) for style, run in runs]


def times(frame: Frame, duration_us: int, width: int, signs: Signs) -> Line:
    """Clock times above the axis: now first, then start and end, then the marks as far as there is room."""
    letters = [" "] * width
    wanted = [frame.at_us, 0, duration_us]
    wanted += [mark.at_us for mark in sorted(planned_and_past(frame), key=_need)]
    for at_us in wanted:
        label = _brief_clock(at_us, duration_us)
        start = min(max(_column(at_us, duration_us, width), 0), width - len(label))
        if start >= 0 and not "".join(letters[max(start - 1, 0) : start + len(label) + 1]).strip():
            letters[start : start + len(label)] = label
    return [("".join(letters), signs.muted)]


def next_words(frame: Frame) -> str:
    """``next: update wave 2 at 00:15:00 (0:58)``, empty at the end of the story."""
    mark = frame.next_mark
    if mark is None:
        return ""
    return f"next: {mark.text} at {numbers.clock(mark.at_us)} ({numbers.span(mark.at_us - frame.at_us)})"


def next_brief(frame: Frame, width: int) -> str:
    """``next: update wave 2 in 0:58``; the step's name is cut where it does not fit, never the time."""
    mark = frame.next_mark
    if mark is None:
        return ""
    left = f" in {numbers.span(mark.at_us - frame.at_us)}"
    return f"next: {mark.text}"[: max(width - len(left), 5)] + left


def steps_words(frame: Frame) -> str:
    """``step 3 of 7``, empty without steps."""
    steps = [mark for mark in frame.marks if mark.kind == "step"]
    if not steps:
        return ""
    return f"step {sum(mark.at_us <= frame.at_us for mark in steps)} of {len(steps)}"


def captions(frame: Frame, signs: Signs, width: int, height: int) -> list[Line]:
    """What happened, newest first, a line each; without room for more than one, the newest of each kind in one line."""
    past = [mark for mark in planned_and_past(frame) if mark.at_us <= frame.at_us and mark.kind != "step"]
    if height <= 1:
        newest: dict[str, Mark] = {}
        for mark in past:
            newest[mark.kind] = mark
        marks = sorted(newest.values(), key=lambda mark: -mark.at_us)
        line: Line = []
        for mark in marks:
            line += [(f"{_letter(mark)} ", signs.strong), (f"{mark.text}   ", PLAIN)]
        return [cut(line, width)] if line else []
    return [cut(mark_line(mark, frame, signs), width) for mark in list(reversed(past))[:height]]


def mark_line(mark: Mark, frame: Frame, signs: Signs) -> Line:
    """``00:05:00 F power-outage site=fra-*``; the sign of a step to come is hollow."""
    future = mark.at_us > frame.at_us
    letter = signs.hollow if future else _letter(mark)
    when = f"in {numbers.span(mark.at_us - frame.at_us)}" if future else ""
    style = signs.muted if future else PLAIN
    line: Line = [(f"{numbers.clock(mark.at_us)} ", signs.muted), (f"{letter} ", style + signs.strong)]
    line.append((f"{mark.text}{'  ' + when if when else ''}", style))
    return line


def planned_and_past(frame: Frame) -> list[Mark]:
    """Everything that has a place on the timeline, in order of time; an engine may tell of the next step alone."""
    marks = list(frame.marks)
    if frame.next_mark is not None and frame.next_mark not in marks:
        marks.append(frame.next_mark)
    return sorted(marks, key=lambda mark: mark.at_us)


def of_kind(marks: Sequence[Mark], kinds: Sequence[str]) -> list[Mark]:
    """Marks of some kinds; of all if none is named."""
    return [mark for mark in marks if not kinds or mark.kind in kinds]


def _letter(mark: Mark) -> str:
    return MARK_LETTERS.get(mark.kind, OTHER_MARK)


def _need(mark: Mark) -> tuple[int, int]:
    return _ORDER.get(mark.kind, len(_ORDER)), mark.at_us


def _column(at_us: int, duration_us: int, width: int) -> int:
    return min(max(at_us, 0) * (width - 1) // max(duration_us, 1), width - 1)


def _brief_clock(at_us: int, duration_us: int) -> str:
    """Minutes and seconds in short runs, hours and minutes in long ones."""
    text = numbers.clock(at_us)
    return text[3:] if duration_us < numbers.HOUR_US else text[:-3]
