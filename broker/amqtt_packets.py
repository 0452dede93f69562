"""Packets of MQTT 3.1.1 as the embedded broker reads and writes them: whole ones, or the connection ends.

Upstream skips a malformed packet and reads its payload as packets, and waits for a peer that does not read.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from typing import Any, ClassVar, NamedTuple, Protocol

from amqtt.adapters import BufferReader, StreamReaderAdapter, StreamWriterAdapter
from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError, ProtocolHandlerError
from amqtt.mqtt.packet import (
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    MQTTFixedHeader,
)
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket

from twinstorm.broker.limits import Limits
from twinstorm.broker.mailbox import Message, length_of

_FLAGS = {PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}
"""Low four bits of the first byte, where they are not 0; those of PUBLISH mean something."""

_NUMBERED = frozenset((PUBACK, PUBREC, PUBREL, PUBCOMP))
_EMPTY = frozenset((PINGREQ, DISCONNECT))
_FROM_CLIENTS = frozenset((*_NUMBERED, *_EMPTY, PUBLISH, SUBSCRIBE, UNSUBSCRIBE))

UNREADABLE = (AMQTTError, MQTTError, NoDataError, CodecError, ValueError, IndexError, TypeError, struct.error)
"""What decoders raise at bytes that are no packet."""

BROKEN = (AMQTTError, MQTTError, NoDataError, ProtocolHandlerError, TimeoutError, ConnectionError)
"""What upstream raises when a connection ends under its hands."""


class MalformedError(ValueError):
    """Bytes that are no packet, or one that a client must not send here; `counter`: where that is counted."""

    counter: ClassVar[str] = "malformed"


class OversizedError(MalformedError):
    """A packet that is longer than this broker takes."""

    counter = "oversized"


class UnreleasedError(MalformedError):
    """One more message at QoS 2, of a client that has let go of none of too many before it."""

    counter = "unreleased"


class SlowPeerError(ConnectionError):
    """A peer that does not read what is written to it."""


class Frame(NamedTuple):
    """A packet as it came: its first byte, and what follows its length."""

    first: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.first >> 4

    @property
    def flags(self) -> int:
        return self.first & 0x0F

    def raw(self) -> bytes:
        return bytes([self.first]) + length_of(len(self.body)) + self.body


class ByteReader(Protocol):
    """What of `asyncio.StreamReader` is needed, so that packets may also stand in frames."""

    async def readexactly(self, count: int, /) -> bytes:
        """See there."""
        ...

    def feed_eof(self) -> None:
        """See there."""
        ...


class LimitedReader(StreamReaderAdapter):
    """Reads whole packets, so that a bad one cannot be mistaken for several."""

    def __init__(self, reader: ByteReader, largest_bytes: int, count: Counter[str]) -> None:
        super().__init__(reader)
        self._largest_bytes, self._count = largest_bytes, count

    async def frame(self) -> Frame | None:
        """The next packet; None at the end of the stream.

        Raises:
            OversizedError: it is longer than the limit.
            MalformedError: its length is none.
        """
        try:
            first = (await self._reader.readexactly(1))[0]
            length = shift = 0
            while True:
                low = (await self._reader.readexactly(1))[0]
                length |= (low & 0x7F) << shift
                if not low & 0x80:
                    break
                shift += 7
                if shift > 21:
                    raise MalformedError("a length of more than four bytes")
            if length > self._largest_bytes:
                raise OversizedError(f"a packet of {length} bytes")
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self._count["bytes_in"] += 2 + shift // 7 + length
        return Frame(first, body)


def read_publish(frame: Frame) -> tuple[Message, int]:
    """A message of a client, and its packet id, 0 at QoS 0.

    Raises:
        MalformedError: see there.
    """
    flags, body = frame.flags, frame.body
    qos = flags >> 1 & 3
    if qos == 3 or (flags & 8 and not qos):
        raise MalformedError("QoS 3, or a repetition at QoS 0")
    try:
        end = 2 + int.from_bytes(body[:2])
        topic = body[2:end].decode()
    except UnicodeDecodeError as error:
        raise MalformedError("a topic that is no text") from error
    start = end + 2 if qos else end
    number = int.from_bytes(body[end:start])
    if start > len(body) or (qos and not number):
        raise MalformedError("a PUBLISH that is cut short, or without a packet id")
    if not is_topic(topic):
        raise MalformedError("a topic that nobody can publish to")
    return Message(topic, body[start:], qos, bool(flags & 1)), number


def read_number(frame: Frame) -> int:
    """The packet id of an acknowledgement."""
    return int.from_bytes(frame.body)


def check(frame: Frame) -> None:
    """Is it a packet that a client may send after its CONNECT? What it carries is read by who takes it.

    Raises:
        MalformedError: no.
    """
    kind = frame.kind
    if kind not in _FROM_CLIENTS:
        raise MalformedError(f"packet type {kind}")
    if kind != PUBLISH and frame.flags != _FLAGS.get(kind, 0):
        raise MalformedError(f"flags {frame.flags} of packet type {kind}")
    if (kind in _NUMBERED and len(frame.body) != 2) or (kind in _EMPTY and frame.body):
        raise MalformedError(f"{len(frame.body)} bytes in packet type {kind}")


async def read_filters(frame: Frame) -> tuple[int, list[Any]]:
    """Packet id, and what a client subscribes to (filters with their QoS) or unsubscribes from (filters).

    Raises:
        MalformedError: see there.
    """
    what: Any = SubscribePacket if frame.kind == SUBSCRIBE else UnsubscribePacket
    header = MQTTFixedHeader(frame.kind, frame.flags, len(frame.body))
    try:
        packet = await what.from_stream(BufferReader(frame.body), fixed_header=header)
    except UNREADABLE as error:
        raise MalformedError(str(error)) from error
    # Upstream keeps what it could read of a list that is cut short.
    topics = packet.payload.topics
    sizes = (3 + len(t[0].encode()) if isinstance(t, tuple) else 2 + len(t.encode()) for t in topics)
    if not topics or 2 + sum(sizes) != len(frame.body) or any(isinstance(t, tuple) and t[1] > 2 for t in topics):
        raise MalformedError("topic filters")
    number, names = packet.variable_header.packet_id, [t[0] if isinstance(t, tuple) else t for t in topics]
    if not number or any(not name or "\0" in name for name in names):
        raise MalformedError("a filter that is none, or no packet id")
    return number, topics


class AbortingWriter(StreamWriterAdapter):
    """Closes without waiting for a peer that does not read, and waits for none of them longer than the limit.

    Attributes:
        connect_by: by the clock of the loop, when there must have been a whole CONNECT.
    """

    is_closed: bool

    def __init__(self, writer: asyncio.StreamWriter, limits: Limits, count: Counter[str]) -> None:
        super().__init__(writer)
        self.connect_by = asyncio.get_running_loop().time() + limits.connect_s
        self._drain_s, self._count = limits.drain_s, count

    def write(self, data: bytes) -> None:
        if self._writer.transport.is_closing():
            return  # asyncio would complain about each one on standard error
        self._count["bytes_out"] += len(data)
        super().write(data)

    @property
    def left_s(self) -> float:
        """Until then; no less than nothing."""
        return max(self.connect_by - asyncio.get_running_loop().time(), 0.0)

    async def drain(self) -> None:
        """Wait while too much is written that the peer has not taken.

        Raises:
            SlowPeerError: that takes too long, and the connection is cut.
        """
        if self.is_closed or not self._writer.transport.get_write_buffer_size():
            return
        try:
            async with asyncio.timeout(self._drain_s):
                await self._writer.drain()
        except TimeoutError:
            if not self.is_closed:
                self._count["slow_consumers"] += 1
                self.abort()
            raise SlowPeerError from None

    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            transport = self._writer.transport
            transport.abort() if transport.get_write_buffer_size() else self._writer.close()

    def abort(self) -> None:
        self.is_closed = True
        self._writer.transport.abort()


def is_topic(topic: str) -> bool:
    """Can a client publish to it at all?"""
    return bool(topic) and not any(letter in topic for letter in "#+\0")
