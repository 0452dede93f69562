"""Service level indicators: good and total counts in panes of one second, never averages of ratios.

An indicator looks at the end of each pane and says which devices are good, or whether the pane is; or it has counts of
its own. `series.py` keeps its panes. What counts events instead of devices stands in `events.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from twinstorm.detectors.contract import Batch
from twinstorm.detectors.lasting import FOR_NOW, Lasting
from twinstorm.detectors.tally import Counts
from twinstorm.twin.flow import MINUTE_US, NEVER_US, Mask


class Sli(Protocol):
    """One indicator. A frozen dataclass whose fields are its settings; each has a default."""

    name: ClassVar[str]
    unit: ClassVar[str]
    """``%``: the value is good / total as a share 0..1. Else the unit in which `scale` gives it."""
    scale: ClassVar[int]
    """The value is good * scale / total."""
    summary: ClassVar[str]

    def good(self, batch: Batch) -> Mask | bool | Counts:
        """bool (n,): which devices count as good in this pane; or, for what has no devices, whether the pane is; or the
        good and total events of the pane."""

    def lasting(self, batch: Batch, good: Any) -> Lasting:
        """For how long that stays the answer."""


@dataclass(frozen=True)
class Freshness:
    """Device-seconds whose newest accepted reading arrived less than `within_us` ago, over device-seconds of all
    commissioned devices. Judged by arrival, because clocks lie; a device that is off is not fresh."""

    name: ClassVar[str] = "freshness"
    unit: ClassVar[str] = "%"
    scale: ClassVar[int] = 1
    summary: ClassVar[str] = "device-seconds whose newest reading arrived less than `within` ago"
    within_us: int = 2 * MINUTE_US

    def good(self, batch: Batch) -> Mask:
        return batch.last_arrival_us > batch.now_us - self.within_us

    def lasting(self, batch: Batch, good: Mask) -> Lasting:
        """Until the newest reading of a good one is too old, and one that comes later is so later; or until one of the
        others is heard."""
        oldest_us = int(batch.last_arrival_us.min(initial=NEVER_US, where=good))
        waking_us = NEVER_US if good.all() else 0
        until_us = oldest_us + self.within_us
        return Lasting(until_us, reading_us=self.within_us, waking_us=waking_us, silence_us=self.within_us)


@dataclass(frozen=True)
class Connectivity:
    """Device-seconds with a live session (birth seen, no will or close since) over device-seconds of all commissioned
    devices."""

    name: ClassVar[str] = "connectivity"
    unit: ClassVar[str] = "%"
    scale: ClassVar[int] = 1
    summary: ClassVar[str] = "device-seconds with a live session"

    def good(self, batch: Batch) -> Mask:
        return batch.session_live

    def lasting(self, batch: Batch, good: Mask) -> Lasting:  # noqa: ARG002
        return Lasting(NEVER_US, session_us=0)


@dataclass(frozen=True)
class RebootRate:
    """Devices that showed a new boot number nobody had planned, counted in the second in which they did, per
    device-hour. The first number ever seen of a device is no reboot."""

    name: ClassVar[str] = "reboot_rate"
    unit: ClassVar[str] = "%"
    scale: ClassVar[int] = 3600
    summary: ClassVar[str] = "devices with a new boot number an hour, of all devices; may exceed 100 %"

    def good(self, batch: Batch) -> Mask:
        return batch.rebooted if batch.planned is None else batch.rebooted & ~batch.planned

    def lasting(self, batch: Batch, good: Mask) -> Lasting:  # noqa: ARG002
        return FOR_NOW if good.any() else Lasting(NEVER_US, reboot_us=0)


@dataclass(frozen=True)
class Backlog:
    """Panes in which fewer than `limit` messages wait at the broker, over all panes. It has no devices."""

    name: ClassVar[str] = "backlog"
    unit: ClassVar[str] = "%"
    scale: ClassVar[int] = 1
    summary: ClassVar[str] = "seconds in which the broker's queue is under the limit"
    limit: int = 1_000

    def good(self, batch: Batch) -> bool:
        return batch.queue < self.limit

    def lasting(self, batch: Batch, good: bool) -> Lasting:  # noqa: ARG002
        return Lasting(NEVER_US, broker_us=0)


@dataclass(frozen=True)
class BacklogDrain:
    """Panes at whose end the broker's queue was empty less than `within_us` ago, over all panes: how long a backlog
    takes to be back at 0, whatever its depth. It has no devices."""

    name: ClassVar[str] = "backlog_drain"
    unit: ClassVar[str] = "%"
    scale: ClassVar[int] = 1
    summary: ClassVar[str] = "seconds in which the broker's queue was empty less than `within` ago"
    within_us: int = MINUTE_US

    def good(self, batch: Batch) -> bool:
        return batch.now_us - batch.emptied_us < self.within_us

    def lasting(self, batch: Batch, good: bool) -> Lasting:
        if not batch.queue:
            return Lasting(NEVER_US, broker_us=0)
        return Lasting(batch.emptied_us + self.within_us if good else NEVER_US, broker_us=0)


@dataclass(frozen=True)
class Availability:
    """Panes at whose end the broker is up and a reading of anybody was accepted less than `within_us` ago, over all
    panes. A broker that is up and brings nobody's readings serves nobody. It has no devices."""

    name: ClassVar[str] = "availability"
    unit: ClassVar[str] = "%"
    scale: ClassVar[int] = 1
    summary: ClassVar[str] = "seconds in which the broker is up and readings come through"
    within_us: int = MINUTE_US

    def good(self, batch: Batch) -> bool:
        return batch.broker_up and int(batch.last_arrival_us.max(initial=-NEVER_US)) > batch.now_us - self.within_us

    def lasting(self, batch: Batch, good: bool) -> Lasting:
        """A fleet that is silent for `within_us` has a device that is."""
        if not good:
            return FOR_NOW
        until_us = int(batch.last_arrival_us.max(initial=-NEVER_US)) + self.within_us
        return Lasting(until_us, reading_us=self.within_us, broker_us=0, silence_us=self.within_us)
