"""Row 2 of every screen, there while a fault is active, faults are disarmed, or the run is over."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.lines import Line
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
        return fault_rows(
            self.host.board,
            self.signs,
            width,
            self.host.key("fault.abort"),
            self.host.key("fault.end"),
            rows=fault_row_count(size),
            always=size.too_small,
        )
