"""Incidents on the overview, open ones first."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.incident_lines import panel_lines, quiet_words
from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.widgets.panel import empty_lines, waiting_lines
from twinstorm.tui.app.widgets.wall_panel import WallPanel


class IncidentsPanel(WallPanel):
    """Where there is room the whole title, the cause and the alarms of each; else a line an incident."""

    opens = "incidents"

    def heading(self) -> tuple[str, list[str]]:
        return "4 Incidents", []

    def lines(self, size: Size) -> list[Line]:
        width, height = size
        board, signs = self.host.board, self.signs
        if board.frame is None:
            return waiting_lines(self.host, width)
        if not board.frame.incidents:
            return empty_lines(quiet_words(board), width, signs.muted)
        return panel_lines(board.frame, signs, width, height)
