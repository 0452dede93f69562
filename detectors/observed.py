"""The state of each device as messages and sessions show it. Rules in ``docs/detection.md``."""

from __future__ import annotations

import numpy as np

from twinstorm.detectors.blocks import blocks, put
from twinstorm.detectors.lasting import FOR_NOW, Hold, Lasting, News
from twinstorm.detectors.sessions import Sessions
from twinstorm.twin.flow import NEVER_US, SECOND_US, Codes, Int, Observed, Registry

OVERDUE_PERIODS = 3
OVERDUE_LEAST_US = 10 * SECOND_US
GRACE_US = 30 * SECOND_US
"""A device that lost its session may be reconnecting for so long."""


def overdue_us(registry: Registry) -> Int:
    """int64 (n,): a device is overdue when it has been silent this long: three sampling periods, at least 10 s."""
    return np.maximum(registry.every_us * OVERDUE_PERIODS, OVERDUE_LEAST_US)


class ObservedStates:
    """Works states out and remembers since when each device has been in its own.

    Attributes:
        since_us: int64 (n,), as seen at the ends of panes.
    """

    def __init__(self, registry: Registry) -> None:
        n = len(registry)
        self.overdue_us = overdue_us(registry)
        self._soonest_us = int(self.overdue_us.min(initial=NEVER_US))
        keeps_alive = registry.keep_alive_us > 0
        patience_us = np.where(keeps_alive, registry.keep_alive_us * 3 // 2, NEVER_US)
        self.dead_us: Int = np.maximum(patience_us, self.overdue_us)
        """Nobody believes in a session that was silent for longer: one and a half keep-alives."""
        self.state: Codes = np.full(n, Observed.UNKNOWN, np.uint8)
        self.since_us: Int = np.zeros(n, np.int64)
        self.hold = Hold()
        """For how long nobody's state changes."""

    def at(self, now_us: int, last_arrival_us: Int, sessions: Sessions) -> Codes:
        """uint8 (n,), `Observed`."""
        state = np.empty(len(self.overdue_us), np.uint8)
        for rows in blocks(len(state)):
            self._at(now_us, last_arrival_us[rows], sessions, rows, state[rows])
        return state

    def _at(self, now_us: int, last_arrival_us: Int, sessions: Sessions, rows: slice, state: Codes) -> None:
        live, born_us = sessions.live[rows], sessions.born_us[rows]
        unannounced = born_us < 0
        if unannounced.any():
            # Who never sends births (many real devices) is judged by readings alone.
            live = live | (unannounced & (last_arrival_us >= 0))
        silent_us = now_us - np.maximum(last_arrival_us, born_us)
        state[:] = Observed.ONLINE
        if not live.all():
            lost_us = now_us - np.maximum(sessions.ended_us[rows], last_arrival_us)
            put(state, np.uint8(Observed.OFFLINE), ~live)
            put(state, np.uint8(Observed.RECONNECTING), ~live & (lost_us < GRACE_US))
        overdue = silent_us > self.overdue_us[rows]
        if overdue.any():
            put(state, np.uint8(Observed.DEGRADED), live & overdue)
            put(state, np.uint8(Observed.OFFLINE), silent_us > self.dead_us[rows])
            put(state, np.uint8(Observed.UNKNOWN), unannounced & (last_arrival_us < 0))
        rebooted_us = sessions.rebooted_us[rows]
        booting = rebooted_us > now_us - GRACE_US
        if booting.any():
            booting &= live & (last_arrival_us < rebooted_us)
            put(state, np.uint8(Observed.RECONNECTING), booting)

    def close(self, now_us: int, last_arrival_us: Int, sessions: Sessions, news: News) -> None:
        """Note the states at the end of a pane in which this came."""
        if self.hold.still(now_us, news):
            return
        state = self.at(now_us, last_arrival_us, sessions)
        changed = state != self.state
        if changed.any():
            self.since_us[changed] = now_us
            self.state = state
        self.hold.renew(self._lasting(last_arrival_us, sessions))

    def _lasting(self, last_arrival_us: Int, sessions: Sessions) -> Lasting:
        """While all are online: until the first may be overdue. Else each pane is looked at."""
        if self.state.any():  # any other than ONLINE
            return FOR_NOW
        until_us = NEVER_US
        for rows in blocks(len(self.state)):
            heard_us = np.maximum(last_arrival_us[rows], sessions.born_us[rows])
            until_us = min(until_us, int((heard_us + self.overdue_us[rows]).min()))
        return Lasting(until_us, reading_us=self._soonest_us, session_us=0, reboot_us=0, silence_us=self.overdue_us)
