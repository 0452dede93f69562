"""The end of a run in words."""

from __future__ import annotations

from twinstorm.scenarios.protocol import Ended
from twinstorm.tui.app.lines import Line, plain, wrap
from twinstorm.tui.app.signs import Signs

_SIGNS = {"held": "+", "missed": "x", "inconclusive": "?"}
_HANGING = "  "


def verdict_lines(ended: Ended, signs: Signs, width: int) -> list[Line]:
    """The verdict, then its reasons and how to see it again as the command line prints them."""
    style = signs.bad if ended.verdict == "missed" else signs.strong
    verdict = f"{_SIGNS.get(ended.verdict, '?')} {ended.verdict.upper()}"
    made: list[Line] = [[(verdict, style), *plain(f"   {ended.ended}, exit code {ended.exit_code}")], []]
    for text in ended.text.splitlines():
        head, *rest = [text] if len(text) <= width else wrap(text, width - len(_HANGING))
        made += [plain(head), *(plain(_HANGING + line) for line in rest)]
    return [*made, [], [("Esc shows the last picture, q quits.", signs.muted)]]
