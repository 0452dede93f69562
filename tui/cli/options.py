"""Options that several commands take. Those that every command takes are in `command`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from twinstorm.tui.cli.command import UsageError

if TYPE_CHECKING:
    from twinstorm.scenarios.webhook import Webhook

T = TypeVar("T")


class _Positive(click.FloatRange):
    """A number above 0 that is one: what is infinite, or none, would be passed by nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number above 0.", param, ctx)
        return number


POSITIVE = _Positive(0, min_open=True)

SCENARIOS = click.Argument(
    ["scenarios"], nargs=-1, required=True, metavar="SCENARIO...", help="Names in the library, or files."
)
SETTINGS = click.Option(
    ["--set", "settings"], multiple=True, metavar="PATH=VALUE", help="Change a value of the file. Repeatable."
)
DEVICES = click.Option(["--devices"], type=click.IntRange(min=1), metavar="N", help="Size of the fleet.")
WEBHOOK_KEY = click.Option(
    ["--webhook-key"],
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Holds the key that signs them (HMAC-SHA256).",
)
OUT = click.Option(
    ["--out"],
    type=click.Path(path_type=Path),
    default=Path("runs"),
    metavar="DIR",
    help="Where run folders are made.",
)
SEED = click.IntRange(0, (1 << 63) - 1)
"""What a record can hold."""
JSON = click.Option(["--json"], is_flag=True, help="One document on standard output.")


def must_be_writable(path: str | Path | None) -> None:
    """A wrong path is found before the work, not after it.

    Raises:
        UsageError: there is no such folder, or the path is one.
    """
    if path is None:
        return
    folder = Path(path).parent
    if not folder.is_dir():
        raise UsageError(f"cannot write {path}: {folder} is not a folder")
    if Path(path).is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")


def read_duration(option: str, text: str | None, *, or_none: bool = False) -> int | None:
    """Microseconds of ``30min``; None without the option.

    Args:
        or_none: `0 s` will do.

    Raises:
        UsageError: it is no duration, or none without `or_none`.
    """
    if text is None:
        return None
    from twinstorm.scenarios.language.values import duration

    found = read(option, text, duration)
    if found < 0 or (found == 0 and not or_none):
        raise UsageError(f"{option}: `{text}` is no time at all")
    return found


def read_share(option: str, text: str) -> float:
    """0..1 of ``60%``, as scenarios write it.

    Raises:
        UsageError: it is no share.
    """
    from twinstorm.scenarios.language.values import share

    return float(read(option, text, share))


def read(option: str, text: str, parse: Callable[[str], T]) -> T:
    """What a value of a scenario would be.

    Raises:
        UsageError: it is none, in the words of the language.
    """
    from twinstorm.scenarios.language.errors import Refused

    try:
        return parse(text.strip())
    except Refused as refused:
        raise UsageError(f"{option}: {refused.message}", refused.hint) from refused


def webhook_of(url: str, key: Path | None, *, anywhere: bool) -> Webhook:
    """Where alarms are sent.

    Args:
        key: file with what signs them.
        anywhere: somebody agreed to another machine than this one.

    Raises:
        UsageError: nothing may be sent there, or the key cannot be read.
    """
    from twinstorm.scenarios.webhook import Webhook

    try:
        return Webhook(url, None if key is None else key.read_bytes().strip(), anywhere=anywhere)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"the key in {key} cannot be read: {error.strerror}") from error
