"""Options of `twinstorm broker` that limit what a client may ask; ``docs/broker.md`` says what becomes of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from twinstorm.tui.cli.command import UsageError
from twinstorm.tui.cli.options import read, read_duration

if TYPE_CHECKING:
    from fractions import Fraction

    from twinstorm.broker.limits import Limits

_SIZES = {
    "max_packet": ("packet_bytes", "1 MiB", "Longest packet; a longer one ends its connection."),
    "max_queue_bytes": ("queue_bytes", "64 MiB", "What waits for a client; the newest beyond it is dropped."),
    "max_offline_bytes": ("offline_bytes", "16 MiB", "The same for a client that is away."),
}
_COUNTS = {
    "max_inflight": ("in_flight", "256", "Messages that a client has not acknowledged; more wait."),
    "max_queue": ("queue_messages", "50000", "Messages that wait for a client; the newest beyond are dropped."),
    "max_offline": ("offline_messages", "1000", "The same for a client that is away."),
}
_RATES = {
    "max_connects": ("connects", "Connects of all clients, e.g. 100/s; more are refused."),
    "max_publishes": ("publishes", "Messages from each client, e.g. 50/s; it is read no faster."),
}
_TIMES = {
    "connect_within": ("connect_s", "10s", "From connecting to the whole CONNECT."),
    "drain_within": ("drain_s", "30s", "A client that takes nothing for so long is cut."),
}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


OPTIONS = (
    *(
        click.Option([_option(name)], metavar=like, help=text)
        for name, (_, like, text) in (*_SIZES.items(), *_COUNTS.items(), *_TIMES.items())
    ),
    *(click.Option([_option(name)], metavar="RATE", help=text) for name, (_, text) in _RATES.items()),
)


def read_limits(asked: Mapping[str, str | None]) -> Limits:
    """The limits that were asked for, the usual ones beside.

    Raises:
        UsageError: a value is none, or lets nothing through.
    """
    from twinstorm.broker.limits import Limits
    from twinstorm.scenarios.language.values import bytes_of, whole

    found: dict[str, Any] = {}
    for name, (field, _, _) in _SIZES.items():
        if (text := asked[name]) is not None:
            found[field] = int(read(_option(name), text, bytes_of))
    for name, (field, _, _) in _COUNTS.items():
        if (text := asked[name]) is not None:
            found[field] = read(_option(name), text, whole)
    for name, (field, _, _) in _TIMES.items():
        if (us := read_duration(_option(name), asked[name])) is not None:
            found[field] = us / 1e6
    for name, (field, _) in _RATES.items():
        if (text := asked[name]) is not None:
            per_s = _rate(_option(name), text)
            found[f"{field}_per_s"], found[f"{field}_burst"] = per_s, max(1, int(per_s))
    try:
        return Limits(**found)
    except ValueError as error:
        raise UsageError(str(error), "leave the option out for the usual limit") from error


def _rate(option: str, text: str) -> Fraction:
    from twinstorm.scenarios.language.values import rate

    found = read(option, text, rate)
    if found.of_fleet or not found.per_s:
        raise UsageError(f"{option}: `{text}` is no rate of a single client or broker", "such as 100/s")
    return found.per_s
