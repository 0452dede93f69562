"""The command palette: everything that can be done, as ``noun: verb``, with its key beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.fuzzy import Matcher
from textual.widgets import Input

from twinstorm.tui.app.lines import PLAIN, Line, cut, ends
from twinstorm.tui.app.messages import RowChosen
from twinstorm.tui.app.screens.dialog import Dialog
from twinstorm.tui.app.widgets.row_list import RowList


@dataclass(frozen=True)
class Entry:
    """One command. `run` is called after the palette has closed."""

    words: str
    key: str
    does: str
    run: Callable[[], object]


class PaletteDialog(Dialog[Entry]):
    """Type to search, up and down to choose, Enter to run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "next", show=False, priority=True),
        Binding("up", "move(-1)", "before", show=False, priority=True),
        Binding("ctrl+p", "cancel", "close", show=False, priority=True),
    ]

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__("Commands")
        self._entries = entries
        self._found = list(entries)
        self._widest = min(max(len(entry.words) for entry in entries), 34)

    def inside(self) -> ComposeResult:
        yield Input(placeholder="type to search", compact=True)
        yield RowList(widget_id="found", empty="No command is called like that.", focusable=False)

    def renew(self) -> None:
        self.query_one("#found", RowList).show_rows([entry.words for entry in self._found], self._row)
        super().renew()

    def _row(self, row: int, width: int) -> Line:
        entry, signs = self._found[row], self.host.signs
        words = f"{entry.words:<{self._widest}}"
        left = cut([(words, PLAIN), (f"  {entry.does}", signs.muted)], width - len(entry.key) - 1)
        return ends(left, [(entry.key, signs.strong)], width)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._found = search(self._entries, event.value)
        self.renew()
        self.query_one("#found", RowList).move_to(0)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#found", RowList).action_choose()

    def on_row_chosen(self, event: RowChosen) -> None:
        event.stop()
        if not self.hidden:
            self.dismiss(self._found[event.index])

    def action_move(self, rows: int) -> None:
        self.query_one("#found", RowList).action_move(rows)


def search(entries: Sequence[Entry], words: str) -> list[Entry]:
    """Entries that hold the letters of `words` in this order, the best match first."""
    if not words.strip():
        return list(entries)
    matcher = Matcher(words)
    scored = [(matcher.match(f"{entry.words} {entry.does}"), number) for number, entry in enumerate(entries)]
    return [entries[number] for score, number in sorted(scored, key=lambda pair: (-pair[0], pair[1])) if score > 0]
