"""What all panels share: a heading that tells stale and broken, cheap lines, and an error that stays in its panel."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from twinstorm.tui.app.host import Host, host_of
from twinstorm.tui.app.lines import PLAIN, Line, clean, plain, segments, wrap
from twinstorm.tui.app.signs import Signs


class Panel(ScrollView):
    """A piece of the screen made of lines. Subclasses give `heading` and `lines`; `lines` must not have effects.

    The base class draws, scrolls, writes "stale" into the heading, and turns an exception of `lines` into words inside
    the panel, so that one broken panel never takes the others along.
    """

    ALLOW_SELECT = False

    def __init__(self, *, widget_id: str | None = None, focusable: bool = True) -> None:
        super().__init__(id=widget_id)
        self.can_focus = focusable
        self.broken = ""
        """What went wrong in the last update, empty if nothing."""
        self._lines: list[Line] = []
        self._strips: dict[int, Strip] = {}
        self._drawn_with: tuple[object, ...] = ()
        self._headings = ("", "")
        self._base: Style | None = None
        self._told = ""

    @property
    def host(self) -> Host:
        return host_of(self.app)

    @property
    def signs(self) -> Signs:
        return self.host.signs

    # --- what subclasses say ----------------------------------------------------------------------------------------

    def heading(self) -> tuple[str, list[str]]:
        """Name of the panel, and what else stands in its upper border, the most needed first."""
        return "", []

    def footing(self) -> str:
        """What stands in the lower border; by default which rows are seen if not all are."""
        total, height = self.virtual_size.height, self.size.height
        if total <= height or height < 1:
            return ""
        first = self.scroll_offset.y + 1
        return f"rows {first}-{min(first + height - 1, total)} of {total}"

    def lines(self, size: Size) -> list[Line]:
        """Everything to be seen, also what has to be scrolled to."""
        raise NotImplementedError

    # --- life -------------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Draw again what the board knows now; only lines that changed go to the terminal."""
        width, height = self.size
        if width < 1 or height < 1:
            return
        try:
            self.broken = ""
            fresh = self.lines(self.size)
        except Exception as error:
            self.log.error(error)
            self.broken = f"{type(error).__name__}: {error}"
            fresh = self._broken_lines(width)
            self._tell_once()
        self._show(fresh)
        self._head()

    def _tell_once(self) -> None:
        """A cause is told in a corner once; the panel itself goes on saying it."""
        if self.broken != self._told:
            self._told = self.broken
            self.host.say(f"{self.heading()[0] or 'A panel'} cannot be drawn: {self.broken}", bad=True)

    def on_resize(self) -> None:
        self.renew()

    def on_focus(self) -> None:
        self._head()

    def on_blur(self) -> None:
        self._head()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._strips.clear()
        self._head()

    def _show(self, fresh: list[Line]) -> None:
        if self.virtual_size != (size := Size(self.size.width, len(fresh))):
            self.virtual_size = size
        old, self._lines = self._lines, fresh
        top = self.scroll_offset.y
        changed = [
            row
            for row in range(self.size.height)
            if _at(old, top + row) is not _at(fresh, top + row) and _at(old, top + row) != _at(fresh, top + row)
        ]
        for row in changed:
            self._strips.pop(row, None)
        if changed:
            self.refresh(*(Region(0, row, self.size.width, 1) for row in changed))

    @property
    def base_style(self) -> Style:
        """Style of plain text here. Asked for every line, and costly to compute, hence kept until styles change."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._base = None

    def render_line(self, y: int) -> Strip:
        base, signs, width = self.base_style, self.signs, self.size.width
        if self._drawn_with != (base, signs, width):
            self._strips.clear()
            self._drawn_with = (base, signs, width)
        strip = self._strips.get(y)
        if strip is None:
            line = _at(self._lines, self.scroll_offset.y + y)
            strip = self._strips[y] = self.strip(line if line is not None else [], width, base)
        return strip

    def strip(self, line: Line, width: int, base: Style) -> Strip:
        return Strip(segments(line, base, ascii_only=self.signs.ascii)).crop_extend(0, width, base)

    def _head(self) -> None:
        name, rest = self.heading()
        state = [f"stale {self.host.stale_s} s"] if self.host.stale_s else []
        state += ["broken"] if self.broken else []
        room = max(self.size.width - 2, 0)
        headings = (_titled([part for part in (name, *state, *rest) if part], room), self.footing()[:room])
        if headings == self._headings:
            return
        self._headings = headings
        ascii_only = self.signs.ascii
        self.border_title = Content(clean(headings[0], ascii_only=ascii_only)) if headings[0] else None
        self.border_subtitle = Content(clean(headings[1], ascii_only=ascii_only)) if headings[1] else None

    def _broken_lines(self, width: int) -> list[Line]:
        words = f"This panel cannot be drawn: {self.broken}."
        advice = "The run goes on and ctrl+x works. Other screens: 1-5, 8."
        return [[(row, self.signs.bad)] for row in wrap(words, width)] + [plain(row) for row in wrap(advice, width)]


def waiting_lines(host: Host, width: int, *, bar: bool = False) -> list[Line]:
    """What stands in a panel before the first frame. `bar`: the one panel that shows progress as a bar."""
    board = host.board
    if board.dead is not None:
        return [plain(row) for row in wrap(f"Nothing to show: {board.dead}. q quits.", width)]
    if board.loading is not None and board.hello is not None:
        words = f"{board.loading.what} {board.loading.share * 100:.0f} %"
        if not bar:
            return [[(words[:width], host.signs.muted)]]
        words += ", Esc cancels" if host.cancels_start else ""
        return [plain(words[:width]), plain(host.signs.bar(board.loading.share, min(width, 40)))]
    if board.hello is not None or board.starting:
        words = "Starting the engine" + (", Esc cancels." if bar and host.cancels_start else ".")
        return [plain(words[:width])]
    return [plain(row) for row in wrap("No run yet. Enter picks a scenario, : lists commands.", width)]


def empty_lines(words: str, width: int, style: Style = PLAIN) -> list[Line]:
    return [[(row, style)] for row in wrap(words, width)]


def _titled(parts: Sequence[str], width: int) -> str:
    """As many parts from the left as fit; the first two are cut rather than dropped."""
    for number in range(len(parts), 2, -1):
        if len(title := "  ".join(parts[:number])) <= width:
            return title
    return "  ".join(parts[:2])[:width]


def _at(lines: Sequence[Line], row: int) -> Line | None:
    return lines[row] if 0 <= row < len(lines) else None
