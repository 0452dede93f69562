"""The devices behind a cell or a group; Enter opens one."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from twinstorm.scenarios.protocol import AskCell, DeviceList, DeviceRow
from twinstorm.tui.app import numbers
from twinstorm.tui.app.keys import LOCAL
from twinstorm.tui.app.lines import PLAIN, Line, cut
from twinstorm.tui.app.messages import DevicesListed, RowChosen
from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.signs import CODE, STATE_SIGNS
from twinstorm.tui.app.widgets.key_row import KeyWords
from twinstorm.tui.app.widgets.row_list import RowList


class DevicesScreen(BaseScreen):
    """Asked once, when it opens: a list that changes under the cursor cannot be read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(LOCAL["devices.sort"], "sort", "worst first or by name", id="devices.sort", show=False)
    ]
    TITLE_HERE = "Devices"

    def __init__(self, group: str, cell: int) -> None:
        super().__init__()
        self.group = group
        self.cell = cell
        self._listed: DeviceList | None = None
        self._rows: list[DeviceRow] = []
        self._worst_first = False

    def body(self) -> ComposeResult:
        where = f"{self.group} cell {self.cell + 1}" if self.cell >= 0 else self.group
        yield RowList(widget_id="devices", name_of_list=f"Devices of {where}", empty="Asking the engine.")

    def on_mount(self) -> None:
        frame = self.host.board.frame
        chosen = frame.filter if frame is not None else ""
        if not self.host.tell(AskCell(group=self.group, cell=self.cell, filter=chosen)):
            self.query_one(RowList).empty = self.host.board.why_not or ""

    def on_devices_listed(self, event: DevicesListed) -> None:
        if (event.devices.group, event.devices.cell) == (self.group, self.cell):
            self._listed = event.devices
            self.renew()

    def renew(self) -> None:
        if self._listed is not None:
            self._rows = list(self._listed.rows)
            if self._worst_first:
                self._rows.sort(key=lambda row: STATE_SIGNS[CODE.get(row.state, CODE["unknown"])].rank)
            rows = self.query_one(RowList)
            shown = numbers.count(len(self._rows))
            if self._listed.total > len(self._rows):
                shown += f" of {numbers.count(self._listed.total)}"
            order = "worst first" if self._worst_first else "by name"
            rows.more = [f"{shown}, as of opening", f"{order} ({self.host.key('devices.sort')})"]
            rows.empty = "No device of this cell matches the filter. Esc goes back."
            rows.show_rows([row.name for row in self._rows], self._line, self._header)
        super().renew()

    def _header(self, _row: int, width: int) -> Line:
        words = f"  {'device':<{self._name_width}} {'state':<13} {'kind':<12} {'last reading':>12} {'boots':>6}"
        return cut([(words, self.host.signs.muted)], width)

    def _line(self, row: int, width: int) -> Line:
        device, signs = self._rows[row], self.host.signs
        code = CODE.get(device.state, CODE["unknown"])
        last = numbers.clock(device.last_arrival_us) if device.last_arrival_us >= 0 else "never"
        words = f" {device.name:<{self._name_width}} {device.state:<13} {device.kind:<12} {last:>12} {device.boot:>6}"
        return cut([(signs.states[code], signs.state_styles[code]), (words, PLAIN)], width)

    @property
    def _name_width(self) -> int:
        return max((len(row.name) for row in self._rows), default=6)

    def keys_here(self) -> KeyWords:
        return [
            ("Enter", "open", ""),
            ("Esc", "back", "app.back"),
            (self.host.key("devices.sort"), "sort", "screen.sort"),
        ]

    def target(self) -> str:
        row = self.query_one(RowList).marked
        return f"id={self._rows[row].name}" if row is not None and self._rows else f"site={self.group}"

    def action_sort(self) -> None:
        self._worst_first = not self._worst_first
        self.renew()

    def on_row_chosen(self, event: RowChosen) -> None:
        event.stop()
        self.host.open_device(self._rows[event.index].name)
