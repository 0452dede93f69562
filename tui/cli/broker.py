"""`twinstorm broker`: the embedded broker alone, for clients of one's own."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twinstorm.broker.pauses import spare_pauses
from twinstorm.tui.cli.broker_limits import OPTIONS, read_limits
from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import must_be_writable, read_duration
from twinstorm.tui.cli.signals import Interruption
from twinstorm.tui.cli.talk import Talk, write_at_once

if TYPE_CHECKING:
    from twinstorm.broker.broker_state import BrokerState
    from twinstorm.broker.door import Door
    from twinstorm.broker.embedded import EmbeddedBroker
    from twinstorm.broker.pki import Authority
    from twinstorm.broker.tls import ServerTls

HERE = "127.0.0.1"
PORT, TLS_PORT = 1883, 8883
FOLLOW_S = 1.0
"""How soon a running broker hears of what `twinstorm pki` issued or revoked."""


@command(
    click.Option(
        ["--port"], type=click.IntRange(0, 65_535), metavar="N", help="1883, with --pki 8883; 0: any free one."
    ),
    click.Option(["--client", "clients"], multiple=True, metavar="SITE/DEVICE", help="Who may come; repeatable."),
    click.Option(
        ["--pki"], type=click.Path(path_type=Path), metavar="DIR", help="TLS, with certificates of this folder."
    ),
    click.Option(["--server"], default="broker", metavar="NAME", help="With --pki: whose certificate it shows."),
    click.Option(
        ["--credentials"],
        type=click.Path(path_type=Path),
        default=Path("broker.credentials"),
        metavar="FILE",
        help="Where names and passwords are written; gone at the end. Unused with --pki.",
    ),
    click.Option(["--bind"], default=HERE, metavar="ADDRESS", help="0.0.0.0: every address of this machine."),
    click.Option(["--websocket"], metavar="[ADDRESS:]PORT", help="Listen there too, for MQTT over WebSocket."),
    click.Option(["--yes"], is_flag=True, help="Other machines may connect: needed for --bind."),
    click.Option(["--every"], default="10s", metavar="10s", help="How often counters are printed."),
    click.Option(["--for", "lasts"], metavar="10min", help="Until then; until Ctrl+C if absent."),
    click.Option(["--json"], is_flag=True, help="Counters as lines of JSON."),
    click.Option(["--sys"], default="10s", metavar="10s", help="How often it tells about itself in $SYS; off: never."),
    click.Option(
        ["--state"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Sessions and messages: read at the start, written at the end.",
    ),
    *OPTIONS,
)
def broker(
    talk: Talk,
    port: int | None,
    clients: tuple[str, ...],
    pki: Path | None,
    server: str,
    credentials: Path,
    bind: str,
    websocket: str | None,
    yes: bool,
    every: str,
    lasts: str | None,
    json: bool,
    sys: str,
    state: Path | None,
    **limits: str | None,
) -> int:
    """Run the embedded broker alone.

    \b
      twinstorm broker
      twinstorm broker --port 0 --client fra-1/motors-0001
      twinstorm broker --websocket 9001
      twinstorm broker --pki pki --bind 0.0.0.0 --yes
      twinstorm broker --state broker.state --max-inflight 20

    MQTT 3.1.1. Nobody comes in without a password made for this run, or with --pki a certificate. The user `guest`, or
    a guest's certificate (`pki issue --guest`), may use every topic; a device those of its own name. Certificates that
    `twinstorm pki` issues or revokes meanwhile count within seconds.

    Exit: 0 after Ctrl+C or its time, 2 command line wrong, 4 port or open files not available.
    """
    every_us, lasts_us = read_duration("--every", every), read_duration("--for", lasts)
    assert every_us is not None
    sys_us = None if sys == "off" else read_duration("--sys", sys)
    usual = read_limits(limits)
    known = None if state is None else _known(state)
    _check_address("--bind", bind, yes)
    framed = None if websocket is None else _websocket_address(websocket, bind, yes)
    _check_clients(clients, pki)
    authority, tls = (None, None) if pki is None else _papers(pki, server)
    port = (PORT if tls is None else TLS_PORT) if port is None else port
    stop = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(Interruption(stop.set, partial(write_at_once, talk.err), "closing the broker"))
        options = {"limits": usual, "sys_every_s": None if sys_us is None else sys_us / 1e6, "tell": talk.say}
        made = _made(_door(bind, port, framed), clients, tls, options)
        stack.callback(_close, talk, made, state)
        _open(made, _door(bind, port, framed), known)
        if authority is None:
            _write_credentials(made, clients, credentials, stack)
            talk.say(f"names and passwords: {credentials}, which only you may read, until the end")
            if bind != HERE or (framed is not None and framed[0] != HERE):
                talk.complain("passwords cross the network readably: --pki DIR would hide them")
        else:
            made.guests_may_come()
        over = "" if tls is None else " over TLS, with certificates"
        frames = "" if framed is None else f" and for WebSocket on {framed[0]}:{made.websocket_port}"
        talk.say(f"listening on {bind}:{made.port}{frames}{over}, until {'Ctrl+C' if lasts is None else lasts}")
        spare_pauses()
        _serve(talk, made, authority, stop, every_us / 1e6, None if lasts_us is None else lasts_us / 1e6, json)
    return 0


def _serve(
    talk: Talk,
    made: EmbeddedBroker,
    authority: Authority | None,
    stop: threading.Event,
    every_s: float,
    lasts_s: float | None,
    json: bool,
) -> None:
    began = time.monotonic()
    line: Callable[[Mapping[str, float]], str] = _json_line if json else _line
    follow = None if authority is None else _follower(talk, authority, made)
    number = 1
    while True:
        now = time.monotonic() - began
        over = stop.is_set() or (lasts_s is not None and now >= lasts_s)
        if over or now >= number * every_s:
            talk.data(line(_counted(made, now)))
            number = int(now // every_s) + 1
        if over:
            return
        if follow is not None:
            follow()
        until = min(number * every_s, now + FOLLOW_S, *(() if lasts_s is None else (lasts_s,)))
        stop.wait(max(until - now, 0.01))


def _counted(made: EmbeddedBroker, at_s: float) -> dict[str, float]:
    counters = made.counters(0)
    return {
        "at_s": round(at_s, 1),
        "clients": made.clients,
        "connects": counters.admitted,
        "refused": made.turned_away,
        "in": counters.messages_in,
        "out": counters.messages_out,
        "dropped": counters.dropped,
        "queue": counters.queue,
    }


def _line(counted: Mapping[str, float]) -> str:
    at_s = int(counted["at_s"])
    rest = "  ".join(f"{name} {count:,}" for name, count in counted.items() if name != "at_s")
    return f"{at_s // 3600:02}:{at_s // 60 % 60:02}:{at_s % 60:02}  {rest}"


def _json_line(counted: Mapping[str, float]) -> str:
    import msgspec

    return msgspec.json.encode({"schema": "twinstorm/broker/1", **counted}).decode()


def _follower(talk: Talk, authority: Authority, made: EmbeddedBroker) -> Callable[[], None]:
    """Tells the broker what the authority has issued or revoked since the last call."""
    from twinstorm.broker.identity import Role
    from twinstorm.broker.pki import PkiError

    known: set[str] = set()
    revoked = {one.serial for one in authority.issued() if one.revoked_at is not None}

    def look() -> None:
        try:
            issued = authority.issued()
        except (PkiError, OSError) as error:
            talk.complain(f"cannot look at {authority.folder}: {error}")
            return
        names = {one.name for one in issued if one.role is Role.DEVICE}
        if names - known:
            made.welcome(sorted(names - known))
            known.update(names)
        gone = sorted({one.serial for one in issued if one.revoked_at is not None} - revoked)
        if gone:
            revoked.update(gone)
            cut = made.revoke(gone, authority.revoked)
            talk.say(f"{len(gone)} revoked, {cut} of them cut")

    return look


def _check_address(option: str, given: str, yes: bool) -> None:
    try:
        address = ipaddress.IPv4Address(given)
    except ValueError as error:
        raise UsageError(f"{option}: `{given}` is no IPv4 address", "127.0.0.1, or 0.0.0.0 for all of them") from error
    if not address.is_loopback and not yes:
        raise UsageError(
            f"{option} {given} lets other machines in", f"add --yes if you want that, or leave {option} out"
        )


def _websocket_address(text: str, bind: str, yes: bool) -> tuple[str, int]:
    """Address and port; that of `--bind` if it names none."""
    host, colon, number = text.rpartition(":")
    host = host if colon else bind
    _check_address("--websocket", host, yes)
    if not number.isdecimal() or int(number) > 65_535:
        raise UsageError(f"--websocket: `{number}` is no port", "such as 9001, or 127.0.0.1:9001; 0: any free one")
    return host, int(number)


def _door(bind: str, port: int, websocket: tuple[str, int] | None) -> Door:
    from twinstorm.broker.door import Door

    wide = bind != HERE or (websocket is not None and websocket[0] != HERE)
    return Door(bind, port, wide=wide, any_topic=True, websocket=websocket)


def _check_clients(clients: tuple[str, ...], pki: Path | None) -> None:
    from twinstorm.twin.wire.profile import site_and_device

    if clients and pki is not None:
        raise UsageError("with --pki certificates say who may come, not --client", "twinstorm pki issue SITE/DEVICE")
    for name in clients:
        try:
            site_and_device(name)
        except ValueError as error:
            raise UsageError(f"--client: {error}", "such as fra-1/motors-0001") from error


def _papers(pki: Path, server: str) -> tuple[Authority, ServerTls]:
    from datetime import UTC, datetime

    from twinstorm.broker.identity import Role
    from twinstorm.broker.pki import Authority, PkiError
    from twinstorm.broker.tls import ServerTls

    now = datetime.now(UTC)
    try:
        authority = Authority(pki)
        authority.check_list(now)
        one = authority.newest(server)
        pair = authority.pair(one)
    except PkiError as error:
        raise UsageError(error.what, error.hint) from error
    if one.role is not Role.SERVER:
        raise UsageError(
            f"{server} is a {one.role}'s certificate", "twinstorm pki issue --server NAME, then --server NAME"
        )
    if one.state(now) != "valid":
        raise UsageError(f"the certificate of {server} is {one.state(now)}", f"twinstorm pki renew {server}")
    return authority, ServerTls(pair.certificate, pair.key, authority.certificate, authority.revoked)


def _made(door: Door, clients: tuple[str, ...], tls: ServerTls | None, options: Mapping[str, Any]) -> EmbeddedBroker:
    from twinstorm.broker.embedded import EmbeddedBroker
    from twinstorm.broker.file_limit import MANY, SPARE, raise_file_limit
    from twinstorm.scenarios.engine.errors import Unavailable

    limit, needed = raise_file_limit(MANY), len(clients) + SPARE
    if clients and limit < needed:
        raise Unavailable(
            f"room for {len(clients):,} clients",
            f"they need {needed:,} open files, and this process may have {limit:,} (ulimit -n)",
            f"ulimit -Hn {needed} as root, or fewer --client.",
        )
    try:
        return EmbeddedBroker(clients, now_us=lambda: 0, tls=tls, door=door, **options)
    except OSError as error:  # errors of TLS are OSErrors
        raise UsageError(f"--pki: {error.strerror or error}", "twinstorm pki renew makes another pair") from error


def _open(made: EmbeddedBroker, door: Door, known: BrokerState | None) -> None:
    from twinstorm.scenarios.engine.errors import Unavailable

    try:
        made.open(known)
    except OSError as error:
        hint = "Is a broker running there? --port 0 takes any that is free."
        ports = f"port {door.port} of {door.host}"
        if door.websocket is not None:
            ports += f", or port {door.websocket[1]} of {door.websocket[0]},"
        raise Unavailable(ports, error.strerror or str(error), hint) from error


def _known(path: Path) -> BrokerState | None:
    """What the broker before had written; None: nothing, it is the first."""
    from twinstorm.broker.broker_state import StateError, read_state

    must_be_writable(path)
    try:
        return read_state(path)
    except StateError as error:
        raise UsageError(str(error), "name another file, or delete this one to begin anew") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "name another file: --state FILE") from error


def _close(talk: Talk, made: EmbeddedBroker, path: Path | None) -> None:
    from twinstorm.broker.broker_state import write_state

    state = made.close()
    if path is None:
        return
    if state is None:
        talk.complain(f"the broker did not end in time: {path} is as it was")
        return
    try:
        write_state(path, state)
    except OSError as error:
        talk.complain(f"cannot write {path}: {error.strerror}; what was there stays")
        return
    talk.say(f"{len(state.sessions)} sessions and {len(state.retained)} retained messages: {path}")


def _write_credentials(made: EmbeddedBroker, clients: tuple[str, ...], path: Path, stack: ExitStack) -> None:
    from twinstorm.broker.private_files import write_private

    pairs = [*zip(clients, made.device_passwords, strict=True), made.guest_credentials()]
    try:
        write_private(path, "".join(f"{user} {password}\n" for user, password in pairs).encode())
    except FileExistsError as error:
        raise UsageError(f"{path} exists: nothing was written", "name another file: --credentials FILE") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "name another file: --credentials FILE") from error
    stack.callback(path.unlink, missing_ok=True)
