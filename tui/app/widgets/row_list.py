"""A list of lines with a cursor: devices, incidents, marks, faults, scenarios, commands. Draws only what is seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.strip import Strip

from twinstorm.tui.app.lines import Line, plain, wrap
from twinstorm.tui.app.messages import RowChosen, RowMarked
from twinstorm.tui.app.widgets.panel import Panel

_BAR = Style(reverse=True, bold=True)
_MARK = Style(bold=True, underline=True)

Draw = Callable[[int, int], Line]
"""(row, width) to the line of that row."""


class RowList(Panel):
    """Rows are named by keys, so that the cursor stays on its row when rows come, go or change places."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "next row", show=False),
        Binding("up,k", "move(-1)", "row before", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("home,g", "edge(0)", "first row", show=False),
        Binding("end,G", "edge(1)", "last row", show=False),
        Binding("enter,l", "choose", "open", show=False),
    ]

    def __init__(
        self, *, widget_id: str | None = None, empty: str = "", name_of_list: str = "", focusable: bool = True
    ) -> None:
        super().__init__(widget_id=widget_id, focusable=focusable)
        self.empty = empty
        self.name_of_list = name_of_list
        self.more: list[str] = []
        self.cursor = 0
        self._keys: Sequence[Hashable] = ()
        self._draw: Draw = lambda _row, _width: []
        self._header: Draw | None = None

    def show_rows(self, keys: Sequence[Hashable], draw: Draw, header: Draw | None = None) -> None:
        """Show these rows from now on. `draw` is called for rows that are seen, whenever they may have changed."""
        marked = self._keys[self.cursor] if self.cursor < len(self._keys) else None
        unchanged = keys == self._keys
        self._keys, self._draw, self._header = keys, draw, header
        if not unchanged:
            self.cursor = keys.index(marked) if marked in keys else min(self.cursor, max(len(keys) - 1, 0))
            self.refresh(layout=True)
        self.renew()

    def heading(self) -> tuple[str, list[str]]:
        return self.name_of_list, self.more

    def footing(self) -> str:
        """Which rows are seen if not all are; the header is none."""
        total, room = len(self._keys), self.size.height - self._top
        if total <= room or room < 1:
            return ""
        first = self.scroll_offset.y + 1
        return f"rows {first}-{min(first + room - 1, total)} of {total}"

    @property
    def marked(self) -> int | None:
        """Row under the cursor; None in an empty list."""
        return self.cursor if self._keys else None

    # --- drawing: rows are made when they are seen, not kept --------------------------------------------------------

    @property
    def _top(self) -> int:
        return 1 if self._header is not None and self._keys else 0

    def lines(self, size: Size) -> list[Line]:
        width, height = size
        if not self._keys:
            return [plain(row) for row in wrap(self.empty, width)]
        top, offset = self._top, self.scroll_offset.y
        made: list[Line] = [[]] * (len(self._keys) + top)
        for y in range(top, height):
            row = offset + y - top
            if row < len(self._keys):
                made[offset + y] = self._draw(row, width)
        if self._header is not None:
            made[offset] = self._header(0, width)
        return made

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's signature
        return max(len(self._keys) + self._top, 1)

    def _show(self, fresh: list[Line]) -> None:
        if self.virtual_size != (size := Size(self.size.width, len(fresh))):
            self.virtual_size = size
        self._lines = fresh
        self._strips.clear()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.renew()

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        row = self.scroll_offset.y + y - self._top
        if self._keys and y >= self._top and row == self.cursor:
            if self.has_focus or not self.can_focus:
                # In one colour: signs keep their shape, and no patches of colour disturb the bar.
                return Strip([Segment(strip.text, self.base_style + _BAR)], strip.cell_length)
            return strip.apply_style(_MARK)
        return strip

    # --- moving -----------------------------------------------------------------------------------------------------

    def move_to(self, row: int) -> None:
        row = min(max(row, 0), max(len(self._keys) - 1, 0))
        if row != self.cursor:
            self.cursor = row
            self.post_message(RowMarked(self.id, row))
        room = max(self.size.height - self._top, 1)
        offset = self.scroll_offset.y
        if row < offset:
            self.scroll_to(y=row, animate=False, immediate=True)
        elif row >= offset + room:
            self.scroll_to(y=row - room + 1, animate=False, immediate=True)
        self.refresh()

    def action_move(self, rows: int) -> None:
        self.move_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        self.move_to(self.cursor + pages * max(self.size.height - self._top - 1, 1))

    def action_edge(self, last: int) -> None:
        self.move_to(len(self._keys) - 1 if last else 0)

    def action_choose(self) -> None:
        if self._keys:
            self.post_message(RowChosen(self.id, self.cursor))

    def on_click(self, event: Click) -> None:
        """The first click moves the cursor, a click on the cursor opens."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self._top:
            return
        row = self.scroll_offset.y + offset.y - self._top
        if row >= len(self._keys):
            return
        if row == self.cursor and event.chain > 1:
            self.action_choose()
        else:
            self.move_to(row)
