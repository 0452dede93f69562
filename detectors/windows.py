"""Windows in event time: figures of what was measured in a while, by the stamps of the readings.

A reading belongs to a window by when it was sampled, not by when it came. A window is closed when the *watermark* has
passed its end; a reading that is dated before the watermark is *late* and counts in no window. The watermark is the
core's own clock less the allowed lateness, so that neither a clock that is wrong nor a device that is silent moves or
holds it; `Watermark` is for logs that have no other clock.

Readings go into *panes* of the greatest width that divides all; closed panes are merged into windows. All sums are of
integers (`sums.py`): a log that is shuffled within the lateness gives the very bits of the ordered one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np

from twinstorm.detectors.blocks import blocks
from twinstorm.detectors.sums import Scale, Summary, Sums
from twinstorm.twin.flow import HOUR_US, MINUTE_US, SECOND_US, Channel, Device, Int, Mask, Registry, Values

TUMBLING_US: Final = (SECOND_US, MINUTE_US, 5 * MINUTE_US, 15 * MINUTE_US, HOUR_US)
LEVELS: Final = ("device", "gateway", "line", "segment", "site", "region", "firmware", "link", "tenant", "all")
MOST_PANES: Final = 100_000
"""Panes within the width of a sliding window."""


class Span(NamedTuple):
    """A window of `width_us` that ends every `every_us`: tumbling if both are the same."""

    width_us: int
    every_us: int

    @staticmethod
    def tumbling(width_us: int) -> Span:
        return Span(width_us, width_us)

    def checked(self) -> Span:
        """Raises ValueError if it is none: a sliding window is as wide as some whole number of its steps."""
        if self.every_us <= 0 or self.width_us % self.every_us or self.width_us // self.every_us > MOST_PANES:
            raise ValueError(f"{self.width_us} us is no window: it must be a multiple of its step, {self.every_us} us")
        return self


@dataclass(frozen=True)
class Window(Summary):
    """A closed window: [from_us, to_us) of all keys of a level."""

    span: Span
    to_us: int

    @property
    def from_us(self) -> int:
        return self.to_us - self.span.width_us


class Rolls(Protocol):
    """Makes windows of panes that come in order."""

    span: Span

    def close(self, pane: Sums | None, to_us: int) -> Sums | None:
        """Take the pane that ends there (None: nothing was in it). Returns a window if one ends and holds anything; it
        is the caller's."""


class Windows:
    """Windows of the devices of one kind.

    Args:
        channels: of the kind.
        key: int32 (n,), under which key each device of the fleet counts; -1: under none.
        keys: how many there are.
        spans: at least one.

    Raises:
        ValueError: a span that is none.

    Attributes:
        late: readings that came behind the watermark and count nowhere.
    """

    def __init__(self, channels: tuple[Channel, ...], key: Device, keys: int, spans: Sequence[Span]) -> None:
        self.late = 0
        self._scale = Scale(channels)
        self._key, self._keys = key, keys
        mine = key[key >= 0]
        self._is_each = bool((np.diff(mine) == 1).all())
        """A slice of devices of this kind is a slice of keys."""
        self.pane_us = math.gcd(*(span.checked().every_us for span in spans))
        self._rolls = [_roll(span) for span in spans]
        self._longest = max(span.width_us + span.every_us for span in spans) // self.pane_us
        self._open: dict[int, Sums] = {}
        """Panes by number, those that hold something."""
        self._spare: list[Sums] = []
        self._quiet = self._longest
        """Empty panes since the last one that held something: when it is long enough, no window holds anything."""
        self.watermark_us: int | None = None
        self._next = 0
        """Pane that is closed next, once there is a watermark."""

    @property
    def nbytes(self) -> int:
        """Of open panes."""
        return sum(pane.nbytes for pane in self._open.values())

    def add(self, device: Device, at_us: Int, values: Values, where: Mask | None = None) -> None:
        """Add readings.

        Args:
            at_us: int64 (n,), when each was sampled.
            values: float32 (n, channels), within the ranges of the channels; NaN: silent.
            where: rows that count; None: all.
        """
        for rows in blocks(len(device)):
            self._add(device[rows], at_us[rows], values[rows], None if where is None else where[rows])

    def _add(self, device: Device, at_us: Int, values: Values, where: Mask | None) -> None:
        earliest_us, latest_us = int(np.minimum.reduce(at_us)), int(np.maximum.reduce(at_us))
        key = self._key[device]
        if np.minimum.reduce(key) < 0 or (self.watermark_us is not None and earliest_us < self.watermark_us):
            known = (key >= 0) if where is None else (key >= 0) & where
            where = known
            if self.watermark_us is not None:
                timely = at_us >= self.watermark_us
                where = known & timely
                self.late += int(np.count_nonzero(known & ~timely))
        first = earliest_us // self.pane_us
        if first == latest_us // self.pane_us and self._is_slice(key):
            if where is None or where.any():
                self._add_slice(self._pane(first), key, values, where)
            return
        if where is not None:
            rows = np.flatnonzero(where)
            key, at_us, values = key[rows], at_us[rows], values[rows]
        if len(key):
            self._add_any(key, at_us // self.pane_us, values)

    def close(self, watermark_us: int) -> list[Window]:
        """The watermark is at least here. Returns windows that it closes, in order of their end, and at one end in that
        of the spans; those that hold nothing are left out."""
        if self.watermark_us is None:
            self._next = min([watermark_us // self.pane_us, *self._open])
        elif watermark_us <= self.watermark_us:
            return []
        self.watermark_us = watermark_us
        end = watermark_us // self.pane_us
        closed: list[Window] = []
        while self._next < end:
            if self._quiet >= self._longest:
                self._next = min([end, *self._open])
                if self._next == end:
                    break
            pane = self._open.pop(self._next, None)
            self._quiet = 0 if pane is not None else self._quiet + 1
            self._next += 1
            to_us = self._next * self.pane_us
            for roll in self._rolls:
                sums = roll.close(pane, to_us)
                if sums is not None:
                    closed.append(Window(self._scale, sums, roll.span, to_us))
            if pane is not None:
                self._spare.append(pane)
        del self._spare[2:]
        return closed

    def _is_slice(self, key: Device) -> bool:
        """Whether these keys follow each other."""
        if not self._is_each or int(key[-1]) - int(key[0]) != len(key) - 1:
            return False
        return len(key) == 1 or bool((key[1:] > key[:-1]).all())

    def _add_slice(self, pane: Sums, key: Device, values: Values, where: Mask | None) -> None:
        keys = slice(int(key[0]), int(key[-1]) + 1)
        for channel in range(len(self._scale.channels)):
            steps, heard = self._scale.steps(values, channel)
            if where is not None:
                heard = where if heard is None else heard & where
                steps = np.where(heard, steps, 0)
            pane.add_each(channel, keys, steps, heard)

    def _add_any(self, key: Device, pane: Int, values: Values) -> None:
        first = int(np.minimum.reduce(pane))
        cell = (pane - first) * np.int64(self._keys) + key
        if (cell[1:] < cell[:-1]).any():
            order = np.argsort(cell, kind="stable")
            cell, values = cell[order], values[order]
        starts = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))
        pane_of, key_of = np.divmod(cell[starts], self._keys)
        # One pane after the other: nearly always there is one, or two.
        begins = np.flatnonzero(np.append(True, pane_of[1:] != pane_of[:-1])).tolist()
        for begin, end in zip(begins, [*begins[1:], len(starts)], strict=True):
            rows = slice(int(starts[begin]), int(starts[end]) if end < len(starts) else len(cell))
            target = self._pane(first + int(pane_of[begin]))
            for channel in range(len(self._scale.channels)):
                steps, heard = self._scale.steps(values[rows], channel)
                target.add_runs(channel, key_of[begin:end], starts[begin:end] - rows.start, steps, heard)

    def _pane(self, number: int) -> Sums:
        pane = self._open.get(number)
        if pane is None:
            if self._spare:
                pane = self._spare.pop()
                pane.clear()
            else:
                pane = self._empty()
            self._open[number] = pane
        return pane

    def _empty(self) -> Sums:
        return Sums(len(self._scale.channels), self._keys, self._scale.is_wide)


@dataclass
class _Tumbling:
    """Windows that follow each other: one is open at a time, for panes come in order."""

    span: Span
    _open: Sums | None = None

    def close(self, pane: Sums | None, to_us: int) -> Sums | None:
        if pane is not None:
            self._open = _merged(self._open, pane)
        if to_us % self.span.every_us:
            return None
        closed, self._open = self._open, None
        return closed


@dataclass
class _Sliding:
    """Windows that overlap: made of tumbling ones, which are kept for as long as a window is."""

    span: Span
    _step: _Tumbling
    _kept: deque[Sums | None] = field(default_factory=deque)

    def close(self, pane: Sums | None, to_us: int) -> Sums | None:
        step = self._step.close(pane, to_us)
        if to_us % self.span.every_us:
            return None
        self._kept.append(step)
        if len(self._kept) > self.span.width_us // self.span.every_us:
            self._kept.popleft()
        whole = None
        for each in self._kept:
            if each is not None:
                whole = _merged(whole, each)
        return whole


def _roll(span: Span) -> Rolls:
    step = _Tumbling(Span.tumbling(span.every_us))
    return step if span.width_us == span.every_us else _Sliding(span, step)


def _merged(into: Sums | None, pane: Sums) -> Sums:
    if into is None:
        into = Sums(len(pane.count), pane.count.shape[1], pane.upper is not None)
    into.merge(pane)
    return into


@dataclass
class Watermark:
    """A watermark of a log that has no clock but its own stamps: the latest one seen, less the allowed lateness."""

    lateness_us: int
    at_us: int | None = None

    def seen(self, at_us: Int) -> int | None:
        """Look at stamps. Returns where the watermark is now; None: nothing was seen yet."""
        if len(at_us):
            found = int(np.maximum.reduce(at_us)) - self.lateness_us
            self.at_us = found if self.at_us is None else max(self.at_us, found)
        return self.at_us


def keys_of(registry: Registry, kind: str, level: str) -> tuple[Device, tuple[str, ...]]:
    """Under which key each device counts at a level, and the names of the keys: int32 (n,), -1 for other kinds.

    Raises:
        ValueError: unknown level.
    """
    n = len(registry)
    mine = registry.kind == registry.kinds.index(kind)
    if level == "device":
        chosen = np.flatnonzero(mine)
        key = np.full(n, -1, np.int32)
        key[chosen] = np.arange(len(chosen), dtype=np.int32)
        return key, tuple(registry.names[device] for device in chosen.tolist())
    code: Device
    names: tuple[str, ...]
    if level == "all":
        code, names = np.zeros(n, np.int32), ("all",)
    elif level == "line":
        code, names = _lines(registry)
    elif level in ("gateway", "tenant"):
        known = getattr(registry, level)
        code = np.zeros(n, np.int32) if known is None else known
        names = getattr(registry, f"{level}s")
    elif level in LEVELS:
        code, names = getattr(registry, level).astype(np.int32), getattr(registry, f"{level}s")
    else:
        raise ValueError(f"unknown level `{level}`; there are {', '.join(LEVELS)}")
    return np.where(mine, code, np.int32(-1)).astype(np.int32), names


def _lines(registry: Registry) -> tuple[Device, tuple[str, ...]]:
    """A line stands at one site: ``SITE/LINE``, -1 for devices on none."""
    if registry.line is None:
        return np.full(len(registry), -1, np.int32), ()
    pair = registry.site.astype(np.int64) * len(registry.lines) + registry.line
    pairs, code = np.unique(np.where(registry.line > 0, pair, -1), return_inverse=True)
    nobody = int(bool(len(pairs)) and pairs[0] < 0)
    found = (divmod(each, len(registry.lines)) for each in pairs[nobody:].tolist())
    return (code - nobody).astype(np.int32), tuple(
        f"{registry.sites[site]}/{registry.lines[line]}" for site, line in found
    )


def keys_among(key: Device, keys: int) -> Mask:
    """Which keys these are: bool (keys,).

    Args:
        key: int32 (m,), of some devices; -1: none.
    """
    found = np.zeros(keys, np.bool_)
    found[key[key >= 0]] = True
    return found
