"""TLS at both ends: contexts from files, and who is at the other end of a connection.

Nothing here needs more than Python's own `ssl`. Traps of its OpenSSL that these contexts avoid: a session ticket lets a
device whose certificate was revoked or has expired resume, so there are none; a context that asks for a list of revoked
certificates and has none loaded refuses everybody, so the one comes with the other.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

URI = "URI"


@dataclass(frozen=True)
class ServerTls:
    """What a listener needs.

    Attributes:
        ca: whose devices are let in; None: whoever connects needs no certificate.
        crl: those that are not any more; goes with `ca`.
    """

    certificate: Path
    key: Path
    ca: Path | None = None
    crl: Path | None = None

    @property
    def is_mutual(self) -> bool:
        return self.ca is not None


@dataclass(frozen=True)
class ClientTls:
    """What a client needs: whom it trusts, and its own certificate if it has one.

    Attributes:
        ca: the authority of the server's certificate; None: whom this machine trusts.
        key: of the certificate; None: it stands in the same file.
        strict: certificates must keep to the letter of RFC 5280, as those of `pki` do. The authorities that people
            make by hand often do not.
    """

    ca: Path | None
    certificate: Path | None = None
    key: Path | None = None
    strict: bool = True


@dataclass(frozen=True)
class Peer:
    """Who is at the other end, as its certificate says.

    Attributes:
        identity: its URI; empty if it has none.
        serial: hexadecimal, lower case, without leading zeros, as `pki` writes it.
        valid_until_s: Unix seconds, inclusive.
    """

    identity: str
    serial: str
    valid_until_s: float


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """Of a listener; with `ca`, clients without a good certificate do not get through the handshake.

    Raises:
        ValueError: `ca` without `crl`.
        OSError: a file is not there or not what it should be.
    """
    if (tls.ca is None) is not (tls.crl is None):
        raise ValueError("a certificate authority of clients goes with its list of revoked certificates")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, tls.certificate, tls.key)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if tls.ca is not None and tls.crl is not None:
        context.load_verify_locations(tls.ca)
        context.load_verify_locations(tls.crl)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_X509_STRICT
    return context


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """Of a client that trusts this authority, no other, and checks the server's name.

    Raises:
        OSError: as for `server_context`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(tls.ca)
    if tls.strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    else:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # newer Pythons begin with it
    if tls.certificate is not None:
        _show(context, tls.certificate, tls.key)
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Let this be one's own certificate; never asks whoever sits there for a password.

    Raises:
        OSError: as for `server_context`, or the key has a password.
    """
    asked: list[Path] = []

    def no_password() -> str:
        # Without such a function OpenSSL asks the terminal, in the middle of things.
        asked.append(key or certificate)
        return ""

    try:
        context.load_cert_chain(certificate, key, no_password)
    except OSError as error:
        if asked:
            raise OSError(f"the key in {asked[0]} must have no password") from error
        raise


def file_stamp(tls: ClientTls) -> tuple[int, int]:
    """Changes when another certificate lies in its file.

    Raises:
        OSError: nothing lies there.
    """
    if tls.certificate is None:
        return 0, 0
    found = tls.certificate.stat()
    return found.st_ino, found.st_mtime_ns


def peer_of(connection: ssl.SSLObject | ssl.SSLSocket | None) -> Peer | None:
    """Who is there; None: no TLS, or no certificate that was checked."""
    found: Mapping[str, Any] | None = None if connection is None else connection.getpeercert()
    if not found:
        return None
    names = [value for kind, value in found.get("subjectAltName", ()) if kind == URI]
    return Peer(
        identity=names[0] if len(names) == 1 else "",
        serial=found["serialNumber"].lower().lstrip("0"),
        valid_until_s=ssl.cert_time_to_seconds(found["notAfter"]),
    )
