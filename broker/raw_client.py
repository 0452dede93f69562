"""MQTT 3.1.1 by the byte, for measuring brokers: a client that costs next to nothing beside what it measures.

paho needs 100 us for a connect and 30 us for a message: a broker that is faster would be measured as paho. Here packets
are made once and written as they are, and what comes back is cut into packets and no more.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
DISCONNECT = b"\xe0\x00"
READ_BYTES = 1 << 18


def _length(count: int) -> bytes:
    found = bytearray()
    while True:
        count, low = divmod(count, 128)
        found.append(low | (0x80 if count else 0))
        if not count:
            return bytes(found)


def _text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _length(len(body)) + body


def connect_packet(client_id: str, username: str | None = None, password: str | None = None) -> bytes:
    """A clean session with a keep-alive of ten minutes, longer than any measurement."""
    flags = 0x02 | (0x80 if username else 0) | (0x40 if username and password else 0)
    body = _text("MQTT") + bytes((4, flags)) + struct.pack("!H", 600) + _text(client_id)
    if username:
        body += _text(username) + (_text(password) if password else b"")
    return _packet(0x10, body)


def subscribe_packet(topic_filter: str, qos: int, packet_id: int = 1) -> bytes:
    return _packet(0x82, struct.pack("!H", packet_id) + _text(topic_filter) + bytes((qos,)))


def publish_packet(topic: str | bytes, payload: bytes, qos: int = 0, packet_id: int = 0) -> bytes:
    """At QoS 1 and 2 with an id between 1 and 65,535."""
    number = struct.pack("!H", packet_id) if qos else b""
    return _packet(0x30 | qos << 1, _text(topic) + number + payload)


def puback_packet(packet_id: bytes) -> bytes:
    return b"\x40\x02" + packet_id


def published(body: bytes, first: int) -> tuple[bytes, bytes]:
    """Packet id (empty at QoS 0) and payload of a PUBLISH."""
    start = 2 + int.from_bytes(body[:2], "big")
    if first & 0x06:
        return body[start : start + 2], body[start + 2 :]
    return b"", body[start:]


@dataclass
class RawClient:
    """One connection. Neither thread nor loop: whoever has it says when to read and write.

    Raises:
        OSError: of its methods, when the connection is refused or lost.
    """

    address: tuple[str, int]
    context: ssl.SSLContext | None = None
    timeout_s: float = 10.0
    socket: socket.socket = field(init=False)
    _rest: bytes = b""

    def open(self, connect: bytes) -> None:
        """Connect and wait for a CONNACK that accepts."""
        self.socket = socket.create_connection(self.address, self.timeout_s)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                self.socket = self.context.wrap_socket(self.socket, server_hostname=self.address[0])
            self.socket.sendall(connect)
            _, body = self.wait_for(CONNACK)
            if body[1]:
                raise ConnectionRefusedError(f"the broker refuses the client: CONNACK {body[1]}")
        except BaseException:
            self.socket.close()
            raise

    def subscribe(self, topic_filter: str, qos: int) -> None:
        self.socket.sendall(subscribe_packet(topic_filter, qos))
        _, body = self.wait_for(SUBACK)
        if body[2] & 0x80:
            raise PermissionError(f"the broker does not let us subscribe to {topic_filter}")

    def wait_for(self, kind: int) -> tuple[int, bytes]:
        """The first packet of this type; others before it are dropped."""
        while True:
            for first, body in self.receive():
                if first >> 4 == kind:
                    return first, body

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """First byte and body of each packet that has arrived; waits for at least a byte, up to the socket's timeout.

        Raises:
            BlockingIOError: the socket does not block, and there is nothing.
            ConnectionResetError: it is closed.
        """
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        data, self._rest = self._rest + data, b""
        at, end = 0, len(data)
        while at < end:
            length = shift = 0
            head = at + 1
            while head < end:
                low = data[head]
                length |= (low & 0x7F) << shift
                head += 1
                if low < 0x80:
                    break
                shift += 7
            else:
                break
            if head + length > end:
                break
            yield data[at], data[head : head + length]
            at = head + length
        self._rest = data[at:]

    def close(self) -> None:
        """Take leave; a connection that is lost already is no failure."""
        with contextlib.suppress(OSError):
            self.socket.sendall(DISCONNECT)
        self.socket.close()
