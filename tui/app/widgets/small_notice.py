"""What stands in a terminal that is too small for anything else."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.lines import Line, plain, wrap
from twinstorm.tui.app.sizes import SMALLEST
from twinstorm.tui.app.widgets.panel import Panel


class SmallNotice(Panel):
    """The size needed, the size there is, and which keys still work."""

    def __init__(self, more: str = "") -> None:
        super().__init__(focusable=False)
        self._more = more

    def lines(self, size: Size) -> list[Line]:
        width = size.width
        columns, rows = self.app.size
        abort = self.host.key("fault.abort")
        needed = f"Too small: {columns}x{rows}. Needs {SMALLEST[0]}x{SMALLEST[1]} or more."
        works = f"{abort} still aborts all faults. {self._more or self.host.key('app.quit') + ' quits.'}"
        return [plain(row) for row in wrap(needed, width) + wrap(works, width)]
