"""The end of a run in words."""

from __future__ import annotations

from twinstorm.scenarios.protocol import Ended
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.lines import Line, plain, wrap
from twinstorm.tui.app.signs import Signs

_SIGNS = {"held": "+", "missed": "x", "inconclusive": "?"}


def verdict_lines(ended: Ended, board: Board, signs: Signs, width: int) -> list[Line]:
    """The verdict, its reasons as the command line prints them, and how to see it again."""
    style = signs.bad if ended.verdict == "missed" else signs.strong
    head = f"{_SIGNS.get(ended.verdict, '?')} {ended.verdict.upper()}"
    made: list[Line] = [[(head, style), *plain(f"   {ended.ended}, exit code {ended.exit_code}")], []]
    for text in ended.text.splitlines():
        made += [plain(text)] if len(text) <= width else [plain(line) for line in wrap(text, width, "  ")]
    made.append([])
    if ended.report:
        made += [plain(line) for line in wrap(f"report: {ended.report}", width)]
    if board.hello is not None and board.hello.repeat:
        made += [plain(line) for line in wrap(f"repeat: {board.hello.repeat}", width)]
    return [*made, [], [("Esc shows the last picture, q quits.", signs.muted)]]
