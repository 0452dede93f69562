"""Which incident an alarm joins."""

from __future__ import annotations

import numpy as np

from twinstorm.detectors.incidents import Incidents
from twinstorm.twin.flow import MINUTE_US, Alarm, Severity


def admit(
    incidents: Incidents, at_min: int, device: range, name: str = "silence", severity: Severity = Severity.PAGE
) -> Alarm:
    alarm = Alarm(name, at_min * MINUTE_US, severity, "site=a-1", np.array(device, np.int32), "", 0)
    incidents.forget(alarm.at_us)
    incidents.admit(alarm, "fell silent")
    return alarm


def test_half_of_the_smaller_side_in_common_joins_and_less_does_not() -> None:
    incidents = Incidents()
    admit(incidents, 1, range(100))
    assert admit(incidents, 2, range(95, 105)).incident == 1
    assert admit(incidents, 3, range(104, 110)).incident == 2, "one of six"


def test_devices_of_every_alarm_that_joined_count() -> None:
    incidents = Incidents()
    admit(incidents, 1, range(100))
    admit(incidents, 2, range(50, 150))
    assert admit(incidents, 3, range(120, 150)).incident == 1


def test_the_incident_with_most_in_common_wins() -> None:
    incidents = Incidents()
    admit(incidents, 1, range(100))
    admit(incidents, 1, range(100, 300))
    assert admit(incidents, 2, range(60, 240)).incident == 2


def test_one_page_an_incident_also_if_a_ticket_opened_it() -> None:
    incidents = Incidents()
    severities = [
        admit(incidents, minute, range(10), severity=severity).severity
        for minute, severity in enumerate((Severity.TICKET, Severity.PAGE, Severity.PAGE, Severity.TICKET))
    ]
    assert severities == [Severity.TICKET, Severity.PAGE, Severity.TICKET, Severity.TICKET]
    assert incidents.all[0].severity == Severity.PAGE


def test_an_incident_is_resolved_with_its_last_alarm_and_can_be_joined_for_half_an_hour() -> None:
    incidents = Incidents()
    first, second = admit(incidents, 0, range(10)), admit(incidents, 1, range(10), "reboot-storm")
    assert incidents.resolved(first, 10 * MINUTE_US) is None
    assert incidents.covers(np.arange(10, dtype=np.int32))
    closed = incidents.resolved(second, 20 * MINUTE_US)
    assert closed is incidents.all[0]
    assert (closed.state, closed.resolved_us) == ("resolved", 20 * MINUTE_US)
    assert not incidents.covers(np.arange(10, dtype=np.int32))
    again = admit(incidents, 50, range(10))
    assert (again.incident, closed.state, closed.alarms) == (1, "open", ["silence", "reboot-storm"])
    incidents.resolved(again, 51 * MINUTE_US)
    assert admit(incidents, 82, range(10)).incident == 2


def test_an_incident_with_an_open_alarm_can_be_joined_however_old() -> None:
    incidents = Incidents()
    admit(incidents, 0, range(10))
    assert admit(incidents, 600, range(10), "reboot-storm").incident == 1
