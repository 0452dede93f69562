"""The recorded seconds of a run, gathered into as many intervals as a chart or a table has room for.

A mean hides a storm of two seconds in a run of a day. So each interval keeps the lowest, the highest and the sum, and
whoever draws takes the one that tells: the highest attempts, the lowest number of devices online.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from twinstorm.scenarios.result import PaneRow

COUNTS = ("attempts", "admitted", "refused", "unanswered", "readings")
"""Columns of a pane that count what happened in its second; the others are levels at its end."""

LEVELS = ("online", "queue", "buffered")


@dataclass
class Interval:
    """Seconds (`from_s`, `to_s`] of a run. Objectives stand under their names in `low` and `high`."""

    from_s: int
    to_s: int
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)

    def add(self, pane: PaneRow) -> None:
        for name in COUNTS:
            self.total[name] = self.total.get(name, 0) + getattr(pane, name)
        for name in (*COUNTS, *LEVELS):
            self._widen(name, getattr(pane, name), getattr(pane, name))
        for objective, value in pane.slis.items():
            if value is not None:
                self._widen(objective_key(objective), value, value)

    def join(self, later: Interval) -> None:
        """Take in the interval that follows."""
        self.to_s = later.to_s
        for name, amount in later.total.items():
            self.total[name] = self.total.get(name, 0) + amount
        for name, low in later.low.items():
            self._widen(name, low, later.high[name])

    def _widen(self, name: str, low: float, high: float) -> None:
        self.low[name] = min(low, self.low.get(name, low))
        self.high[name] = max(high, self.high.get(name, high))


def objective_key(name: str) -> str:
    """Objectives are named by people, columns by us: neither may hide the other."""
    return f"objective {name}"


def gather(panes: Iterable[PaneRow], last_s: int, room: int, after_s: int = 0) -> list[Interval]:
    """At most `room` intervals of equal length (the last may be shorter); empty without panes.

    Args:
        panes: ascending, in (after_s, last_s].
        last_s: end of the last second.
        room: > 0.
    """
    width_s = max(math.ceil((last_s - after_s) / room), 1)
    found: list[Interval] = []
    for pane in panes:
        from_s = after_s + (pane.at_s - 1 - after_s) // width_s * width_s
        if not found or found[-1].from_s != from_s:
            found.append(Interval(from_s, min(from_s + width_s, max(last_s, pane.at_s))))
        found[-1].add(pane)
    return found


def storm_window(intervals: Sequence[Interval], end_s: int) -> tuple[int, int] | None:
    """Seconds (from, to] of the connect storm, if it is so short a part of the run that a whole chart hides it.

    A storm is where attempts are at least a hundredth of their peak; some time around it is included.
    """
    peak = max((each.high["attempts"] for each in intervals), default=0)
    busy = [each for each in intervals if peak and each.high["attempts"] * 100 >= peak]
    if not busy:
        return None
    around_s = max((busy[-1].to_s - busy[0].from_s) // 5, 20)
    window = max(busy[0].from_s - around_s, 0), min(busy[-1].to_s + around_s, end_s)
    return window if 3 * (window[1] - window[0]) <= end_s else None


def coarser(intervals: Sequence[Interval], room: int) -> list[Interval]:
    """The same seconds in at most `room` intervals."""
    together = max(math.ceil(len(intervals) / room), 1)
    found: list[Interval] = []
    for first in range(0, len(intervals), together):
        head, *rest = intervals[first : first + together]
        joined = Interval(head.from_s, head.to_s)
        for each in (head, *rest):
            joined.join(each)
        found.append(joined)
    return found


@dataclass
class Impact:
    """What the fleet suffered after the warm-up.

    Attributes:
        most_offline: devices without a session in the worst second, `worst_s` its end.
        device_minutes: devices without a session, summed over time.
        most_attempts: connect attempts in the busiest second, `busiest_s` its end.
    """

    devices: int
    warm_up_s: float
    most_offline: int = 0
    worst_s: int = 0
    device_minutes: float = 0.0
    most_attempts: int = 0
    busiest_s: int = 0
    deepest_queue: int = 0

    def watch(self, panes: Iterable[PaneRow]) -> Iterable[PaneRow]:
        """Hand panes on and look at each: a long record is read once."""
        for pane in panes:
            if pane.at_s > self.warm_up_s:
                self._see(pane)
            yield pane

    def _see(self, pane: PaneRow) -> None:
        offline = max(self.devices - pane.online, 0)
        self.device_minutes += offline / 60
        if offline > self.most_offline:
            self.most_offline, self.worst_s = offline, pane.at_s
        if pane.attempts > self.most_attempts:
            self.most_attempts, self.busiest_s = pane.attempts, pane.at_s
        self.deepest_queue = max(self.deepest_queue, pane.queue)
