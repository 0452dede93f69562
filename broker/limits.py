"""What one client may ask of the embedded broker, and what happens to the rest."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

MOST_PACKET_IDS = 65_535
LARGEST_PACKET_BYTES = (1 << 28) - 1
"""What four bytes of length can say."""


@dataclass(frozen=True)
class Limits:
    """Limits of the embedded broker, all for one client; ``docs/broker.md`` says which drop, which cut and which wait.

    Attributes:
        packet_bytes: longest packet, without the bytes that say so; a longer one ends its connection.
        in_flight: messages at QoS 1 and 2 that were sent to a client and that it has not acknowledged; more wait. And
            those at QoS 2 that it sent and has not released; with more of them, or more `queue_bytes`, it is cut.
        queue_messages, queue_bytes: what waits for a connected client; the newest beyond it is dropped.
        offline_messages, offline_bytes: what a session keeps at QoS 1 and 2 for a client that is away, likewise.
        write_buffer_bytes: written, and not yet taken by the client's host; beyond it the client is waited for.
        drain_s: for so long; then it is too slow, and cut.
        connect_s: from the connection to the whole CONNECT, handshakes of TLS and WebSocket included.
        connects_per_s, connects_burst: CONNECTs of all clients together, whoever they are; None: as many as come.
        publishes_per_s, publishes_burst: messages from one client; it is read from no faster. None: no limit.
        turn_packets: packets of one client before the others have their turn.

    Raises:
        ValueError: a limit that lets nothing through.
    """

    packet_bytes: int = 1 << 20
    in_flight: int = 256
    queue_messages: int = 50_000
    queue_bytes: int = 64 << 20
    offline_messages: int = 1_000
    offline_bytes: int = 16 << 20
    write_buffer_bytes: int = 64 << 10
    drain_s: float = 30.0
    connect_s: float = 10.0
    connects_per_s: Fraction | None = None
    connects_burst: int = 1
    publishes_per_s: Fraction | None = None
    publishes_burst: int = 1
    turn_packets: int = 64

    def __post_init__(self) -> None:
        may_be_none = ("offline_messages", "offline_bytes")
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value is not None and (value < 0 or (value == 0 and name not in may_be_none)):
                raise ValueError(f"{name} is {value}: nothing would pass")
        if self.in_flight > MOST_PACKET_IDS:
            raise ValueError(f"in_flight is {self.in_flight}: there are {MOST_PACKET_IDS} packet ids")
        if self.packet_bytes > LARGEST_PACKET_BYTES:
            raise ValueError(f"packet_bytes is {self.packet_bytes}: MQTT has no packet of more than 256 MiB")
