"""Loopback sockets: a port that is held, and a connection that breaks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Protocol

LOOPBACK = "127.0.0.1"


def bound(port: int, host: str = LOOPBACK) -> socket.socket:
    """A TCP socket that is bound, but does not listen yet: it refuses, and nobody else gets the port.

    Args:
        port: 0: the system chooses one.
        host: an IPv4 address of this machine.

    Raises:
        OSError: the port is taken.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
    except OSError:
        held.close()
        raise
    return held


class Resettable(Protocol):
    """A socket, or what stands for one."""

    def fileno(self) -> int:
        """See `socket.socket`."""
        ...

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        """See there."""
        ...


def will_reset(sock: Resettable) -> None:
    """Let the closing of this socket be a reset, whatever was still to be written."""
    if sock.fileno() >= 0:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(transport: asyncio.BaseTransport) -> None:
    """Cut a connection as the kernel does for a process that died."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        will_reset(sock)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
