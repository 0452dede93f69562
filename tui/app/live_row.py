"""The row that a live run has on every screen: how to end it, and what it reaches beside what is asked of it."""

from __future__ import annotations

from twinstorm.scenarios.protocol import Frame, LiveRow
from twinstorm.tui.app import numbers
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.lines import PLAIN, Line, cut, fit, plain
from twinstorm.tui.app.signs import Signs

SHORT_OF = 0.9
"""Less than this share of what is asked for is a warning."""
_WORTH_A_WORD_S = 1.0
_FEW_PER_S = 5.0
"""Rates below this rise and fall by chance."""


def live_row(board: Board, signs: Signs, width: int, abort_key: str) -> list[Line]:
    """One line while a live run goes on, else none."""
    if not board.is_live or not board.goes_on:
        return []
    key: Line = [(" ", PLAIN), (f"{abort_key} CLOSES ALL", signs.selected)]
    frame = board.frame
    if frame is None or frame.live is None:
        return [cut(key, width)]
    variants = [[key, *_pieces(frame, frame.live, signs, level)] for level in range(3)]
    return [fit(variants, (" | ", signs.muted), width)]


def _pieces(frame: Frame, live: LiveRow, signs: Signs, level: int) -> list[Line]:
    """In the order of need. Level 0 says all; 1 shortens words; 2 leaves out what is as it should be."""
    pieces = []
    if live.away_s >= _WORTH_A_WORD_S:
        left = max(live.patience_s - live.away_s, 0.0)
        words = f"BROKER AWAY {live.away_s:.0f} s, ends in {left:.0f} s"
        brief = f"AWAY {live.away_s:.0f} of {live.patience_s:.0f} s"
        pieces.append([(words if level < 2 else brief, signs.bad)])
    of = ("messages/s", "msg/s", "msg/s")[level]
    pieces.append(_rates(of, live.asked_per_s, live.reached_per_s, "reached", signs, level))
    of = ("connects/s", "conn/s", "conn/s")[level]
    connects = _rates(of, live.connects_asked_per_s, live.connects_admitted_per_s, "admitted", signs, level)
    if live.connects_held:
        held = numbers.count(live.connects_held) if level == 0 else numbers.short(live.connects_held)
        most = numbers.short(live.connects_most_per_s)
        connects.append((f", {held} held back at {most}/s" if level < 2 else f", {held} held", signs.warning))
    elif level == 0:
        connects += plain(f", at most {numbers.count(live.connects_most_per_s)}")
    pieces.append(connects)
    late = frame.lag_s >= SHORT_OF
    pieces.append([(f"lag {frame.lag_s:.1f} s", signs.warning if late else PLAIN)])
    pieces.append(plain(live.broker if level < 2 else live.broker.removeprefix("embedded ")))
    return pieces


def _rates(of: str, asked: float, reached: float, word: str, signs: Signs, level: int) -> Line:
    short = asked >= _FEW_PER_S and reached < SHORT_OF * asked
    words = f"{of} {numbers.short(asked)} asked " if level < 2 else f"{of} {numbers.short(asked)}/"
    got = f"{numbers.short(reached)} {word}" if level == 0 else numbers.short(reached) + (" in" if level == 1 else "")
    return [(words, PLAIN), (got, signs.warning if short else PLAIN)]
