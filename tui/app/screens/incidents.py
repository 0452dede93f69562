"""Screen 4: incidents, each with its alarms and what happened around it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.geometry import Size

from twinstorm.scenarios.protocol import Frame
from twinstorm.tui.app.incident_lines import detail, headline, newest_first, quiet_words
from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.screens.list_detail import ListDetailScreen


class IncidentsScreen(ListDetailScreen):
    """Open ones first, the newest on top."""

    TITLE_HERE = "4 Incidents"
    LIST_NAME = "4 Incidents"
    DETAIL_NAME = "Incident"

    def keys_of(self, frame: Frame) -> Sequence[Hashable]:
        return [row.number for row in newest_first(frame)]

    def row_line(self, frame: Frame, row: int, width: int) -> Line:
        return headline(newest_first(frame)[row], frame, self.host.signs, width)

    def detail_lines(self, frame: Frame, row: int, size: Size) -> list[Line]:
        return detail(newest_first(frame)[row], frame, self.host.signs, size.width)

    def empty_words(self) -> str:
        return quiet_words(self.host.board)
