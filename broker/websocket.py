"""MQTT in WebSocket frames, at both ends of a connection that somebody else has opened.

The protocol itself is that of the `websockets` package, without its sockets: so an outage, a cut and a reset reach
these connections as they reach plain ones, TLS begins in the same place, and a client needs no thread of its own.
[MQTT-6.0.0]: binary frames, in which packets may begin and end anywhere, and the subprotocol `mqtt`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from twinstorm.broker.amqtt_packets import AbortingWriter

_SUBPROTOCOLS = [Subprotocol("mqtt")]
_PIECE_BYTES = 65_536
_HEADER_BYTES = 5
"""Of the longest packet; clients put one into a frame."""


class NoWebSocketError(ConnectionError):
    """The other end does not speak WebSocket, or not for MQTT."""


def _payload(protocol: Protocol) -> bytes:
    """What the frames that have come hold.

    Raises:
        ConnectionError: a frame of text, which no MQTT is.
    """
    found = bytearray()
    for event in protocol.events_received():
        if isinstance(event, Frame):
            if event.opcode is Opcode.TEXT:
                raise NoWebSocketError("a frame of text")
            if event.opcode in (Opcode.BINARY, Opcode.CONT):
                found += event.data
    return bytes(found)


def _to_send(protocol: Protocol) -> bytes:
    """What is to be written; the end of the stream is left to whoever closes."""
    return b"".join(protocol.data_to_send())


class FramedReader:
    """What stands in frames, read as `asyncio.StreamReader` reads it; pings are answered on the way."""

    def __init__(self, reader: asyncio.StreamReader, link: FramingWriter, protocol: ServerProtocol) -> None:
        self._reader, self._link, self._protocol = reader, link, protocol
        self._ready = bytearray()

    async def readexactly(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            IncompleteReadError: the other end has closed.
            ConnectionError: what it says is no frame of MQTT.
        """
        while len(self._ready) < count:
            piece = await self._reader.read(_PIECE_BYTES)
            if not piece:
                raise asyncio.IncompleteReadError(bytes(self._ready), count)
            self._protocol.receive_data(piece)
            self._ready += _payload(self._protocol)
            if answer := _to_send(self._protocol):
                await self._link.answer(answer)
            if self._protocol.close_expected() and len(self._ready) < count:
                raise asyncio.IncompleteReadError(bytes(self._ready), count)
        found = bytes(self._ready[:count])
        del self._ready[:count]
        return found

    def feed_eof(self) -> None:
        self._reader.feed_eof()


class FramingWriter(AbortingWriter):
    """Writes what it gets as frames; ends like any other connection."""

    protocol: ServerProtocol | None = None
    """None: the handshake is not over, and nothing is written."""

    def write(self, data: bytes) -> None:
        if self.protocol is None:
            return
        try:
            self.protocol.send_binary(data)
        except InvalidState:  # the client has said goodbye
            return
        super().write(_to_send(self.protocol))

    async def answer(self, frames: bytes) -> None:
        """Write frames that are made already, such as pongs; who does not take them is not read on.

        Raises:
            SlowPeerError: it takes none for too long, and the connection is cut.
        """
        super().write(frames)
        await self.drain()

    async def close(self) -> None:
        if not self.is_closed and self.protocol is not None:
            try:
                self.protocol.send_close(1000)
            except InvalidState:
                pass
            else:
                super().write(_to_send(self.protocol))
        await super().close()


async def accepted(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    framing: FramingWriter,
    within_s: float,
    packet_bytes: int,
) -> FramedReader:
    """Answer a client's handshake. From here on `framing` writes frames.

    Args:
        packet_bytes: the longest packet; a longer frame ends the connection.

    Raises:
        NoWebSocketError: it wants something else; it has been told what is wrong.
        ConnectionError, TimeoutError: it has gone, or says nothing.
    """
    protocol = ServerProtocol(subprotocols=_SUBPROTOCOLS, max_size=packet_bytes + _HEADER_BYTES)
    async with asyncio.timeout(within_s):
        try:
            first = await reader.readexactly(1)
            if first != b"G":  # of GET; plain MQTT, say, would wait for its answer
                raise NoWebSocketError("no HTTP")
            # And no more: what stands behind it is for later, when this end has answered.
            asked = first + await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise NoWebSocketError("no whole request") from None
        protocol.receive_data(asked)
        request = next((each for each in protocol.events_received() if isinstance(each, Request)), None)
        if request is None:
            raise NoWebSocketError(str(protocol.handshake_exc))
        protocol.send_response(protocol.accept(request))
        writer.write(_to_send(protocol))
        await writer.drain()
    if protocol.handshake_exc is not None:
        raise NoWebSocketError(str(protocol.handshake_exc))
    framing.protocol = protocol
    return FramedReader(reader, framing, protocol)


class WebSocketSocket:
    """The client's end of a connected socket that does not block, in place of that socket.

    `do_handshake` asks for more as that of `ssl.SSLSocket` does; `recv` and `send` are those of a socket.

    Args:
        under: TCP, or TLS whose handshake is over.
        host, port, path: whom it asks for what.
    """

    def __init__(self, under: socket.socket, host: str, port: int, path: str) -> None:
        secure = isinstance(under, ssl.SSLSocket)
        uri = parse_uri(f"{'wss' if secure else 'ws'}://{host}:{port}{path}")
        self._under = under
        self._protocol = ClientProtocol(uri, subprotocols=_SUBPROTOCOLS, max_size=None)
        self._protocol.send_request(self._protocol.connect())
        self._out = bytearray(_to_send(self._protocol))
        self._ready = bytearray()
        self._asked = 0
        """Bytes that the caller wanted to send and whose frame is not written yet."""
        self._agreed = False

    def do_handshake(self) -> None:
        """Go on with the handshake.

        Raises:
            SSLWantReadError, SSLWantWriteError: call again when the socket can.
            NoWebSocketError: there is nobody who speaks MQTT over WebSocket.
        """
        try:
            self._flush()
        except (BlockingIOError, ssl.SSLWantWriteError):
            raise ssl.SSLWantWriteError from None
        while not self._agreed:
            try:
                piece = self._under.recv(_PIECE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                raise ssl.SSLWantReadError from None
            if not piece:
                raise NoWebSocketError("connection lost")
            self._protocol.receive_data(piece)
            events = self._protocol.events_received()
            if self._protocol.handshake_exc is not None:
                raise NoWebSocketError(str(self._protocol.handshake_exc))
            self._agreed = any(isinstance(event, Response) for event in events)
            # The broker speaks only when it was spoken to: behind its answer there is nothing yet.
            if self._agreed and self._protocol.subprotocol is None:
                raise NoWebSocketError("it does not speak MQTT")

    def recv(self, size: int) -> bytes:
        """Raises BlockingIOError as long as no whole frame is there."""
        if not self._ready:
            piece = self._under.recv(_PIECE_BYTES)
            if not piece:
                return b""
            self._protocol.receive_data(piece)
            self._ready += _payload(self._protocol)
            # A pong goes out with what is written next; so does the answer to a goodbye.
            self._out += _to_send(self._protocol)
            if not self._ready:
                if self._protocol.close_expected():
                    return b""
                raise BlockingIOError
        found = bytes(self._ready[:size])
        del self._ready[:size]
        return found

    def send(self, data: bytes | bytearray) -> int:
        """All of it, as one frame.

        Raises:
            BlockingIOError: not all is written: call again with the same.
        """
        if not self._asked:
            try:
                self._protocol.send_binary(bytes(data))
            except InvalidState as error:
                raise ConnectionAbortedError("closed by the other end") from error
            self._out += _to_send(self._protocol)
            self._asked = len(data)
        self._flush()
        asked, self._asked = self._asked, 0
        return asked

    def _flush(self) -> None:
        while self._out:
            del self._out[: self._under.send(self._out)]

    def pending(self) -> int:
        """Bytes that were read from the socket, and that no selector tells of."""
        return len(self._ready) + (self._under.pending() if isinstance(self._under, ssl.SSLSocket) else 0)

    def fileno(self) -> int:
        return self._under.fileno()

    def setsockopt(self, *option: Any) -> None:
        self._under.setsockopt(*option)

    def setblocking(self, flag: bool) -> None:
        self._under.setblocking(flag)

    def close(self) -> None:
        self._under.close()
