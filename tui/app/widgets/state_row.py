"""Row 1 of every screen."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.rows import state_row
from twinstorm.tui.app.widgets.panel import Panel


class StateRow(Panel):
    """Speed, clock, worst devices, objectives, incidents: never leaves, whatever the size."""

    def __init__(self) -> None:
        super().__init__(focusable=False)

    def lines(self, size: Size) -> list[Line]:
        width = size.width
        return [state_row(self.host.board, self.signs, width, self.host.stale_s)]
