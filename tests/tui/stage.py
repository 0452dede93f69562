"""The application on a headless terminal, with the scripted engine behind it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from textual.events import Key
from textual.keys import key_to_character
from textual.pilot import Pilot

from tests.tui.fake_engine import FakeEngine
from twinstorm.tui.app.app import Outcome, StormApp
from twinstorm.tui.app.look import Look
from twinstorm.tui.app.widgets.panel import Panel

ROUNDS = 6
_KEYS = {" ": "space", "/": "slash", ":": "colon", "*": "asterisk", "=": "equals_sign", "-": "minus", "@": "at",
         "[": "left_square_bracket", "]": "right_square_bracket", "#": "number_sign", ",": "comma"}  # fmt: skip
"""Textual's names of letters that are not their own."""


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
        """Until everything sent has been handled and drawn. Layout follows on a timer of the screen, hence the pause;
        after a change of screens Textual holds it back for a moment longer."""
        await self.handle()
        await self.pilot.pause()
        while self.app._batch_count and self.app.is_running and not self.app._exit:
            await self.pilot.pause()
        await self.handle()

    async def handle(self) -> None:
        """Enough rounds for the longest way: key to engine to dialog and back."""
        for _ in range(ROUNDS):
            await self.pilot.pause(0)

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, each after the one before had its effect.

        Not `Pilot.press`, which after each key waits for the process to be idle: seconds on a busy machine.
        """
        for key in keys:
            self.app.post_message(Key(key, key_to_character(key)))
            await self.handle()
        await self.settle()

    async def type(self, words: str) -> None:
        for letter in words:
            self.app.post_message(Key(_KEYS.get(letter, letter), letter))
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
