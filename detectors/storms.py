"""Storms: many devices that connect, or reboot, at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.contract import LONG_AGO_US, Batch
from twinstorm.detectors.lasting import FOR_NOW, Lasting
from twinstorm.detectors.options import Option
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import MINUTE_US, NEVER_US, SECOND_US, Registry, Severity, Values

_SEVERITY = Option("severity", "word", "ticket", "of the alarm", choices=("page", "ticket"))


class ConnectStorm:
    """Far more CONNECTs a second than the fleet is used to, and many for its size.

    The score is attempts per second over the last `PANES` seconds, over the limit: the larger of `share` of the fleet
    per second and `factor` times what is normal; refused attempts count on their own against half of that. Normal is a
    running mean, learnt in calm seconds. The broker's counters name no devices, so those are affected that have no
    session or got theirs within the last minute; if there are none, all.
    """

    PANES: ClassVar[int] = 5
    MEMORY_PANES: ClassVar[int] = 300
    FEWEST_PER_S: ClassVar[float] = 1.0

    name: ClassVar[str] = "connect-storm"
    summary: ClassVar[str] = "CONNECT attempts far above normal and above a share of the fleet"
    headline: ClassVar[str] = "fight for a session"
    options: ClassVar[tuple[Option, ...]] = (
        Option("share", "share", "0.5 %", "attempts per second, of the fleet's devices"),
        Option("factor", "number", "5", "times the normal rate"),
        Option("hold", "duration", "3 s", "how long the storm must last"),
        _SEVERITY,
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        self._least_per_s = max(settings["share"] * len(registry), self.FEWEST_PER_S)
        self._factor: float = settings["factor"]
        self._normal_per_s = 0.0
        self._learnt = 0
        # The rate decides; how many devices the storm consists of only says which group to name.
        self.policy = Policy(
            share=0.05,
            fleet_share=0.0,
            devices=1,
            single=True,
            clear_threshold=0.5,
            clear_share=0.0,
            hold_us=settings["hold"],
            severity=Severity(settings["severity"]),
        )

    def learn(self, batch: Batch) -> None:
        """Take this second's attempts as normal."""
        self._learn(float(batch.attempts[-1]) if len(batch.attempts) else 0.0)

    def _learn(self, attempts: float) -> None:
        self._learnt = min(self._learnt + 1, self.MEMORY_PANES)
        self._normal_per_s += (attempts - self._normal_per_s) / self._learnt

    def pass_by(self, panes: int) -> None:
        """Seconds without a CONNECT are normal, too."""
        for _ in range(panes):
            self._learn(0.0)

    def _pressure(self, batch: Batch) -> float:
        limit_per_s = max(self._least_per_s, self._factor * self._normal_per_s)
        attempts, refused = (
            sum(counts[-self.PANES :].tolist()) / self.PANES for counts in (batch.attempts, batch.refused)
        )
        return max(attempts / limit_per_s, 2 * refused / limit_per_s)

    def quiet(self, batch: Batch) -> Lasting | None:
        """While nobody connects; else in this pane, if too few attempts were made for anybody to score."""
        pressure = self._pressure(batch)
        if pressure >= self.policy.clear_threshold:
            return None
        return FOR_NOW if pressure else Lasting(NEVER_US, broker_us=0)

    def score(self, batch: Batch) -> Values:
        """The fleet's score for every device that fights for a session, 0 for the others."""
        pressure = self._pressure(batch)
        if pressure < self.policy.clear_threshold:
            return np.zeros(len(batch), np.float32)
        fighting = ~batch.session_live
        fighting |= batch.born_us > batch.now_us - MINUTE_US
        if not fighting.any():
            # Strangers, or clients whose births never come: it is everybody's storm.
            fighting[:] = True
        return np.where(fighting, np.float32(pressure), np.float32(0))


class RebootStorm:
    """Many devices with a new boot number within `within`: a part of the fleet, or of a site, segment, ...

    The score is 1 for a device that rebooted so recently. A planned restart looks the same: give the steps that
    restart devices on purpose an expectation of their own.
    """

    name: ClassVar[str] = "reboot-storm"
    summary: ClassVar[str] = "many devices with a new boot number within a short time"
    headline: ClassVar[str] = "rebooted"
    options: ClassVar[tuple[Option, ...]] = (
        Option("share", "share", "5 %", "of the fleet, or of a site, segment, ..., that must have rebooted"),
        Option("devices", "count", "5", "rebooted devices that make a storm"),
        Option("within", "duration", "60 s", "how long a reboot is recent"),
        Option("hold", "duration", "3 s", "how long the storm must last"),
        Option(
            "severity",
            "word",
            "cascade",
            "cascade: a page beyond one gateway, or one site where there are none, else a ticket",
            choices=("cascade", "page", "ticket"),
        ),
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._within_us: int = max(settings["within"], SECOND_US)
        cascades = settings["severity"] == "cascade"
        self.policy = Policy(
            share=settings["share"],
            fleet_share=settings["share"],
            devices=settings["devices"],
            clear_share=settings["share"] / 2,
            hold_us=settings["hold"],
            severity=Severity.TICKET if cascades else Severity(settings["severity"]),
            cascades=cascades,
            learns="share",
        )

    def learn(self, batch: Batch) -> None:
        """Nothing: a storm is a matter of numbers, not of habit."""

    def pass_by(self, panes: int) -> None:
        """Nothing."""

    def quiet(self, batch: Batch) -> Lasting | None:
        """Until the next reboot, if the last one is long enough ago."""
        newest_us = int(batch.rebooted_us.max(initial=LONG_AGO_US))
        return Lasting(NEVER_US, reboot_us=0) if newest_us <= batch.now_us - self._within_us else None

    def score(self, batch: Batch) -> Values:
        """1 for devices that rebooted recently, 0 for the others."""
        recent: Values = (batch.rebooted_us > batch.now_us - self._within_us).astype(np.float32)
        return recent
