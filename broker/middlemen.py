"""Somebody in the middle of a connection, as toxics: one who alters what is said, and one who says it again.

They read MQTT from its first byte on. Of a stream that is encrypted, or anything else, they can read nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from twinstorm.broker.toxics import Draw, Piece, Stage, Toxic
from twinstorm.twin.chance import below_one
from twinstorm.twin.damage import falsified, tells_measurements

HANDSHAKES_BROKEN, MESSAGES_ALTERED, MESSAGES_REPLAYED = "handshakes_broken", "messages_altered", "messages_replayed"
TLS_HANDSHAKE: Final = 0x16
"""First byte of a connection over TLS."""
TLS_RANDOM_AT: Final = 11
"""Where the random number of a ClientHello begins."""
CONNECT: Final = 0x10
"""First byte of a connection that speaks MQTT."""
PUBLISH_TYPE: Final = 3
RETAIN: Final = 0x01
MOST_RECORDED_BYTES: Final = 1 << 20
"""Of one connection; what is overheard beyond it is not recorded."""
_MILLION: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Middleman(Toxic):
    """Somebody in the middle. Connections that were open when it was set are reset, for nobody can step into a stream
    half way.

    Attributes:
        counts_resets: that is a part of what it does, and counted.
    """

    place: ClassVar[int] = 0
    counts_resets: ClassVar[bool] = True


class _Reading(Stage):
    """Takes a stream apart into packets of MQTT, and says each as it wants to."""

    def __init__(self) -> None:
        super().__init__()
        self._held = b""
        self._is_mqtt: bool | None = None

    def passed(self, piece: Piece) -> Iterator[Piece]:
        data = piece.data
        if data and self._is_mqtt is None:
            self._is_mqtt = data[0] == CONNECT
            if data[0] == TLS_HANDSHAKE:
                data = self._secret(data)
        if self._is_mqtt:
            self._held += data
            data = b"".join(said for packet in self._packets() for said in self._said(packet, piece.due_s))
        if piece.end is not None:
            data, self._held = data + self._held, b""
            if data:
                yield Piece(piece.due_s, data)
            yield piece._replace(data=b"")
        elif data:
            yield piece._replace(data=data)

    def _packets(self) -> Iterator[bytes]:
        """Whole packets of what is held."""
        while (size := _packet_bytes(self._held)) and len(self._held) >= size:
            packet, self._held = self._held[:size], self._held[size:]
            yield packet

    def _secret(self, data: bytes) -> bytes:
        """What becomes of the first bytes of a connection over TLS."""
        return data

    def _said(self, packet: bytes, now_s: float) -> Iterator[bytes]:
        """What is said in place of a packet."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Meddler(Middleman):
    """Alters the measurements in messages, never their length. That it touches the first message of TLS makes the
    handshake fail at both ends."""

    def stage(self, draw: Draw) -> Stage:  # noqa: ARG002
        return _Meddling()


class _Meddling(_Reading):
    def _secret(self, data: bytes) -> bytes:
        at = min(TLS_RANDOM_AT, len(data) - 1)
        self.count[HANDSHAKES_BROKEN] += 1
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    def _said(self, packet: bytes, now_s: float) -> Iterator[bytes]:  # noqa: ARG002
        if packet[0] >> 4 == PUBLISH_TYPE:
            told = falsified(packet)
            self.count[MESSAGES_ALTERED] += told != packet
            packet = told
        yield packet


@dataclass(frozen=True, kw_only=True)
class Replayer(Middleman):
    """Records readings, and says each once more, `after_s` later, just before the next packet of the same connection.

    Topic and payload are as they were. It is said at QoS 0, so that no answer tells the client of it.

    Attributes:
        share: of the readings.
    """

    counts_resets: ClassVar[bool] = False
    after_s: float
    share: float

    def stage(self, draw: Draw) -> Stage:
        return _Replaying(self, draw)


class _Replaying(_Reading):
    def __init__(self, toxic: Replayer, draw: Draw) -> None:
        super().__init__()
        self._toxic, self._draw, self._drawn = toxic, draw, 0
        self._recorded: deque[tuple[float, bytes]] = deque()
        self._recorded_bytes = 0

    def _said(self, packet: bytes, now_s: float) -> Iterator[bytes]:
        while self._recorded and self._recorded[0][0] <= now_s:
            _, again = self._recorded.popleft()
            self._recorded_bytes -= len(again)
            self.count[MESSAGES_REPLAYED] += 1
            yield again
        if packet[0] >> 4 == PUBLISH_TYPE and tells_measurements(packet) and self._takes():
            again = _at_qos_0(packet)
            if self._recorded_bytes + len(again) <= MOST_RECORDED_BYTES:
                self._recorded.append((now_s + self._toxic.after_s, again))
                self._recorded_bytes += len(again)
        yield packet

    def _takes(self) -> bool:
        self._drawn += 1
        return below_one(self._draw(self._drawn), _MILLION) < round(self._toxic.share * _MILLION)


def _packet_bytes(data: bytes) -> int:
    """How long the MQTT packet is that begins here; 0: that is not there yet."""
    length = 0
    for place, low in enumerate(data[1:5]):
        length |= (low & 0x7F) << (7 * place)
        if not low & 0x80:
            return 2 + place + length
    return 0


def _at_qos_0(publish: bytes) -> bytes:
    """The same message without a packet number."""
    begin = next(place for place, low in enumerate(publish[1:5], 2) if not low & 0x80)
    behind_topic = begin + 2 + int.from_bytes(publish[begin : begin + 2], "big")
    numbered = 2 if publish[0] & 0x06 else 0
    body = publish[begin:behind_topic] + publish[behind_topic + numbered :]
    head, length = bytearray([PUBLISH_TYPE << 4 | publish[0] & RETAIN]), len(body)
    while True:
        length, low = divmod(length, 128)
        head.append(low | (0x80 if length else 0))
        if not length:
            return bytes(head) + body
