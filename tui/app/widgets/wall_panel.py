"""A panel of the overview that has a screen of its own."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click

from twinstorm.tui.app.widgets.panel import Panel


class WallPanel(Panel):
    """Enter or a double click opens the screen that `opens` names, unless this is that screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", "open its screen", show=False)]
    opens: ClassVar[str] = ""
    """Mode of the application; empty: none."""

    async def action_open(self) -> None:
        if self.opens:
            await self.run_action(f"app.screen('{self.opens}')")

    async def on_click(self, event: Click) -> None:
        if event.chain > 1:
            await self.action_open()
