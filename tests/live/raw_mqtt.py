"""MQTT 3.1.1 by hand, over one socket: for what a real client library would never send. Every wait has a deadline."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x10, 0x20, 0x30, 0x40, 0x50, 0x62, 0x70
SUBSCRIBE, SUBACK, UNSUBSCRIBE, PINGREQ, PINGRESP, DISCONNECT = 0x82, 0x90, 0xA2, 0xC0, 0xD0, 0xE0
PATIENCE_S = 5.0


def text(value: str | bytes) -> bytes:
    """With its length before it."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def packet(first: int, body: bytes = b"") -> bytes:
    """First byte, length, body."""
    length, head = len(body), bytearray([first])
    while True:
        length, low = divmod(length, 128)
        head.append(low | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def publish(topic: str | bytes, payload: bytes, *, qos: int = 0, retain: bool = False, number: int = 7) -> bytes:
    return packet(PUBLISH | qos << 1 | retain, text(topic) + (struct.pack(">H", number) if qos else b"") + payload)


@dataclass(frozen=True)
class Message:
    """A PUBLISH as it arrived."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    number: int


class RawClient:
    """One connection; over TLS with a context, whose handshake is over then.

    Args:
        patience_s: how long it waits for whatever is to come.

    Raises:
        OSError: nobody listens, or (`ssl.SSLError`) one refuses the other.
    """

    def __init__(
        self,
        port: int,
        receive_bytes: int | None = None,
        tls: ssl.SSLContext | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.patience_s = patience_s
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(patience_s)
        try:
            self.socket.connect(("127.0.0.1", port))
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        except OSError:
            self.socket.close()
            raise

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def send_connect(
        self,
        client_id: str,
        user: str | None,
        password: str | None,
        *,
        keep_alive_s: int = 60,
        clean: bool = True,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        flags = (
            (0x80 if user is not None else 0)
            | (0x40 if password is not None else 0)
            | (0x02 if clean else 0)
            | (0x0C if will else 0)
        )
        body = text("MQTT") + bytes([4, flags]) + struct.pack(">H", keep_alive_s) + text(client_id)
        if will is not None:
            body += text(will[0]) + text(will[1])
        self.send(packet(CONNECT, body + b"".join(text(said) for said in (user, password) if said is not None)))

    def connack(self) -> int:
        first, body = self.read()
        assert first == CONNACK
        return body[1]

    def subscribe(self, topic: str, qos: int = 1) -> int:
        """Granted QoS, or 0x80. What was published before the answer is not kept."""
        self.send(packet(SUBSCRIBE, struct.pack(">H", 1) + text(topic) + bytes([qos])))
        while True:
            first, body = self.read()
            if first == SUBACK:
                return body[2]

    def message(self, *, acknowledge: bool = True) -> Message:
        """The next PUBLISH; other packets are skipped."""
        while True:
            first, body = self.read()
            if first & 0xF0 != PUBLISH:
                continue
            (length,) = struct.unpack_from(">H", body)
            topic, rest, number, qos = body[2 : 2 + length].decode(), body[2 + length :], 0, first >> 1 & 3
            if qos:
                (number,), rest = struct.unpack_from(">H", rest), rest[2:]
                if acknowledge:
                    self.send(packet(PUBACK, struct.pack(">H", number)))
            return Message(topic, rest, qos, bool(first & 1), bool(first & 8), number)

    def ping(self) -> None:
        """Ask, and wait for the answer; what was published before it is not kept."""
        self.send(packet(PINGREQ))
        while self.read()[0] != PINGRESP:
            pass

    def read(self) -> tuple[int, bytes]:
        """First byte and body of the next packet.

        Raises:
            ConnectionError: the connection is closed.
            TimeoutError: nothing came.
        """
        first = self._exactly(1)[0]
        length = shift = 0
        while True:
            low = self._exactly(1)[0]
            length |= (low & 0x7F) << shift
            shift += 7
            if not low & 0x80:
                return first, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        raw = b""
        while len(raw) < count:
            more = self.socket.recv(count - len(raw))
            if not more:
                raise ConnectionError("closed")
            raw += more
        return raw

    def ends(self, within_s: float | None = None) -> str:
        """How the connection ends: ``closed``, ``reset``, or ``open`` if it does not; what arrives is not kept."""
        end_s = time.monotonic() + (self.patience_s if within_s is None else within_s)
        try:
            while (left_s := end_s - time.monotonic()) > 0:
                self.socket.settimeout(left_s)
                if not self.socket.recv(65_536):
                    return "closed"
        except TimeoutError:
            pass
        except ConnectionError:
            return "reset"
        finally:
            self.socket.settimeout(self.patience_s)
        return "open"

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


class Accepted(RawClient):
    """The other end of one: a broker by hand.

    Args:
        server: somebody is about to connect to it.

    Raises:
        TimeoutError: nobody does.
    """

    def __init__(self, server: socket.socket, patience_s: float = PATIENCE_S) -> None:
        self.patience_s = patience_s
        server.settimeout(patience_s)
        self.socket, _ = server.accept()
        self.socket.settimeout(patience_s)

    def welcome(self) -> None:
        """Answer CONNECT."""
        first, _ = self.read()
        assert first == CONNECT
        self.send(packet(CONNACK, bytes([0, 0])))

    def grant(self) -> None:
        """Answer SUBSCRIBE: all that is asked for."""
        first, body = self.read()
        assert first == SUBSCRIBE
        granted, rest = b"", body[2:]
        while rest:
            (length,) = struct.unpack_from(">H", rest)
            granted, rest = granted + rest[2 + length : 3 + length], rest[3 + length :]
        self.send(packet(SUBACK, body[:2] + granted))


class Client(RawClient):
    """One connection, in the words of most tests."""

    def connect(self, client_id: str, user: str, password: str, *, keep_alive: int = 60, **options: Any) -> int:
        self.send_connect(client_id, user, password, keep_alive_s=keep_alive, **options)
        return self.connack()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self.send(publish(topic, payload, qos=qos, retain=retain))

    def is_closed(self, within_s: float | None = None) -> bool:
        return self.ends(within_s) != "open"


def until(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Does it come true in time? The broker tells nobody outside when its state changes, so it is asked again."""
    never = threading.Event()
    end_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        never.wait(0.005)
    return True
