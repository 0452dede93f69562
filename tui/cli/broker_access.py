"""`--broker` and what belongs to it: who the fleet is to a broker of one's own, and how it trusts it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError

if TYPE_CHECKING:
    from twinstorm.broker.tls import ClientTls
    from twinstorm.broker.url import BrokerUrl, Login

_FILE = click.Path(path_type=Path)
OPTIONS = (
    click.Option(
        ["--broker"], metavar="URL", help="With --live: mqtt://host:port, or mqtts:, ws:, wss:; not the embedded one."
    ),
    click.Option(["--credentials"], type=_FILE, metavar="FILE", help="With --broker: name and password, a line."),
    click.Option(["--ca"], type=_FILE, metavar="FILE", help="With mqtts: or wss: the authority to trust."),
    click.Option(["--cert"], type=_FILE, metavar="FILE", help="Likewise: a certificate of one's own."),
    click.Option(["--key"], type=_FILE, metavar="FILE", help="Its key, if that is another file."),
)


def access(
    broker: str | None, credentials: Path | None, ca: Path | None, cert: Path | None, key: Path | None
) -> tuple[Login | None, ClientTls]:
    """Read what these options name.

    Raises:
        UsageError: they do not go together, or a file is not what it should be.
    """
    from twinstorm.broker.tls import ClientTls
    from twinstorm.broker.url import parse_url

    given = {"--credentials": credentials, "--ca": ca, "--cert": cert, "--key": key}
    if broker is None:
        for option, path in given.items():
            if path is not None:
                raise UsageError(
                    f"{option} is about a broker of yours, and there is none", "add --broker mqtts://host:port"
                )
        return None, ClientTls(None, strict=False)
    try:
        url = parse_url(broker)
    except ValueError:
        return None, ClientTls(None, strict=False)  # told with all else that is wrong with the run
    return login_for(url, credentials), _tls(url, ca, cert, key)


def login_for(url: BrokerUrl, credentials: Path | None) -> Login | None:
    """From the file, or without one from the environment; None: neither says anything.

    Raises:
        UsageError: the file is not what it should be.
    """
    from twinstorm.broker.url import login_from, read_login

    if credentials is None:
        return login_from(os.environ, url.username)
    try:
        return read_login(credentials, url.username)
    except ValueError as error:
        raise UsageError(f"--credentials: {error}") from error
    except OSError as error:
        raise UsageError(f"--credentials: cannot read {credentials}: {error.strerror}") from error


def _tls(url: BrokerUrl, ca: Path | None, cert: Path | None, key: Path | None) -> ClientTls:
    from twinstorm.broker.tls import ClientTls, client_context

    tls = ClientTls(ca, cert, key, strict=False)
    if not url.secure:
        if ca or cert or key:
            raise UsageError("--ca, --cert and --key are about TLS", "write mqtts://host:port, or wss:")
        return tls
    if key is not None and cert is None:
        raise UsageError("--key needs the certificate that it belongs to", "add --cert FILE")
    for option, path in (("--ca", ca), ("--cert", cert), ("--key", key)):
        if path is not None and not path.is_file():
            raise UsageError(f"{option}: there is no file {path}")
    try:
        client_context(tls)
    except OSError as error:  # errors of TLS are OSErrors
        raise UsageError(
            f"--ca, --cert or --key: {error.strerror or error}", "each is a file in PEM, and the key has no password"
        ) from error
    return tls
