"""Injection, first step: which fault?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.widgets import Input

from twinstorm.scenarios.protocol import FaultInfo
from twinstorm.tui.app.lines import Line, cut, plain, wrap
from twinstorm.tui.app.messages import RowChosen, RowMarked
from twinstorm.tui.app.screens.dialog import Dialog
from twinstorm.tui.app.widgets.row_list import RowList
from twinstorm.tui.app.widgets.text_panel import TextPanel


class InjectListDialog(Dialog[FaultInfo]):
    """Type to search; below the list, what the fault does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "next", show=False, priority=True),
        Binding("up", "move(-1)", "before", show=False, priority=True),
    ]
    about_faults = about_run = True

    def __init__(self, faults: Sequence[FaultInfo]) -> None:
        super().__init__("Inject a fault")
        self._faults = list(faults)
        self._found = list(faults)

    def inside(self) -> ComposeResult:
        yield Input(placeholder="type to search", compact=True)
        yield RowList(widget_id="found", empty="No fault is called like that.", focusable=False)
        yield TextPanel(self._effect, widget_id="effect", focusable=False)

    def renew(self) -> None:
        self.query_one("#found", RowList).show_rows([fault.name for fault in self._found], self._row)
        super().renew()

    def _row(self, row: int, width: int) -> Line:
        fault, signs = self._found[row], self.host.signs
        widest = max(len(fault.name) for fault in self._faults)
        return cut([(f"{fault.name:<{widest}}  ", signs.strong), *plain(fault.summary)], width)

    def _effect(self, size: Size) -> list[Line]:
        width = size.width
        row = self.query_one("#found", RowList).marked
        if row is None:
            return []
        fault = self._found[row]
        made = [plain(line) for line in wrap(fault.effect, width)]
        if not fault.survivable:
            made.append([("Devices do not survive it.", self.host.signs.bad)])
        return made

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        wanted = event.value.lower().split()
        self._found = [
            fault for fault in self._faults if all(word in f"{fault.name} {fault.summary}".lower() for word in wanted)
        ]
        self.query_one("#found", RowList).move_to(0)
        self.renew()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#found", RowList).action_choose()

    def on_row_marked(self, event: RowMarked) -> None:
        event.stop()
        self.query_one("#effect", TextPanel).renew()

    def on_row_chosen(self, event: RowChosen) -> None:
        event.stop()
        if not self.hidden:
            self.dismiss(self._found[event.index])

    def action_move(self, rows: int) -> None:
        self.query_one("#found", RowList).action_move(rows)
