"""Accepting connections on a socket, also when no file descriptor is left for them.

asyncio's own server tries on until its backlog is through and reports every failure with a trace (3.11), and what it
takes up again later may have been closed meanwhile.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Final

BACKLOG: Final = 1_024
ACCEPT_AGAIN_S: Final = 0.5
"""When no file descriptor was left; until then whoever connects waits in the system's queue."""
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listening:
    """A bound socket that listens from now on until `end`; used in its loop only.

    Args:
        listener: is the caller's, and not closed here.
        take: gets each connection.
        exhausted: called when no file descriptor was left for the next one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        take: Callable[[socket.socket], None],
        exhausted: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop, self._listener, self._take, self._exhausted = loop, listener, take, exhausted
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        listener.listen(BACKLOG)
        loop.add_reader(listener, self._accept)

    def end(self) -> None:
        """Accept nothing any more; a second call does nothing."""
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(ACCEPT_AGAIN_S, self._loop.add_reader, self._listener, self._accept)
                self._exhausted()
                return
            sock.setblocking(False)
            self._take(sock)


class Streams:
    """Makes streams of accepted sockets, as `asyncio.start_server` does, and has them served by a task each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, serve: Serve) -> None:
        self._loop, self._serve = loop, serve
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, sock: socket.socket) -> None:
        """Have this connection served."""
        task = self._loop.create_task(self._hand_over(sock))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._handed_over(task, sock))

    def _handed_over(self, task: asyncio.Task[None], sock: socket.socket) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # perhaps before its first step: then nobody else has the socket
            sock.close()

    async def _hand_over(self, sock: socket.socket) -> None:
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=self._loop), self._serve, self._loop)
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, sock)
        except OSError:
            sock.close()
