"""Objectives on the overview: verdict, now, wanted, so far, budget and burn."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.objective_lines import headline, judged, trend
from twinstorm.tui.app.widgets.panel import empty_lines, waiting_lines
from twinstorm.tui.app.widgets.wall_panel import WallPanel

NONE_STATED = "This scenario states no objective: `twinstorm explain objectives`."


class ObjectivesPanel(WallPanel):
    """Two lines an objective, a third with its trend where all of them fit."""

    opens = "objectives"

    def heading(self) -> tuple[str, list[str]]:
        return "3 Objectives", []

    def lines(self, size: Size) -> list[Line]:
        width, height = size
        board, signs = self.host.board, self.signs
        if board.frame is None:
            return waiting_lines(self.host, width)
        rows = board.frame.objectives
        if not rows:
            return empty_lines(NONE_STATED, width, signs.muted)
        with_trend = height >= 3 * len(rows)
        made: list[Line] = []
        for row in rows:
            made.append(headline(row, signs, width))
            if line := judged(row, signs, width):
                made.append(line)
            if with_trend:
                made.append(trend(row, board, signs, width))
        return made
