"""Somebody who means harm, over sockets of its own: packets that are none, messages in the name of others, floods.

It has an identity that the broker knows, and no certificate. What it counts it has seen itself: a connection that the
broker ended. What it published and nobody may hear, the broker counts (`broker.live_misconduct`).
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from twinstorm.broker.misconduct import CONNECTIONS_ENDED, FLOOD, FORGED, MALFORMED, MESSAGES_SENT, OVERSIZED

PATIENCE_S: Final = 2.0
BEAT_S: Final = 0.05
"""How often a flood is topped up."""
_BROKEN_PACKETS: Final = (
    b"\x10\x04\x00\x04MQ",  # a CONNECT that ends within the name of its protocol
    b"\x00\x04\x00\x00\x00\x00",  # a packet type that does not exist
    b"\x30\x05\x00\x03a/b",  # a PUBLISH before any CONNECT
    b"\x10\xff\xff\xff\xff\x01",  # a length of five bytes
)
"""A broker with TLS waits for a record's header, five bytes; if the second is 3, its version, for the rest too."""
_TOO_LONG: Final = b"\x10\xff\xff\xff\x7f"
"""A CONNECT of 256 MiB."""


@dataclass(frozen=True)
class Intrusion:
    """What it does, wall seconds.

    Attributes:
        what: `MALFORMED`, `OVERSIZED`, `FORGED` or `FLOOD`.
        topics: of others, with `FORGED`; its own, with `FLOOD`.
        payload: of each message.
    """

    step: str
    what: str
    per_s: float
    topics: Sequence[str]
    payload: bytes


async def intrude(order: Intrusion, port: int, user: str, password: str, bit: Callable[[str, str, int], None]) -> None:
    """Do it until cancelled. A broker that is away is tried again."""
    number = 0
    while True:
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                if order.what in (MALFORMED, OVERSIZED):
                    bad = _TOO_LONG if order.what == OVERSIZED else _BROKEN_PACKETS[number % len(_BROKEN_PACKETS)]
                    number += 1  # also if the broker bears it: the next packet may be another
                    await _provoke(reader, writer, bad)
                    bit(order.step, CONNECTIONS_ENDED, 1)
                else:
                    await _publish(order, reader, writer, _connect(user, password), bit)
            finally:
                writer.transport.abort()
        await asyncio.sleep(1 / order.per_s if order.what in (MALFORMED, OVERSIZED) else BEAT_S)


async def _provoke(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, packet: bytes) -> None:
    """Say it, and wait until the broker hangs up."""
    writer.write(packet)
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            while await reader.read(1024):
                pass


async def _publish(
    order: Intrusion,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    connect: bytes,
    bit: Callable[[str, str, int], None],
) -> None:
    """Publish at QoS 0 as fast as ordered, as long as the connection holds."""
    writer.write(connect)
    async with asyncio.timeout(PATIENCE_S):
        try:
            answer = await reader.readexactly(4)
        except (asyncio.IncompleteReadError, ConnectionError):
            bit(order.step, CONNECTIONS_ENDED, 1)
            raise EOFError from None
    if answer[3]:
        raise EOFError
    loop = asyncio.get_running_loop()
    began_s, sent = loop.time(), 0
    while not reader.at_eof():
        due = int((loop.time() - began_s) * order.per_s) + 1
        if due > sent:
            packets = (_message(order.topics[n % len(order.topics)], order.payload) for n in range(sent, due))
            writer.write(b"".join(packets))
            await writer.drain()
            if order.what == FLOOD:
                bit(order.step, MESSAGES_SENT, due - sent)
            sent = due
        await asyncio.sleep(BEAT_S)
    bit(order.step, CONNECTIONS_ENDED, order.what in (FLOOD, FORGED))


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def _packet(first: int, body: bytes) -> bytes:
    length, head = len(body), bytearray([first])
    while True:
        length, low = divmod(length, 128)
        head.append(low | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def _connect(user: str, password: str) -> bytes:
    """Without keep-alive, with a clean session."""
    return _packet(0x10, _text("MQTT") + b"\x04\xc2\x00\x00" + _text(user) + _text(user) + _text(password))


def _message(topic: str, payload: bytes) -> bytes:
    return _packet(0x30, _text(topic) + payload)
