"""Readings and messages that ingest refused: all counted by reason, the newest kept to be looked at."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import islice

import msgspec

KEPT = 1_000
MOST_REASONS = 64
EXCERPT_BYTES = 256
BODY_BYTES = 4_096
"""Kept of a letter, so that it can be read again: eight times a document. 1,000 letters have 4 MB at most."""


class LetterBody(msgspec.Struct, frozen=True, array_like=True):
    """A refused reading as it arrived, in MessagePack: unlike JSON it knows NaN and infinity."""

    kind: str
    device: int
    boot: int
    seq: int
    device_time_us: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused reading or message.

    Attributes:
        source: name of the device or topic of the message.
        detail: what was wrong in particular, e.g. the value and the range, or the first bytes of the payload.
        body: the reading (`LetterBody`), or the payload of the message that `source` is the topic of.
        is_reading: which of both.
        whole: nothing of it is cut off.
    """

    arrived_us: int
    source: str
    reason: str
    detail: str
    body: bytes = b""
    is_reading: bool = False
    whole: bool = True


@dataclass
class DeadLetters:
    """Counts and the newest letters. Memory is bounded, whatever is sent."""

    counts: Counter[str] = field(default_factory=Counter)
    """Reason to number of readings; a message that nobody could read counts as one."""
    newest: deque[DeadLetter] = field(default_factory=lambda: deque(maxlen=KEPT))
    noted: int = 0
    """Letters that were kept at some time."""

    def add(self, reason: str, letters: list[DeadLetter], count: int | None = None) -> None:
        """Count refused readings and keep some of them.

        Args:
            letters: at most `KEPT` of them, in order of arrival.
            count: how many there were; None: as many as letters.
        """
        if reason not in self.counts and len(self.counts) >= MOST_REASONS:
            reason = "other"
        self.counts[reason] += len(letters) if count is None else count
        self.noted += len(letters)
        self.newest.extend(letters)

    def keep(self, letters: list[DeadLetter]) -> None:
        """Keep what whoever sends it here has counted itself: it was accepted before."""
        self.noted += len(letters)
        self.newest.extend(letters)

    def after(self, noted: int) -> list[DeadLetter]:
        """Letters since so many were noted, as far as they are kept; the oldest first."""
        fresh = min(self.noted - noted, len(self.newest))
        return list(islice(self.newest, len(self.newest) - fresh, None))
