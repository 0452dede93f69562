"""Figures with a name: one channel of one kind of machine, in windows of event time, under each key of a level.

What `windows` of a scenario asks for. The windows are those of `windows.py` and `session_windows.py`, of one channel
only; what is kept of closed ones is the newest, the least and the greatest figure of each key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from twinstorm.detectors.dating import without
from twinstorm.detectors.session_windows import Sessions, SessionWindows
from twinstorm.detectors.sums import Floats, Summary
from twinstorm.detectors.windows import Span, Window, Windows, keys_among, keys_of
from twinstorm.twin.flow import Device, Int, Mask, Registry, Values

Measure = Literal["mean", "sd", "least", "most", "count", "sum"]
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)


@dataclass(frozen=True)
class FigurePlan:
    """A figure that somebody asks for.

    Attributes:
        level: whose readings are taken together (`windows.LEVELS`).
        span: None: sessions, which a pause of `gap_us` ends.
        lateness_us: for how long after its end a window is kept open.
    """

    name: str
    kind: str
    channel: str
    measure: Measure
    level: str
    span: Span | None
    gap_us: int
    lateness_us: int


class NamedFigure:
    """One figure of all keys. Columns of figures are float64 (keys,), NaN where there was nothing.

    Raises:
        ValueError: the kind has no such channel, an unknown level, or a span that is none.

    Attributes:
        names: of the keys.
        closed: windows that were closed and held anything; of sessions, those of all keys.
        misdated, out_of_order: readings, see `dating.py`.
        last, least, most: of the closed windows of each key. windows: int64 (keys,), how many there were.
    """

    def __init__(self, registry: Registry, plan: FigurePlan) -> None:
        channels = registry.channels[plan.kind]
        names = [channel.name for channel in channels]
        if plan.channel not in names:
            raise ValueError(f"`{plan.kind}` has no channel `{plan.channel}`; there are {', '.join(names)}")
        self.plan = plan
        self.closed = self.misdated = self.out_of_order = self._late = 0
        self._channel = names.index(plan.channel)
        one = (channels[self._channel],)
        self.unit = "" if plan.measure == "count" else one[0].unit
        self._key, self.names = keys_of(registry, plan.kind, plan.level)
        keys = len(self.names)
        self.last: Floats = np.full(keys, np.nan)
        self.least: Floats = np.full(keys, np.nan)
        self.most: Floats = np.full(keys, np.nan)
        self.windows: Int = np.zeros(keys, np.int64)
        self._watermark_us = -plan.lateness_us
        self._sessions: SessionWindows | None = None
        self._windows: Windows | None = None
        if plan.span is None:
            self._sessions = SessionWindows(one, keys, plan.gap_us)
        else:
            self._windows = Windows(one, self._key, keys, [plan.span])
        self._newest: Floats = self.last
        self._newest_us = 0
        """End of the newest window that held anything, of any key."""
        self._move()

    @property
    def late(self) -> int:
        """Readings that came behind the watermark and count in no window."""
        kept = self._windows if self._windows is not None else self._sessions
        assert kept is not None
        return kept.late + self._late

    def take(
        self, device: Device, at_us: Int, values: Values, where: Mask | None, was_late: Mask | None = None
    ) -> None:
        """Take readings of the kind; see `Windows.add` and `dating.was_late`."""
        where, late = without(where, was_late)
        self._late += late
        column = values[:, self._channel : self._channel + 1]
        if self._windows is not None:
            self._windows.add(device, at_us, column, where)
            return
        assert self._sessions is not None
        if where is not None:
            device, at_us, column = device[where], at_us[where], column[where]
        self._sessions.add(self._key[device], at_us, column)

    def close(self, now_us: int) -> list[tuple[int, Floats]]:
        """What was received by then was taken. Returns ends and figures of closed windows, none of sessions."""
        self._watermark_us = max(self._watermark_us, now_us - self.plan.lateness_us)
        return self._move()

    def newest(self) -> Floats | None:
        """What every key has now: its part of the window that ended last, or its last session; None: none has ended."""
        span = self.plan.span
        if span is None:
            return self.last if self.closed else None
        end_us = self._watermark_us // span.every_us * span.every_us
        if end_us <= 0:
            return None
        if self._newest_us == end_us:
            return self._newest
        return np.full(len(self.names), 0.0 if self.plan.measure == "count" else np.nan)

    def keys_among(self, device: Mask) -> Mask:
        """Keys under which any of these devices counts: bool (keys,)."""
        return keys_among(self._key[device], len(self.names))

    def value(self, keys: Mask | None, *, least: bool = False) -> float | None:
        """The greatest of what these keys have now, or the least; None without data."""
        newest = self.newest()
        if newest is None:
            return None
        known = newest if keys is None else newest[keys]
        known = known[~np.isnan(known)]
        return float(known.min() if least else known.max()) if len(known) else None

    def _move(self) -> list[tuple[int, Floats]]:
        if self._sessions is not None:
            self._note_sessions(self._sessions.close(self._watermark_us))
            return []
        assert self._windows is not None
        return [self._note(window) for window in self._windows.close(self._watermark_us)]

    def _note(self, window: Window) -> tuple[int, Floats]:
        found = self._measured(window)
        self._newest, self._newest_us = found, window.to_us
        self.closed += 1
        heard = window.count[0] > 0
        self.windows += heard
        np.copyto(self.last, found, where=heard)
        np.fmin(self.least, found, out=self.least, where=heard)
        np.fmax(self.most, found, out=self.most, where=heard)
        return window.to_us, found

    def _note_sessions(self, sessions: Sessions) -> None:
        if not len(sessions):
            return
        found = self._measured(sessions)
        self.closed += len(sessions)
        key = sessions.device
        np.add.at(self.windows, key, 1)
        # Sessions of one key stand in order, so that the last one is written last.
        self.last[key] = found
        np.fmin.at(self.least, key, found)
        np.fmax.at(self.most, key, found)

    def _measured(self, summary: Summary) -> Floats:
        if self.plan.measure == "count":
            return summary.count[0].astype(np.float64)
        found: Floats = getattr(summary, "total" if self.plan.measure == "sum" else self.plan.measure)[0]
        return found


def figures_of(registry: Registry, plans: Iterable[FigurePlan]) -> Mapping[str, NamedFigure]:
    """By name, in the order of the plans."""
    return {plan.name: NamedFigure(registry, plan) for plan in plans}
