"""What every screen has: state row, fault row, a body, the key row, and a notice where the terminal is too small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen

from twinstorm.tui.app.host import Host, host_of
from twinstorm.tui.app.keys import SCREENS
from twinstorm.tui.app.messages import CellOpened, CursorMoved
from twinstorm.tui.app.rows import newest_injected
from twinstorm.tui.app.sizes import SizeClass
from twinstorm.tui.app.widgets.fault_row import FaultRow
from twinstorm.tui.app.widgets.key_row import KeyRow, KeyWords
from twinstorm.tui.app.widgets.panel import Panel
from twinstorm.tui.app.widgets.small_notice import SmallNotice
from twinstorm.tui.app.widgets.state_row import StateRow


class BaseScreen(Screen[None]):
    """Subclasses give `body`, and `keys_here` for the key row and the help."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.back", "back, close, clear", show=False)]
    TITLE_HERE = ""
    """Name of the screen in the help."""

    @property
    def host(self) -> Host:
        return host_of(self.app)

    def compose(self) -> ComposeResult:
        yield StateRow()
        yield FaultRow()
        yield Container(*self.body(), id="body")
        yield SmallNotice()
        yield KeyRow(self._key_words)

    def body(self) -> ComposeResult:
        """Widgets between the rows."""
        raise NotImplementedError

    def keys_here(self) -> KeyWords:
        """Keys that belong to this screen alone."""
        return ()

    def target(self) -> str:
        """Selector that injection starts with: what the cursor stands on."""
        return ""

    def renew(self) -> None:
        """Show what the board knows now."""
        for panel in self.query(Panel):
            panel.renew()

    @property
    def zoomed(self) -> bool:
        """One panel has the whole body."""
        return self.has_class("-zoom")

    def zoom(self) -> bool:
        """Give the panel with the focus the whole body, or take it back; False if no panel has the focus.

        Not Textual's maximizing: that puts the state row below the panel.
        """
        panel = self.focused
        if not self.zoomed and not isinstance(panel, Panel):
            return False
        zoomed = self.toggle_class("-zoom").zoomed
        for widget in self.query("#body *"):
            widget.set_class(zoomed and widget is panel, "-zoomed")
            widget.set_class(zoomed and panel is not None and widget in panel.ancestors, "-holds")
        self.call_after_refresh(self.renew)
        return True

    # --- life: Textual calls the `on_` methods of each class of a screen, so subclasses must not call these -----------

    def on_mount(self) -> None:
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def on_screen_resume(self) -> None:
        self._fit()
        self.call_after_refresh(self.renew)

    def _fit(self) -> None:
        size = self.app.size
        self.update_classes(SizeClass.of(size.width, size.height).classes)
        self.call_after_refresh(self.renew)

    def on_cell_opened(self, event: CellOpened) -> None:
        event.stop()
        self.host.open_devices(event.group, event.cell)

    def on_cursor_moved(self, event: CursorMoved) -> None:
        event.stop()

    def _key_words(self) -> tuple[KeyWords, KeyWords, str]:
        host = self.host
        always = [
            (host.key("help.keys"), "help", "app.keys"),
            (host.key("help.commands"), "commands", "app.palette"),
            (host.key("app.quit"), "quit", "app.quit"),
        ]
        screens = f"{_ranges(self._screens())} screens" if host.board.hello is not None else ""
        return always, [*self.keys_here(), *self._run_keys()], screens

    def _screens(self) -> list[str]:
        """Keys of the screens that have something to show; the others answer, and say why they are empty."""
        frame = self.host.board.frame
        streams = frame is not None and frame.has_streams
        return [key for key, (mode, _) in SCREENS.items() if streams or mode != "streams"]

    def _run_keys(self) -> list[tuple[str, str, str]]:
        host = self.host
        frame = host.board.frame
        if frame is None or not host.board.goes_on:
            return []
        paused = frame.state == "paused"
        live = host.board.is_live  # Nothing but its end stops it, and it has one speed.
        words = [] if live else [(host.key("run.pause"), "resume" if paused else "pause", "app.pause")]
        if paused:
            words.append((host.key("run.step"), "1 s on", "app.step"))
        if newest_injected(frame) is not None:
            words.append((host.key("fault.end"), "end fault", "app.end_newest"))
        words.append((host.key("fault.inject"), "inject" if frame.armed else "arm again", "app.inject"))
        if frame.filter:
            words.append(("Esc", "all devices", "app.back"))
        words.append((host.key("note.add"), "note", "app.note"))
        if not live:
            words.append((host.key("run.faster") + host.key("run.slower"), "speed", "app.speed(1)"))
        words.append((host.key("filter.set"), "filter", "app.filter"))
        words.append((host.key("view.zoom"), "zoom", "app.zoom"))
        return words


def _ranges(digits: Sequence[str]) -> str:
    """``1-5 8 0`` of ``1 2 3 4 5 8 0``."""
    runs: list[list[int]] = []
    for digit in map(int, digits):
        if runs and digit == runs[-1][-1] + 1:
            runs[-1].append(digit)
        else:
            runs.append([digit])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else " ".join(map(str, run)) for run in runs)
