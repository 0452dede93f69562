"""Where an existing broker is (``mqtt://host:port``, ``mqtts:``, ``ws:`` or ``wss:``), and who we are to it.

A password stands in no address: everybody on a machine can read the command lines of everybody's programs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from twinstorm.broker.private_files import others_may_read

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
WEBSOCKET_PATH = "/mqtt"
"""What is asked for if the address names no path."""
USER_VARIABLE, PASSWORD_VARIABLE = "TWINSTORM_BROKER_USER", "TWINSTORM_BROKER_PASSWORD"


@dataclass(frozen=True)
class BrokerUrl:
    """How to reach a broker; the password is not shown.

    Attributes:
        secure: over TLS.
        path: MQTT over WebSocket, asked for by this path; None: MQTT over TCP.
    """

    host: str
    port: int = DEFAULT_PORTS["mqtt"]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    secure: bool = False
    path: str | None = None

    @property
    def is_loopback(self) -> bool:
        """This machine, by name or address; a name is not looked up."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True)
class Login:
    """Name and password; the password is not shown."""

    user: str | None
    password: str | None = field(repr=False)


def parse_url(text: str) -> BrokerUrl:
    """Read a broker's address.

    Raises:
        ValueError: with what is wrong and what to write; repeats no password.
    """
    parts = urlsplit(text)
    shown = without_password(text)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"`{shown}` is not a broker address: write mqtt://host:port, or mqtts:, ws: or wss: for mqtt:")
    usual = DEFAULT_PORTS[parts.scheme]
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"`{shown}` has no valid port: write {parts.scheme}://host:{usual}") from error
    if not parts.hostname:
        raise ValueError(f"`{shown}` names no host: write {parts.scheme}://host:{port or usual}")
    if parts.password is not None:
        raise ValueError(
            f"a password in the address of a broker is seen by everybody on this machine: write {shown}, and the "
            f"password into a file (--credentials FILE) or into {PASSWORD_VARIABLE}"
        )
    websocket = parts.scheme in ("ws", "wss")
    if parts.query or parts.fragment or (parts.path not in ("", "/") and not websocket):
        raise ValueError(
            f"`{shown}` has more than host and port: write {parts.scheme}://{parts.hostname}:{port or usual}"
        )
    return BrokerUrl(
        parts.hostname,
        port or usual,
        unquote(parts.username) if parts.username else None,
        secure=parts.scheme in ("mqtts", "wss"),
        path=(parts.path if parts.path not in ("", "/") else WEBSOCKET_PATH) if websocket else None,
    )


def without_password(url: str) -> str:
    """A broker's address as it may be printed and recorded."""
    scheme, separator, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    return url if not at else f"{scheme}{separator}{user.partition(':')[0]}@{host}"


def read_login(path: Path, user: str | None) -> Login:
    """Name and password from a file: a line each, parted by a blank, as `twinstorm broker` writes them.

    Args:
        user: whose line; None: there is one line only.

    Raises:
        ValueError: others may read it, or it does not hold what is wanted; repeats nothing of it.
        OSError: it cannot be read.
    """
    if others_may_read(path):
        raise ValueError(f"others may read {path}: chmod 600 {path}")
    lines = [line.partition(" ") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if any(not name or not blank for name, blank, _ in lines):
        raise ValueError(f"{path}: a line is a name, a blank and a password")
    found = [(name, password) for name, _, password in lines if user in (None, name)]
    if len(found) != 1:
        if user is not None:
            raise ValueError(f"{path} has no line, or several, for {user}")
        raise ValueError(f"{path} has {len(found)} lines: say whose with the address, mqtt://NAME@host:port")
    return Login(*found[0])


def login_from(environment: Mapping[str, str], user: str | None) -> Login | None:
    """Name and password from the environment; a name in the address comes first. None: it has neither."""
    name, password = environment.get(USER_VARIABLE) or None, environment.get(PASSWORD_VARIABLE) or None
    return None if name is None and password is None else Login(user or name, password)
