"""`twinstorm tui`: the application on the terminal, over an engine process of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.live_options import LIVE, LIVE_OPTIONS, YES, LiveAsked, read_speed
from twinstorm.tui.cli.options import DEVICES, OUT, SEED, SETTINGS, WEBHOOK_KEY, webhook_of
from twinstorm.tui.cli.signals import caught, exit_code
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.broker.url import Login
    from twinstorm.scenarios.engine.server import EngineRequest, WebhookRequest
    from twinstorm.scenarios.language.model import Scenario
    from twinstorm.tui.app.app import StormApp
    from twinstorm.tui.app.connection import Connection
    from twinstorm.tui.cli.engine_link import EngineLink


@command(
    click.Argument(
        ["scenario"], required=False, metavar="[SCENARIO]", help="A name in the library, or a file; absent: a list."
    ),
    click.Option(["--seed"], type=SEED, default=1, metavar="N", help="Of all chance in the run."),
    SETTINGS,
    DEVICES,
    LIVE,
    click.Option(
        ["--speed"], metavar="10|max", help="Simulated seconds a second: to begin with 10, or live all the time 1."
    ),
    *LIVE_OPTIONS,
    click.Option(["--webhook"], metavar="URL", help="Send alarms there while it runs, as Alertmanager does."),
    WEBHOOK_KEY,
    YES,
    OUT,
    click.Option(["--ascii", "ascii_only"], is_flag=True, help="Draw with ASCII signs only."),
)
def tui(
    talk: Talk,
    scenario: str | None,
    seed: int,
    settings: tuple[str, ...],
    devices: int | None,
    live: bool,
    speed: str | None,
    broker: str | None,
    credentials: Path | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    tls: bool,
    max_connects_per_s: int | None,
    webhook: str | None,
    webhook_key: Path | None,
    yes: bool,
    out: Path,
    ascii_only: bool,
) -> int:
    """Watch a scenario and put hands on it.

    \b
      twinstorm tui
      twinstorm tui reboot-storm --seed 42
      twinstorm tui reboot-storm --speed max --ascii
      twinstorm tui reboot-storm --live --devices 200 --speed 10
      twinstorm tui reboot-storm --live --devices 100 --broker mqtt://127.0.0.1:1883
      twinstorm tui reboot-storm --webhook http://127.0.0.1:9000/alarms
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("`tui` needs a terminal", "without one: twinstorm run SCENARIO")
    pace = read_speed(speed, live, absent=10.0)
    how = LiveAsked(live, broker, credentials, ca, cert, key, tls, max_connects_per_s, yes)
    login, _ = how.access()
    hook = None if webhook is None else _told_at(webhook, webhook_key, anywhere=yes)
    seat = _Seat(how, login, seed, settings, devices, pace, speed, out, hook)
    if scenario is not None:
        # What is wrong with the file or the options is said here, before the screen is taken.
        from twinstorm.scenarios.engine.memory import refuse_what_cannot_fit

        refuse_what_cannot_fit(seat.checked(scenario))

    from twinstorm.scenarios.engine.errors import EngineError

    try:
        return _show(talk, scenario, seat, ascii_only)
    except EngineError as error:
        talk.error(str(error))
        return 70


@dataclass(frozen=True)
class _Seat:
    """What was asked for on the command line, for whichever scenario is chosen."""

    how: LiveAsked
    login: Login | None
    seed: int
    settings: tuple[str, ...]
    devices: int | None
    pace: float
    speed: str | None
    out: Path
    hook: WebhookRequest | None

    def checked(self, name: str) -> Scenario:
        """The scenario.

        Raises:
            ScenarioErrors: it is wrong.
            BadRequest: it cannot be played as asked, whoever consents.
        """
        from twinstorm.scenarios.engine.errors import BadRequest
        from twinstorm.scenarios.language.reader import load

        scenario = load(name, self.settings, self.devices)
        if wrong := self.how.problems(scenario, self.pace, yes=True):
            raise BadRequest("\n".join(wrong))
        return scenario

    def asks(self, name: str) -> list[str]:
        """What somebody has to consent to first."""
        return self.how.problems(self.checked(name), self.pace)

    def request(self, name: str, *, yes: bool) -> EngineRequest:
        from twinstorm.scenarios.engine.server import EngineRequest, LiveRequest

        how, login = replace(self.how, yes=yes), self.login
        live = LiveRequest(
            broker_url=how.broker,
            login=login is not None,
            user=None if login is None else login.user,
            password=None if login is None else login.password,
            ca=None if how.ca is None else str(how.ca),
            certificate=None if how.cert is None else str(how.cert),
            key=None if how.key is None else str(how.key),
            tls=how.tls,
            yes=how.yes,
            max_connects_per_s=how.max_connects_per_s,
            words=how.words(self.speed),
        )
        return EngineRequest(
            scenario=name,
            settings=list(self.settings),
            devices=self.devices,
            seed=self.seed,
            speed=self.pace,
            out=str(self.out),
            live=live if how.live else None,
            webhook=self.hook,
            socket="",
        )


def _told_at(url: str, key: Path | None, *, anywhere: bool) -> WebhookRequest:
    """Where the engine sends alarms.

    Raises:
        UsageError: nothing may be sent there, or the key cannot be read.
    """
    from twinstorm.scenarios.engine.server import WebhookRequest

    webhook_of(url, key, anywhere=anywhere)
    return WebhookRequest(url=url, key=None if key is None else key.read_bytes().strip(), anywhere=anywhere)


def _show(talk: Talk, scenario: str | None, seat: _Seat, ascii_only: bool) -> int:
    import asyncio

    from twinstorm.tui.app.app import StormApp
    from twinstorm.tui.app.look import Look
    from twinstorm.tui.cli.engine_link import EngineLink

    links: list[EngineLink] = []

    async def start(name: str) -> Connection:
        # Who starts something with reasons to ask has been asked.
        yes = seat.how.yes or bool(seat.asks(name))
        link = await EngineLink.start(seat.request(name, yes=yes))
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
        is_asked = scenario is not None and bool(seat.asks(scenario))
        connection = await start(scenario) if scenario is not None and not is_asked else None
        choices = _choices([scenario] if is_asked and scenario else None) if connection is None else ()
        app = StormApp(
            connection,
            scenarios=choices,
            start=start,
            asks=seat.asks,
            first=scenario if is_asked and scenario else "",
            look=look,
        )
        leaving.through(app)
        outcome = await app.run_async()
        if leaving.code:
            return leaving.code
        if outcome is None or (outcome.ended is None and outcome.dead is None):
            return 130 if links else 2 if is_asked else 0
        if outcome.dead is not None:
            talk.error(f"the run stopped: {outcome.dead}", f"what was recorded is in its folder under {seat.out}/")
            return 70
        assert outcome.ended is not None
        if outcome.ended.ended == "failed":
            talk.error(outcome.ended.text, f"what was recorded is in its folder under {seat.out}/")
        else:
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


def _choices(names: Sequence[str] | None = None) -> list[tuple[str, str, str]]:
    """To choose from; None: the library."""
    from twinstorm.scenarios.language.reader import library_names, load

    found = library_names() if names is None else names
    scenarios = [(name, load(name)) for name in found]
    return [(each.name if names is None else name, each.title or each.name, each.story) for name, each in scenarios]
