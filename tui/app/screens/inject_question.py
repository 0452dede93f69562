"""Injection, last step: the question. Enter alone injects nothing."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Key
from textual.geometry import Size
from textual.widgets import Input, Static

from twinstorm.scenarios.protocol import FaultInfo, Frame
from twinstorm.tui.app import numbers
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.lines import PLAIN, Line, ends, plain, wrap
from twinstorm.tui.app.messages import Pushed
from twinstorm.tui.app.screens.dialog import Dialog
from twinstorm.tui.app.screens.inject_form import Prepared
from twinstorm.tui.app.widgets.push import Push
from twinstorm.tui.app.widgets.text_panel import TextPanel

TYPE_OVER = 0.25
"""Share of the fleet above which the number of devices has to be typed."""


class InjectQuestionDialog(Dialog[bool]):
    """Cancel has the focus. `I` injects; or, if it is much or for good, the number of devices, typed, and Enter."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("I", "inject", "inject", show=False)]
    about_faults = about_run = True

    def __init__(self, fault: FaultInfo, prepared: Prepared, devices: int) -> None:
        super().__init__(f"Inject: {fault.name}")
        self._fault = fault
        self._prepared = prepared
        self.must_type = not fault.survivable or prepared.reach > TYPE_OVER * devices

    def inside(self) -> ComposeResult:
        yield TextPanel(self._lines, widget_id="facts", focusable=False)
        if self.must_type:
            words = (
                "Devices do not survive this" if not self._fault.survivable else "That is over a quarter of the fleet"
            )
            yield Static(Content(f"{words}: type the number of devices, then Enter."), classes="words")
            number = Input(
                placeholder="." * len(numbers.count(self._prepared.reach)),
                compact=True,
                id="number",
                restrict=r"[0-9,]*",
                select_on_focus=False,
            )
            yield Horizontal(Static(Content("number >"), classes="prompt"), number, classes="field")
            yield Static(id="answer", classes="answer")
        label = "Inject" if self.must_type else "Inject (I)"
        yield Horizontal(Push("Cancel", widget_id="cancel"), Push(label, widget_id="inject"), classes="buttons")

    def on_mount(self) -> None:
        self.query_one("#cancel", Push).focus()

    def on_key(self, event: Key) -> None:
        """A digit goes into the field, wherever the focus is."""
        if self.must_type and event.character is not None and event.character.isdigit():
            field = self.query_one("#number", Input)
            if not field.has_focus:
                event.stop()
                field.focus()
                field.insert_text_at_cursor(event.character)

    def on_pushed(self, event: Pushed) -> None:
        event.stop()
        if event.button == "inject":
            self._confirm()
        else:
            self.action_cancel()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._confirm()

    def action_inject(self) -> None:
        if not self.must_type:
            self._confirm()

    def _confirm(self) -> None:
        if self.hidden:
            return
        if self.must_type:
            typed = self.query_one("#number", Input).value.replace(",", "")
            if typed != str(self._prepared.reach):
                wanted = numbers.count(self._prepared.reach)
                self.query_one("#answer", Static).update(Content(f"It is not that number: {wanted} would be hit."))
                return
        self.dismiss(True)

    def _lines(self, size: Size) -> list[Line]:
        width = size.width
        board, order = self.host.board, self._prepared.order
        made: list[Line] = []

        def say(name: str, words: str, right: str = "") -> None:
            first, *rest = wrap(words, width - 9) or [""]
            made.append(ends([(f"{name:<9}", self.host.signs.muted), (first, PLAIN)], plain(right), width))
            made.extend(plain(" " * 9 + line) for line in rest)

        reach = self._prepared.reach
        say("target", order.target or "the broker", _reach_words(reach, board.devices) if reach else "")
        say(
            "lasts",
            f"{numbers.duration(order.lasts_us)}, then ends by itself" if order.lasts_us else "until you end it",
        )
        for name, value in order.settings.items():
            say(name, value)
        say("now", now_words(board))
        say("stops", f"{self.host.key('fault.end')} ends it, {self.host.key('fault.abort')} ends everything")
        return made


def _reach_words(reach: int, devices: int) -> str:
    return f"{numbers.count(reach)} device{'' if reach == 1 else 's'} ({numbers.share(reach, devices)})"


def now_words(board: Board) -> str:
    """How the fleet is before the fault: what a person must know to start another one."""
    frame: Frame | None = board.frame
    if frame is None:
        return "no frame yet"
    worst = board.worst_objective()
    parts = [f"{worst.name} {numbers.value(worst.value, worst.unit)} ({worst.verdict})"] if worst is not None else []
    faults = len(frame.faults)
    parts.append("no other fault" if not faults else f"{faults} other fault{'s' if faults > 1 else ''} active")
    opened = sum(row.state != "resolved" for row in frame.incidents)
    parts.append("no open incident" if not opened else f"{opened} open incident{'s' if opened > 1 else ''}")
    return ", ".join(parts)
