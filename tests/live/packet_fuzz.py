"""Packets of MQTT 3.1.1 that are nearly right, by a seed: each is made as it should be, then damaged here and there."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.live.raw_mqtt import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    packet,
    publish,
    text,
)

CLIENTS = 20
"""Client ids that come again and again, so that sessions are taken over and come back."""
EDGES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
TOPICS = ("dev/one/a", "dev/one/b/c", "dev/two/x", "all/x", "$SYS/x", "dev/one/ü")
FILTERS = ("#", "dev/+/a", "dev/one/#", "all/+", "+/+/+", "$share/g/#", "a+/b", "#/a")


@dataclass(frozen=True)
class Attempt:
    """What one connection says.

    Attributes:
        raw: its bytes.
        ends: how it ends: "closed" (it waits for the broker's end), "half" (it does not wait), "reset" or "open" (it
            stays a while).
    """

    raw: bytes
    ends: str


class Fuzz:
    """Attempts, one after the other; equal seeds make equal ones."""

    def __init__(self, seed: int, user: str, password: str) -> None:
        self._random = random.Random(seed)
        self._user, self._password = user, password

    def attempt(self) -> Attempt:
        chance = self._random
        if chance.random() < 0.4:  # the damage is in the first packet, or there is no CONNECT at all
            first = self._connect() if chance.random() < 0.8 else self._packet()
            raw = self._damaged(first) + self._packet()
        else:
            packets = [self._packet() for _ in range(chance.randint(1, 6))]
            hit = chance.randrange(len(packets))
            packets[hit] = self._damaged(packets[hit])
            raw = self._connect() + b"".join(packets)
        return Attempt(raw, chance.choice(("closed", "closed", "reset", "half", "open")))

    @staticmethod
    def client_ids() -> list[str]:
        return [f"fuzz-{number}" for number in range(CLIENTS)]

    # --- as it should be ----------------------------------------------------------------------------------------------

    def _connect(self) -> bytes:
        chance = self._random
        flags, will = 0xC0 | (0x02 if chance.random() < 0.6 else 0), b""
        if chance.random() < 0.3:
            flags |= 0x04 | chance.randrange(3) << 3 | chance.choice((0, 0x20))
            will = text(chance.choice(TOPICS[:2])) + text("gone")
        name = chance.choice(self.client_ids())
        keep_alive = struct.pack(">H", chance.choice((0, 1, 60, 65_535)))
        who = text(self._user) + text(self._password)
        return packet(CONNECT, text("MQTT") + bytes([4, flags]) + keep_alive + text(name) + will + who)

    def _packet(self) -> bytes:
        return self._random.choice(self._makers)()

    @property
    def _makers(self) -> tuple[Callable[[], bytes], ...]:
        return (self._publish, self._publish, self._acknowledge, self._subscribe, self._unsubscribe, self._empty)

    def _publish(self) -> bytes:
        chance = self._random
        payload = chance.randbytes(chance.choice((0, 1, 20, 130, 20_000)))
        topic, retain = chance.choice(TOPICS), chance.random() < 0.2
        return publish(topic, payload, qos=chance.randrange(3), retain=retain, number=chance.randint(1, 5))

    def _acknowledge(self) -> bytes:
        kind = self._random.choice((PUBACK, PUBREC, PUBREL, PUBCOMP))
        return packet(kind, struct.pack(">H", self._random.randint(1, 5)))

    def _subscribe(self) -> bytes:
        chance = self._random
        filters = (text(chance.choice(FILTERS)) + bytes([chance.randrange(3)]) for _ in range(chance.randint(1, 3)))
        return packet(SUBSCRIBE, b"\x00\x01" + b"".join(filters))

    def _unsubscribe(self) -> bytes:
        return packet(UNSUBSCRIBE, b"\x00\x01" + text(self._random.choice(FILTERS)))

    def _empty(self) -> bytes:
        return packet(self._random.choice((PINGREQ, PINGREQ, DISCONNECT)))

    # --- and damaged --------------------------------------------------------------------------------------------------

    def _damaged(self, raw: bytes) -> bytes:
        for _ in range(self._random.randint(1, 3)):
            raw = self._random.choice(self._damages)(bytearray(raw))
        return raw

    @property
    def _damages(self) -> tuple[Callable[[bytearray], bytes], ...]:
        return (
            self._flip,
            self._edge,
            self._field,
            self._cut,
            self._insert,
            self._repeat,
            self._other_kind,
            self._other_flags,
            self._other_length,
            self._spliced,
        )

    def _at(self, raw: bytearray) -> int:
        return self._random.randrange(len(raw)) if raw else 0

    def _flip(self, raw: bytearray) -> bytes:
        if raw:
            raw[self._at(raw)] ^= 1 << self._random.randrange(8)
        return bytes(raw)

    def _edge(self, raw: bytearray) -> bytes:
        if raw:
            raw[self._at(raw)] = self._random.choice(EDGES)
        return bytes(raw)

    def _field(self, raw: bytearray) -> bytes:
        """Two bytes in a row: most lengths and numbers are that long."""
        at = self._at(raw)
        raw[at : at + 2] = self._random.choice((b"\x00\x00", b"\xff\xff", b"\x00\x01", b"\x80\x00"))
        return bytes(raw)

    def _cut(self, raw: bytearray) -> bytes:
        return bytes(raw[: self._at(raw)])

    def _insert(self, raw: bytearray) -> bytes:
        at = self._at(raw)
        raw[at:at] = self._random.choice((b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"#", b"+/", b"$", bytes(200)))
        return bytes(raw)

    def _repeat(self, raw: bytearray) -> bytes:
        at = self._at(raw)
        return bytes(raw[:at] + raw[at // 2 :])

    def _other_kind(self, raw: bytearray) -> bytes:
        if raw:
            raw[0] = self._random.randrange(16) << 4 | raw[0] & 0x0F
        return bytes(raw)

    def _other_flags(self, raw: bytearray) -> bytes:
        if raw:
            raw[0] = raw[0] & 0xF0 | self._random.randrange(16)
        return bytes(raw)

    def _other_length(self, raw: bytearray) -> bytes:
        lengths = (
            b"\x00",
            b"\x01",
            b"\x7f",
            b"\x80\x01",
            b"\xff\xff\x7f",
            b"\xff\xff\xff\x7f",
            b"\xff\xff\xff\xff\x01",
        )
        raw[1:2] = self._random.choice(lengths)
        return bytes(raw)

    def _spliced(self, raw: bytearray) -> bytes:
        other = self._packet()
        return bytes(raw[: self._at(raw)]) + other[self._random.randrange(len(other)) :]
