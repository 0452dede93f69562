"""Before a run: which scenario?"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.geometry import Size

from twinstorm.tui.app.lines import Line, cut, plain, wrap
from twinstorm.tui.app.messages import RowChosen, RowMarked
from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.widgets.key_row import KeyWords
from twinstorm.tui.app.widgets.row_list import RowList
from twinstorm.tui.app.widgets.text_panel import TextPanel

Choice = tuple[str, str, str]
"""Name, title and story of a scenario."""


class ScenariosScreen(BaseScreen):
    """A list with the story beside it; Enter starts."""

    TITLE_HERE = "Scenarios"

    def __init__(self, choices: Sequence[Choice]) -> None:
        super().__init__()
        self.choices = list(choices)
        self.trouble = ""
        """Why the last start failed."""

    def body(self) -> ComposeResult:
        yield RowList(
            widget_id="list", name_of_list="Scenarios", empty="No scenario is installed: `twinstorm init` writes one."
        )
        yield TextPanel(self._story, name_of_panel="Story", widget_id="detail")

    def renew(self) -> None:
        names = [name for name, _, _ in self.choices]
        self.query_one("#list", RowList).show_rows(names, self._row)
        super().renew()

    def keys_here(self) -> KeyWords:
        return [("Enter", "starts", ""), ("j k", "move", "")]

    def _row(self, row: int, width: int) -> Line:
        name, title, _ = self.choices[row]
        widest = max(len(name) for name, _, _ in self.choices)
        words = "" if title in ("", name) else title
        return cut([(f"{name:<{widest}}", self.host.signs.strong), *plain(f"  {words}")], width)

    def _story(self, size: Size) -> list[Line]:
        width = size.width
        row = self.query_one("#list", RowList).marked
        made: list[Line] = []
        if self.trouble:
            made += [[(line, self.host.signs.bad)] for line in wrap(self.trouble, width)] + [[]]
        if row is not None:
            made += [plain(line) for line in wrap(self.choices[row][2], width)]
        return made

    def on_row_marked(self, event: RowMarked) -> None:
        event.stop()
        self.trouble = ""
        self.query_one("#detail", TextPanel).renew()

    def on_row_chosen(self, event: RowChosen) -> None:
        event.stop()
        self.trouble = ""
        self.host.start_scenario(self.choices[event.index][0])
