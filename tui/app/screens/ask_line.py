"""One line of text: a note, a filter, the name of a device."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from twinstorm.tui.app.screens.dialog import Dialog


class AskLineDialog(Dialog[str]):
    """Enter gives the line, Esc nothing. `hint` stands below the field."""

    def __init__(self, heading: str, hint: str, value: str = "") -> None:
        super().__init__(heading)
        self._hint = hint
        self._value = value

    def inside(self) -> ComposeResult:
        yield Input(self._value, compact=True, select_on_focus=False)
        yield Static(Content(self._hint), classes="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self.hidden:
            self.dismiss(event.value.strip())
