"""Screen 4: incidents, each with its alarms and what happened around it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.geometry import Size

from twinstorm.scenarios.protocol import Frame, IncidentRow
from twinstorm.tui.app.incident_lines import detail, headline, newest_first, quiet_words
from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.screens.list_detail import ListDetailScreen
from twinstorm.tui.app.widgets.key_row import KeyWords
from twinstorm.tui.app.widgets.row_list import RowList


class IncidentsScreen(ListDetailScreen):
    """Open ones first, the newest on top."""

    TITLE_HERE = "4 Incidents"
    LIST_NAME = "4 Incidents"
    DETAIL_NAME = "Incident"

    def keys_of(self, frame: Frame) -> Sequence[Hashable]:
        return [row.number for row in newest_first(frame)]

    def chosen(self) -> IncidentRow | None:
        """The incident that is marked."""
        frame, row = self.host.board.frame, self.query_one("#list", RowList).marked
        rows = [] if frame is None else newest_first(frame)
        return rows[row] if row is not None and row < len(rows) else None

    def keys_here(self) -> KeyWords:
        row = self.chosen() if self.host.board.goes_on else None
        if row is None or row.state == "resolved":
            return super().keys_here()
        words = [(self.host.key("incident.acknowledge"), "acknowledge", "app.acknowledge")] * (row.state == "open")
        words.append((self.host.key("alarm.wrong"), "wrong", "app.mark_wrong"))
        return [*words, *super().keys_here()]

    def row_line(self, frame: Frame, row: int, width: int) -> Line:
        return headline(newest_first(frame)[row], frame, self.host.signs, width)

    def detail_lines(self, frame: Frame, row: int, size: Size) -> list[Line]:
        return detail(newest_first(frame)[row], frame, self.host.signs, size.width)

    def empty_words(self) -> str:
        return quiet_words(self.host.board)
