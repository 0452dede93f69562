"""The last row: keys that work here and now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.geometry import Size

from twinstorm.tui.app.lines import PLAIN, Line, ends, width_of
from twinstorm.tui.app.widgets.panel import Panel

KeyWords = Sequence[tuple[str, str]]
"""(key, what it does) in the order of need."""


class KeyRow(Panel):
    """Help, commands, quit first; what belongs to the screen after the bar; the screens at the right end."""

    def __init__(self, words: Callable[[], tuple[KeyWords, KeyWords, str]]) -> None:
        super().__init__(focusable=False)
        self._words = words

    def lines(self, size: Size) -> list[Line]:
        width = size.width
        always, here, screens = self._words()
        first = self._pieces(always)
        pieces = first + self._pieces(here)
        bar = len(first)
        right: Line = [(f" {screens} ", self.signs.muted)] if screens else []
        return [ends(self._joined(pieces, bar, width - width_of(right)), right, width, gap=0)]

    def _pieces(self, words: KeyWords) -> list[Line]:
        return [[(key, self.signs.strong), (f" {does}", PLAIN)] for key, does in words]

    def _joined(self, pieces: list[Line], bar: int, width: int) -> Line:
        """Pieces with two blanks between them and a bar before `bar`, cut from the right."""
        line: Line = [(" ", PLAIN)]
        for number, piece in enumerate(pieces):
            gap: Line = [] if number == 0 else [(" | ", self.signs.muted)] if number == bar else [("  ", PLAIN)]
            if width_of(line) + width_of(gap) + width_of(piece) > width:
                break
            line += [*gap, *piece]
        return line
