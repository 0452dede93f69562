"""What a fault proxy can do to a connection: settings that somebody sets, and the stages that shape what passes.

A toxic is frozen settings and knows no connection. Of those that shape a stream, every pump makes itself a `Stage`,
which holds what must be remembered: when the transmitter is free, whether the link is bad. A stage takes pieces with
the instant at which each would leave, and gives them back later, cut up, or not at all; never changed, never
overtaking.

Settings are wall seconds and bytes. `direction` says which way: ``up`` is from client to broker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final, Literal, NamedTuple

import numpy as np

from twinstorm.twin.chance import below_one
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.radio import BurstLoss

Direction = Literal["up", "down", "both"]
Draw = Callable[[int], int]
"""The 64-bit word of chance with this number; each stage has a stream of its own."""

LARGEST_READ_BYTES: Final = 16_384
TRANSMIT_AHEAD_S: Final = 0.25
"""What a narrow link has begun to transmit, at most; the rest waits with the client and is free when it widens."""
MOST_SLICES: Final = 256
FIRST_RETRY_S: Final = 0.2
"""First retransmission timeout: TCP's smallest on Linux."""
LONGEST_RETRY_S: Final = 60.0
"""A timeout doubles up to this (RFC 6298 allows no less)."""
MOST_RETRIES: Final = 8
"""The last of them gets through."""

BYTES_DELAYED, RETRANSMISSIONS = "bytes_delayed", "retransmissions"
CONNECTIONS_CLOSED, CONNECTIONS_RESET = "connections_closed", "connections_reset"
CLOSES_DELAYED, STREAMS_SILENCED = "closes_noticed_late", "streams_silenced"


class End(Enum):
    """How a stream ends."""

    EOF = "eof"
    """One side says no more; the other direction goes on."""
    CLOSE = "close"
    """Both directions are over."""
    RESET = "reset"
    """The connection broke."""


class Piece(NamedTuple):
    """Bytes of a stream, or its end, and the instant of the loop's clock at which they leave, seconds."""

    due_s: float
    data: bytes
    end: End | None = None


class Stage:
    """One toxic at work on one direction of one connection; this one does nothing.

    Attributes:
        count: what it demonstrably did, by name.
        free_s: until then it takes nothing more, and nothing more is read.
    """

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.free_s = 0.0

    def most_bytes(self) -> int:
        """How much it wants to be given at once, at least 1."""
        return LARGEST_READ_BYTES

    def passed(self, piece: Piece) -> Iterator[Piece]:
        """What becomes of a piece; order and bytes stay."""
        yield piece

    def _delayed(self, piece: Piece, due_s: float) -> Piece:
        if due_s > piece.due_s:
            self.count[BYTES_DELAYED] += len(piece.data)
        return piece._replace(due_s=due_s)


@dataclass(frozen=True, kw_only=True)
class Toxic:
    """Something wrong with a network; ours are below.

    Attributes:
        place: where on the way it acts, from the sender on; of two toxics the lower one comes first.
    """

    place: ClassVar[int] = 0
    direction: Direction = "both"

    def stage(self, draw: Draw) -> Stage | None:  # noqa: ARG002
        """What it does to one direction of one connection; None: it is no matter of what passes."""
        return None


# --- the transmitter --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Limit(Toxic):
    """So many bytes get through, then the connection is closed."""

    place: ClassVar[int] = 0
    after_bytes: int

    def stage(self, draw: Draw) -> Stage:  # noqa: ARG002
        return _Limited(self.after_bytes)


class _Limited(Stage):
    def __init__(self, left_bytes: int) -> None:
        super().__init__()
        self._left_bytes = left_bytes

    def passed(self, piece: Piece) -> Iterator[Piece]:
        if self._left_bytes:
            yield piece._replace(data=piece.data[: self._left_bytes])
        self._left_bytes -= min(len(piece.data), self._left_bytes)
        if not self._left_bytes:
            self.count[CONNECTIONS_CLOSED] += 1
            yield Piece(piece.due_s, b"", End.CLOSE)


@dataclass(frozen=True, kw_only=True)
class Bandwidth(Toxic):
    """One byte after the other, no faster than this; what is not under way yet waits with its sender.

    Raises:
        ValueError: if the rate is not positive.
    """

    place: ClassVar[int] = 1
    bytes_per_s: float

    def __post_init__(self) -> None:
        if not self.bytes_per_s > 0:
            raise ValueError(f"bytes_per_s must be positive, not {self.bytes_per_s:g}")

    def stage(self, draw: Draw) -> Stage:  # noqa: ARG002
        return _Narrow(self.bytes_per_s)


class _Narrow(Stage):
    def __init__(self, bytes_per_s: float) -> None:
        super().__init__()
        self._bytes_per_s = bytes_per_s

    def most_bytes(self) -> int:
        return max(int(min(self._bytes_per_s * TRANSMIT_AHEAD_S, LARGEST_READ_BYTES)), 1)

    def passed(self, piece: Piece) -> Iterator[Piece]:
        self.free_s = max(self.free_s, piece.due_s) + len(piece.data) / self._bytes_per_s
        yield self._delayed(piece, self.free_s)


@dataclass(frozen=True, kw_only=True)
class Stall(Toxic):
    """Transmissions are lost in bursts and repeated after a timeout that doubles: loss is delay, no byte is missing.

    Attributes:
        chain: which transmissions are lost; one piece is one.
        first_s: the first timeout.
        longest_s: what it doubles up to.
    """

    place: ClassVar[int] = 2
    chain: BurstLoss
    first_s: float = FIRST_RETRY_S
    longest_s: float = LONGEST_RETRY_S

    def stage(self, draw: Draw) -> Stage:
        return _Lossy(self, draw)


class _Lossy(Stage):
    def __init__(self, toxic: Stall, draw: Draw) -> None:
        super().__init__()
        self._toxic, self._draw = toxic, draw
        self._bad = np.array([draw(0) < round(toxic.chain.bad_share * 2**64)])
        self._drawn = 1
        self._until_s = 0.0

    def passed(self, piece: Piece) -> Iterator[Piece]:
        retries = self._retries() if piece.data else 0
        self.count[RETRANSMISSIONS] += retries
        waits_s = sum(min(self._toxic.first_s * 2**nth, self._toxic.longest_s) for nth in range(retries))
        self._until_s = max(self._until_s, piece.due_s) + waits_s
        yield self._delayed(piece, self._until_s)

    def _retries(self) -> int:
        """How often the next piece is repeated until it gets through; moves the chain."""
        draws = [self._draw(number) for number in range(self._drawn, self._drawn + MOST_RETRIES)]
        self._drawn += MOST_RETRIES
        lost, _ = self._toxic.chain.lost(self._bad, np.array(draws, np.uint64)[:, None])
        retries = next((nth for nth, gone in enumerate(lost[:, 0].tolist()) if not gone), MOST_RETRIES)
        self._bad = np.array([retries == MOST_RETRIES])
        return retries


# --- the way ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Latency(Toxic):
    """Everything arrives later, by `delay_s` and by a part of `jitter_s` drawn for each piece."""

    place: ClassVar[int] = 3
    delay_s: float = 0.0
    jitter_s: float = 0.0

    def stage(self, draw: Draw) -> Stage:
        return _Far(self, draw)


class _Far(Stage):
    def __init__(self, toxic: Latency, draw: Draw) -> None:
        super().__init__()
        self._delay_s, self._jitter_us = toxic.delay_s, round(toxic.jitter_s * SECOND_US)
        self._draw, self._drawn = draw, 0

    def passed(self, piece: Piece) -> Iterator[Piece]:
        jitter_us = below_one(self._draw(self._drawn), self._jitter_us + 1)
        self._drawn += 1
        yield self._delayed(piece, piece.due_s + self._delay_s + jitter_us / SECOND_US)


@dataclass(frozen=True, kw_only=True)
class Slicer(Toxic):
    """What was written at once arrives in slices of so many bytes, one after the other.

    Raises:
        ValueError: if a slice has no byte.
    """

    place: ClassVar[int] = 4
    slice_bytes: int
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        if self.slice_bytes < 1:
            raise ValueError(f"slice_bytes must be at least 1, not {self.slice_bytes}")

    def stage(self, draw: Draw) -> Stage:  # noqa: ARG002
        return _Sliced(self.slice_bytes, self.gap_s)


class _Sliced(Stage):
    def __init__(self, slice_bytes: int, gap_s: float) -> None:
        super().__init__()
        self._slice_bytes, self._gap_s = slice_bytes, gap_s

    def most_bytes(self) -> int:
        return min(self._slice_bytes * MOST_SLICES, LARGEST_READ_BYTES)

    def passed(self, piece: Piece) -> Iterator[Piece]:
        if not piece.data:
            yield piece
        for nth, first in enumerate(range(0, len(piece.data), self._slice_bytes)):
            one = piece._replace(data=piece.data[first : first + self._slice_bytes])
            yield self._delayed(one, piece.due_s + nth * self._gap_s)


@dataclass(frozen=True, kw_only=True)
class SlowClose(Toxic):
    """That the other side has ended is noticed late."""

    place: ClassVar[int] = 5
    delay_s: float

    def stage(self, draw: Draw) -> Stage:  # noqa: ARG002
        return _Lingering(self.delay_s)


class _Lingering(Stage):
    def __init__(self, delay_s: float) -> None:
        super().__init__()
        self._delay_s = delay_s

    def passed(self, piece: Piece) -> Iterator[Piece]:
        if piece.end is None:
            yield piece
            return
        self.count[CLOSES_DELAYED] += self._delay_s > 0
        yield piece._replace(due_s=piece.due_s + self._delay_s)


# --- the connection, the port -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Blackhole(Toxic):
    """Nothing gets through, ends of connections neither; when it is removed, what was sent meanwhile does.

    A new TCP connection is still accepted: its bytes are not answered.
    """


@dataclass(frozen=True, kw_only=True)
class Reset(Toxic):
    """Connections are reset, both sides of them, `after_s` after it was set or they were opened; direction is moot."""

    after_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Refuse(Toxic):
    """The port refuses new connections, as where nothing listens; direction is moot.

    Attributes:
        resets_open: those that are open when it begins are reset; else they stay.
    """

    resets_open: bool = False
