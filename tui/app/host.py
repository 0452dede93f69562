"""What screens and widgets may ask of the application, so that they need not import it."""

from __future__ import annotations

from typing import Any, Protocol, cast

from textual.app import App

from twinstorm.scenarios.protocol import Command
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.look import Look
from twinstorm.tui.app.signs import Signs


class Host(Protocol):
    """The application, seen from below."""

    board: Board
    room: int
    """Map cells that the engine was asked for last."""

    @property
    def look(self) -> Look: ...

    @property
    def signs(self) -> Signs: ...

    @property
    def cancels_start(self) -> bool:
        """Esc would take back the choice of a scenario."""

    @property
    def stale_s(self) -> int:
        """Whole wall seconds for which the values have been old, 0 while fresh."""

    def key(self, key_id: str) -> str:
        """The key of a binding as people see it."""

    def open_devices(self, group: str, cell: int) -> None:
        """Show the devices behind a cell, or (cell < 0) of a whole group."""

    def open_device(self, name: str) -> None:
        """Show the page of a device."""

    def start_scenario(self, name: str) -> None:
        """Start the engine with a scenario of the list."""

    def go_back(self) -> None:
        """What Esc does where nothing nearer wants it."""

    def tell(self, command: Command) -> bool:
        """Send a command; False, after saying why, if none can be sent."""

    def say(self, what: str, *, bad: bool = False) -> None:
        """One short sentence in a corner; a newer one replaces it."""


def host_of(app: App[Any]) -> Host:
    return cast("Host", app)
