"""`twinstorm calibrate`: what a broker costs, as constants that a scenario can have."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.scenarios.reports.words import number
from twinstorm.tui.cli.broker_access import login_for
from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import JSON, must_be_writable
from twinstorm.tui.cli.signals import Interruption
from twinstorm.tui.cli.talk import Talk, write_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinstorm.broker.calibration import Effort, Figure, Target

SCHEMA = "twinstorm/calibration/1"
QUEUE = 1_000
"""Messages that wait for a subscriber before the rest is lost: Mosquitto's own default, and near that of others."""
PATH = click.Path(path_type=Path)


@command(
    click.Option(["--broker", "url"], metavar="URL", help="mqtt://[USER@]HOST[:PORT]; absent: the embedded one."),
    click.Option(["--credentials"], type=PATH, metavar="FILE", help="With --broker: name and password, a line."),
    click.Option(["--tls-port"], type=click.IntRange(1, 65_535), metavar="N", help="Of that broker: TLS as well."),
    click.Option(["--ca"], type=PATH, metavar="FILE", help="With --tls-port: who vouches for the broker."),
    click.Option(["--cert"], type=PATH, metavar="FILE", help="With --tls-port: our certificate and key, in one file."),
    click.Option(["--out"], type=PATH, metavar="FILE", help="Write the constants there, as part of a scenario."),
    click.Option(["--quick"], is_flag=True, help="Few and short samples: a few seconds, rough figures."),
    click.Option(["--yes"], is_flag=True, help="With --broker: it may get as much as it can take."),
    JSON,
)
def calibrate(
    talk: Talk,
    url: str | None,
    credentials: Path | None,
    tls_port: int | None,
    ca: Path | None,
    cert: Path | None,
    out: Path | None,
    quick: bool,
    yes: bool,
    json: bool,
) -> int:
    """Measure what a broker costs, for scenarios that model it.

    \b
      twinstorm calibrate
      twinstorm calibrate --yes --broker mqtt://127.0.0.1:1883 --out mine.yaml
      twinstorm calibrate --yes --broker mqtt://127.0.0.1:1883 --tls-port 8883 --ca ca.pem

    Connects and messages a second are those that it can just do, so nobody else should be using it: about a minute, at
    most four. What is printed last is the `broker` of a scenario; `--set broker.handshake=...` does the same.

    Exit: 0 measured, 2 command line wrong, 4 broker not available, 130 after Ctrl+C.
    """
    must_be_writable(out)
    if url is None and credentials is not None:
        raise UsageError("the embedded broker makes its own passwords", "leave --credentials out")
    if url is None and (tls_port or ca or cert):
        raise UsageError("the embedded broker has certificates of its own", "leave --tls-port, --ca and --cert out")
    if (tls_port is None) is not (ca is None):
        raise UsageError("TLS takes --tls-port and --ca", "--cert too, if the broker asks for certificates")
    stop = threading.Event()
    interruption = Interruption(stop.set, partial(write_at_once, talk.err), "closing all connections")
    from twinstorm.broker.calibration import Effort, Stopped

    effort = Effort(samples=2, connects=100, sample_s=0.25) if quick else Effort()
    with ExitStack() as stack:
        stack.enter_context(interruption)
        plain, tls = _embedded(stack) if url is None else _foreign(url, credentials, tls_port, ca, cert, yes)
        try:
            figures = _measure(talk, plain, tls, effort, stop, "the embedded broker" if url is None else url)
        except Stopped:
            return interruption.code
    constants = _constants(figures, "the embedded broker" if url is None else f"{plain.host}:{plain.port}")
    if out is not None:
        out.write_text(constants, encoding="utf-8")
    if json:
        talk.data(_document(figures))
        return 0
    for line in _table(figures):
        talk.data(line)
    talk.data("")
    talk.data(constants.rstrip())
    return 0


def _measure(
    talk: Talk, plain: Target, tls: Target | None, effort: Effort, stop: threading.Event, name: str
) -> list[Figure]:
    from twinstorm.broker.calibration import calibrate as measure
    from twinstorm.scenarios.engine.errors import Unavailable

    figures = []
    try:
        for figure in measure(plain, tls, effort, stop):
            figures.append(figure)
            if talk.progress:
                talk.say(f"measured: {' '.join(_table([figure])[0].split())}")
    except OSError as error:
        hint = "Is it running, and does it admit us?"
        raise Unavailable(name.rpartition("@")[2], error.strerror or str(error), hint) from error
    return figures


def _embedded(stack: ExitStack) -> tuple[Target, Target]:
    from datetime import UTC, datetime

    from twinstorm.broker.embedded_process import EmbeddedProcess
    from twinstorm.scenarios.engine.errors import Unavailable

    try:
        one = stack.enter_context(EmbeddedProcess())
        other = stack.enter_context(EmbeddedProcess(certified_at=datetime.now(UTC)))
    except OSError as error:
        raise Unavailable(
            "the embedded broker", error.strerror or str(error), "Has this machine sockets left?"
        ) from error
    return one.target, other.target


def _foreign(
    url: str, credentials: Path | None, tls_port: int | None, ca: Path | None, cert: Path | None, yes: bool
) -> tuple[Target, Target | None]:
    from twinstorm.broker.calibration import Target
    from twinstorm.broker.tls import ClientTls, client_context
    from twinstorm.broker.url import parse_url

    try:
        where = parse_url(url)
    except ValueError as error:
        raise UsageError(f"--broker: {error}") from error
    if where.secure or where.path is not None:
        raise UsageError("calibrate measures MQTT over TCP", "write mqtt://host:port; --tls-port for TLS as well")
    if not yes:
        what = "was not started by this command" if where.is_loopback else "is on another machine"
        raise UsageError(
            f"the broker at {where.host}:{where.port} {what}, and would get as much as it can take",
            "add --yes if it is yours and nobody else is using it",
        )
    login = login_for(where, credentials)
    user, password = (where.username, None) if login is None else (login.user, login.password)
    plain = Target(where.host, where.port, user, password)
    if tls_port is None or ca is None:
        return plain, None
    try:
        context = client_context(ClientTls(ca, cert, cert))
    except OSError as error:
        raise UsageError(
            f"--ca or --cert: {error.strerror or error}", "PEM files; --cert holds certificate and key"
        ) from error
    return plain, Target(where.host, tls_port, user, password, context)


def _table(figures: Sequence[Figure]) -> list[str]:
    rows = [
        (
            figure.name,
            f"{'at least ' if figure.is_lower_bound else ''}{number(_rounded(figure.median))} {figure.unit}",
            f"{number(_rounded(figure.low))} .. {number(_rounded(figure.high))}",
            f"{figure.samples} samples",
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _constants(figures: Sequence[Figure], who: str) -> str:
    """The `broker` of a scenario: handshakes as plain connects cost them, messages at QoS 1."""
    of = {figure.name: figure for figure in figures}
    handshake_us = max(round(1e6 / of["connects, plain"].median), 1)
    lines = [
        f"# {who}, as measured by `twinstorm calibrate`.",
        *(f"# {line}" for line in _table(figures)),
        "broker:",
        f"  handshake: {handshake_us} us",
    ]
    if "connects, TLS" in of:
        lines.append(f"  # over TLS: {max(round(1e6 / of['connects, TLS'].median), 1)} us")
    lines.append(f"  messages: {{rate: {max(round(of['messages, QoS 1'].median), 1)}/s, queue: {QUEUE}}}")
    return "\n".join(lines) + "\n"


def _document(figures: Sequence[Figure]) -> str:
    from dataclasses import asdict

    import msgspec

    from twinstorm.tui.cli.bench import machine

    rows = [{**asdict(figure), "is_lower_bound": figure.is_lower_bound} for figure in figures]
    found = {"schema": SCHEMA, "machine": machine(), "figures": rows}
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
