"""A list with the detail of its row beside it; where it is narrow, Enter opens the detail over the list."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size

from twinstorm.scenarios.protocol import Frame
from twinstorm.tui.app.lines import Line, plain, wrap
from twinstorm.tui.app.messages import RowChosen, RowMarked
from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.widgets.key_row import KeyWords
from twinstorm.tui.app.widgets.row_list import RowList
from twinstorm.tui.app.widgets.text_panel import TextPanel


class ListDetailScreen(BaseScreen):
    """Subclasses give the rows, how a row looks, and its detail."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close_detail", "close the detail", show=False)]
    LIST_NAME = ""
    DETAIL_NAME = "Detail"

    # --- what subclasses say ----------------------------------------------------------------------------------------

    def keys_of(self, frame: Frame) -> Sequence[Hashable]:
        """Names of the rows, in order."""
        raise NotImplementedError

    def row_line(self, frame: Frame, row: int, width: int) -> Line:
        raise NotImplementedError

    def detail_lines(self, frame: Frame, row: int, size: Size) -> list[Line]:
        raise NotImplementedError

    def empty_words(self) -> str:
        raise NotImplementedError

    # --- life -------------------------------------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        yield RowList(widget_id="list", name_of_list=self.LIST_NAME, empty="Waiting for the first frame.")
        yield TextPanel(self._detail, name_of_panel=self.DETAIL_NAME, widget_id="detail")

    def renew(self) -> None:
        frame = self.host.board.frame
        if frame is not None:
            rows = self.query_one("#list", RowList)
            rows.empty = self.empty_words()
            rows.show_rows(self.keys_of(frame), lambda row, width: self.row_line(frame, row, width))
        super().renew()

    def keys_here(self) -> KeyWords:
        if not self.has_class("-narrow"):
            return []
        return [("Esc", "back", "screen.close_detail")] if self.has_class("-detail") else [("Enter", "detail", "")]

    def _detail(self, size: Size) -> list[Line]:
        width = size.width
        frame = self.host.board.frame
        row = self.query_one("#list", RowList).marked
        if frame is None or row is None:
            return [plain(line) for line in wrap("Nothing is selected.", width)]
        return self.detail_lines(frame, row, size)

    def on_row_marked(self, event: RowMarked) -> None:
        event.stop()
        self.query_one("#detail", TextPanel).renew()

    def on_row_chosen(self, event: RowChosen) -> None:
        event.stop()
        if self.has_class("-narrow"):
            self.add_class("-detail")
        self.query_one("#detail", TextPanel).focus()
        self.call_after_refresh(self.renew)

    def action_close_detail(self) -> None:
        if self.has_class("-detail") or self.query_one("#detail", TextPanel).has_focus:
            self.remove_class("-detail")
            self.query_one("#list", RowList).focus()
            self.call_after_refresh(self.renew)
        else:
            self.host.go_back()
