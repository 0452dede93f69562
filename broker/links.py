"""Connections of the embedded broker, from when the system accepted them to their end: TLS, WebSocket, and breaking."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from twinstorm.broker.amqtt_packets import AbortingWriter, LimitedReader
from twinstorm.broker.limits import Limits
from twinstorm.broker.sockets import reset
from twinstorm.broker.websocket import FramedReader, FramingWriter, accepted

LEAST_S = 0.001
"""What a handshake is given where its time is over: none at all would mean no limit."""


class Links:
    """Every open connection; all methods are called in the broker's loop.

    Args:
        context: of TLS; None: plain.
        count: counters of the broker.
        refused: told of a handshake that failed, and why.
        serve: speaks MQTT on a connection until it ends; does nothing while the broker is down.

    Attributes:
        context: see there; handshakes to come go by it.
        open: by the task that serves it.
        is_silent: the host is gone: nobody answers, and nobody resets.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None,
        limits: Limits,
        count: Counter[str],
        refused: Callable[[str], None],
        serve: Callable[[LimitedReader, AbortingWriter], Awaitable[None]],
    ) -> None:
        self.context, self._limits, self._count, self._refused, self._serve = context, limits, count, refused, serve
        self.open: dict[asyncio.Task[Any], tuple[asyncio.StreamWriter, AbortingWriter]] = {}
        self.is_silent = False

    def fall_silent(self) -> None:
        """Neither read nor write any more, and leave every connection as it is."""
        self.is_silent = True
        for writer, link in self.open.values():
            link.is_closed = True
            if isinstance(writer.transport, asyncio.ReadTransport):
                with contextlib.suppress(RuntimeError):
                    writer.transport.pause_reading()

    def reset(self) -> None:
        """Cut all connections; `end` lets those who serve them go."""
        for writer, _ in self.open.values():
            reset(writer.transport)

    async def end(self) -> None:
        tasks = set(self.open)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Look after a connection for MQTT, until it ends."""
        await self._serve_one(reader, writer, AbortingWriter(writer, self._limits, self._count))

    async def serve_frames(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Look after a connection for MQTT over WebSocket, until it ends."""
        await self._serve_one(reader, writer, FramingWriter(writer, self._limits, self._count))

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: AbortingWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.open[task] = writer, link
        try:
            if not self.is_silent and await self._shake_hands(writer, link):
                writer.transport.set_write_buffer_limits(self._limits.write_buffer_bytes)  # TLS has one of its own
                source = await self._upgraded(reader, writer, link) if isinstance(link, FramingWriter) else reader
                if source is not None and not self.is_silent:
                    await self._serve(self._reader(source), link)
            if self.is_silent:
                await asyncio.Event().wait()  # the host is gone: nobody answers, until the connection is cut
        except asyncio.CancelledError:
            pass  # the broker stops
        finally:
            del self.open[task]
            writer.transport.abort()

    def _reader(self, reader: asyncio.StreamReader | FramedReader) -> LimitedReader:
        return LimitedReader(reader, self._limits.packet_bytes, self._count)

    async def _shake_hands(self, writer: asyncio.StreamWriter, link: AbortingWriter) -> bool:
        """Begin TLS, if this listener has it. False: it failed, and somebody was told why.

        asyncio would do this before it hands a connection over: a failure would be told to nobody, and an outage could
        not cut what is still shaking hands. Nothing is lost: the loop has read nothing before the first step of a task.
        """
        if self.context is None:
            return True
        plain = writer.transport
        try:
            await writer.start_tls(self.context, ssl_handshake_timeout=max(link.left_s, LEAST_S))
        except (OSError, AttributeError) as error:  # errors of TLS are OSErrors
            # When the connection is cut under a handshake, asyncio trips over the transport that does not come.
            writer._transport = plain  # type: ignore[attr-defined]
            self._count["handshakes_failed"] += 1
            self._count["bad_certificates"] += isinstance(error, ssl.SSLCertVerificationError) or (
                isinstance(error, ssl.SSLError) and error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
            )
            self._refused(_reason(error))
            return False
        return True

    async def _upgraded(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: FramingWriter
    ) -> FramedReader | None:
        """Begin WebSocket. None: it failed, and somebody was told why."""
        try:
            return await accepted(reader, writer, link, link.left_s, self._limits.packet_bytes)
        except (OSError, TimeoutError) as error:
            self._count["handshakes_failed"] += 1
            self._refused("timeout" if isinstance(error, TimeoutError) else f"no WebSocket: {error}")
            return None


def _reason(error: Exception) -> str:
    """Why a handshake failed, in OpenSSL's words if it has any."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unknown").lower().replace("_", " ")
    return "timeout" if isinstance(error, ConnectionAbortedError) else "connection lost"
