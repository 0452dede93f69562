"""Sessions and boots of the fleet as births, wills and closes tell of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.contract import LONG_AGO_US
from twinstorm.detectors.happenings import BOOT, OF_SESSIONS, Happenings
from twinstorm.detectors.listing import Listing
from twinstorm.twin.flow import NEVER_US, Device, Int, Mask, SessionEvent, SessionEvents

_COLUMNS = ("live", "born_us", "ended_us", "boot", "connects", "rebooted_us", "rebooted")


class Sessions:
    """Columns have one row a device; rows of those who are not heard look as if nothing had ever come of them.

    Args:
        listing: whom the registry lists; None: everybody.

    Attributes:
        live: bool, birth seen, no will or close since.
        born_us, ended_us: int64, the last birth and the last end of a session; `LONG_AGO_US` before the first.
        boot: int32, the newest boot number that a birth or a reading showed; 0 before the first.
        connects: int32, births.
        rebooted_us: int64, the last new boot number but for the first one seen; `LONG_AGO_US` before.
        rebooted: bool, since `turn`.
        reboots: new boot numbers since `turn`; a device can show several.
        happenings: who gets each event as well; None: nobody asks.
        events_from_us, reboots_from_us: the earliest session event and new boot number since `turn`, else `NEVER_US`.
    """

    def __init__(self, devices: int, listing: Listing | None = None) -> None:
        self._listing = listing or Listing(devices)
        self.live: Mask = np.zeros(devices, np.bool_)
        self.born_us: Int = np.full(devices, LONG_AGO_US, np.int64)
        self.ended_us: Int = np.full(devices, LONG_AGO_US, np.int64)
        self.boot: Device = np.zeros(devices, np.int32)
        self.connects: Device = np.zeros(devices, np.int32)
        self.rebooted_us: Int = np.full(devices, LONG_AGO_US, np.int64)
        self.rebooted: Mask = np.zeros(devices, np.bool_)
        self.reboots = 0
        self.events_from_us = self.reboots_from_us = NEVER_US
        self.happenings: Happenings | None = None
        self._aside: Sessions | None = None
        """What the broker tells of strangers: retained, it is there for whoever asks. Other rows mean nothing."""

    def turn(self) -> None:
        """Begin a new pane."""
        self.events_from_us = self.reboots_from_us = NEVER_US
        if self.reboots:
            self.rebooted[:] = False
            self.reboots = 0

    def take(self, events: SessionEvents) -> None:
        """Take events in their order; those of devices that nobody registered are ignored."""
        if not len(events):
            return
        self.events_from_us = min(self.events_from_us, int(events.at_us.min()))
        known = np.flatnonzero((events.device >= 0) & (events.device < len(self.live)))
        strangers = self._listing.unheard
        if strangers is not None and self._aside is not None:
            strange = strangers[events.device[known]]
            self._aside._take(events, known[strange])
            known = known[~strange]
        self._take(events, known)

    def _take(self, events: SessionEvents, known: NDArray[np.intp]) -> None:
        for rows in self._rounds(events.device, known):
            device, what, at_us = events.device[rows], events.what[rows], events.at_us[rows]
            born = what == SessionEvent.BORN
            self._born(device[born], at_us[born], events.boot[rows][born])
            # A takeover goes on as the new connection's session, whose birth follows.
            ended = ((what == SessionEvent.LOST) | (what == SessionEvent.CLOSED)) & self.live[device]
            self.live[device[ended]] = False
            self.ended_us[device[ended]] = at_us[ended]
            if self.happenings is not None:
                # Behind the new boot that a birth tells of.
                self.happenings.add(at_us, device, OF_SESSIONS[what])

    def saw_boot(self, device: Device, boot: Device, at_us: Int) -> None:
        """Readings showed these boots, ascending in (device, boot)."""
        strangers = self._listing.unheard
        if strangers is not None and self._aside is not None:
            strange = strangers[device]
            self._aside.boot[device[strange]] = np.maximum(self._aside.boot[device[strange]], boot[strange])
            device, boot, at_us = device[~strange], boot[~strange], at_us[~strange]
        for rows in self._rounds(device, np.arange(len(device))):
            self._booted(device[rows], boot[rows], at_us[rows])

    def hide(self, device: Device) -> None:
        """These devices have become strangers."""
        self._aside = self._aside or Sessions(len(self.live))
        blank = Sessions(1)
        for name in _COLUMNS:
            mine = getattr(self, name)
            getattr(self._aside, name)[device] = mine[device]
            mine[device] = getattr(blank, name)[0]

    def show(self, device: Device, at_us: int) -> None:
        """These devices are strangers no more: the core reads what the broker has retained of them, births as of now;
        boots that it did not see are none."""
        if self._aside is None:
            return
        for name in _COLUMNS:
            getattr(self, name)[device] = getattr(self._aside, name)[device]
        self.born_us[device[self.live[device]]] = at_us
        self.rebooted_us[device], self.rebooted[device] = LONG_AGO_US, False

    def _born(self, device: Device, at_us: Int, boot: Device) -> None:
        self.live[device] = True
        self.born_us[device] = at_us
        self.connects[device] += 1
        self._booted(device, boot, at_us)

    def _booted(self, device: Device, boot: Device, at_us: Int) -> None:
        known = self.boot[device]
        newer = boot > known
        again = newer & (known > 0)
        self.boot[device[newer]] = boot[newer]
        if not again.any():
            return
        rebooted = device[again]
        if self.happenings is not None:
            self.happenings.add(at_us[again], rebooted, BOOT)
        self.reboots_from_us = min(self.reboots_from_us, int(at_us[again].min()))
        self.rebooted_us[rebooted] = at_us[again]
        self.rebooted[rebooted] = True
        self.reboots += len(rebooted)

    def _rounds(self, device: Device, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part rows so that each part has a device at most once, earlier rows in earlier parts."""
        parts = []
        first = np.empty(len(self.live), np.intp)
        while len(rows):
            here = device[rows]
            # Backwards, so that the first row of each device is written last.
            first[here[::-1]] = rows[::-1]
            once = first[here] == rows
            parts.append(rows[once])
            rows = rows[~once]
        return parts
