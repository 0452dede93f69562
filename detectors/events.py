"""Indicators that count events instead of devices: connects, readings, fields, commands. They are asked each second.

Without an event there is no data: an hour without a command is neither good nor bad.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.contract import Batch
from twinstorm.detectors.lasting import FOR_NOW, Lasting
from twinstorm.detectors.tally import Counts, within
from twinstorm.twin.flow import HOUR_US, NEVER_US, SECOND_US, Mask

NOTHING = Counts(0, 0)


class Counted:
    """What such indicators share."""

    unit: ClassVar[str] = "%"
    scale: ClassVar[int] = 1

    def lasting(self, batch: Batch, good: Any) -> Lasting:  # noqa: ARG002
        return FOR_NOW


@dataclass(frozen=True)
class AuthErrors(Counted):
    """CONNECTs that were refused for who sent them, over all CONNECTs. Refusals of a broker that has no room are no
    errors of authentication. It has no devices."""

    name: ClassVar[str] = "auth_errors"
    summary: ClassVar[str] = "share of connects that are refused for who they come from"

    def good(self, batch: Batch) -> Counts:
        tally = batch.tally
        return NOTHING if tally.unauthorised is None else Counts(tally.unauthorised, tally.connects)


@dataclass(frozen=True)
class IngressErrors(Counted):
    """Dead letters over everything that arrived. What came before is no error, and counts as arrived. It has no
    devices: of many dead letters nobody knows whose they are."""

    name: ClassVar[str] = "ingress_errors"
    summary: ClassVar[str] = "share of what arrives that is refused as a dead letter"

    def good(self, batch: Batch) -> Counts:
        tally = batch.tally
        return Counts(tally.refused, tally.refused + tally.accepted + tally.repeated)


@dataclass(frozen=True)
class Completeness(Counted):
    """Channels with a value over channels of the schema, in accepted readings. A reading that comes twice counts
    once; one that never came has no fields."""

    name: ClassVar[str] = "completeness"
    summary: ClassVar[str] = "share of the fields of a reading that have a value"

    def good(self, batch: Batch) -> Counts:
        heard = batch.tally.heard
        return NOTHING if heard is None else Counts(heard.present, heard.expected)


@dataclass(frozen=True)
class ProcessedInTime(Counted):
    """Accepted readings that arrived at most `within_us` after they were sampled, over those whose date can be right:
    a clock that is ahead makes no reading early, and one that is lost says nothing."""

    name: ClassVar[str] = "processed_in_time"
    summary: ClassVar[str] = "share of readings that are processed within `within` of being sampled"
    within_us: int = 30 * SECOND_US

    def good(self, batch: Batch) -> Counts:
        heard = batch.tally.heard
        return NOTHING if heard is None else Counts(heard.on_time[self.within_us], heard.dated)


@dataclass(frozen=True)
class AnomalyRate(Counted):
    """Device-seconds in which some detector scores a device at its limit or above, over all device-seconds. Scores
    count, not alarms: a detector's policy may ask for more of them before it speaks."""

    name: ClassVar[str] = "anomaly_rate"
    summary: ClassVar[str] = "share of device time in which a detector calls the device unusual"

    def good(self, batch: Batch) -> Mask:
        unusual = batch.tally.unusual
        return np.zeros(len(batch), np.bool_) if unusual is None else unusual


@dataclass(frozen=True)
class BatteryDrain(Counted):
    """Device-seconds at whose pace a full battery would last `within_us` or longer, over device-seconds of devices
    whose pace is known: from `battery.SPAN_US` after their first level on. A level that rises is a charge or another
    battery, and begins anew."""

    name: ClassVar[str] = "battery_drain"
    summary: ClassVar[str] = "share of device time in which a full battery would last for `within`"
    within_us: int = 30 * 24 * HOUR_US

    def good(self, batch: Batch) -> Counts:
        if batch.battery_us is None:
            return NOTHING
        known = batch.battery_us > 0
        return Counts(known & (batch.battery_us >= self.within_us), known)


class Reported(Counted):
    """What the core is told of by others: see `Core.report`."""

    name: ClassVar[str]
    within_us: int

    def good(self, batch: Batch) -> Counts:
        told = batch.tally.outcomes.get(self.name)
        return within(told, self.within_us, len(batch)) if told else NOTHING


@dataclass(frozen=True)
class UpdateSuccess(Reported):
    """Updates of devices that ended well, over those that ended. One that was rolled back or took only a part of what
    it should has failed; one that is under way has not ended."""

    name: ClassVar[str] = "update_success"
    summary: ClassVar[str] = "share of updates that ended well"
    within_us: int = NEVER_US


@dataclass(frozen=True)
class CommandLatency(Reported):
    """Commands that were acknowledged within `within_us` of the *first* time they were sent, over commands that ended:
    acknowledged or given up. A repetition does not start the clock again."""

    name: ClassVar[str] = "command_latency"
    summary: ClassVar[str] = "share of commands acknowledged within `within` of the first send"
    within_us: int = 5 * SECOND_US


@dataclass(frozen=True)
class LatencyToAct(Reported):
    """Findings that were acted on by way of the cloud within `within_us`, over findings that asked for it."""

    name: ClassVar[str] = "latency_to_act"
    summary: ClassVar[str] = "share of findings acted on by the cloud within `within`"
    within_us: int = 5 * SECOND_US


@dataclass(frozen=True)
class LatencyToActEdge(Reported):
    """The same for what is decided and done at the edge."""

    name: ClassVar[str] = "latency_to_act_edge"
    summary: ClassVar[str] = "share of findings acted on at the edge within `within`"
    within_us: int = SECOND_US // 5
