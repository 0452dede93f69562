"""What every dialog has: a box, Esc, and the promise that the harmless answer is the default."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from twinstorm.scenarios.protocol import Answered
from twinstorm.tui.app.host import Host, host_of
from twinstorm.tui.app.lines import clean
from twinstorm.tui.app.sizes import SizeClass
from twinstorm.tui.app.widgets.fault_row import FaultRow
from twinstorm.tui.app.widgets.panel import Panel
from twinstorm.tui.app.widgets.small_notice import SmallNotice
from twinstorm.tui.app.widgets.state_row import StateRow

Answer = TypeVar("Answer")


ROWS_ABOVE = 2
"""State row and fault row: a box never covers them, nor the row that a live run has more."""


class Dialog(ModalScreen[Answer | None]):
    """Subclasses give `inside`; Esc dismisses with None. ctrl+x works, since the application binds it with priority,
    and the state and fault rows stay above the box, undimmed.

    In a terminal that is too small the box gives way to the notice, so that nobody answers a question half seen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "close", show=False)]
    about_faults: ClassVar[bool] = False
    """True for dialogs that lead to a fault: an abort closes them."""
    about_run: ClassVar[bool] = False
    """True for questions that make sense only while the run goes on: its end closes them."""

    def __init__(self, heading: str) -> None:
        super().__init__()
        self._heading = heading

    @property
    def host(self) -> Host:
        return host_of(self.app)

    def compose(self) -> ComposeResult:
        yield Vertical(StateRow(), FaultRow(), id="rows")
        yield Vertical(*self.inside(), id="box")
        yield SmallNotice("A dialog is open: Esc closes it.")

    def inside(self) -> ComposeResult:
        raise NotImplementedError

    def on_mount(self) -> None:
        box = self.query_one("#box")
        box.border_title = Content(clean(self._heading, ascii_only=self.host.signs.ascii))
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        size = self.app.size
        self.update_classes(SizeClass.of(size.width, size.height).classes)
        self.query_one("#box").styles.max_height = max(size.height - ROWS_ABOVE - self.host.board.is_live, 1)
        self.call_after_refresh(self.renew)

    def awaits(self, answer: Answered) -> bool:  # noqa: ARG002 - for those who ask the engine
        """The engine's answer belongs to this dialog."""
        return False

    @property
    def hidden(self) -> bool:
        """The notice stands in place of the box: only Esc and ctrl+x count."""
        return self.has_class("-too-small")

    def renew(self) -> None:
        for panel in self.query(Panel):
            panel.renew()

    def action_cancel(self) -> None:
        self.dismiss(None)
