"""When event-driven machines speak: those of one sample group, each at its own instants on a common grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinstorm.twin.chance import Words
from twinstorm.twin.fleet import SampleGroup
from twinstorm.twin.flow import NEVER_US, Int, Mask, Values
from twinstorm.twin.resolution import Steps


@dataclass
class Spoken:
    """What devices of an event-driven group tell at one instant.

    Attributes:
        chosen: which of those asked do. values, steps: float32 and int16 (channels, chosen).
    """

    chosen: Int
    values: Values
    steps: Steps


class EventGroup:
    """When the devices of one event-driven sample group speak; int64 arrays with one row a device.

    A machine without power stands still. That it lost its power is found out when it would have spoken; that it is back
    at the next multiple of the grid, and then it speaks.

    Attributes:
        due_us: the multiple of its grid by which something has happened in each, or it has been quiet for `every_us`.
        stepped_us: when its machine was stepped last.
        told_us: when it spoke last.
        stands: bool, had no power then.
        pace: how many times as fast each lives since it was stepped last: its grid and `every_us` are finer by that.
            None: nobody ever lived faster.
    """

    def __init__(self, group: SampleGroup, key: Words, ahead_us: Int) -> None:
        self._group = group
        n = group.last - group.first
        # As if each had spoken at an instant of its own before the run, so that they do not speak in step.
        self.told_us = -(key % np.uint64(group.every_us)).astype(np.int64)
        self.stepped_us = np.zeros(n, np.int64)
        self.stands = np.zeros(n, np.bool_)
        self.pace: Int | None = None
        self._paces = np.empty(0, np.int64)
        """What each takes up when it is stepped next."""
        self.every_us, self.grid_us = group.every_us, group.grid_us
        self.look_ahead(ahead_us)

    def look_ahead(self, ahead_us: Int) -> None:
        """Work out anew who is due when, from how long nothing will happen in each since it was stepped."""
        happens_us = self.stepped_us + np.minimum(ahead_us, NEVER_US - self.stepped_us)
        self.due_us = self.on_grid(np.minimum(happens_us, self.told_us + self.every_us))

    def on_grid(self, at_us: Int) -> Int:
        """The first multiples of the grid that are not before these instants; nobody lives faster."""
        return self._grid_us(at_us, None)

    def _grid_us(self, at_us: Int, pace: Int | None) -> Int:
        """The first multiples of their grids that are not before these instants."""
        group = self._group
        since_us = (at_us - group.phase_us) % group.grid_us
        if pace is None:
            return at_us + -since_us % group.grid_us
        nth = -(-since_us * pace // group.grid_us)
        return at_us - since_us + nth * group.grid_us // pace

    @property
    def is_even(self) -> bool:
        """Nobody stands still, and nobody lives faster or did."""
        return self.pace is None and not np.count_nonzero(self.stands)

    def live_at(self, paces: Int) -> None:
        """Let each take up a pace of its own when it is stepped next; but none wakes between the multiples of what is
        then its grid."""
        if self.pace is None:
            self.pace = np.ones(len(paces), np.int64)
            self._paces = self.pace
        changed = np.flatnonzero(self._paces != paces)
        self._paces = paces
        self.due_us[changed] = self._grid_us(self.due_us[changed], paces[changed])

    def due(self, now_us: int) -> Int:
        """Devices that are due, ascending."""
        return np.flatnonzero(self.due_us <= now_us) + self._group.first

    def wake_us(self, now_us: int) -> int:
        """When somebody is next."""
        return max(int(np.minimum.reduce(self.due_us)), now_us + 1)

    def lived_us(self, rows: Int, now_us: Int | int) -> Int:
        """How long these, which have power, have lived since they were stepped; they are now, one instant each or one
        for all."""
        lived_us = np.where(self.stands[rows], 0, now_us - self.stepped_us[rows])
        self.stepped_us[rows] = now_us
        if self.pace is not None:
            lived_us *= self.pace[rows]
            self.pace[rows] = self._paces[rows]
        return lived_us

    def stand_still(self, rows: Int, now_us: int) -> None:
        self.stands[rows] = True
        self.due_us[rows] = now_us + self._group.grid_us

    def speak(self, rows: Int, now_us: Int | int, has_news: Mask, ahead_us: Int) -> Mask:
        """Who of these speaks; and when each is due next."""
        every_us: Int | int = self._group.every_us
        pace = None
        if self.pace is not None:
            pace = self.pace[rows]
            every_us = every_us // pace
            ahead_us = -(-ahead_us // pace)
        told = has_news | self.stands[rows] | (now_us - self.told_us[rows] >= every_us)
        self.stands[rows] = False
        self.told_us[rows] = np.where(told, now_us, self.told_us[rows])
        due_us = np.minimum(now_us + np.minimum(ahead_us, NEVER_US - now_us), self.told_us[rows] + every_us)
        self.due_us[rows] = self._grid_us(due_us, pace)
        return told
