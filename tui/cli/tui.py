"""`twinstorm tui`: the application on the terminal, over an engine process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinstorm.tui.cli.command import UsageError
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinstorm.scenarios.engine.server import EngineRequest
    from twinstorm.tui.app.connection import Connection
    from twinstorm.tui.cli.engine_link import EngineLink


def tui(
    talk: Talk,
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="A name in the library, or a file; absent: a list.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of all chance in the run.")] = 1,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the file. Repeatable.")
    ] = None,
    devices: Annotated[int | None, typer.Option(min=1, metavar="N", help="Size of the fleet.")] = None,
    speed: Annotated[str, typer.Option(metavar="10|max", help="Simulated seconds a second, to begin with.")] = "10",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where run folders are made.")] = Path("runs"),
    ascii_: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII signs only.")] = False,
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
        from twinstorm.scenarios.language.reader import load

        load(scenario, settings=set_ or (), devices=devices)

    from twinstorm.scenarios.engine.errors import EngineError
    from twinstorm.scenarios.engine.server import EngineRequest

    def request(name: str) -> EngineRequest:
        return EngineRequest(
            scenario=name,
            settings=list(set_ or ()),
            devices=devices,
            seed=seed,
            speed=pace,
            out=str(out),
            socket="",
        )

    try:
        return _show(talk, scenario, request, ascii_)
    except EngineError as error:
        talk.error(str(error))
        return 70


def _show(talk: Talk, scenario: str | None, request: Callable[[str], EngineRequest], ascii_only: bool) -> int:
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
        try:
            return await show()
        finally:
            for link in links:
                await link.close()

    async def show() -> int:
        look = Look.detect(os.environ, ascii_only=ascii_only)
        connection = await start(scenario) if scenario is not None else None
        app = StormApp(connection, scenarios=_choices() if scenario is None else (), start=start, look=look)
        outcome = await app.run_async()
        if outcome is None or (outcome.ended is None and outcome.dead is None):
            return 130 if links else 0
        if outcome.dead is not None:
            talk.error(f"the run stopped: {outcome.dead}", "what was recorded is in its folder under runs/")
            return 70
        assert outcome.ended is not None
        talk.data(outcome.ended.text)
        if outcome.ended.report:
            talk.data(f"report: {outcome.ended.report}")
        return outcome.ended.exit_code

    return asyncio.run(play())


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
