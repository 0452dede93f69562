"""The event log behind the digest: every row of a run, in one canonical order, hashed as a chain.

A row is (time, code, subject, value): 24 bytes. Stories' rows (codes from `STORY` on) stand before device events of the
same instant. Rows are handed in nearly in order; `seal` sorts what lies before an instant and chains it in blocks of
4,096 rows, so that neither block size nor batching of the caller can enter the digest.
"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Int

BLOCK_ROWS = 4_096
_SUBJECT_BITS = 38
"""Of code and subject, packed; codes are below 64."""

Rows = NDArray[np.int64]
"""int64 (n, 3): time, order and subject packed as ``code << 32 | subject``, value."""


class Code(IntEnum):
    """What a row tells. Numbers are part of every digest: add, never renumber."""

    # Stories come first within an instant: their codes are lower than any device code.
    FAULT_START = 1
    FAULT_END = 2
    MARK = 3
    READINGS = 4
    """Subject: sample group and channel; value: CRC-32 of the quantised values in device order."""
    PANE = 5
    """Subject: a counter of the core; value: its count at that second."""
    ALARM = 6
    INCIDENT = 7
    END = 8
    MISDATED = 9
    """Value: readings so far whose time stamp cannot be right, where that changed."""
    MACHINE_STOPPED = 10
    """Subject: the device; so of the next two."""
    REPAIR_BEGUN = 11
    REPAIRED = 12

    BOOTED = 33
    ADMITTED = 34
    REFUSED = 35
    UNANSWERED = 36
    GAVE_UP = 37
    CONNECTED = 38
    LOST = 39
    FELL_BACK = 40
    """The boot loader took the image of the other slot."""


FIRST_DEVICE_CODE = Code.BOOTED


@dataclass
class EventLog:
    """Collects rows and keeps the running digest; plain data, so that a snapshot has it."""

    chain: bytes = b""
    rows_hashed: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    _pending: list[Rows] = field(default_factory=list)
    _told: list[tuple[int, int, int]] = field(default_factory=list)
    """Rows of stories: a few a second, so that arrays of them would cost more than the rest of a calm second."""
    _sealed: list[Rows] = field(default_factory=list)
    _few: array[int] = field(default_factory=lambda: array("q"))
    """The newest sealed rows, one after the other, if they came from stories alone."""
    _sealed_rows: int = 0
    keep: list[Rows] | None = None
    """Tests set it to a list to get every row in canonical order."""

    def add(self, at_us: Int, code: NDArray[np.uint8], subject: NDArray[np.int32]) -> None:
        """Device events: equal lengths, any order within the call."""
        rows = np.empty((len(at_us), 3), np.int64)
        rows[:, 0] = at_us
        rows[:, 1] = (code.astype(np.int64) << 32) | subject
        rows[:, 2] = 0
        self._pending.append(rows)

    def tell(self, at_us: int, code: Code, subject: int, value: int = 0) -> None:
        """One row of a story, `subject` below 2**31."""
        self._told.append((at_us, code << 32 | subject, value))

    def tell_each(self, at_us: Int, code: Code, subject: int, value: Int | int) -> None:
        """As `tell`, at each of these instants."""
        rows = np.empty((len(at_us), 3), np.int64)
        rows[:, 0], rows[:, 1], rows[:, 2] = at_us, code << 32 | subject, value
        self._pending.append(rows)

    def seal(self, before_us: int) -> None:
        """No row before this instant will come any more: sort, count and hash them."""
        if self._pending:
            self._seal_rows(before_us)
        elif self._told:
            self._seal_told(before_us)
        if self._sealed_rows >= BLOCK_ROWS:
            self._hash_blocks()

    def _seal_told(self, before_us: int) -> None:
        ready = sorted(row for row in self._told if row[0] < before_us)
        self._told = [row for row in self._told if row[0] >= before_us] if len(ready) < len(self._told) else []
        counts, few = self.counts, self._few
        for row in ready:
            code = row[1] >> 32
            counts[code] = counts.get(code, 0) + 1
            few.extend(row)
        if self.keep is not None and ready:
            self.keep.append(np.array(ready, np.int64))
        self._sealed_rows += len(ready)

    def _seal_rows(self, before_us: int) -> None:
        if self._told:
            self._pending.append(np.array(self._told, np.int64))
            self._told = []
        rows = np.concatenate(self._pending) if len(self._pending) > 1 else self._pending[0]
        ready = rows[:, 0] < before_us
        if ready.all():
            self._pending = []
        else:
            self._pending = [rows[~ready]]
            rows = rows[ready]
        if not len(rows):
            return
        rows = rows[_canonical(rows)]
        counts = np.bincount(rows[:, 1] >> 32)
        for code in np.flatnonzero(counts).tolist():
            self.counts[code] = self.counts.get(code, 0) + int(counts[code])
        if self.keep is not None:
            self.keep.append(rows)
        self._gather_few()
        self._sealed.append(rows)
        self._sealed_rows += len(rows)

    def _gather_few(self) -> None:
        if self._few:
            self._sealed.append(np.array(self._few, np.int64).reshape(-1, 3))
            self._few = array("q")

    def _hash_blocks(self) -> None:
        self._gather_few()
        rows = np.concatenate(self._sealed)
        whole = len(rows) // BLOCK_ROWS * BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            self.chain = _link(self.chain, rows[start : start + BLOCK_ROWS])
        self.rows_hashed += whole
        self._sealed = [rows[whole:].copy()]
        self._sealed_rows = len(rows) - whole

    def digest(self) -> str:
        """SHA-256 of everything sealed so far, 64 hexadecimal digits."""
        self._gather_few()
        rest = np.concatenate(self._sealed) if self._sealed else np.empty((0, 3), np.int64)
        return _link(self.chain, rest).hex()


def _canonical(rows: Rows) -> Int:
    """Order of rows by time, code, subject and value."""
    first_us = int(rows[:, 0].min())
    # One number tells rows apart unless they span more than half a minute, or differ in their value alone.
    if int(rows[:, 0].max()) - first_us < 1 << (63 - _SUBJECT_BITS):
        packed = rows[:, 0] - first_us
        packed <<= _SUBJECT_BITS
        packed |= rows[:, 1]
        order = np.argsort(packed)
        sorted_ = packed[order]
        if (sorted_[1:] != sorted_[:-1]).all():
            return order
    return np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))


def _link(chain: bytes, rows: Rows) -> bytes:
    return hashlib.sha256(chain + rows.astype("<i8").tobytes()).digest()
