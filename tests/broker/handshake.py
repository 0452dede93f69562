"""A TLS handshake in memory: no socket, no wait; and a key that nobody can read."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = "127.0.0.1"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends after the handshake, the server's first, and a byte has gone each way.

    Raises:
        ssl.SSLError: one of them refuses the other.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=host),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
        if not waiting:
            break
    assert not waiting
    ends[1].write(b"?")
    assert ends[0].read(1) == b"?"
    ends[0].write(b"!")
    assert ends[1].read(1) == b"!"
    return ends[0], ends[1]


def with_password(key: Path, password: bytes = b"secret") -> None:
    """Write this key anew, so that only the password opens it."""
    found = load_pem_private_key(key.read_bytes(), None)
    sealed = BestAvailableEncryption(password)
    key.write_bytes(found.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
