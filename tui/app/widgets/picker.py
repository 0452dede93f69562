"""One of a few words, chosen with the arrow keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.widgets import Static

from twinstorm.tui.app.messages import Picked


class Picker(Static, can_focus=True):
    """Shows ``< both >``; left and right (and a click) go round."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "turn(1)", "next choice", show=False),
        Binding("left", "turn(-1)", "choice before", show=False),
    ]

    def __init__(self, choices: Sequence[str], value: str, *, widget_id: str) -> None:
        self.choices = list(choices)
        self.value = value if value in self.choices else self.choices[0]
        super().__init__(self._content(), id=widget_id)

    def _content(self) -> Content:
        place = self.choices.index(self.value) + 1
        return Content(f"< {self.value} >  {place} of {len(self.choices)}")

    def action_turn(self, steps: int) -> None:
        self.value = self.choices[(self.choices.index(self.value) + steps) % len(self.choices)]
        self.update(self._content())
        self.post_message(Picked(self.id, self.value))

    def on_click(self, event: Click) -> None:
        event.stop()
        self.action_turn(1)
