"""Where an existing broker is: ``mqtt://user:password@host:port``."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

DEFAULT_PORT = 1883


@dataclass(frozen=True)
class BrokerUrl:
    """Host, port and credentials; the password is not shown."""

    host: str
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def is_loopback(self) -> bool:
        """This machine, by name or address; a name is not looked up."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_url(text: str) -> BrokerUrl:
    """Read a broker's address.

    Raises:
        ValueError: with what is wrong and what to write.
    """
    parts = urlsplit(text)
    if parts.scheme != "mqtt":
        raise ValueError(f"`{text}` is not a broker address: write mqtt://host:port (plain MQTT over TCP)")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"`{text}` has no valid port: write mqtt://host:{DEFAULT_PORT}") from error
    if not parts.hostname:
        raise ValueError(f"`{text}` names no host: write mqtt://host:{port or DEFAULT_PORT}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"`{text}` has more than host and port: write mqtt://{parts.hostname}:{port or DEFAULT_PORT}")
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return BrokerUrl(parts.hostname, port or DEFAULT_PORT, username, password)
