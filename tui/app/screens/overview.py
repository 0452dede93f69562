"""Screen 1: the wall. Map and time on the left, what it means on the right; one column where it is narrow."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.widgets.brief_rows import BriefRows
from twinstorm.tui.app.widgets.broker_panel import BrokerPanel
from twinstorm.tui.app.widgets.fleet_map import FleetMap
from twinstorm.tui.app.widgets.incidents_panel import IncidentsPanel
from twinstorm.tui.app.widgets.notes_panel import NotesPanel
from twinstorm.tui.app.widgets.objectives_panel import ObjectivesPanel
from twinstorm.tui.app.widgets.timeline_panel import TimelinePanel


class OverviewScreen(BaseScreen):
    """Everything at a glance."""

    TITLE_HERE = "1 Overview"

    def body(self) -> ComposeResult:
        yield Vertical(
            FleetMap(widget_id="map"), BriefRows(widget_id="brief"), TimelinePanel(widget_id="timeline"), id="left"
        )
        yield Vertical(
            ObjectivesPanel(widget_id="objectives"),
            IncidentsPanel(widget_id="incidents"),
            BrokerPanel(widget_id="broker"),
            NotesPanel(widget_id="notes"),
            id="right",
        )

    def target(self) -> str:
        site = self.query_one(FleetMap).site
        return f"site={site}" if site else ""
