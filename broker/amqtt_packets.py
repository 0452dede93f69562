"""Packets of MQTT 3.1.1 as the embedded broker reads and writes them: whole ones, or the connection ends.

Upstream skips a malformed packet and reads its payload as packets, and waits for a peer that does not read.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from amqtt.adapters import BufferReader, StreamReaderAdapter, StreamWriterAdapter
from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError, ProtocolHandlerError
from amqtt.mqtt import packet_class
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
    MQTTPacket,
)
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket

LARGEST_PACKET_BYTES = 1 << 20

_FLAGS = {PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}
"""Low four bits of the first byte, where they are not 0; those of PUBLISH mean something."""

_FROM_CLIENTS = frozenset(
    (PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT),
)

UNREADABLE = (AMQTTError, MQTTError, NoDataError, CodecError, ValueError, IndexError, TypeError, struct.error)
"""What upstream's decoders raise at bytes that are no packet."""

BROKEN = (AMQTTError, MQTTError, NoDataError, ProtocolHandlerError, TimeoutError, ConnectionError)
"""What upstream raises when a connection ends under its hands."""


class MalformedError(ValueError):
    """Bytes that are no packet, or one that a client must not send here."""


class LimitedReader(StreamReaderAdapter):
    """Reads whole packets, so that a bad one cannot be mistaken for several."""

    async def frame(self) -> tuple[MQTTFixedHeader, bytes] | None:
        """Fixed header and body of the next packet; None at the end of the stream.

        Raises:
            MalformedError: it is longer than `LARGEST_PACKET_BYTES`, or its length is none.
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
            if length > LARGEST_PACKET_BYTES:
                raise MalformedError(f"a packet of {length} bytes")
            return MQTTFixedHeader(first >> 4, first & 0x0F, length), await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


async def read_packet(header: MQTTFixedHeader, body: bytes) -> MQTTPacket[Any, Any, Any]:
    """What a client sent after its CONNECT.

    Raises:
        MalformedError: see there.
    """
    if header.packet_type not in _FROM_CLIENTS:
        raise MalformedError(f"packet type {header.packet_type}")
    if header.packet_type == PUBLISH:
        if header.flags & 0x06 == 0x06:
            raise MalformedError("QoS 3")
    elif header.flags != _FLAGS.get(header.packet_type, 0):
        raise MalformedError(f"flags {header.flags} of packet type {header.packet_type}")
    rest = BufferReader(body)
    try:
        packet: MQTTPacket[Any, Any, Any] = await packet_class(header).from_stream(rest, fixed_header=header)
    except UNREADABLE as error:
        raise MalformedError(str(error)) from error
    if await rest.read(1):
        raise MalformedError("more than the packet")
    if isinstance(packet, PublishPacket) and not is_topic(packet.topic_name or ""):
        raise MalformedError("a topic that nobody can publish to")
    if isinstance(packet, SubscribePacket | UnsubscribePacket):
        # Upstream keeps what it could read of a list that is cut short.
        topics = packet.payload.topics
        sizes = (3 + len(t[0].encode()) if isinstance(t, tuple) else 2 + len(t.encode()) for t in topics)
        if not topics or 2 + sum(sizes) != len(body) or any(isinstance(t, tuple) and t[1] > 2 for t in topics):
            raise MalformedError("topic filters")
    return packet


class AbortingWriter(StreamWriterAdapter):
    """Closes without waiting for a peer that does not read."""

    is_closed: bool

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
    return bool(topic) and "#" not in topic and "+" not in topic
