"""Windows of a whole fleet, fed by what ingest accepts, and what it takes to believe the stamps.

The watermark is the core's clock less the allowed lateness, or, where readings wait to be processed, the second up to
which all that were received have been, less that. A reading that was dated before it when it came is late; one that is
dated before another of the same device that came earlier is out of order, which costs nothing as long as it is not
late; one from the future, or from before anybody was commissioned, has a stamp that says nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from twinstorm.detectors.dating import Dating, was_late, without
from twinstorm.detectors.taps import Accepted
from twinstorm.detectors.windows import Span, Window, Windows, keys_of
from twinstorm.twin.flow import Registry


class Asked(NamedTuple):
    """Windows of this span at this level (`windows.LEVELS`)."""

    level: str
    span: Span


class Figure(NamedTuple):
    """Which window: of a kind of machine, at a level, of a span."""

    kind: str
    level: str
    span: Span


class EventTime:
    """A tap that keeps windows.

    Args:
        asked: of every kind that has devices.
        lateness_us: for how long after its end a window is kept open.

    Raises:
        ValueError: an unknown level, or a span that is none.

    Attributes:
        late: readings that count in no window. out_of_order: readings that were overtaken. misdated: readings whose
            stamp cannot be right, which count in no window either.
        newest: the last window that was closed and held anything, of each sort.
    """

    def __init__(self, registry: Registry, asked: Iterable[Asked], lateness_us: int) -> None:
        self.late = self.out_of_order = self.misdated = 0
        self.newest: dict[Figure, Window] = {}
        self.lateness_us = lateness_us
        spans: dict[str, list[Span]] = {}
        for each in asked:
            spans.setdefault(each.level, []).append(each.span)
        self._kinds = registry.kinds
        self._windows: dict[int, dict[str, Windows]] = {}
        """By number of the kind, and level."""
        self._names: dict[tuple[str, str], tuple[str, ...]] = {}
        for code, kind in enumerate(registry.kinds):
            if not (registry.kind == code).any():
                continue
            mine = self._windows[code] = {}
            for level, of_level in spans.items():
                key, names = keys_of(registry, kind, level)
                self._names[kind, level] = names
                mine[level] = Windows(registry.channels[kind], key, len(names), list(dict.fromkeys(of_level)))
        self._dating = Dating(len(registry))
        self._watermark_us = -lateness_us
        for windows in self._each():
            windows.close(self._watermark_us)

    def names(self, kind: str, level: str) -> tuple[str, ...]:
        """Of the keys, in the order of the columns of a window."""
        return self._names[kind, level]

    @property
    def nbytes(self) -> int:
        """Of open panes."""
        return sum(windows.nbytes for windows in self._each())

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        device, at_us = accepted.device, accepted.dated_us
        if not len(device):
            return
        where, misdated, out_of_order = self._dating.look(accepted)
        self.misdated += misdated
        self.out_of_order += out_of_order
        where, late = without(where, was_late(accepted, self.lateness_us))
        behind = at_us < self._watermark_us
        self.late += late + int(np.count_nonzero(behind if where is None else behind & where))
        for windows in self._windows[accepted.code].values():
            windows.add(device, at_us, accepted.values, where)

    def close(self, now_us: int, through_us: int | None = None) -> Mapping[Figure, list[Window]]:
        """See `Follower`. Returns what closed, by sort and in order of the end; nothing: an empty map."""
        self._watermark_us = max(self._watermark_us, (now_us if through_us is None else through_us) - self.lateness_us)
        closed: dict[Figure, list[Window]] = {}
        for code, levels in self._windows.items():
            for level, windows in levels.items():
                for window in windows.close(self._watermark_us):
                    figure = Figure(self._kinds[code], level, window.span)
                    closed.setdefault(figure, []).append(window)
                    self.newest[figure] = window
        return closed

    def _each(self) -> Iterable[Windows]:
        return (windows for levels in self._windows.values() for windows in levels.values())
