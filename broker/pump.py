"""One direction of one connection: pieces that were read, each with the instant at which it leaves.

A delay is an instant, never a sleep: what a stage adds is worked out when a piece is read, so that delays do not sum up
over a busy loop, and what was under way when a toxic is removed arrives as late as it would have. A pump stops reading
while it holds enough, while a narrow link transmits, and while nothing gets through.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from twinstorm.broker.sockets import reset
from twinstorm.broker.toxics import LARGEST_READ_BYTES, STREAMS_SILENCED, Blackhole, Draw, End, Piece, Stage, Toxic

MOST_QUEUED_BYTES: Final = 65_536
"""Held at most, a read more apart: the window of a connection, so that a delay of 1 s lets no more than this through a
second."""
MOST_QUEUED_PIECES: Final = 1_024


@dataclass
class Counters:
    """What a group has seen.

    Attributes:
        connections: accepted so far. open: of these, now.
        up_bytes, down_bytes: handed on.
        resets: connections that a `Reset` cut.
        refused: connections that were cut because the broker behind did not accept them. Nobody can count those that a
            closed port turns away.
        delayed_pieces: that left later than they came.
        by_toxic: what each did, by the name under which it was set; see `Stage.count`.
    """

    connections: int = 0
    open: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    resets: int = 0
    refused: int = 0
    delayed_pieces: int = 0
    by_toxic: dict[str, Counter[str]] = field(default_factory=dict)

    def did(self, name: str, what: str) -> None:
        """The toxic of this name did this."""
        self.by_toxic.setdefault(name, Counter())[what] += 1

    def passed(self, direction: Literal["up", "down"], size_bytes: int) -> None:
        if direction == "up":
            self.up_bytes += size_bytes
        else:
            self.down_bytes += size_bytes


class Pump:
    """Takes what one side sends and gives it to the other.

    Args:
        draws: makes the stream of chance of a toxic, by its name.
        over: called when it has finished.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        direction: Literal["up", "down"],
        counters: Counters,
        draws: Callable[[str], Draw],
        over: Callable[[], None],
    ) -> None:
        self._loop, self._direction, self._counters, self._draws, self._over = loop, direction, counters, draws, over
        self._source: asyncio.Transport | None = None
        self._sink: asyncio.Transport | None = None
        self._stages: dict[str, tuple[Toxic, Stage]] = {}
        self._dark = False
        self._silenced_by: list[str] = []
        """Toxics that have been counted for it."""
        self._queue: deque[Piece] = deque()
        self.queued_bytes = 0
        self._last_due_s = 0.0
        self._full = False
        """The sink's own buffer is."""
        self._given: asyncio.TimerHandle | None = None
        self._read: asyncio.TimerHandle | None = None
        self.ended = False
        """Nothing more is taken."""
        self.finished = False
        """The end has been handed on, or there is nobody to hand anything to."""

    # --- the two sides ------------------------------------------------------------------------------------------------

    def begin(self, source: asyncio.Transport) -> None:
        """Read from here."""
        self._source = source
        self._regulate()

    def attach(self, sink: asyncio.Transport) -> None:
        """Write to here."""
        sink.set_write_buffer_limits(LARGEST_READ_BYTES)
        self._sink = sink
        self._give()

    def sink_is_full(self, full: bool) -> None:
        self._full = full
        if not full:
            self._give()

    def stop(self) -> None:
        """The sink is gone, or all is over: what is still held is dropped, and nothing is read any more."""
        self.ended = self.finished = True
        self._queue.clear()
        self.queued_bytes = 0
        for timer in (self._given, self._read):
            if timer is not None:
                timer.cancel()
        self._regulate()

    # --- toxics -------------------------------------------------------------------------------------------------------

    def set(self, toxics: Mapping[str, Toxic]) -> None:
        """These act from now on. A toxic that was there before goes on; what a narrow link held up is read at once."""
        mine = {name: each for name, each in toxics.items() if each.direction in ("both", self._direction)}
        dark = sorted(name for name, each in mine.items() if isinstance(each, Blackhole))
        for name in dark:
            if name not in self._silenced_by and self._sink is not None:
                self._counters.did(name, STREAMS_SILENCED)
        self._silenced_by = dark if self._sink is not None else []
        self._dark = bool(dark)
        stages: dict[str, tuple[Toxic, Stage]] = {}
        for name, toxic in sorted(mine.items(), key=lambda row: (row[1].place, row[0])):
            before = self._stages.get(name)
            stage = before[1] if before is not None and before[0] == toxic else toxic.stage(self._draws(name))
            if stage is not None:
                stages[name] = toxic, stage
        self._stages = stages
        self._give()

    # --- bytes --------------------------------------------------------------------------------------------------------

    def room(self) -> int:
        """How many bytes the next read may bring, at least 1."""
        return min((stage.most_bytes() for _, stage in self._stages.values()), default=LARGEST_READ_BYTES)

    def take(self, data: bytes) -> None:
        """Bytes were read."""
        self._take(Piece(self._loop.time(), data))

    def end(self, how: End) -> None:
        """The source has ended; that travels behind what it sent."""
        self._take(Piece(self._loop.time(), b"", how))

    def _take(self, piece: Piece) -> None:
        if self.ended:
            return
        for passed in self._shaped(piece):
            due_s = self._last_due_s = max(passed.due_s, self._last_due_s)
            self._counters.delayed_pieces += due_s > piece.due_s
            self._queue.append(passed._replace(due_s=due_s))
            self.queued_bytes += len(passed.data)
            if passed.end is not None:
                self.ended = True
                break
        self._give()

    def _shaped(self, piece: Piece) -> Iterable[Piece]:
        pieces: Iterable[Piece] = (piece,)
        for name, (_, stage) in self._stages.items():
            pieces = list(_passed(stage, pieces))
            self._counters.by_toxic.setdefault(name, Counter()).update(stage.count)
            stage.count.clear()
        return pieces

    def _give(self) -> None:
        """Hand on what is due, and come back for the rest."""
        if self._given is not None:
            self._given.cancel()
            self._given = None
        now_s = self._loop.time()
        while self._queue and self._may_give():
            if self._queue[0].due_s > now_s:
                self._given = self._loop.call_at(self._queue[0].due_s, self._give)
                break
            self._hand_on(self._queue.popleft())
        self._regulate()

    def _may_give(self) -> bool:
        return self._sink is not None and not self._full and not self._dark

    def _hand_on(self, piece: Piece) -> None:
        sink = self._sink
        assert sink is not None
        if piece.data:
            self.queued_bytes -= len(piece.data)
            self._counters.passed(self._direction, len(piece.data))
            if not sink.is_closing():
                sink.write(piece.data)
        if piece.end is None:
            return
        self.finished = True
        if piece.end == End.RESET:
            reset(sink)
        elif piece.end == End.CLOSE:
            sink.close()
        elif not sink.is_closing():
            sink.write_eof()
        self._over()

    def _regulate(self) -> None:
        """Read, or do not read."""
        if self._source is None or self._source.is_closing():
            return
        if self._read is not None:
            self._read.cancel()
            self._read = None
        held = len(self._queue) >= MOST_QUEUED_PIECES or self.queued_bytes >= MOST_QUEUED_BYTES
        if self.ended or self._dark or held or self._sink is None:
            self._source.pause_reading()
            return
        free_s = max((stage.free_s for _, stage in self._stages.values()), default=0.0)
        if free_s > self._loop.time():
            self._source.pause_reading()
            self._read = self._loop.call_at(free_s, self._regulate)
        else:
            self._source.resume_reading()


def _passed(stage: Stage, pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        yield from stage.passed(piece)
