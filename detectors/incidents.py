"""Incidents: one thing that is wrong, however many alarms tell of it.

An alarm joins an incident if the two share devices (at least half of the smaller side) and the incident was active
within the last half hour, resolved or not: a power cut, the reboots after it and the fight for sessions are one storm.
Otherwise it opens an incident of its own. So does one most of whose devices are new to an incident that somebody has
acknowledged or that was over: who took a silent device has not taken a fleet that is dark. An alarm about the service
itself, which has no devices, joins an open incident of the whole fleet, or one about the service that began within
`SERVICE_US`; nothing about devices joins it for that reason, so that it hides no outage. A person is paged once an
incident: the first alarm of severity page stays one, later ones join as tickets, because whoever was called is looking
already, unless all had been well for `REST_US`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinstorm.detectors.grouping import ALL
from twinstorm.twin.flow import MINUTE_US, Alarm, Device, Incident, Severity

JOIN_US = 30 * MINUTE_US
SERVICE_US = MINUTE_US
"""Two things that are wrong with the service and begin within so long of each other are one."""
REST_US = 10 * MINUTE_US
"""Whoever was called has gone home when an incident has been resolved for so long: a page pages again."""
ESCALATE_US = 5 * MINUTE_US
"""A page that nobody acknowledges goes to somebody else after so long."""


@dataclass
class _Trail:
    """What is remembered of an incident for as long as alarms may join it.

    Attributes:
        device: int32, ascending, of all its alarms.
        escalates_us: when a page of it does, unless it is acknowledged by then.
        open: its open alarms.
    """

    incident: Incident
    device: Device
    active_us: int
    paged: bool = False
    escalates_us: int | None = None
    open: list[Alarm] = field(default_factory=list)


class Incidents:
    """All incidents of a run, numbered from 1.

    Attributes:
        all: in order of opening.
    """

    def __init__(self) -> None:
        self.all: list[Incident] = []
        self._trails: list[_Trail] = []

    def covers(self, device: Device) -> bool:
        """Whether at least half of these devices belong to an open incident."""
        return any(
            2 * _common(trail.device, device) >= len(device)
            for trail in self._trails
            if trail.incident.state != "resolved"
        )

    def admit(self, alarm: Alarm, headline: str, *, apart: bool = False) -> Incident | None:
        """Put a new alarm into its incident: sets `alarm.incident`, and lowers its severity if somebody was paged.

        Args:
            headline: what happened to its devices, e.g. ``fell silent``.
            apart: it gets one of its own, which no other alarm joins.

        Returns:
            The incident if the alarm opened it.
        """
        trail = None if apart else self._related(alarm)
        device = alarm.device[:0] if apart else alarm.device
        opened = None
        if trail is None:
            opened = Incident(
                number=len(self.all) + 1,
                title=_title(alarm, headline),
                opened_us=alarm.at_us,
                severity=alarm.severity,
                group=alarm.group,
                alarms=[],
            )
            self.all.append(opened)
            trail = _Trail(opened, device, alarm.at_us)
            self._trails.append(trail)
        elif _is_attended(trail, alarm.at_us):
            alarm.severity = Severity.TICKET
        if opened is None:
            alarm.suppressed = self._suppressing(trail, alarm)
        incident = trail.incident
        self._wake(trail, alarm.at_us)
        if opened is None and _is_mostly_new(trail, alarm):
            incident.title, incident.group = _title(alarm, headline), alarm.group
        alarm.incident = incident.number
        if alarm.name not in incident.alarms:
            incident.alarms.append(alarm.name)
        if alarm.severity == Severity.PAGE:
            trail.paged = True
            incident.severity = Severity.PAGE
            incident.paged_us = alarm.at_us
            trail.escalates_us = alarm.at_us + ESCALATE_US
        trail.open.append(alarm)
        trail.active_us = alarm.at_us
        trail.device = _together(trail.device, device)
        return opened

    def open_own(self, title: str, group: str, now_us: int) -> Incident:
        """An incident of the core itself, which no alarm tells of, joins or ends."""
        incident = Incident(len(self.all) + 1, title, now_us, Severity.TICKET, group, [])
        self.all.append(incident)
        return incident

    @staticmethod
    def _suppressing(trail: _Trail, alarm: Alarm) -> str:
        """Why nobody need be told of an alarm that joins; empty: somebody must."""
        if trail.incident.state == "acknowledged":
            return f"INC-{trail.incident.number} is acknowledged"
        if alarm.severity == Severity.PAGE or not len(alarm.device):
            return ""
        for greater in trail.open:
            if greater.members is None:
                common = _common(greater.device, alarm.device)
            else:
                common = int(np.count_nonzero(greater.members[alarm.device]))
            if 10 * common >= 9 * len(alarm.device):
                return f"{greater.name} {greater.group} tells of its devices"
        return ""

    @staticmethod
    def _wake(trail: _Trail, now_us: int) -> None:
        """What was over is open again; after a rest, as if nobody had ever looked at it."""
        incident = trail.incident
        if incident.state != "resolved":
            return
        if _has_rested(incident, now_us):
            trail.paged, trail.escalates_us = False, None
            incident.acknowledged_us = incident.escalated_us = None
        incident.state, incident.resolved_us = "open", None
        if incident.acknowledged_us is not None:
            incident.state = "acknowledged"
        elif trail.paged:
            trail.escalates_us = now_us + ESCALATE_US

    def reopened(self, alarm: Alarm, now_us: int) -> None:
        """An alarm that was over is open again."""
        for trail in self._trails:
            if trail.incident.number == alarm.incident:
                self._wake(trail, now_us)
                trail.open.append(alarm)
                trail.active_us = now_us

    def acknowledge(self, number: int, now_us: int) -> Incident:
        """Somebody has taken an incident: it escalates no more, and what joins it is told to nobody else.

        Raises:
            ValueError: there is none of this number, or it is not open.
        """
        found = next((each for each in self.all if each.number == number), None)
        if found is None:
            known = f"the newest is INC-{len(self.all)}" if self.all else "there is none yet"
            raise ValueError(f"no incident INC-{number}; {known}")
        if found.state != "open":
            raise ValueError(f"INC-{number} is {found.state}, not open")
        found.state, found.acknowledged_us = "acknowledged", now_us
        return found

    def escalate(self, now_us: int) -> list[Incident]:
        """Incidents whose page nobody has acknowledged in time, each once."""
        late = []
        for trail in self._trails:
            incident, due_us = trail.incident, trail.escalates_us
            if due_us is not None and due_us <= now_us and incident.state == "open" and incident.escalated_us is None:
                incident.escalated_us = now_us
                late.append(incident)
        return late

    def resolved(self, alarm: Alarm, now_us: int) -> Incident | None:
        """An alarm is over. Returns its incident if that is over with it."""
        for trail in self._trails:
            if trail.incident.number == alarm.incident:
                trail.open = [each for each in trail.open if each is not alarm]
                trail.active_us = now_us
                if not trail.open:
                    trail.incident.state, trail.incident.resolved_us = "resolved", now_us
                    return trail.incident
        return None

    def forget(self, now_us: int) -> None:
        """Drop the trails of incidents that nothing can join any more."""
        if self._trails:
            self._trails = [trail for trail in self._trails if trail.open or now_us - trail.active_us <= JOIN_US]

    def _related(self, alarm: Alarm) -> _Trail | None:
        """The incident that shares most devices with an alarm, the older of equals."""
        if not len(alarm.device):
            return next((trail for trail in self._trails if _is_of_everybody(trail, alarm)), None)
        best, most = None, 0
        for trail in self._trails:
            common = _common(trail.device, alarm.device)
            if common <= most or 2 * common < min(len(trail.device), len(alarm.device)):
                continue
            if trail.incident.state == "open" or not _is_mostly_new(trail, alarm):
                best, most = trail, common
        return best


def _is_of_everybody(trail: _Trail, alarm: Alarm) -> bool:
    """Whether an open incident says of the whole fleet, or just said of the service, what an alarm without devices says
    of the service."""
    if alarm.group != ALL or trail.incident.state != "open":
        return False
    if len(trail.device):
        return any(each.group == ALL and len(each.device) for each in trail.open)
    return any(not len(each.device) and alarm.at_us - each.at_us <= SERVICE_US for each in trail.open)


def _has_rested(incident: Incident, now_us: int) -> bool:
    return incident.resolved_us is not None and now_us - incident.resolved_us > REST_US


def _is_attended(trail: _Trail, now_us: int) -> bool:
    """Somebody has been called and looks, or has taken the incident."""
    taken = trail.incident.acknowledged_us is not None
    return (trail.paged or taken) and not _has_rested(trail.incident, now_us)


def _is_mostly_new(trail: _Trail, alarm: Alarm) -> bool:
    """More than half of an alarm's devices were in none before it."""
    return 2 * _common(trail.device, alarm.device) < len(alarm.device)


def _together(some: Device, others: Device) -> Device:
    """Devices of either, ascending. What NumPy has for it hashes, twenty times slower than sorting."""
    both = np.sort(np.concatenate([some, others]), kind="stable")
    first = np.ones(len(both), np.bool_)
    np.not_equal(both[1:], both[:-1], out=first[1:])
    return both[first]


def _common(some: Device, others: Device) -> int:
    return len(np.intersect1d(some, others, assume_unique=True))


def _title(alarm: Alarm, headline: str) -> str:
    return f"{_subject(len(alarm.device))} {headline}, {alarm.group}"


def _subject(devices: int) -> str:
    """Who a title is about. An alarm without devices is about what all of them use."""
    if not devices:
        return "the service"
    return f"{devices:,} device" + ("" if devices == 1 else "s")
