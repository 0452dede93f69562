"""Group counts: a line a site, a column a state."""

from __future__ import annotations

from twinstorm.scenarios.protocol import STATES, MapGroup
from twinstorm.tui.app import numbers
from twinstorm.tui.app.lines import PLAIN, Line, cut
from twinstorm.tui.app.signs import WORST_FIRST
from twinstorm.tui.app.widgets.row_list import RowList


class GroupsTable(RowList):
    """Enter opens the devices of a whole site."""

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(widget_id=widget_id, name_of_list="Groups", empty="No group yet.")
        self.groups: list[MapGroup] = []

    def renew_groups(self) -> None:
        """Take the groups of the newest frame."""
        frame = self.host.board.frame
        self.groups = list(frame.groups) if frame is not None else []
        self.show_rows([group.site for group in self.groups], self._row, self._head_row)

    def _head_row(self, _row: int, width: int) -> Line:
        line: Line = [(f"{'site':<{self._name_width}} {'devices':>8}", self.signs.muted)]
        for code in WORST_FIRST:
            line += [("       ", PLAIN), (self.signs.states[code], self.signs.state_styles[code])]
        return cut(line, width)

    def _row(self, row: int, width: int) -> Line:
        group, size = self.groups[row], self._name_width
        line: Line = [(f"{group.site[:size]:<{size}} {numbers.amount(group.devices, 8):>8}", PLAIN)]
        for code in WORST_FIRST:
            number = group.counts[code] if code < len(STATES) else 0
            line.append((f" {numbers.amount(number, 7):>7}", PLAIN if number else self.signs.muted))
        return cut(line, width)

    @property
    def _name_width(self) -> int:
        return min(max((len(group.site) for group in self.groups), default=4), 16)
