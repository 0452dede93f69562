"""Below row 1 of every screen: of a live run what it reaches; while a fault is active, faults are disarmed, or the run
is over, what there is to say."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.live_row import live_row
from twinstorm.tui.app.rows import fault_rows
from twinstorm.tui.app.sizes import SizeClass, fault_row_count
from twinstorm.tui.app.widgets.panel import Panel


class FaultRow(Panel):
    """Takes as many rows as it needs, none if there is nothing to say."""

    def __init__(self) -> None:
        super().__init__(focusable=False)
        self.rows_taken = -1

    def fit_rows(self) -> None:
        """Decide how many rows to take, before `renew`."""
        made = self._made(self.app.size.width)
        if len(made) != self.rows_taken:
            self.rows_taken = len(made)
            self.display = bool(made)
            self.styles.height = max(len(made), 1)

    def renew(self) -> None:
        self.fit_rows()
        super().renew()

    def lines(self, size: Size) -> list[Line]:
        width = size.width
        return self._made(width)

    def _made(self, width: int) -> list[Line]:
        size = SizeClass.of(self.app.size.width, self.app.size.height)
        board, abort_key = self.host.board, self.host.key("fault.abort")
        faults = fault_rows(
            board,
            self.signs,
            width,
            abort_key,
            self.host.key("fault.end"),
            rows=fault_row_count(size),
            always=size.too_small,
        )
        return [*live_row(board, self.signs, width, abort_key), *faults]
