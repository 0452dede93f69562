"""What single faults do to the messages of their devices: orders, which `twin.tampering` carries out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np

from twinstorm.twin.chance import Purpose, Words, below, below_one, device_key, stream, word, words
from twinstorm.twin.damage import flipped
from twinstorm.twin.flow import Int, Mask
from twinstorm.twin.sensors import chosen
from twinstorm.twin.uplink import LinkFault

DAMAGED, TRUNCATED, FOREIGN, MISROUTED = (
    "messages_damaged",
    "messages_truncated",
    "messages_of_another_schema",
    "messages_misrouted",
)
ALTERED: Final = "messages_altered"
_MOST_BITS: Final = 1 << 20
"""Draws a reading has for its bits."""
_MORE_BITS: Final = 64


@dataclass
class Tamper(LinkFault):
    """What one order does to messages; see `LinkFault`. Of several, those of a lower `turn` act first."""

    turn: ClassVar[int] = 0
    evidence: ClassVar[str] = ""

    def draws_of(self, what: str, own: Int, seq: Int) -> Words:
        """A word of chance for each reading."""
        return words(self.stream(what), self.key[own], seq)

    def stream(self, what: str) -> int:
        return stream(self.seed, Purpose.PAYLOAD << 64 | device_key(f"{self.step}/{what}"))


@dataclass
class Sometimes(Tamper):
    """An order that takes a part of the messages."""

    share: float

    def takes(self, own: Int, seq: Int) -> Mask:
        return chosen(self.draws_of("takes", own, seq), self.share)


@dataclass
class Always(Tamper):
    """All documents of its devices are of another schema."""

    turn: ClassVar[int] = 1
    evidence: ClassVar[str] = FOREIGN

    def takes(self, own: Int, seq: Int) -> Mask:  # noqa: ARG002
        return np.ones(len(own), np.bool_)


@dataclass
class SchemaBreak(Always):
    """`how` is one of `twin.damage.BREAKS`."""

    how: str


@dataclass
class Falsification(Always):
    """Measurements are altered on the way, so that nobody can tell."""

    turn: ClassVar[int] = 2
    evidence: ClassVar[str] = ALTERED


@dataclass
class Dialect(Always):
    """They carry another number, and are as ever but for that: what firmware says of itself."""

    schema: int


@dataclass
class Corruption(Sometimes):
    """Bits are flipped."""

    bits: int
    turn: ClassVar[int] = 2
    evidence: ClassVar[str] = DAMAGED

    def change(self, payload: bytes, key: int, seq: int, forged: Callable[[bytes], bool]) -> bytes:
        """The damaged payload of one reading.

        Args:
            forged: whether bytes are readable and claim to be another reading. Noise that did that by chance would be
                an attack; one more bit is flipped then.
        """
        draws = self.stream("bits")
        length = 8 * len(payload)
        bits: list[int] = []
        while len(bits) < self.bits + _MORE_BITS:
            bits.append(below_one(word(draws, key, seq * _MOST_BITS + len(bits)), length))
            if len(bits) >= self.bits:
                damaged = flipped(payload, bits)
                if not forged(damaged):
                    return damaged
        return payload


@dataclass
class Truncation(Sometimes):
    """Payloads end after `keep_bytes`."""

    keep_bytes: int
    turn: ClassVar[int] = 3
    evidence: ClassVar[str] = TRUNCATED


@dataclass
class Misrouting(Sometimes):
    """Messages go out on a wrong topic: of another ``device``, another ``site``, or ``nowhere``."""

    to: str
    turn: ClassVar[int] = 4
    evidence: ClassVar[str] = MISROUTED


@dataclass
class Reordering(Sometimes):
    """Messages take up to `by_us` longer, each by itself.

    Attributes:
        newest_us: int64, the latest arrival of what each device sent so far.
    """

    by_us: int
    newest_us: Int = field(init=False)

    def __post_init__(self) -> None:
        self.newest_us = np.zeros(len(self.device), np.int64)

    def keep(self, rows: Mask) -> None:
        super().keep(rows)
        self.newest_us = self.newest_us[rows]

    def delay_us(self, own: Int, seq: Int) -> Int:
        """How much longer; in milliseconds where it is long, so that it fits 32 bits."""
        unit_us = 1 if self.by_us < 1 << 31 else 1_000
        later_us = 1 + below(self.draws_of("delay", own, seq), max(self.by_us // unit_us, 1)) * unit_us
        return np.where(self.takes(own, seq), later_us, 0)

    def overtaking(self, own: Int, arrive_us: Int) -> int:
        """Messages that arrive before one that their device sent earlier; at least one if there is any."""
        order = np.argsort(own, kind="stable")
        own, arrive_us = own[order], arrive_us[order]
        before_us = self.newest_us[own]
        same = own[1:] == own[:-1]
        before_us[1:] = np.where(same, np.maximum(before_us[1:], arrive_us[:-1]), before_us[1:])
        np.maximum.at(self.newest_us, own, arrive_us)
        return int(np.count_nonzero(arrive_us < before_us))


@dataclass
class Repetition(Sometimes):
    """Messages are sent twice, the second time `after_us` later.

    Attributes:
        flagged: with MQTT's DUP flag.
        counted_as: name of its evidence.
    """

    after_us: int
    flagged: bool
    counted_as: str


@dataclass
class HoldingBack(Tamper):
    """Devices keep their readings for `every_us` and send them all at once.

    Attributes:
        next_us: int64, when each device sends next.
    """

    every_us: int
    next_us: Int = field(init=False)

    def __post_init__(self) -> None:
        self.next_us = np.full(len(self.device), self.from_us + self.every_us, np.int64)

    def keep(self, rows: Mask) -> None:
        super().keep(rows)
        self.next_us = self.next_us[rows]
