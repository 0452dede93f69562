"""Text over the screen: help, verdict."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from twinstorm.tui.app.screens.dialog import Dialog
from twinstorm.tui.app.widgets.text_panel import MakeLines, TextPanel


class TextDialog(Dialog[None]):
    """Scrolls; Esc, Enter and the key that opened it close it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,question_mark,f1", "cancel", "close", show=False),
        Binding("q", "app.quit", "quit", show=False),
    ]

    def __init__(self, heading: str, make: MakeLines) -> None:
        super().__init__(heading)
        self._make = make

    def inside(self) -> ComposeResult:
        yield TextPanel(self._make, widget_id="text")
