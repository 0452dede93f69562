"""Screen 2: the map with all the room there is, and the counts of each group."""

from __future__ import annotations

from textual.app import ComposeResult

from twinstorm.tui.app.messages import RowChosen
from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.widgets.fleet_map import FleetMap
from twinstorm.tui.app.widgets.groups_table import GroupsTable
from twinstorm.tui.app.widgets.key_row import KeyWords

WHOLE_GROUP = -1
"""Cell number that means all devices of a group."""


class FleetScreen(BaseScreen):
    """Enter on a cell or a group opens its devices."""

    TITLE_HERE = "2 Fleet"

    def body(self) -> ComposeResult:
        yield FleetMap(widget_id="map")
        yield GroupsTable(widget_id="groups")

    def renew(self) -> None:
        self.query_one(GroupsTable).renew_groups()
        super().renew()

    def target(self) -> str:
        groups = self.query_one(GroupsTable)
        if groups.has_focus and groups.marked is not None:
            return f"site={groups.groups[groups.marked].site}"
        site = self.query_one(FleetMap).site
        return f"site={site}" if site else ""

    def keys_here(self) -> KeyWords:
        group, sort = self.host.key("map.group"), self.host.key("map.sort")
        return [("Enter", "devices", ""), ("tab", "groups", "app.focus_next"), (group, "group", ""), (sort, "sort", "")]

    def on_row_chosen(self, event: RowChosen) -> None:
        event.stop()
        group = self.query_one(GroupsTable).groups[event.index]
        self.host.open_devices(group.site, WHOLE_GROUP)
