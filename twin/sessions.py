"""Sessions as a broker keeps them: admitted, heard, silent, expired, closed. Also those of the brokers in gateways.

What happens is noted with its instant, in any order, and played in order when somebody asks what there is to tell.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from twinstorm.twin.flow import NEVER_US, Device, Int, Mask, SessionEvent, SessionEvents
from twinstorm.twin.keepalive import patience_us

_LINK = 5
"""Among the session events: the broker stops hearing a device (with the instant of its last packet) or hears it again
(with `_HEARD`). Nobody is told."""
_HEARD = -1
_NO_ROWS: Int = np.zeros((0, 4), np.int64)


@dataclass
class Sessions:
    """Columns have one row a device of the fleet; all fields are plain data.

    Attributes:
        clients: int64, devices that connect here.
        live: it has a session.
        heard: the client of this session knows that it has one; else it is a ghost of an abandoned attempt.
        unheard: nothing that this device sends reaches the broker any more, beyond what is on its way.
        expires_us: when the session ends unless something is heard; `NEVER_US` while it is.
        boot: what each device said last of itself on its retained `state`.
        count: takeovers, ghosts and expired sessions since the start.
    """

    clients: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    live: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    heard: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    unheard: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    expires_us: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    keep_alive_us: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    boot: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    count: Counter[str] = field(default_factory=Counter)
    _first_expiry_us: int = NEVER_US
    """No session expires before it."""
    _rows: list[Int] = field(default_factory=list)
    """What happens, int64 (n, 4): instant, device, what, boot; handled in `until`."""

    # --- what happens -------------------------------------------------------------------------------------------------

    def open(self, keep_alive_us: Int, clients: Int | None = None) -> None:
        """All of these clients (None: every device) have been here for long.

        Args:
            keep_alive_us: one a device of the fleet; 0: none.
        """
        n = len(keep_alive_us)
        self.clients = np.arange(n, dtype=np.int64) if clients is None else clients.astype(np.int64)
        self.live = np.zeros(n, np.bool_)
        self.live[self.clients] = True
        self.heard = np.ones(n, np.bool_)
        self.unheard = np.zeros(n, np.bool_)
        self.expires_us = np.full(n, NEVER_US, np.int64)
        self.keep_alive_us = keep_alive_us
        self.boot = np.zeros(n, np.int64)
        none = np.zeros(len(self.clients), np.int64)
        self._note(none, self.clients, SessionEvent.BORN, none + 1)

    def admit(self, device: Device, at_us: Int) -> None:
        """CONNECTs were answered at these instants."""
        self._note(at_us, device, SessionEvent.TAKEN_OVER, np.zeros(len(device), np.int64))

    def announce(self, device: Device, boot: Device, at_us: Int) -> None:
        """See `DeviceEnd`."""
        self._note(at_us, device, SessionEvent.BORN, boot)

    def disconnect(self, device: Device, at_us: Int, last_packet_us: Int, abrupt: bool) -> None:
        """See `DeviceEnd`."""
        if abrupt:
            had_one = last_packet_us != NEVER_US
            self._note(at_us[had_one], device[had_one], _LINK, last_packet_us[had_one])
        else:
            self._note(at_us, device, SessionEvent.CLOSED, np.zeros(len(device), np.int64))

    def silence(self, device: Device, at_us: int, last_packet_us: Int, direction: str) -> None:
        """See `DeviceEnd`."""
        if direction != "down":
            self.disconnect(device, np.full(len(device), at_us, np.int64), last_packet_us, abrupt=True)

    def resume(self, device: Device, at_us: int, kept: Mask) -> None:
        """See `DeviceEnd`."""
        heard = device[kept]
        self._note(np.full(len(heard), at_us, np.int64), heard, _LINK, np.full(len(heard), _HEARD, np.int64))

    def forget(self, at_us: int, device: Int | None = None) -> None:
        """The broker of these clients (None: of all) dies at this instant: what lies behind it does not happen."""
        rows = np.concatenate(self._rows) if self._rows else np.empty((0, 4), np.int64)
        past = rows[:, 0] < at_us
        if device is None:
            device = self.clients
        else:
            mine = np.zeros(len(self.live), np.bool_)
            mine[device] = True
            past |= ~mine[rows[:, 1]]
        self._rows = [rows[past]] if past.any() else []
        self._note(np.full(len(device), at_us, np.int64), device, SessionEvent.CLOSED, np.zeros(len(device), np.int64))

    def _note(self, at_us: Int, device: Int | Device, what: SessionEvent | int, boot: Int | Device) -> None:
        if len(device):
            rows = np.empty((len(device), 4), np.int64)
            rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] = at_us, device, what, boot
            self._rows.append(rows)

    @property
    def is_idle(self) -> bool:
        """Nothing is noted that was not told, and nobody is waited for."""
        return not self._rows and self._first_expiry_us == NEVER_US

    # --- what is told of it -------------------------------------------------------------------------------------------

    def until(self, now_us: int) -> Int:
        """Play what happened to sessions up to and including `now_us` in order, keep-alive expiries between.

        Returns:
            What there is to tell, for `events_of`: int64 (n, 4).
        """
        if not self._rows and now_us < self._first_expiry_us:
            return _NO_ROWS
        told: list[Int] = []
        rows = np.concatenate(self._rows) if self._rows else np.empty((0, 4), np.int64)
        due = rows[:, 0] <= now_us
        self._rows = [rows[~due]] if not due.all() else []
        rows = rows[due]
        rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
        while len(rows):
            # One event of each device a round, so that a round is vectorised.
            first = np.zeros(len(rows), np.bool_)
            first[np.unique(rows[:, 1], return_index=True)[1]] = True
            told.extend(self._round(rows[first]))
            rows = rows[~first]
        if now_us >= self._first_expiry_us:
            told.append(self._expire(np.flatnonzero(self.live & (self.expires_us <= now_us))))
            self._first_expiry_us = int(self.expires_us[self.live].min(initial=NEVER_US))
        return np.concatenate(told) if told else _NO_ROWS

    def _round(self, rows: Int) -> list[Int]:
        device = rows[:, 1]
        expired = self.live[device] & (self.expires_us[device] < rows[:, 0])
        told = [self._expire(device[expired])]
        what = rows[:, 2]
        admitted = what == SessionEvent.TAKEN_OVER
        replaced = admitted & self.live[device]
        self.count["takeovers"] += int(np.count_nonzero(replaced))
        self.count["ghosts"] += int(np.count_nonzero(replaced & ~self.heard[device]))
        self.live[device[admitted]] = True
        self.heard[device[admitted]] = False
        self.unheard[device[admitted]] = False
        # Until the device is heard, the session lives for one keep-alive: a client that gave up leaves a ghost.
        self.expires_us[device[admitted]] = rows[admitted, 0] + patience_us(self.keep_alive_us[device[admitted]])
        born = what == SessionEvent.BORN
        # A birth may arrive after the device fell silent: it was on its way, and is the last that is heard of it.
        last_us = rows[born, 0] + patience_us(self.keep_alive_us[device[born]])
        self.expires_us[device[born]] = np.where(self.unheard[device[born]], last_us, NEVER_US)
        self.heard[device[born]] = True
        self.boot[device[born]] = rows[born, 3]
        self._hear(rows[what == _LINK])
        closed = (what == SessionEvent.CLOSED) & self.live[device]
        self.live[device[closed]] = False
        self.expires_us[device[closed]] = NEVER_US
        told.append(rows[replaced | born | closed])
        self._first_expiry_us = min(self._first_expiry_us, int(self.expires_us[device].min(initial=NEVER_US)))
        return told

    def _hear(self, rows: Int) -> None:
        """Devices that fall silent, or are heard again."""
        device, last_packet_us = rows[:, 1], rows[:, 3]
        again = last_packet_us == _HEARD
        self.unheard[device] = ~again
        expires_us = last_packet_us + patience_us(self.keep_alive_us[device])
        self.expires_us[device] = np.where(again, NEVER_US, np.minimum(self.expires_us[device], expires_us))

    def _expire(self, device: Int | Device) -> Int:
        rows = np.zeros((len(device), 4), np.int64)
        rows[:, 0], rows[:, 1], rows[:, 2] = self.expires_us[device], device, SessionEvent.LOST
        self.live[device] = False
        self.expires_us[device] = NEVER_US
        self.count["expired"] += len(device)
        self.count["ghosts"] += int(np.count_nonzero(~self.heard[device]))
        return rows


def events_of(rows: Int) -> SessionEvents:
    """What is told, in order: rows of instant, device, what and boot."""
    return _in_order(rows) if len(rows) else NO_EVENTS


def _in_order(rows: Int) -> SessionEvents:
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return SessionEvents(
        rows[:, 0].copy(), rows[:, 1].astype(np.int32), rows[:, 2].astype(np.uint8), rows[:, 3].astype(np.int32)
    )


NO_EVENTS = _in_order(_NO_ROWS)
