"""One line of text: a note, a filter, the name of a device."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from twinstorm.scenarios.protocol import Answered, Command
from twinstorm.tui.app.lines import clean
from twinstorm.tui.app.messages import Replied
from twinstorm.tui.app.screens.dialog import Dialog


class AskLineDialog(Dialog[str]):
    """Enter gives the line, Esc nothing.

    Args:
        hint: stands below the field.
        order: the command that a line becomes. The dialog then stays until the engine has agreed, so that what it
            refuses can be put right instead of typed again.
    """

    def __init__(
        self, heading: str, hint: str, value: str = "", *, order: Callable[[str], Command] | None = None
    ) -> None:
        super().__init__(heading)
        self._hint = hint
        self._value = value
        self._order = order
        self._asked: Command | None = None

    def inside(self) -> ComposeResult:
        yield Input(self._value, compact=True, select_on_focus=False)
        yield Static(Content(self._hint), classes="hint")
        yield Static(id="answer", classes="answer")

    def awaits(self, answer: Answered) -> bool:
        return self._asked is not None and answer.to == type(self._asked).__name__

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        line = event.value.strip()
        if self.hidden or self._asked is not None:
            return
        if (why := self.host.board.why_not) is not None:
            self.complain(why)
        elif self._order is None:
            self.dismiss(line)
        else:
            order = self._order(line)
            if self.host.tell(order):
                self._asked = order

    def on_replied(self, event: Replied) -> None:
        self._asked = None
        if event.answer.ok:
            self.dismiss(self.query_one(Input).value.strip())
        else:
            self.complain(event.answer.text)

    def complain(self, words: str) -> None:
        """Say below the field what is wrong; the line stays as it was typed."""
        self.query_one("#answer", Static).update(Content(clean(words, ascii_only=self.host.signs.ascii)))
