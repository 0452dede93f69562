"""Screen 8: what was planned and what happened, by kind."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from twinstorm.tui.app.keys import LOCAL
from twinstorm.tui.app.lines import cut
from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.timeline_lines import KINDS, mark_line, of_kind, planned_and_past
from twinstorm.tui.app.widgets.key_row import KeyWords
from twinstorm.tui.app.widgets.row_list import RowList
from twinstorm.tui.app.widgets.timeline_panel import TimelinePanel


class TimelineScreen(BaseScreen):
    """The strip of time above the list of marks; what lies in the future is hollow."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(LOCAL["timeline.kinds"], "kinds", "which kinds are listed", id="timeline.kinds", show=False)
    ]
    TITLE_HERE = "8 Timeline"

    def __init__(self) -> None:
        super().__init__()
        self._kind = 0

    def body(self) -> ComposeResult:
        yield TimelinePanel(widget_id="timeline")
        yield RowList(widget_id="marks", name_of_list="Marks")

    def on_mount(self) -> None:
        self.query_one("#marks", RowList).focus()

    def renew(self) -> None:
        frame = self.host.board.frame
        if frame is not None:
            name, kinds = KINDS[self._kind]
            marks = of_kind(planned_and_past(frame), kinds)
            rows = self.query_one("#marks", RowList)
            rows.more = [f"{name} ({self.host.key('timeline.kinds')})"]
            rows.empty = self._empty()
            rows.show_rows(
                [(mark.at_us, mark.kind, mark.text) for mark in marks],
                lambda row, width: cut(mark_line(marks[row], frame, self.host.signs), width),
            )
        super().renew()

    def _empty(self) -> str:
        frame = self.host.board.frame
        if self._kind:
            return f"Nothing of this kind ({KINDS[self._kind][0]}). {self.host.key('timeline.kinds')} shows others."
        if frame is not None and frame.next_mark is not None:
            return f"First step: {frame.next_mark.text}."
        return "This scenario has no step, and nothing happened yet."

    def keys_here(self) -> KeyWords:
        return [(self.host.key("timeline.kinds"), "kinds", "screen.kinds")]

    def action_kinds(self) -> None:
        self._kind = (self._kind + 1) % len(KINDS)
        self.renew()
