"""What a session keeps beside its subscriptions: messages that wait for its client, are under way to it, or half came
from it. Plain data, that knows neither sockets nor a loop: it outlives connections, and a broker that saves it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct

from twinstorm.broker.limits import MOST_PACKET_IDS
from twinstorm.twin.wire.columns import topics_of

PUBLISH, PUBREL = 0x30, 0x62
DUP = 0x08
_NUMBER = Struct(">H").pack


@dataclass(frozen=True, slots=True)
class Message:
    """An application message.

    Attributes:
        qos: the one that it is, or was, sent with.
        retain: it was kept from before the subscription.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool = False

    @property
    def size_bytes(self) -> int:
        """Of topic and payload."""
        return len(self.topic) + len(self.payload)

    def packet(self, number: int = 0, *, again: bool = False) -> bytes:
        """As a PUBLISH; `number` is unused at QoS 0."""
        topic = self.topic.encode()
        head = _NUMBER(len(topic)) + topic + (_NUMBER(number) if self.qos else b"")
        first = PUBLISH | (DUP if again else 0) | self.qos << 1 | self.retain
        return bytes([first]) + length_of(len(head) + len(self.payload)) + head + self.payload


def readings_of(messages: Iterable[Message]) -> Counter[str]:
    """Telemetry topics of the readings in these messages, and topics of others."""
    return Counter(topic for one in messages for topic in topics_of(one.topic, one.payload))


class Stage(IntEnum):
    """How far a message under way to a client has come."""

    SENT = 0
    """Published; nothing has come back."""
    RELEASED = 1
    """QoS 2: the client has it (PUBREC), and was told to pass it on (PUBREL)."""


@dataclass(slots=True)
class Flight:
    """A message under way to a client."""

    message: Message
    stage: Stage = Stage.SENT

    def packet(self, number: int) -> bytes:
        """What is sent when the client is back."""
        if self.stage is Stage.RELEASED:
            return bytes([PUBREL, 2]) + _NUMBER(number)
        return self.message.packet(number, again=True)


@dataclass(slots=True)
class Mailbox:
    """Of one session.

    Attributes:
        waiting: to be sent, in order.
        waiting_bytes: of topics and payloads of `waiting`.
        in_flight: sent at QoS 1 or 2 and not acknowledged, by packet id, in the order of sending.
        received: came from the client at QoS 2, and it has not said yet that it knows; by its packet id.
        last_number: the last packet id that was given out.

    Example:
        >>> box = Mailbox()
        >>> [box.put(Message("a", b"x", qos=1), messages=2, size_bytes=100) for _ in range(3)]
        ['', '', 'messages']
        >>> len(box.next_packet(window=1) or b""), box.next_packet(window=1), len(box)
        (8, None, 2)
        >>> box.acknowledged(1), box.acknowledged(1), len(box)
        (True, False, 1)
    """

    waiting: deque[Message] = field(default_factory=deque)
    waiting_bytes: int = 0
    in_flight: dict[int, Flight] = field(default_factory=dict)
    received: dict[int, Message] = field(default_factory=dict)
    last_number: int = 0

    def __len__(self) -> int:
        """Messages for the client."""
        return len(self.waiting) + len(self.in_flight)

    def put(self, message: Message, messages: int, size_bytes: int) -> str:
        """Let it wait; or, if that would exceed a limit, name the limit and drop it."""
        if len(self.waiting) >= messages:
            return "messages"
        size = message.size_bytes
        if self.waiting_bytes + size > size_bytes:
            return "bytes"
        self.waiting.append(message)
        self.waiting_bytes += size
        return ""

    def is_ready(self, window: int) -> bool:
        """May something be sent?"""
        return bool(self.waiting) and (not self.waiting[0].qos or len(self.in_flight) < window)

    def next_packet(self, window: int) -> bytes | None:
        """The next message as it goes out; None: none waits, or the client has `window` of them to acknowledge."""
        if not self.is_ready(window):
            return None
        message = self.waiting.popleft()
        self.waiting_bytes -= message.size_bytes
        if not message.qos:
            return message.packet()
        number = self._free_number()
        self.in_flight[number] = Flight(message)
        return message.packet(number)

    def again(self) -> Iterator[bytes]:
        """What an earlier connection did not finish, to be sent first on a new one."""
        for number, flight in self.in_flight.items():
            yield flight.packet(number)

    def acknowledged(self, number: int) -> bool:
        """PUBACK. False: of nothing that is under way at QoS 1."""
        flight = self.in_flight.get(number)
        if flight is None or flight.message.qos != 1:
            return False
        del self.in_flight[number]
        return True

    def arrived(self, number: int) -> None:
        """PUBREC: never publish it again."""
        flight = self.in_flight.get(number)
        if flight is not None and flight.message.qos == 2:
            flight.stage = Stage.RELEASED

    def completed(self, number: int) -> bool:
        """PUBCOMP. False: of nothing that was released."""
        flight = self.in_flight.get(number)
        if flight is None or flight.stage is not Stage.RELEASED:
            return False
        del self.in_flight[number]
        return True

    def promise(self, number: int, message: Message, messages: int, size_bytes: int) -> bool:
        """The client has published it at QoS 2. False: it has not let go of too many before it.

        There are 65,535 packet ids, each of which may stand for the longest packet.
        """
        held = [other for key, other in self.received.items() if key != number]
        if len(held) >= messages or sum(other.size_bytes for other in held) + message.size_bytes > size_bytes:
            return False
        self.received[number] = message
        return True

    def hang_up(self) -> int:
        """The connection is over: forget what waits at QoS 0. Returns how many messages that were."""
        kept = deque(message for message in self.waiting if message.qos)
        lost = len(self.waiting) - len(kept)
        if lost:
            self.waiting = kept
            self.waiting_bytes = sum(message.size_bytes for message in kept)
        return lost

    def owed(self) -> Iterator[Message]:
        """Messages that the client has not got, as far as anybody can know."""
        yield from (flight.message for flight in self.in_flight.values() if flight.stage is Stage.SENT)
        yield from self.waiting

    def clear(self) -> None:
        self.waiting.clear()
        self.waiting_bytes = 0
        self.in_flight.clear()
        self.received.clear()

    def _free_number(self) -> int:
        number = self.last_number
        while True:
            number = number % MOST_PACKET_IDS + 1
            if number not in self.in_flight:
                self.last_number = number
                return number


def length_of(count: int) -> bytes:
    """The remaining length of a packet, as MQTT writes it."""
    written = bytearray()
    while True:
        count, low = divmod(count, 128)
        written.append(low | (0x80 if count else 0))
        if not count:
            return bytes(written)
