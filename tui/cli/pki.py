"""`twinstorm pki`: certificates for devices and brokers, from an authority of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import JSON, read_duration
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.broker.pki import Authority, Issued

T = TypeVar("T")

_DIR = click.Option(
    ["--dir", "folder"],
    type=click.Path(path_type=Path),
    default=Path("pki"),
    metavar="DIR",
    help="Where the authority is.",
)
_NAMES = click.Argument(["names"], nargs=-1, required=True, metavar="NAME...", help="Such as fra-1/motors-0001.")
_LASTS = click.Option(
    ["--lasts"], metavar="30d", help="For how long; 90 d, or what its authority has left, if absent. Seconds work."
)
_HOSTS = click.Option(
    ["--host", "hosts"],
    multiple=True,
    metavar="HOST",
    help="Name or address of a server; repeatable. localhost, 127.0.0.1 and ::1 if absent.",
)


def _answered(body: Callable[[], T]) -> T:
    """What the authority refuses is a mistake of the command line: exit code 2."""
    from twinstorm.broker.pki import PkiError

    try:
        return body()
    except PkiError as error:
        raise UsageError(error.what, error.hint) from error


def _lasts(text: str | None) -> timedelta | None:
    found_us = read_duration("--lasts", text)
    if found_us is None:
        return None
    if found_us % 1_000_000:
        raise UsageError(f"--lasts: `{text}` is no whole number of seconds", "a certificate knows seconds: --lasts 30s")
    return timedelta(microseconds=found_us)


def _now() -> datetime:
    return datetime.now(UTC)


@command(
    _DIR,
    click.Option(["--lasts"], default="520w", metavar="520w", help="For how long the authority holds."),
    click.Option(["--name"], default="twinstorm", metavar="NAME", help="What certificates call their issuer."),
)
def init(talk: Talk, folder: Path, lasts: str, name: str) -> int:
    """Make a certificate authority.

    Its key, its certificate, and an empty list of revoked certificates.

    \b
      twinstorm pki init
      twinstorm pki init --dir lab-pki --lasts 2w

    Exit: 0, or 2 if something is in the folder; then nothing is written.
    """
    from twinstorm.broker.certificates import LONGEST_COMMON_NAME
    from twinstorm.broker.pki import Authority

    if not 0 < len(name) <= LONGEST_COMMON_NAME or not name.isprintable():
        raise UsageError(f"--name: `{name}` cannot name an authority", f"1 to {LONGEST_COMMON_NAME} characters")
    life = _lasts(lasts)
    assert life is not None
    made = _answered(lambda: Authority.create(folder, _now(), life, name))
    talk.say(f"made {folder}; {folder / 'ca.key'} is its secret: only you may read it, nobody else needs it")
    talk.data(str(made.certificate))
    talk.say(f"try: twinstorm pki issue --server broker{_dir_words(folder)}")
    return 0


@command(
    _NAMES,
    click.Option(["--server"], is_flag=True, help="For brokers; devices if absent."),
    click.Option(["--guest"], is_flag=True, help="For clients that may use every topic of `twinstorm broker`."),
    _HOSTS,
    _LASTS,
    _DIR,
)
def issue(
    talk: Talk,
    names: tuple[str, ...],
    server: bool,
    guest: bool,
    hosts: tuple[str, ...],
    lasts: str | None,
    folder: Path,
) -> int:
    """Make first certificates, with new keys.

    Prints where they are.

    \b
      twinstorm pki issue fra-1/motors-0001 fra-1/motors-0002
      twinstorm pki issue fra-1/motors-0003 --lasts 90s
      twinstorm pki issue broker --server --host broker.lab --host 192.0.2.7

    Exit: 0, or 2 if one of the names has a certificate; then none is made.
    """
    from twinstorm.broker.certificates import LOOPBACK
    from twinstorm.broker.identity import Role
    from twinstorm.broker.pki import Authority

    if hosts and not server:
        raise UsageError("--host is for servers", "add --server, or leave --host out")
    if server and guest:
        raise UsageError("--server and --guest exclude each other", "a server's certificate cannot log in")
    role = Role.SERVER if server else Role.GUEST if guest else Role.DEVICE
    life = _lasts(lasts)
    authority = _answered(lambda: Authority(folder))
    made = _answered(lambda: authority.issue(names, role, _now(), life, hosts or LOOPBACK))
    _tell_pairs(talk, authority, made)
    return 0


@command(_NAMES, _LASTS, _DIR)
def renew(talk: Talk, names: tuple[str, ...], lasts: str | None, folder: Path) -> int:
    """Make further certificates, with new keys. The older ones hold until they expire or are revoked.

    \b
      twinstorm pki renew fra-1/motors-0001
      twinstorm pki revoke --older fra-1/motors-0001

    Exit: 0, or 2 if one of the names has no certificate; then none is made.
    """
    from twinstorm.broker.pki import Authority

    life = _lasts(lasts)
    authority = _answered(lambda: Authority(folder))
    made = _answered(lambda: authority.renew(names, _now(), life))
    _tell_pairs(talk, authority, made)
    return 0


@command(
    _NAMES,
    click.Option(["--older"], is_flag=True, help="Only those before the newest, after a renewal."),
    _DIR,
)
def revoke(talk: Talk, names: tuple[str, ...], older: bool, folder: Path) -> int:
    """Revoke all certificates of these names.

    Makes a new list of revoked ones, and prints its path.

    \b
      twinstorm pki revoke fra-1/motors-0001
      twinstorm pki revoke --older fra-1/motors-0002

    Brokers must load the new list, and connections that are open live on until the broker ends them.

    Exit: 0, or 2 if one of the names has nothing to revoke; then nothing is.
    """
    from twinstorm.broker.pki import Authority

    authority = _answered(lambda: Authority(folder))
    gone = _answered(lambda: authority.revoke(names, _now(), keep_newest=older))
    for one in gone:
        talk.say(f"revoked {one.name} {one.number}, serial {one.serial}")
    talk.data(str(authority.revoked))
    return 0


@command(
    click.Option(
        ["--lasts"], metavar="1h", help="Until brokers with it refuse everybody; its authority's end if absent."
    ),
    _DIR,
)
def crl(talk: Talk, lasts: str | None, folder: Path) -> int:
    """Make the list of revoked certificates anew. Prints its path.

    \b
      twinstorm pki crl
      twinstorm pki crl --lasts 1h

    A broker whose list is past its time refuses every device: --lasts makes such a list on purpose.
    """
    from twinstorm.broker.pki import Authority

    life = _lasts(lasts)
    authority = _answered(lambda: Authority(folder))
    index = _answered(lambda: authority.renew_list(_now(), life))
    talk.say(f"list {index.lists}, good until {_time(index.next_update)}")
    talk.data(str(authority.revoked))
    return 0


@command(_DIR, JSON)
def list_(talk: Talk, folder: Path, json: bool) -> int:
    """List all certificates of an authority.

    \b
      twinstorm pki list
      twinstorm pki list --json
    """
    from twinstorm.broker.pki import Authority

    authority, now = _answered(lambda: Authority(folder)), _now()
    issued = _answered(authority.issued)
    if json:
        import msgspec

        document = {
            "schema": "twinstorm/pki-list/1",
            "certificates": [{**msgspec.structs.asdict(one), "state": one.state(now)} for one in issued],
        }
        talk.data(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        return 0
    for line in _table(issued, now):
        talk.data(line)
    if not issued:
        talk.say(f"none yet; try: twinstorm pki issue fra-1/motors-0001{_dir_words(folder)}")
    return 0


@command(click.Argument(["name"], metavar="NAME", help="Such as fra-1/motors-0001."), _DIR)
def show(talk: Talk, name: str, folder: Path) -> int:
    """Show the newest certificate of a name.

    How long it holds, and where it is.

    \b
      twinstorm pki show fra-1/motors-0001

    Exit: 0, or 2 if the name has none.
    """
    from twinstorm.broker.pki import Authority

    authority, now = _answered(lambda: Authority(folder)), _now()
    one = _answered(lambda: authority.newest(name))
    pair = _answered(lambda: authority.pair(one))
    for word, value in (
        ("name", one.name),
        ("for", one.role),
        ("state", one.state(now)),
        ("number", str(one.number)),
        ("serial", one.serial),
        ("from", _time(one.valid_from)),
        ("until", _time(one.valid_until)),
        ("certificate", str(pair.certificate)),
        ("key", str(pair.key)),
        ("authority", str(authority.certificate)),
    ):
        talk.data(f"{word:<12}{value}")
    return 0


def _tell_pairs(talk: Talk, authority: Authority, made: Sequence[Issued]) -> None:
    for one in made:
        pair = authority.pair(one)
        talk.say(f"{one.role} {one.name}, number {one.number}, until {_time(one.valid_until)}")
        talk.data(str(pair.certificate))
        talk.data(str(pair.key))


def _table(issued: Sequence[Issued], now: datetime) -> Iterator[str]:
    rows = [
        (one.name, str(one.number), str(one.role), one.state(now), _time(one.valid_until), one.serial) for one in issued
    ]
    if not rows:
        return
    rows.insert(0, ("name", "number", "for", "state", "until", "serial"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _dir_words(folder: Path) -> str:
    return "" if folder == Path("pki") else f" --dir {folder}"


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


pki = click.Group(
    "pki",
    commands={one.name: one for one in (init, issue, renew, revoke, crl, list_, show) if one.name},
    no_args_is_help=True,
    help="""Make certificates for devices and brokers.

    \b
      twinstorm pki init
      twinstorm pki issue broker --server
      twinstorm pki issue fra-1/motors-0001 --lasts 30d
      twinstorm pki renew fra-1/motors-0001
      twinstorm pki revoke fra-1/motors-0001
      twinstorm pki list

    The authority is your own. Everything lies in one folder, `pki` unless --dir names another. Keys are readable by
    you only, are never printed, and nothing is ever overwritten. EC P-256; a device's name stands in its certificate
    as urn:twinstorm:device:NAME and as common name.
    """,
)
