"""Screen 3: objectives, each with its budget, burn, time to exhaustion and trend."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.geometry import Size

from twinstorm.scenarios.protocol import Frame
from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.objective_lines import detail, headline
from twinstorm.tui.app.screens.list_detail import ListDetailScreen
from twinstorm.tui.app.widgets.objectives_panel import NONE_STATED


class ObjectivesScreen(ListDetailScreen):
    """In the order of the scenario."""

    TITLE_HERE = "3 Objectives"
    LIST_NAME = "3 Objectives"
    DETAIL_NAME = "Objective"

    def keys_of(self, frame: Frame) -> Sequence[Hashable]:
        return [row.name for row in frame.objectives]

    def row_line(self, frame: Frame, row: int, width: int) -> Line:
        return headline(frame.objectives[row], self.host.signs, width)

    def detail_lines(self, frame: Frame, row: int, size: Size) -> list[Line]:
        return detail(frame.objectives[row], self.host.board, frame, self.host.signs, size.width, size.height)

    def empty_words(self) -> str:
        return NONE_STATED
