"""The map of the fleet: a column a cell, a cell a few devices, the sign of the worst state that matters in it."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.strip import Strip

from twinstorm.scenarios.protocol import STATES
from twinstorm.tui.app import numbers
from twinstorm.tui.app.fleet_layout import Block, By, Layout, MapRow, Order, groupings, lay_out, room
from twinstorm.tui.app.keys import LOCAL
from twinstorm.tui.app.lines import PLAIN, Line, clean, ends, plain, wrap
from twinstorm.tui.app.messages import CellOpened, CursorMoved, RoomChanged
from twinstorm.tui.app.signs import WORST_FIRST
from twinstorm.tui.app.widgets.panel import Panel, waiting_lines

_RUN = re.compile(rb"(.)\1*", re.DOTALL)
_KEEP_STRIPS = 4096


class FleetMap(Panel):
    """Arrow keys and mouse move a cursor over the cells; Enter opens the devices behind it.

    Strips are cached by what a row shows, so that a row that did not change, or comes back to what it was, costs
    nothing. A frame of 10,000 cells that all changed takes some milliseconds.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "cell to the left", show=False),
        Binding("right,l", "step(1)", "cell to the right", show=False),
        Binding("up,k", "rows(-1)", "row up", show=False),
        Binding("down,j", "rows(1)", "row down", show=False),
        Binding("home,g", "edge(0)", "first cell", show=False),
        Binding("end,G", "edge(1)", "last cell", show=False),
        Binding("pageup", "pages(-1)", "page up", show=False),
        Binding("pagedown", "pages(1)", "page down", show=False),
        Binding("enter", "open", "devices of the cell", show=False),
        Binding(LOCAL["map.group"], "group", "group by region, site", id="map.group", show=False),
        Binding(LOCAL["map.sort"], "sort", "sort groups, worst first", id="map.sort", show=False),
    ]

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(widget_id=widget_id)
        self.by: By = "region, site"
        self.order: Order = "scenario"
        self._layout = Layout((), (), 0, 1)
        self._cursor = (0, 0)
        """Block and offset of the cell under the cursor; may lie outside after the layout changed."""
        self._cache: dict[tuple[object, ...], Strip] = {}
        self._made_runs: list[dict[int, Segment]] = []
        self._runs_of: tuple[object, ...] = ()

    # --- words ------------------------------------------------------------------------------------------------------

    def heading(self) -> tuple[str, list[str]]:
        frame = self.host.board.frame
        if frame is None or not self._layout.blocks:
            return "2 Fleet", []
        per_cell = max(block.per_cell for block in self._layout.blocks)
        cell = f"1 cell = {numbers.count(per_cell)} device{'s' if per_cell > 1 else ''}"
        parts = [cell, "worst state"]
        if frame.filter:
            parts.insert(0, f"/ {frame.filter}: {numbers.count(frame.matching)} devices")
        if len(groupings(frame.groups)) > 1:
            parts.append(f"by {self.by} ({self.host.key('map.group')})")
        if len(self._layout.blocks) > 1:
            order = "worst first" if self.order == "worst first" else "sort"
            parts.append(f"{order} ({self.host.key('map.sort')})")
        return "2 Fleet", parts

    def footing(self) -> str:
        parts = [super().footing()]
        if self.has_focus and (here := self._here()):
            parts.append(f"{here}  Enter opens")
        return "  ".join(part for part in parts if part)

    def _here(self) -> str:
        """The cell under the cursor in words."""
        block, offset = self._at_cursor()
        if block is None:
            return ""
        site, cell = block.place(offset)
        cells = dict(block.sites)[site]
        state = STATES[block.cells[offset]]
        return f"{site} cell {cell + 1} of {cells}: {state}"

    # --- lines ------------------------------------------------------------------------------------------------------

    def lines(self, size: Size) -> list[Line]:
        width, height = size
        frame = self.host.board.frame
        if frame is None:
            self._layout = Layout((), (), 0, 1)
            return waiting_lines(self.host, width, bar=True)
        if frame.filter and frame.matching == 0:
            self._layout = Layout((), (), 0, 1)
            words = f"No device matches `{frame.filter}`. Esc clears the filter."
            return [plain(row) for row in wrap(words, width)]
        self.by = self.by if self.by in groupings(frame.groups) else "site"
        self._layout = lay_out(frame.groups, width, self.by, self.order, height)
        self._ask_for_room(width, height)
        return [self._line(row, width) for row in self._layout.rows]

    def _ask_for_room(self, width: int, height: int) -> None:
        frame = self.host.board.frame
        assert frame is not None
        cells = room(frame.groups, width, height, self.by, self.order)
        if cells != self.host.room:
            self.post_message(RoomChanged(cells))

    def _line(self, row: MapRow, width: int) -> Line:
        """A row as a line; cells stand as one span of raw codes (see `strip`)."""
        if row.block is None:
            return self._region_line(row.label, width)
        block = self._layout.blocks[row.block]
        label = set_cell_size(clean(row.label, ascii_only=self.signs.ascii), self._layout.label_width)
        codes = block.cells[row.start : row.start + row.length]
        return [(label, PLAIN), (codes.decode("latin-1"), _CELLS)]

    def _region_line(self, region: str, width: int) -> Line:
        blocks = [block for block in self._layout.blocks if (block.region or "no region") == region]
        counts: Line = []
        for code in WORST_FIRST[:-1]:
            number = sum(block.counts[code] for block in blocks)
            if number:
                sign = (self.signs.states[code], self.signs.state_styles[code])
                counts += [("  ", PLAIN), sign, (f" {numbers.short(number)}", PLAIN)]
        devices = sum(block.devices for block in blocks)
        words = f"{len(blocks)} site{'s' if len(blocks) > 1 else ''}, {numbers.count(devices)} devices"
        left: Line = [(region, self.signs.strong), (f"  {words}", self.signs.muted), *counts]
        return ends(left, [], width)

    def strip(self, line: Line, width: int, base: Style) -> Strip:
        if len(line) != 2 or line[1][1] is not _CELLS:
            return super().strip(line, width, base)
        label, codes = line[0][0], line[1][0].encode("latin-1")
        key = (label, codes, width, base, self.signs, self._layout.pitch)
        strip = self._cache.get(key)
        if strip is None:
            if len(self._cache) >= _KEEP_STRIPS:
                self._cache.clear()
            strip = self._cache[key] = self._cells_strip(label, codes, width, base)
        return strip

    def _cells_strip(self, label: str, codes: bytes, width: int, base: Style) -> Strip:
        """A segment a run of equal codes. Widths are known, so nothing is measured: this is the hot path."""
        runs = self._runs(base)
        made = [Segment(label, base)]
        for run in _RUN.finditer(codes):
            first, last = run.span()
            of_code, length = runs[codes[first]], last - first
            segment = of_code.get(length)
            if segment is None:
                segment = of_code[length] = Segment(of_code[1].text * length, of_code[1].style)
            made.append(segment)
        room = width - self._layout.label_width - len(codes) * self._layout.pitch
        if room > 0:
            made.append(Segment(" " * room, base))
        return Strip(made, width)

    def _runs(self, base: Style) -> list[dict[int, Segment]]:
        """Segments by code and length: making them anew would be most of the work."""
        if self._runs_of != (base, self.signs, self._layout.pitch):
            self._runs_of = (base, self.signs, self._layout.pitch)
            pairs = zip(self.signs.states, self.signs.state_styles, strict=True)
            self._made_runs = [{1: Segment(sign.ljust(self._layout.pitch), base + style)} for sign, style in pairs]
        return self._made_runs

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        column = self._cursor_column(self.scroll_offset.y + y) if self.has_focus else None
        if column is None or column >= self.size.width:
            return strip
        before, cell, after = strip.divide([column, column + 1, strip.cell_length])
        return Strip.join([before, cell.apply_style(_CURSOR), after])

    # --- cursor -----------------------------------------------------------------------------------------------------

    def _at_cursor(self) -> tuple[Block | None, int]:
        number, offset = self._cursor
        blocks = self._layout.blocks
        if not blocks:
            return None, 0
        number = min(number, len(blocks) - 1)
        offset = min(offset, len(blocks[number].cells) - 1)
        self._cursor = (number, offset)
        return blocks[number], offset

    @property
    def site(self) -> str:
        """Site of the cell under the cursor, empty without a map."""
        block, offset = self._at_cursor()
        return block.place(offset)[0] if block is not None else ""

    def _cursor_column(self, row: int) -> int | None:
        """Column of the cursor if it stands in this row of the map."""
        if not 0 <= row < len(self._layout.rows) or self._at_cursor()[0] is None:
            return None
        shown = self._layout.rows[row]
        number, offset = self._cursor
        if shown.block != number or not shown.start <= offset < shown.start + shown.length:
            return None
        return self._layout.label_width + (offset - shown.start) * self._layout.pitch

    def _cursor_row(self) -> int:
        return next((row for row in range(len(self._layout.rows)) if self._cursor_column(row) is not None), 0)

    def _move(self, number: int, offset: int) -> None:
        self._cursor = (number, offset)
        row, top, height = self._cursor_row(), self.scroll_offset.y, self.size.height
        if row < top or row >= top + height:
            self.scroll_to(y=row if row < top else row - height + 1, animate=False, immediate=True)
        self.refresh()
        self._head()
        self.post_message(CursorMoved())

    def action_step(self, cells: int) -> None:
        block, offset = self._at_cursor()
        if block is None:
            return
        number, offset = self._cursor[0], offset + cells
        if offset < 0 and number > 0:
            number, offset = number - 1, len(self._layout.blocks[number - 1].cells) - 1
        elif offset >= len(block.cells) and number + 1 < len(self._layout.blocks):
            number, offset = number + 1, 0
        self._move(number, min(max(offset, 0), len(self._layout.blocks[number].cells) - 1))

    def action_rows(self, rows: int) -> None:
        if self._at_cursor()[0] is None:
            return
        row = self._cursor_row()
        column = self._cursor_column(row)
        assert column is not None
        step, left = (1 if rows > 0 else -1), abs(rows)
        target = row
        while left and 0 <= row + step < len(self._layout.rows):
            row += step
            if self._layout.rows[row].block is not None:
                target, left = row, left - 1
        shown = self._layout.rows[target]
        assert shown.block is not None
        cell = (column - self._layout.label_width) // self._layout.pitch
        self._move(shown.block, shown.start + min(cell, shown.length - 1))

    def action_pages(self, pages: int) -> None:
        self.action_rows(pages * max(self.size.height - 1, 1))

    def action_edge(self, last: int) -> None:
        if self._at_cursor()[0] is not None:
            number = len(self._layout.blocks) - 1 if last else 0
            self._move(number, len(self._layout.blocks[number].cells) - 1 if last else 0)

    def action_open(self) -> None:
        block, offset = self._at_cursor()
        if block is not None:
            self.post_message(CellOpened(*block.place(offset)))

    def action_group(self) -> None:
        frame = self.host.board.frame
        choices = groupings(frame.groups) if frame is not None else ()
        if len(choices) < 2:
            self.host.say("Sites are the only grouping of this fleet.")
            return
        self.by = choices[(choices.index(self.by) + 1) % len(choices)]
        self.renew()

    def action_sort(self) -> None:
        self.order = "worst first" if self.order == "scenario" else "scenario"
        self.renew()

    def on_click(self, event: Click) -> None:
        """The first click moves the cursor, a double click opens the cell."""
        offset = event.get_content_offset(self)
        row = self.scroll_offset.y + offset.y if offset is not None else -1
        if offset is None or not 0 <= row < len(self._layout.rows):
            return
        shown, cell = self._layout.rows[row], (offset.x - self._layout.label_width) // self._layout.pitch
        if shown.block is None or not 0 <= cell < shown.length:
            return
        self._move(shown.block, shown.start + cell)
        if event.chain > 1:
            self.action_open()


_CELLS = Style(meta={"cells": True})
"""Marks the span of a line that holds state codes instead of letters."""
_CURSOR = Style(reverse=True, underline=True, bold=True)
