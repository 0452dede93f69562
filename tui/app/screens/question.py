"""A question with a harmless default."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from twinstorm.tui.app.messages import Pushed
from twinstorm.tui.app.screens.dialog import Dialog
from twinstorm.tui.app.widgets.push import Push


class QuestionDialog(Dialog[bool]):
    """Cancel has the focus; the other answer takes its capital letter, or tab and Enter."""

    about_run = True

    def __init__(self, heading: str, words: Sequence[str], answer: str, letter: str) -> None:
        super().__init__(heading)
        self._words = words
        self._answer = answer
        self._letter = letter
        self._bindings.bind(letter, "agree", show=False)

    def inside(self) -> ComposeResult:
        for words in self._words:
            yield Static(Content(words), classes="words")
        yield Horizontal(
            Push("Cancel", widget_id="cancel"),
            Push(f"{self._answer} ({self._letter})", widget_id="agree"),
            classes="buttons",
        )

    def on_pushed(self, event: Pushed) -> None:
        event.stop()
        if event.button == "agree":
            self.action_agree()
        else:
            self.action_cancel()

    def action_agree(self) -> None:
        if not self.hidden:
            self.dismiss(True)
