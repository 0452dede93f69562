"""Incidents on the overview, open ones first."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app import numbers
from twinstorm.tui.app.incident_lines import headline, newest_first
from twinstorm.tui.app.lines import Line, plain
from twinstorm.tui.app.widgets.panel import waiting_lines
from twinstorm.tui.app.widgets.wall_panel import WallPanel


class IncidentsPanel(WallPanel):
    """A line an incident; under an open one its alarms, where there is room."""

    opens = "incidents"

    def heading(self) -> tuple[str, list[str]]:
        return "4 Incidents", []

    def lines(self, size: Size) -> list[Line]:
        width, height = size
        board, signs = self.host.board, self.signs
        if board.frame is None:
            return waiting_lines(self.host, width)
        rows = newest_first(board.frame)
        if not rows:
            since = board.hello.warm_up_us if board.hello is not None else 0
            if board.frame.at_us < since:
                return [[("Warming up: nothing is judged yet."[:width], signs.muted)]]
            return [[(f"All quiet since {numbers.clock(since)}."[:width], signs.muted)]]
        with_alarms = len(rows) + sum(len(row.alarms) for row in rows if row.state != "resolved") <= height
        made: list[Line] = []
        for row in rows:
            made.append(headline(row, board.frame, signs, width))
            if with_alarms and row.state != "resolved":
                made += [plain(f"    {alarm}"[:width]) for alarm in row.alarms]
        return made
