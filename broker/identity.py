"""Whom a certificate speaks for. Needs nothing but text, so that a broker can ask without loading an authority.

The subject alternative name carries it as a URI, role first (`urn:twinstorm:device:fra-1/motors-0001`): a common name
ends at 64 characters and says nothing of the role.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote, unquote

URI_SCHEME = "urn:twinstorm:"


class Role(StrEnum):
    """What a certificate is for. A device's cannot serve, a server's cannot log in."""

    SERVER = "server"
    DEVICE = "device"
    CORE = "core"
    """The backend, which may hear the whole fleet."""
    GUEST = "guest"
    """Somebody else's client, where guests are asked in."""


_ROLES = frozenset(map(str, Role))


def identity_uri(role: Role, name: str) -> str:
    """How a certificate names its holder."""
    return f"{URI_SCHEME}{role}:{quote(name, safe='/')}"


def parse_identity(uri: str) -> tuple[Role, str] | None:
    """Role and name; None: another authority's way of naming.

    Example:
        >>> parse_identity("urn:twinstorm:device:fra-1/motors-0001")
        (<Role.DEVICE: 'device'>, 'fra-1/motors-0001')
    """
    if not uri.startswith(URI_SCHEME):
        return None
    role, colon, name = uri.removeprefix(URI_SCHEME).partition(":")
    if not (colon and name and role in _ROLES):
        return None
    return Role(role), unquote(name)
