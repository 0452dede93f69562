"""Service level indicators as a scenario names them, with what is asked of each if nothing else is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from twinstorm.scenarios.language.units import Kind


@dataclass(frozen=True)
class Sli:
    """A service level indicator: good and total counts of every second, never an average of ratios.

    Attributes:
        summary: one line for lists.
        definition: what is counted, in full.
        trap: what is easily taken for it and is not.
        target: the bound of an objective that states none; None: it must state one.
        within: that of an objective that states none, as people would write it; empty: it takes none.
        kind: of its value, in objectives and expressions.
        has_devices: a selector may narrow it.
        of_events: it has no panes device by device, so that a selector may narrow it in an objective only.
        is_part: it is a part of something, never more than 100 % of it.
        is_fed: something feeds it in this version; else it has no data.
        is_later: known, but not in this version.
    """

    name: str
    summary: str
    definition: str = ""
    trap: str = ""
    target: tuple[Literal["at_least", "at_most"], str] | None = None
    within: str = ""
    kind: Kind = Kind.SHARE
    has_devices: bool = True
    of_events: bool = False
    is_part: bool = True
    is_fed: bool = True
    is_later: bool = False


_ALL = (
    Sli(
        "freshness",
        "share of device time with a reading younger than `within`",
        "Device-seconds whose newest accepted reading is younger than `within`, over device-seconds of all "
        "commissioned devices. A device without power counts: nobody who waits for its data cares why it is late.",
        "Clocks of devices lie: a reading is as old as its arrival, whatever its date says. An old reading that "
        "arrives late makes nobody fresh again after a newer one. `within` must be more than the longest sampling "
        "period.",
        ("at_least", "95 %"),
        "2 min",
    ),
    Sli(
        "connectivity",
        "share of device time with a live session",
        "Device-seconds with a live session (a birth was seen, and since then no will and no close), over "
        "device-seconds of all commissioned devices. A device without power counts as not connected.",
        "The broker believes in a session until one and a half keep-alives after the last packet: `freshness` sees a "
        "cut earlier. Devices in a maintenance window (a step `suppress`) are left out for as long as it lasts.",
        ("at_least", "99 %"),
    ),
    Sli(
        "reboot_rate",
        "share of devices an hour that booted without being asked to",
        "Devices that announced a new boot number nobody had planned, an hour, over all devices: 1 % means that of a "
        "hundred devices one boots by itself every hour, and 200 % that each does so twice.",
        "The first boot number ever seen of a device is no reboot, and a new session is none. Nothing plans reboots "
        "in this version, so that all of them count.",
        ("at_most", "1 %"),
        is_part=False,
    ),
    Sli(
        "backlog",
        "share of time in which the broker's queue is short enough",
        "Seconds at whose end fewer than 1,000 messages wait in the broker for the core, over all seconds. It is "
        "about the broker, so it knows no devices.",
        "How deep a queue is says nothing of how long it takes to be empty: `backlog_drain` does.",
        has_devices=False,
    ),
    Sli(
        "backlog_drain",
        "share of time in which the broker's queue was empty less than `within` ago",
        "Seconds at whose end it is less than `within` since nothing waited in the broker for the core, over all "
        "seconds: whether a backlog, however deep, is back at 0 in time. It knows no devices.",
        "A queue that is short and never empty grows old as well; the queue is looked at once a second.",
        ("at_least", "100 %"),
        "60 s",
        has_devices=False,
    ),
    Sli(
        "availability",
        "share of time in which the broker is up and readings come through",
        "Seconds at whose end the broker is up and the newest reading of anybody arrived less than `within` ago, "
        "over all seconds. It knows no devices.",
        "A broker that is up and brings nobody's readings serves nobody. It is a share of time, not of devices: half "
        "a fleet without a session is a matter of `connectivity`.",
        ("at_least", "99.99 %"),
        "60 s",
        has_devices=False,
    ),
    Sli(
        "auth_errors",
        "share of connects that are refused for who they come from",
        "CONNECTs answered with `bad user name or password` or `not authorised`, or whose certificate is no good, "
        "over all CONNECTs. It knows no devices: who is refused has no name that could be believed.",
        "Refusals of a broker that has no room are none of these. A broker that is neither the modelled nor the "
        "embedded one does not tell: there is no data. Without CONNECTs there is none either, and few of them say "
        "little.",
        ("at_most", "0.1 %"),
        has_devices=False,
        of_events=True,
    ),
    Sli(
        "ingress_errors",
        "share of what arrives that is refused as a dead letter",
        "Dead letters over everything that arrived: new readings, repeated ones and dead letters. It knows no "
        "devices: of many dead letters nobody knows whose they are.",
        "A reading that comes twice is no error. Whom the registry lacks sends nothing but dead letters: look at "
        "their reasons before you blame the devices.",
        ("at_most", "0.5 %"),
        has_devices=False,
        of_events=True,
    ),
    Sli(
        "completeness",
        "share of the fields of a reading that have a value",
        "Channels with a value over channels that the schema of its kind has, in accepted readings.",
        "A reading that never came has no fields: `freshness` misses it. One that comes twice counts once. A sensor "
        "that is stuck has a value.",
        ("at_least", "98 %"),
        of_events=True,
    ),
    Sli(
        "processed_in_time",
        "share of readings that are processed within `within` of being sampled",
        "Accepted readings that arrived at the core at most `within` after the date that they carry, over accepted "
        "readings whose date can be right.",
        "The date is the device's: one that is more than 5 s ahead or from before the run counts on neither side, "
        "and a clock that is behind makes its readings late. Readings that have not arrived are not counted yet.",
        ("at_least", "95 %"),
        "30 s",
        of_events=True,
    ),
    Sli(
        "anomaly_rate",
        "share of device time in which a detector calls the device unusual",
        "Device-seconds in which a detector scores the device at its limit or above, over device-seconds of all "
        "commissioned devices.",
        "Scores count, not alarms: a detector's policy may ask for more of them, and for longer, before it speaks. "
        "Detectors only learn in the warm-up, where nothing counts.",
        of_events=True,
    ),
    Sli(
        "battery_drain",
        "share of device time at whose pace a full battery would last for `within`",
        "Device-seconds at whose pace of the last half to one hour 100 % of battery would last `within` or longer, "
        "over device-seconds of devices whose pace is known. It needs a channel `battery_pct`.",
        "A level that rises by more than half a per cent is a charge, or another battery, and begins anew. In the "
        "first hour nothing is known, and a device whose level is not heard of is left out.",
        None,
        "30 d",
        of_events=True,
    ),
    Sli(
        "update_success",
        "share of updates that ended well",
        "Updates of devices that ended well, over those that ended.",
        "A part is a failure: one that was rolled back, or that took only some of its files. One that is under way "
        "has not ended.",
        ("at_least", "99 %"),
        of_events=True,
        is_fed=False,
    ),
    Sli(
        "command_latency",
        "share of commands that are acknowledged within `within`",
        "Commands acknowledged at most `within` after they were first sent, over commands that were acknowledged or "
        "given up. A 95th percentile under 5 s is: 95 % within 5 s.",
        "The clock starts at the first send: a repetition does not start it again. A command that nobody answers "
        "counts as late when it is given up.",
        ("at_least", "95 %"),
        "5 s",
        of_events=True,
        is_fed=False,
    ),
    Sli(
        "latency_to_act",
        "share of findings that are acted on by the cloud within `within`",
        "Findings that asked for an action and got it by way of the cloud at most `within` after they were made, "
        "over findings that asked for one.",
        "It ends when the device has acted, not when the command was sent.",
        ("at_least", "95 %"),
        "5 s",
        of_events=True,
        is_fed=False,
    ),
    Sli(
        "latency_to_act_edge",
        "share of findings that are acted on at the edge within `within`",
        "The same as `latency_to_act` for what is found and done beside the device.",
        "Clocks of edge and device may differ by more than the limit: both ends are to be dated by one of them.",
        ("at_least", "95 %"),
        "200 ms",
        of_events=True,
        is_fed=False,
    ),
    Sli("delivery_time", "time from sampling to acceptance", kind=Kind.DURATION, is_later=True),
)

SLIS: Mapping[str, Sli] = {sli.name: sli for sli in _ALL}


def called(name: str) -> Sli | None:
    """The SLI that an objective of this name measures if it names none: ``reboot-rate`` is `reboot_rate`."""
    found = SLIS.get(name.replace("-", "_"))
    return None if found is None or found.is_later else found


def downtime_us(share: float, period_us: int) -> int:
    """How long a service may be down in a period to be available for a share of it.

    Example:
        >>> day_us = 86_400_000_000
        >>> downtime_us(0.9999, 30 * day_us) / 60_000_000
        4.32
    """
    return round((1.0 - share) * period_us)
