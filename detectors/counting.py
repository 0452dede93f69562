"""Counts events for indicators of events, and only what these indicators ask for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twinstorm.detectors.battery import BatteryPace
from twinstorm.detectors.events import AnomalyRate, BatteryDrain, Completeness, Counted, ProcessedInTime
from twinstorm.detectors.slis import Sli
from twinstorm.detectors.tally import Heard, Outcomes, Tally
from twinstorm.twin.flow import BrokerCounters, Device, Int, Mask

NO_COUNTERS = BrokerCounters()


class Counting:
    """Events between two panes that were judged. All state is plain data.

    Args:
        devices: of the fleet.
        slis: indicators that somebody follows.

    Attributes:
        heard: a tap of the ingest; None: nobody asks what readings hold.
        battery: None: nobody asks.
    """

    def __init__(self, devices: int, slis: Sequence[Sli]) -> None:
        limits_us = sorted({each.within_us for each in slis if isinstance(each, ProcessedInTime)})
        asks = bool(limits_us) or any(isinstance(each, Completeness) for each in slis)
        self.heard = Heard(devices, limits_us) if asks else None
        self.battery = BatteryPace(devices) if any(isinstance(each, BatteryDrain) for each in slis) else None
        self.unusual: Mask | None = None
        if any(isinstance(each, AnomalyRate) for each in slis):
            self.unusual = np.zeros(devices, np.bool_)
        self._outcomes: dict[str, list[Outcomes]] = {}
        self._arrived_before = 0, 0, 0
        self._broker_before = NO_COUNTERS

    @staticmethod
    def of(devices: int, slis: Sequence[Sli]) -> Counting | None:
        """None: none of them counts events."""
        return Counting(devices, slis) if any(isinstance(each, Counted) for each in slis) else None

    def report(self, name: str, outcomes: Outcomes) -> None:
        """Take what somebody reports for the indicator of this name."""
        self._outcomes.setdefault(name, []).append(outcomes)

    def tally(self, accepted: int, repeated: int, refused: int, broker: BrokerCounters) -> Tally:
        """Events since the last call. Counters of a broker that fell are those of one that began anew.

        Args:
            accepted, repeated, refused: since the start of the run.
        """
        arrived = accepted, repeated, refused
        new, known, bad = (after - before for after, before in zip(arrived, self._arrived_before, strict=True))
        before = self._broker_before if broker.attempts >= self._broker_before.attempts else NO_COUNTERS
        unauthorised = None
        if broker.unauthorised is not None:
            unauthorised = broker.unauthorised - (before.unauthorised or 0)
        outcomes, self._outcomes = self._outcomes, {}
        self._arrived_before, self._broker_before = arrived, broker
        connects = broker.attempts + broker.strangers - before.attempts - before.strangers
        return Tally(new, known, bad, connects, unauthorised, self.heard, self.unusual, outcomes)

    def turn(self) -> None:
        """The pane was judged."""
        if self.heard is not None:
            self.heard.turn()
        if self.unusual is not None:
            self.unusual = np.zeros(len(self.unusual), np.bool_)


class Planned:
    """Reboots that somebody announced.

    Args:
        devices: of the fleet.
    """

    def __init__(self, devices: int) -> None:
        self._until_us: Int = np.zeros(devices, np.int64)

    def expect(self, device: Device, until_us: int) -> None:
        """The next reboot of each of these is planned, if it comes by then."""
        self._until_us[device] = until_us

    def among(self, rebooted: Mask, now_us: int) -> Mask:
        """Those that were planned; each announcement is good for one."""
        planned: Mask = rebooted & (self._until_us >= now_us)
        self._until_us[rebooted] = 0
        return planned
