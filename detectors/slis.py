"""Service level indicators: good and total counts in panes of one second, never averages of ratios.

An indicator looks at the end of each pane and says which devices are good, or whether the pane is. `Series` keeps its
panes: of the last minute bit by bit, so that it can be asked about any devices, and of the whole run for the fleet.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.contract import Batch
from twinstorm.detectors.lasting import FOR_NOW, Hold, Lasting
from twinstorm.twin.flow import MINUTE_US, NEVER_US, SECOND_US, Int, Mask

RING_PANES = 60
"""Panes that are kept device by device."""


class Sli(Protocol):
    """One indicator. A frozen dataclass whose fields are its settings; each has a default."""

    name: ClassVar[str]
    unit: ClassVar[str]
    """``%``: the value is good / total as a share 0..1. Else the unit in which `scale` gives it."""
    scale: ClassVar[int]
    """The value is good * scale / total."""
    summary: ClassVar[str]

    def good(self, batch: Batch) -> Mask | bool:
        """bool (n,): which devices count as good in this pane; or, for what has no devices, whether the pane is."""

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
    """Devices that showed a new boot number, counted in the second in which they did, per device-hour. The first number
    ever seen of a device is no reboot."""

    name: ClassVar[str] = "reboot_rate"
    unit: ClassVar[str] = "%"
    scale: ClassVar[int] = 3600
    summary: ClassVar[str] = "devices with a new boot number an hour, of all devices; may exceed 100 %"

    def good(self, batch: Batch) -> Mask:
        return batch.rebooted

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


SLIS: Mapping[str, type[Sli]] = {each.name: each for each in (Backlog, Connectivity, Freshness, RebootRate)}


def make(name: str, settings: Mapping[str, Any]) -> Sli:
    """An indicator with these settings.

    Raises:
        ValueError: unknown name or setting; the text says what is allowed.
    """
    if name not in SLIS:
        raise ValueError(f"unknown SLI `{name}`; allowed: {', '.join(SLIS)}")
    made: Any = SLIS[name]
    allowed = [field.name for field in fields(made)]
    for setting in settings:
        if setting not in allowed:
            # People write `within: 60 s`; the unit stands in the name only here.
            written = ", ".join(each.removesuffix("_us") for each in allowed)
            raise ValueError(
                f"SLI `{name}` has no setting `{setting.removesuffix('_us')}`; allowed: {written or 'none'}"
            )
    sli: Sli = made(**settings)
    return sli


class Totals:
    """Running sums of good and total over the panes of a run, so that every window is exact."""

    def __init__(self) -> None:
        self._good = array("q", [0])
        self._total = array("q", [0])

    def __len__(self) -> int:
        return len(self._good) - 1

    def add(self, good: int, total: int, panes: int = 1) -> None:
        """Add so many panes, each with these counts."""
        for sums, count in ((self._good, good), (self._total, total)):
            last = sums[-1]
            if panes == 1:
                sums.append(last + count)
            else:
                sums.extend(range(last + count, last + count * panes + 1, count) if count else [last] * panes)

    def last(self, panes: int) -> tuple[int, int]:
        """Good and total over this many newest panes, or over all if there are fewer."""
        before = max(len(self) - panes, 0)
        return self._good[-1] - self._good[before], self._total[-1] - self._total[before]


@dataclass(frozen=True, slots=True)
class Members:
    """Some devices as bits, eight to a byte, and how many they are."""

    bits: NDArray[np.uint8]
    count: int

    @staticmethod
    def of(mask: Mask) -> Members:
        return Members(np.packbits(mask), int(np.count_nonzero(mask)))

    def among(self, bits: NDArray[np.uint8]) -> int:
        """How many of them are among these."""
        return int(np.bitwise_count(self.bits & bits).sum(dtype=np.int64))


class Series:
    """Panes of one indicator.

    Args:
        devices: of the fleet.
    """

    def __init__(self, sli: Sli, devices: int) -> None:
        self.sli = sli
        self.fleet = Totals()
        self._devices = devices
        self._ring: list[NDArray[np.uint8] | None] = [None] * RING_PANES
        """Good devices of the newest panes as bits, the same array while nothing changes; None: nobody looked, or the
        indicator has no devices."""
        self._listed: list[Members | None] = [None] * RING_PANES
        """Devices that the registry listed in those panes; None: all."""
        self._newest: NDArray[np.uint8] | None = None
        self._counts = 0, 0
        self.missing: Int | None = None
        """Devices that are not good, if the answer hangs on whether they are heard."""
        self.hold = Hold()
        """For how long the newest pane is like those to come."""

    def close(self, batch: Batch, listed: Members | None = None) -> None:
        """Add a pane.

        Args:
            listed: devices that the registry lists; None: all. The others are not counted, and not good.
        """
        if not self.hold.still(batch.now_us, batch.news):
            good = self.sli.good(batch)
            if isinstance(good, np.ndarray):
                self._newest, self._counts = np.packbits(good), (int(np.count_nonzero(good)), self._devices)
            else:
                self._newest, self._counts = None, (int(good), 1)
            lasting = self.sli.lasting(batch, good)
            self.missing = np.flatnonzero(~good) if lasting.waking_us == 0 else None
            self.hold.renew(lasting)
        pane = len(self.fleet) % RING_PANES
        self._ring[pane], self._listed[pane] = self._newest, listed
        good_devices, total = self._counts
        self.fleet.add(good_devices, total if listed is None or self._newest is None else listed.count)

    def repeat(self, panes: int) -> None:
        """Add so many panes like the newest, in which the registry lists everybody."""
        first = len(self.fleet)
        for pane in range(max(first, first + panes - RING_PANES), first + panes):
            self._ring[pane % RING_PANES], self._listed[pane % RING_PANES] = self._newest, None
        self.fleet.add(*self._counts, panes)

    def skip(self) -> None:
        """Add a pane in which nobody looked."""
        self._ring[len(self.fleet) % RING_PANES] = None
        self.fleet.add(0, 0)

    @property
    def newest(self) -> NDArray[np.uint8] | None:
        """Good devices of the newest pane as bits: the same array as in the pane before if nothing has changed."""
        return self._ring[(len(self.fleet) - 1) % RING_PANES]

    def last(self, members: Members | None, panes: int) -> tuple[int, int]:
        """Good and total of these devices over the newest panes.

        Raises:
            ValueError: for a part of the fleet and more than `RING_PANES` panes.
        """
        if members is None:
            return self.fleet.last(panes)
        if panes > RING_PANES:
            raise ValueError(f"for a part of the fleet only the last {RING_PANES} s can be asked for")
        total = good = before = 0
        known: NDArray[np.uint8] | None = None
        for pane in range(max(len(self.fleet) - panes, 0), len(self.fleet)):
            bits = self._ring[pane % RING_PANES]
            if bits is None:
                continue
            if bits is not known:
                known, before = bits, members.among(bits)
            listed = self._listed[pane % RING_PANES]
            total += members.count if listed is None else listed.among(members.bits)
            good += before
        return good, total

    def value(self, counts: tuple[int, int]) -> float | None:
        """The indicator's value in its own unit; None without data."""
        good, total = counts
        return good * self.sli.scale / total if total else None


def panes_of(window_us: int) -> int:
    """Whole panes that cover a window."""
    return max(-(-window_us // SECOND_US), 1)
