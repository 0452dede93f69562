"""Readings and messages that ingest refused: all counted by reason, the newest kept to be looked at."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

KEPT = 1_000
MOST_REASONS = 64
EXCERPT_BYTES = 256


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused reading or message.

    Attributes:
        source: name of the device or topic of the message.
        detail: what was wrong in particular, e.g. the value and the range, or the first bytes of the payload.
    """

    arrived_us: int
    source: str
    reason: str
    detail: str


@dataclass
class DeadLetters:
    """Counts and the newest letters. Memory is bounded, whatever is sent."""

    counts: Counter[str] = field(default_factory=Counter)
    """Reason to number of readings; a message that nobody could read counts as one."""
    newest: deque[DeadLetter] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, reason: str, letters: list[DeadLetter], count: int | None = None) -> None:
        """Count refused readings and keep some of them.

        Args:
            letters: at most `KEPT` of them, in order of arrival.
            count: how many there were; None: as many as letters.
        """
        if reason not in self.counts and len(self.counts) >= MOST_REASONS:
            reason = "other"
        self.counts[reason] += len(letters) if count is None else count
        self.newest.extend(letters)
