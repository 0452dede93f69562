"""Configuration drift: devices that report another configuration than they should have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.contract import LONG_AGO_US, Batch
from twinstorm.detectors.lasting import Lasting
from twinstorm.detectors.options import Option
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import NEVER_US, UNSAID, Device, Int, Registry, SessionEvent, SessionEvents, Severity, Values


class Reported:
    """What births say, beside what the registry says. Columns have one row a device.

    Args:
        desired: `Registry.configuration`.

    Attributes:
        reported: int32, what the last birth said that said anything; `UNSAID` before.
        drifted_us: int64, since when it has not been the one that the device should have; `NEVER_US` while it is,
            `LONG_AGO_US` where nobody knows what it is or should be.
    """

    def __init__(self, desired: Device) -> None:
        self._desired = desired
        self.reported: Device = np.full(len(desired), UNSAID, np.int32)
        self.drifted_us: Int = np.full(len(desired), LONG_AGO_US, np.int64)

    def take(self, events: SessionEvents) -> None:
        """Take births, in their order; those of devices that nobody registered are ignored."""
        if events.configuration is None or not len(events):
            return
        tells = (events.what == SessionEvent.BORN) & (events.configuration != UNSAID)
        tells &= (events.device >= 0) & (events.device < len(self.reported))
        rows = np.flatnonzero(tells)
        while len(rows):
            # Each device once a round, earlier rows first.
            first = np.zeros(len(rows), np.bool_)
            first[np.unique(events.device[rows], return_index=True)[1]] = True
            now = rows[first]
            self._take(events.device[now], events.configuration[now], events.at_us[now])
            rows = rows[~first]

    def _take(self, device: Device, number: Device, at_us: Int) -> None:
        self.reported[device] = number
        asked = self._desired[device] != UNSAID
        device, number, at_us = device[asked], number[asked], at_us[asked]
        since_us = self.drifted_us[device]
        was_wrong = (since_us != NEVER_US) & (since_us != LONG_AGO_US)
        since_us = np.where(was_wrong, since_us, at_us)
        self.drifted_us[device] = np.where(number == self._desired[device], NEVER_US, since_us)


class ConfigDrift:
    """A device has drifted when it has reported for `hold` what it should not have.

    Nothing is learnt. The score is the time since over `hold`, under 1 before it is over, so that a change that is put
    right within it passes by.

    Limits: a device tells its configuration with its births alone. Of one that never told any nothing is known, and of
    one that is offline the last one counts.
    """

    name: ClassVar[str] = "config-drift"
    summary: ClassVar[str] = "devices that report another configuration than they should have"
    headline: ClassVar[str] = "have another configuration than they should"
    options: ClassVar[tuple[Option, ...]] = (
        Option("hold", "duration", "1 min", "how long it must be another: what is rolled out passes by"),
        Option("share", "share", "30 %", "of a site, segment, ... that must have drifted for an alarm about it"),
        Option("devices", "count", "5", "such devices that make a group"),
        Option("severity", "word", "ticket", "of an alarm about a group", choices=("page", "ticket")),
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._hold_us = max(int(settings["hold"]), 1)
        self.policy = Policy(
            share=settings["share"],
            fleet_share=min(0.05, settings["share"]),
            devices=settings["devices"],
            hold_us=0,
            severity=Severity(settings["severity"]),
            lone_threshold=1.0,
            learns="share",
        )

    @classmethod
    def concerns(cls, registry: Registry) -> bool:
        """Somebody has said what devices should be set up like."""
        return registry.configuration is not None

    def learn(self, batch: Batch) -> None:
        """Nothing: see the class."""

    def pass_by(self, panes: int) -> None:
        """Nothing."""

    def quiet(self, batch: Batch) -> Lasting | None:
        """Until the first that reports the wrong one has done so for long enough; a birth can begin that time only."""
        if batch.drifted_us is None:
            return Lasting(NEVER_US)
        since_us = batch.drifted_us[(batch.drifted_us != NEVER_US) & (batch.drifted_us != LONG_AGO_US)]
        until_us = int(since_us.min()) + self._hold_us if len(since_us) else NEVER_US
        return None if until_us <= batch.now_us else Lasting(until_us, session_us=self._hold_us)

    def score(self, batch: Batch) -> Values:
        """For how long it has been wrong, over `hold`; NaN where nobody knows what it is or should be."""
        score = np.full(len(batch), np.nan, np.float32)
        if batch.drifted_us is None:
            return score
        known = batch.drifted_us != LONG_AGO_US
        wrong_us = batch.now_us - np.minimum(batch.drifted_us, batch.now_us)
        # Rounded to float32 a share next to 1 would be 1 too early.
        limit = np.where(wrong_us >= self._hold_us, np.inf, 0.999)
        score[known] = np.minimum(wrong_us / self._hold_us, limit)[known]
        return score
