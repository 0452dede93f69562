"""A panel whose lines come from a function: details, pages, the verdict, the help."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size

from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.widgets.panel import Panel

MakeLines = Callable[[Size], list[Line]]


class TextPanel(Panel):
    """Scrolls with j k g G and the arrow keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "down", show=False),
        Binding("k", "scroll_up", "up", show=False),
        Binding("g", "scroll_home", "first line", show=False),
        Binding("G", "scroll_end", "last line", show=False),
    ]

    def __init__(
        self, make: MakeLines, *, name_of_panel: str = "", widget_id: str | None = None, focusable: bool = True
    ) -> None:
        super().__init__(widget_id=widget_id, focusable=focusable)
        self._make = make
        self.name_of_panel = name_of_panel

    def heading(self) -> tuple[str, list[str]]:
        return self.name_of_panel, []

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's signature
        return len(self._make(Size(width, viewport.height)))

    def lines(self, size: Size) -> list[Line]:
        return self._make(size)
