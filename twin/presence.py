"""What the core hears of devices behind gateways: births and wills that a gateway forwards, while it is heard itself.

A gateway tells of its devices as the broker in it sees them. When its own session ends, its will stands for all of
them. When it is back, it announces those that it has sessions with, and the core learns what it missed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import NEVER_US, Int, Mask, SessionEvent, SessionEvents
from twinstorm.twin.sessions import events_of

MUTE, FALL, SYNC, RISE = 0, 1, 2, 3
"""A gateway can tell nothing any more; the core sees its session end; the gateway can tell again; the core sees its
birth. In the order in which they count at one instant."""


class Presence:
    """State of one fleet.

    Args:
        gateway: int64, device of each gateway.
        carrier: of each device, as in `Fleet`.

    Attributes:
        reached: the core knows a session of the gateway. muted: nothing gets through on it.
        inside: the gateway has a session with the device; boot: as it was announced there.
        told: the core knows the device as present; told_boot: with this boot.
    """

    def __init__(self, gateway: Int, carrier: NDArray[np.int32]) -> None:
        n, gateways = len(carrier), len(gateway)
        self.reached: Mask = np.zeros(gateways, np.bool_)
        self.muted: Mask = np.zeros(gateways, np.bool_)
        self.inside: Mask = np.zeros(n, np.bool_)
        self.boot: Int = np.zeros(n, np.int64)
        self.told: Mask = np.zeros(n, np.bool_)
        self.told_boot: Int = np.zeros(n, np.int64)
        self._carrier = carrier
        self._row_of: Int = np.full(n, -1, np.int64)
        self._row_of[gateway] = np.arange(gateways)
        self._noted: list[Int] = []

    def note(self, gateway: Int, at_us: Int | int, what: int) -> None:
        """These gateways fall silent (`MUTE`), or packets of theirs get through again (`SYNC`)."""
        rows = np.empty((len(gateway), 3), np.int64)
        rows[:, 0], rows[:, 1], rows[:, 2] = gateway, at_us, what
        self._noted.append(rows)

    def told_of(self, cloud: SessionEvents, local: Int) -> SessionEvents:
        """What the core is told.

        Args:
            cloud: events of the broker in the cloud. local: of the brokers in gateways, up to the same instant, as
                `Sessions.until` has them.
        """
        turns = self._turns(cloud)
        events = local[np.lexsort((local[:, 1], local[:, 0]))]
        told = [
            np.stack(
                [cloud.at_us, cloud.device.astype(np.int64), cloud.what.astype(np.int64), cloud.boot.astype(np.int64)],
                1,
            )
        ]
        while len(turns):
            first = np.append(True, turns[1:, 0] != turns[:-1, 0])
            next_us = np.full(len(self.reached), NEVER_US, np.int64)
            next_us[turns[first, 0]] = turns[first, 1]
            before = events[:, 0] < next_us[self._carrier[events[:, 1]] - 1]
            told.append(self._forward(events[before]))
            events = events[~before]
            told.append(self._turn(turns[first]))
            turns = turns[~first]
        told.append(self._forward(events))
        return events_of(np.concatenate(told))

    def _turns(self, cloud: SessionEvents) -> Int:
        """What happens to gateways, int64 (n, 3): gateway, instant, what; by gateway in order."""
        row = self._row_of[cloud.device]
        what = np.full(len(row), -1, np.int64)
        what[cloud.what == SessionEvent.BORN] = RISE
        what[(cloud.what == SessionEvent.LOST) | (cloud.what == SessionEvent.CLOSED)] = FALL
        mine = (row >= 0) & (what >= 0)
        rows = np.concatenate([*self._noted, np.stack([row[mine], cloud.at_us[mine], what[mine]], 1)])
        self._noted = []
        return rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]

    def _forward(self, events: Int) -> Int:
        """Births and ends of sessions inside; returns those that get through."""
        if not len(events):
            return events
        device, what = events[:, 1], events[:, 2]
        counts = what != SessionEvent.TAKEN_OVER
        born = what == SessionEvent.BORN
        # Several of one device stand in their order, and the last one is written last.
        self.inside[device[counts]] = born[counts]
        self.boot[device[born]] = events[born, 3]
        through = (self.reached & ~self.muted)[self._carrier[device] - 1]
        self.told[device[counts & through]] = born[counts & through]
        self.told_boot[device[born & through]] = events[born & through, 3]
        return events[through]

    def _turn(self, turns: Int) -> Int:
        """One turn each of some gateways; returns what it tells of their devices."""
        gateway, at_us, what = turns[:, 0], turns[:, 1], turns[:, 2]
        self.reached[gateway[what == FALL]] = False
        self.reached[gateway[what == RISE]] = True
        self.muted[gateway[what == MUTE]] = True
        self.muted[gateway[what == SYNC]] = False
        turn = np.full(len(self.reached), MUTE, np.int64)
        turn[gateway] = what
        when = np.zeros(len(self.reached), np.int64)
        when[gateway] = at_us
        # A gateway whose session the core does not know can bring nothing up to date.
        turn[~self.reached & (turn == SYNC)] = MUTE
        named = np.zeros(len(self.reached) + 1, np.bool_)
        named[1 + np.flatnonzero(turn != MUTE)] = True
        device = np.flatnonzero(named[self._carrier])
        its = turn[self._carrier[device] - 1]
        inside, told = self.inside[device], self.told[device]
        gone = told & ((its == FALL) | ~inside)
        news = ~told | (self.told_boot[device] != self.boot[device])
        born = inside & ((its == RISE) | ((its == SYNC) & news))
        self.told[device[gone]] = False
        self.told[device[born]] = True
        self.told_boot[device[born]] = self.boot[device[born]]
        rows = []
        for chosen, event in ((device[gone], SessionEvent.LOST), (device[born], SessionEvent.BORN)):
            boot = self.boot[chosen] if event == SessionEvent.BORN else np.zeros(len(chosen), np.int64)
            at = when[self._carrier[chosen] - 1]
            rows.append(np.stack([at, chosen, np.full(len(chosen), event, np.int64), boot], 1))
        return np.concatenate(rows)
