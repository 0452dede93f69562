"""Options of a live run, for every command that can start one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.broker_access import OPTIONS as BROKER_OPTIONS
from twinstorm.tui.cli.broker_access import access
from twinstorm.tui.cli.command import UsageError

if TYPE_CHECKING:
    from twinstorm.broker.tls import ClientTls
    from twinstorm.broker.url import Login
    from twinstorm.scenarios.language.model import Scenario

LIVE = click.Option(["--live"], is_flag=True, help="Real sockets and wall time, over MQTT.")
LIVE_OPTIONS = (
    *BROKER_OPTIONS,
    click.Option(["--tls"], is_flag=True, help="With --live: over TLS, a certificate each, made for this run."),
    click.Option(
        ["--max-connects-per-s"],
        type=click.IntRange(min=1, max=2_000),
        metavar="N",
        help="With --live: the fleet never asks for more in any second.",
    ),
)
YES = click.Option(["--yes"], is_flag=True, help="Broker and webhook may be other machines, and the load large.")


@dataclass(frozen=True)
class LiveAsked:
    """What these options say, `--yes` and `--hold-open` among them."""

    live: bool
    broker: str | None
    credentials: Path | None
    ca: Path | None
    cert: Path | None
    key: Path | None
    tls: bool
    max_connects_per_s: int | None
    yes: bool
    hold_open: bool = False

    def access(self) -> tuple[Login | None, ClientTls]:
        """See `broker_access.access`."""
        return access(self.broker, self.credentials, self.ca, self.cert, self.key)

    def problems(self, scenario: Scenario, speed: float, *, yes: bool | None = None) -> list[str]:
        """What is wrong with asking for this run, a sentence each.

        Args:
            yes: other than the option says; None: as it says.
        """
        from twinstorm.scenarios.engine.live_checks import problems

        return problems(
            scenario,
            live=self.live,
            speed=speed,
            broker_url=self.broker,
            hold_open=self.hold_open,
            yes=self.yes if yes is None else yes,
            tls=self.tls,
            max_connects_per_s=self.max_connects_per_s,
        )

    def words(self, speed: str | None) -> list[str]:
        """As they stand on a command line."""
        files: Mapping[str, Path | None] = {
            "--credentials": self.credentials,
            "--ca": self.ca,
            "--cert": self.cert,
            "--key": self.key,
        }
        words = ["--live"] if self.live else []
        words += ["--speed", speed] if speed else []
        words += ["--broker", self.broker] if self.broker else []
        for option, path in files.items():
            words += [] if path is None else [option, str(path)]
        words += ["--tls"] if self.tls else []
        words += ["--max-connects-per-s", str(self.max_connects_per_s)] if self.max_connects_per_s else []
        return words + (["--hold-open"] if self.hold_open else []) + (["--yes"] if self.yes else [])


def read_speed(text: str | None, live: bool, absent: float) -> float:
    """Simulated seconds a wall second; 0: as fast as it can.

    Args:
        absent: without the option, in virtual time; live it is 1 then.

    Raises:
        UsageError: it is none, or not one for a live run.
    """
    if text is None:
        return 1.0 if live else absent
    if text == "max":
        if live:
            raise UsageError(
                "--speed max needs a virtual run: --live keeps wall time", "give a number, e.g. --speed 10"
            )
        return 0.0
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1e6:
        raise UsageError(f"--speed `{text}` is not a speed", "a number above 0, e.g. 10, or max")
    return speed
