"""`twinstorm tui`: the application on the terminal, over an engine process of its own."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import DEVICES, OUT, SETTINGS
from twinstorm.tui.cli.signals import caught, exit_code
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinstorm.scenarios.engine.server import EngineRequest
    from twinstorm.tui.app.app import StormApp
    from twinstorm.tui.app.connection import Connection
    from twinstorm.tui.cli.engine_link import EngineLink


@command(
    click.Argument(
        ["scenario"], required=False, metavar="[SCENARIO]", help="A name in the library, or a file; absent: a list."
    ),
    click.Option(["--seed"], type=click.IntRange(min=0), default=1, metavar="N", help="Of all chance in the run."),
    SETTINGS,
    DEVICES,
    click.Option(["--speed"], default="10", metavar="10|max", help="Simulated seconds a second, to begin with."),
    OUT,
    click.Option(["--ascii", "ascii_only"], is_flag=True, help="Draw with ASCII signs only."),
)
def tui(
    talk: Talk,
    scenario: str | None,
    seed: int,
    settings: tuple[str, ...],
    devices: int | None,
    speed: str,
    out: Path,
    ascii_only: bool,
) -> int:
    """Watch a scenario and put hands on it.

    \b
      twinstorm tui
      twinstorm tui reboot-storm --seed 42
      twinstorm tui reboot-storm --speed max --ascii
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("`tui` needs a terminal", "without one: twinstorm run SCENARIO")
    pace = _pace(speed)
    if scenario is not None:
        # What is wrong with the file is said here, before the screen is taken.
        from twinstorm.scenarios.engine.memory import refuse_what_cannot_fit
        from twinstorm.scenarios.language.reader import load

        refuse_what_cannot_fit(load(scenario, settings, devices))

    from twinstorm.scenarios.engine.errors import EngineError
    from twinstorm.scenarios.engine.server import EngineRequest

    def request(name: str) -> EngineRequest:
        return EngineRequest(
            scenario=name,
            settings=list(settings),
            devices=devices,
            seed=seed,
            speed=pace,
            out=str(out),
            socket="",
        )

    try:
        return _show(talk, scenario, request, out, ascii_only)
    except EngineError as error:
        talk.error(str(error))
        return 70


def _show(
    talk: Talk, scenario: str | None, request: Callable[[str], EngineRequest], out: Path, ascii_only: bool
) -> int:
    import asyncio

    from twinstorm.tui.app.app import StormApp
    from twinstorm.tui.app.look import Look
    from twinstorm.tui.cli.engine_link import EngineLink

    links: list[EngineLink] = []

    async def start(name: str) -> Connection:
        link = await EngineLink.start(request(name))
        links.append(link)
        return link

    async def play() -> int:
        leaving = Leaving()
        try:
            return await show(leaving)
        except asyncio.CancelledError:
            if not leaving.code:
                raise
            return leaving.code
        finally:
            for link in links:
                await link.close()

    async def show(leaving: Leaving) -> int:
        look = Look.detect(os.environ, ascii_only=ascii_only)
        connection = await start(scenario) if scenario is not None else None
        app = StormApp(connection, scenarios=_choices() if scenario is None else (), start=start, look=look)
        leaving.through(app)
        outcome = await app.run_async()
        if leaving.code:
            return leaving.code
        if outcome is None or (outcome.ended is None and outcome.dead is None):
            return 130 if links else 0
        if outcome.dead is not None:
            talk.error(f"the run stopped: {outcome.dead}", f"what was recorded is in its folder under {out}/")
            return 70
        assert outcome.ended is not None
        talk.data(outcome.ended.text)
        return outcome.ended.exit_code

    return asyncio.run(play())


class Leaving:
    """SIGTERM and the end of the terminal leave the application as people do: screen restored, engine ended.

    Attributes:
        code: exit code of the signal that came; 0 without one.
    """

    def __init__(self) -> None:
        import asyncio

        self.code = 0
        self._app: StormApp | None = None
        self._task = asyncio.current_task()
        for number in caught():
            if number != signal.SIGINT:  # A key of the application.
                asyncio.get_running_loop().add_signal_handler(number, self._leave, number)

    def through(self, app: StormApp) -> None:
        """From now on this is what has to end."""
        self._app = app

    def _leave(self, number: int) -> None:
        if self.code:
            return
        self.code = exit_code(number)
        if self._app is not None and self._app.is_running:
            self._app.exit()
        elif self._task is not None:
            self._task.cancel()


def _choices() -> list[tuple[str, str, str]]:
    from twinstorm.scenarios.language.reader import library_names, load

    scenarios = [load(name) for name in library_names()]
    return [(each.name, each.title or each.name, each.story) for each in scenarios]


def _pace(text: str) -> float:
    if text == "max":
        return 0.0
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if speed <= 0:
        raise UsageError(f"--speed `{text}` is not a speed", "a number above 0, e.g. 10, or max")
    return speed
