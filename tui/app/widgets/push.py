"""A push button of one line: brackets and reverse video say that it has the focus."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.widgets import Static

from twinstorm.tui.app.messages import Pushed


class Push(Static, can_focus=True):
    """`label` is shown as given; a key that does the same belongs into it, e.g. ``Inject (I)``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "push", "push", show=False),
        Binding("left", "app.focus_previous", "button before", show=False),
        Binding("right", "app.focus_next", "next button", show=False),
    ]

    def __init__(self, label: str, *, widget_id: str) -> None:
        super().__init__(Content(f"  {label}  "), id=widget_id)
        self.label = label

    def on_focus(self) -> None:
        self.update(Content(f"[ {self.label} ]"))

    def on_blur(self) -> None:
        self.update(Content(f"  {self.label}  "))

    def action_push(self) -> None:
        self.post_message(Pushed(self.id))

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(Pushed(self.id))
