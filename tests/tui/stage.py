"""The application on a headless terminal, with the scripted engine behind it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from textual.pilot import Pilot

from tests.tui.fake_engine import FakeEngine
from twinstorm.tui.app.app import Outcome, StormApp
from twinstorm.tui.app.look import Look
from twinstorm.tui.app.widgets.panel import Panel


@dataclass
class Clock:
    """Wall time that stands still unless a test moves it."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Stage:
    """One running application. `screen_text` is what a person sees, a line a row."""

    app: StormApp
    engine: FakeEngine
    pilot: Pilot[Outcome]
    clock: Clock

    async def settle(self) -> None:
        """Until everything sent has been drawn."""
        for _ in range(2):
            await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, words: str) -> None:
        await self.pilot.press(*(" " if letter == " " else letter for letter in words))
        await self.settle()

    async def show(self, at_s: float, **more: Any) -> None:
        self.engine.show(at_s, **more)
        await self.settle()

    async def wait_s(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.app.look_at_clock()
        await self.settle()

    @property
    def screen_text(self) -> str:
        return screen_text(self.app)

    @property
    def toasts(self) -> list[str]:
        return [notification.message for notification in self.app._notifications]

    @property
    def broken(self) -> list[str]:
        """What went wrong in panels of all screens that are there."""
        return [panel.broken for screen in self.app.screen_stack for panel in screen.query(Panel) if panel.broken]


def screen_text(app: StormApp) -> str:
    """The letters on the terminal, from the picture that Textual would draw."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def picture(app: StormApp) -> str:
    """The screen as SVG, without what differs between two equal pictures."""
    return re.sub(r"terminal-\d+", "terminal", app.export_screenshot(simplify=True))


@asynccontextmanager
async def on_stage(
    size: tuple[int, int] = (120, 36), *, at_s: float | None = 250, look: Look | None = None, **engine: Any
) -> AsyncIterator[Stage]:
    """An application connected to a fake engine that has shown the frame of `at_s` (None: it said hello only)."""
    fake, clock = FakeEngine(**engine), Clock()
    app = StormApp(fake, look=look, clock=clock)
    async with app.run_test(size=size, notifications=True) as pilot:
        stage = Stage(app, fake, pilot, clock)
        fake.greet()
        if at_s is not None:
            fake.show(at_s)
        await stage.settle()
        yield stage
        assert stage.broken == []
