"""How far a long run is: a bar on a terminal, else a line every 30 s of wall time. Always on standard error."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twinstorm.tui.cli.talk import Talk, named

if TYPE_CHECKING:
    from rich.progress import Progress

    from twinstorm.scenarios.engine.rates import Rates

LINE_EVERY_S = 30.0
BAR_AFTER_S = 1.0
"""A run shorter than this never shows a bar."""


class Meter:
    """Gets the simulated instant a few times a second and shows it as the place allows."""

    def __init__(self, talk: Talk, name: str, until_us: int, wall_s: Callable[[], float] = time.monotonic) -> None:
        self._talk = talk
        self._name = name
        self._until_us = max(until_us, 1)
        self._wall_s = wall_s
        self._begun_s = self._told_s = wall_s()
        self._on_terminal = talk.err.isatty() and os.environ.get("TERM") != "dumb"
        self._bar: Progress | None = None
        self._task: Any = None
        self.rates: Rates | None = None
        """What is reached beside what is asked, for runs by the clock on the wall."""
        self._trouble_told = False

    def __call__(self, now_us: int) -> None:
        if not self._talk.progress:
            return
        now_s = self._wall_s()
        rates = "" if self.rates is None else str(self.rates)
        if self._on_terminal:
            if self._bar is None and now_s - self._begun_s >= BAR_AFTER_S:
                self._show_bar()
            if self._bar is not None:
                self._bar.update(self._task, completed=now_us, at=_clock(now_us), rates=rates)
            return
        self._tell_trouble("" if self.rates is None else self.rates.trouble)
        if now_s - self._told_s >= LINE_EVERY_S:
            self._told_s = now_s
            percent = min(now_us * 100 // self._until_us, 100)
            self._talk.complain(
                f"{self._name}: {_clock(now_us)} of {_clock(self._until_us)} simulated, {percent} %, "
                f"{now_s - self._begun_s:.0f} s" + (f"; {rates}" if rates else "")
            )

    def _tell_trouble(self, trouble: str) -> None:
        """What will end the run if it lasts cannot wait for the next line; nor can that it is over."""
        if bool(trouble) != self._trouble_told:
            self._trouble_told = bool(trouble)
            self._talk.complain(f"{self._name}: {trouble or 'the broker is back'}")

    def line(self, text: str) -> None:
        """Write a line of the run to standard output without tearing the bar apart."""
        if self._bar is None or not self._talk.out.isatty():
            self._talk.data(text)
            return
        from rich.text import Text

        # Both streams are the same terminal: the bar steps aside for what goes through its own console.
        try:
            self._bar.console.print(Text.from_ansi(text), soft_wrap=True)
        except OSError as error:
            raise named(error, self._talk.err) from error

    def close(self) -> None:
        """Take the bar away."""
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError):  # The terminal has gone, and the bar with it.
                bar.stop()

    def _show_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(file=self._talk.err, no_color=not self._talk.color_err, highlight=False)
        self._bar = Progress(
            TextColumn("{task.fields[at]}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rates]}"),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(self._name, total=self._until_us, at=_clock(0), rates="")
        self._bar.start()


def _clock(at_us: int) -> str:
    from twinstorm.scenarios.reports.words import clock

    return clock(at_us / 1e6)
