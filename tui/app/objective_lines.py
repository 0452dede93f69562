"""Objectives in words: for the panel, the list and the detail."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.scenarios.protocol import Frame, ObjectiveRow
from twinstorm.tui.app import numbers
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.lines import PLAIN, Line, cut, ends, fit, plain
from twinstorm.tui.app.plot import bars, span_of, spark
from twinstorm.tui.app.signs import Signs


def headline(row: ObjectiveRow, signs: Signs, width: int) -> Line:
    """``x connected MISSED  now 86.2 %        want at least 90 %``: how it stands, and how it is at this moment."""
    sign, word, style = signs.objective(row.verdict)
    left: Line = [(f"{sign} ", style), (f"{row.name} ", PLAIN), (word, style)]
    # Without an average so far there is nothing to tell it from.
    left.append(("  " if row.so_far is None else "  now ", signs.muted))
    left.append((numbers.value(row.value, row.unit), signs.strong))
    for wanted in (f"want {row.wanted}", _brief(row.wanted, signs)):
        line = ends(left, [(wanted, signs.muted)], width)
        if line[-1][0] == wanted:
            return line
    return cut(left, width)


def _brief(wanted: str, signs: Signs) -> str:
    return wanted.replace("at least", signs.at_least).replace("at most", signs.at_most)


def judged(row: ObjectiveRow, signs: Signs, width: int) -> Line:
    """``  so far 92.4 %  budget [######....] 61 %  burn 43x``: what the verdict rests on; empty before there is any."""
    if row.so_far is None:
        return []
    so_far: Line = [("so far ", signs.muted), (numbers.value(row.so_far, row.unit), PLAIN)]
    if row.budget_left is None:
        return cut([("  ", PLAIN), *so_far], width)
    left = row.budget_left
    style = signs.bad if left <= 0 else PLAIN
    number: Line = [(f"{left * 100:.0f} %", style)]
    bar: Line = [("budget ", signs.muted), (f"{signs.bar(left, 12)} ", style), *number]
    burn: list[Line] = []
    if row.burn is not None:
        words = f"{numbers.short(row.burn)}x"
        burn = [[("burn ", signs.muted), (words, signs.bad if row.burn >= 14.4 else PLAIN)]]
    variants = [[so_far, bar, *burn], [so_far, [("budget ", signs.muted), *number], *burn]]
    return [("  ", PLAIN), *fit(variants, ("  ", PLAIN), width - 2)]


def _ends(points: Sequence[float | None], row: ObjectiveRow) -> tuple[float, float]:
    """One scale for the sparkline and the bars of an objective."""
    return span_of(points, 1.0) if row.unit == "%" else span_of(points, least_share=0.05)


def trend(row: ObjectiveRow, board: Board, signs: Signs, width: int) -> Line:
    """Sparkline over the last 15 simulated minutes."""
    if width < 20:
        return []
    points = board.trends.of(f"objective {row.name}", width - 10)
    return [("  ", PLAIN), (spark(points, width - 10, signs, _ends(points, row)), PLAIN), (" 15 min", signs.muted)]


def detail(row: ObjectiveRow, board: Board, frame: Frame, signs: Signs, width: int, height: int) -> list[Line]:
    """Everything known of one objective."""
    sign, word, style = signs.objective(row.verdict)
    made: list[Line] = [[(f"{sign} {row.name}  {word}", style)], []]

    def say(name: str, words: str) -> None:
        made.append([(f"{name:<12}", signs.muted), (words, PLAIN)])

    say("measures", row.sli)
    say("now", numbers.value(row.value, row.unit) + "  (the last 10 s)")
    say("so far", numbers.value(row.so_far, row.unit) + "  (since the warm-up: this is judged)")
    say("wanted", row.wanted)
    made.append([])
    if row.budget_left is None:
        say("budget", "none yet" if row.verdict in ("warming up", "no data") else "none: this one is not a share")
    else:
        say("budget left", f"{signs.bar(row.budget_left, 22)} {row.budget_left * 100:.1f} %")
        say("burn", "no data" if row.burn is None else f"{numbers.short(row.burn)}x over the last minute")
        say("exhausted", _exhausted(row, board))
    faults = ", ".join(f"{fault.fault} {fault.target}".strip() for fault in frame.faults)
    say("faults now", faults or "none")
    made = [cut(line, width) for line in made]
    rows = min(height - len(made) - 2, 8)
    if rows >= 2 and width >= 20:
        points = board.trends.of(f"objective {row.name}", width)
        known = [point for point in points if point is not None]
        if known:
            lowest, highest = numbers.value(min(known), row.unit), numbers.value(max(known), row.unit)
            title = "now, last 15 min: " + (lowest if lowest == highest else f"{lowest} to {highest}")
            made += [[], plain(title[:width]), *bars(points, width, rows, signs, PLAIN, _ends(points, row))]
    return made


def _exhausted(row: ObjectiveRow, board: Board) -> str:
    """When the error budget will be used up if it goes on like this. At burn 1 it lasts for the whole judged run."""
    if row.budget_left is None or row.burn is None or board.hello is None:
        return "no data"
    if row.budget_left <= 0:
        return "already: missed for good"
    if row.burn <= 0:
        return "not at this rate"
    judged_us = board.hello.duration_us - board.hello.warm_up_us
    left_us = row.budget_left * judged_us / row.burn
    return f"in {numbers.span(round(left_us))} at this rate"
