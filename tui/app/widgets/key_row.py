"""The last row: keys that work here and now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.events import Click
from textual.geometry import Size

from twinstorm.tui.app.lines import PLAIN, Line, ends, width_of
from twinstorm.tui.app.widgets.panel import Panel

KeyWords = Sequence[tuple[str, str, str]]
"""Key, what it does, and the action that a click runs (empty: none), in the order of need."""


class KeyRow(Panel):
    """Help, commands, quit first; what belongs to the screen after the bar; the screens at the right end."""

    def __init__(self, words: Callable[[], tuple[KeyWords, KeyWords, str]]) -> None:
        super().__init__(focusable=False)
        self._words = words
        self._actions: list[tuple[int, int, str]] = []
        """First column, column after the last, and action of each piece drawn."""

    def lines(self, size: Size) -> list[Line]:
        width = size.width
        always, here, screens = self._words()
        right: Line = [(f" {screens} ", self.signs.muted)] if screens else []
        left, self._actions = self._joined([*always, *here], len(always), width - width_of(right))
        return [ends(left, right, width, gap=0)]

    def _joined(self, words: KeyWords, bar: int, width: int) -> tuple[Line, list[tuple[int, int, str]]]:
        """Pieces with two blanks between them and a bar before number `bar`, cut from the right; and where they are."""
        line: Line = [(" ", PLAIN)]
        places = []
        for number, (key, does, action) in enumerate(words):
            piece: Line = [(key, self.signs.strong), (f" {does}", PLAIN)]
            gap: Line = [] if number == 0 else [(" | ", self.signs.muted)] if number == bar else [("  ", PLAIN)]
            start = width_of(line) + width_of(gap)
            if start + width_of(piece) > width:
                break
            line += [*gap, *piece]
            places.append((start, start + width_of(piece), action))
        return line, places

    async def on_click(self, event: Click) -> None:
        """A click on a key does what the key does."""
        for start, end, action in self._actions:
            if start <= event.x < end and action:
                await self.run_action(action)
