"""Which incident an alarm joins."""

from __future__ import annotations

import numpy as np
import pytest

from twinstorm.detectors.grouping import ALL
from twinstorm.detectors.incidents import Incidents
from twinstorm.twin.flow import MINUTE_US, Alarm, Severity


def admit(
    incidents: Incidents,
    at_min: int,
    device: range,
    name: str = "silence",
    severity: Severity = Severity.PAGE,
    group: str = "site=a-1",
) -> Alarm:
    alarm = Alarm(name, at_min * MINUTE_US, severity, group, np.array(device, np.int32), "", 0)
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


def test_who_has_taken_one_device_has_not_taken_the_fleet() -> None:
    incidents = Incidents()
    admit(incidents, 1, range(1), severity=Severity.TICKET)
    incidents.acknowledge(1, 2 * MINUTE_US)
    fleet = admit(incidents, 3, range(10))
    assert (fleet.incident, fleet.severity, fleet.suppressed) == (2, Severity.PAGE, "")
    known = admit(incidents, 4, range(1), "reboot-storm", Severity.TICKET)
    assert (known.incident, known.suppressed) == (1, "INC-1 is acknowledged")


def test_an_open_incident_grows_and_is_called_by_what_it_has_become() -> None:
    incidents = Incidents()
    admit(incidents, 1, range(1), severity=Severity.TICKET)
    assert admit(incidents, 3, range(10)).incident == 1
    assert incidents.all[0].title == "10 devices fell silent, site=a-1"
    admit(incidents, 4, range(5, 15), "reboot-storm")
    assert incidents.all[0].title == "10 devices fell silent, site=a-1", "half of them were known"


def test_a_greater_outage_after_one_that_was_over_is_an_incident_of_its_own() -> None:
    incidents = Incidents()
    incidents.resolved(admit(incidents, 1, range(10)), 2 * MINUTE_US)
    greater = admit(incidents, 5, range(40))
    assert (greater.incident, greater.severity) == (2, Severity.PAGE)


@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize(
    ("again_min", "severity", "state"),
    [(11, Severity.TICKET, "as it was"), (12, Severity.PAGE, "open")],
    ids=["while somebody looks", "after all were at rest"],
)
def test_the_same_outage_pages_again_after_a_rest(
    acknowledged: bool, again_min: int, severity: Severity, state: str
) -> None:
    incidents = Incidents()
    first = admit(incidents, 0, range(10))
    if acknowledged:
        incidents.acknowledge(1, 0)
    incidents.resolved(first, MINUTE_US)
    again = admit(incidents, again_min, range(10))
    assert (again.incident, again.severity) == (1, severity)
    as_it_was = "acknowledged" if acknowledged else "open"
    assert incidents.all[0].state == (as_it_was if state == "as it was" else state)


def test_an_alarm_of_nobody_joins_nothing_and_explains_nothing() -> None:
    incidents = Incidents()
    assert admit(incidents, 0, range(0), "dead-letters", Severity.TICKET).incident == 1
    outage = admit(incidents, 1, range(10))
    assert (outage.incident, outage.suppressed) == (2, "")
    backlog = admit(incidents, 2, range(0), "backlog")
    assert (backlog.incident, backlog.severity, backlog.suppressed) == (3, Severity.PAGE, "")


def test_what_is_wrong_with_the_service_belongs_to_a_dark_fleet() -> None:
    incidents = Incidents()
    dark = admit(incidents, 0, range(10), group=ALL)
    backlog = admit(incidents, 5, range(0), "backlog", group=ALL)
    assert (backlog.incident, backlog.severity) == (1, Severity.TICKET)
    assert admit(incidents, 5, range(0), "ingress-burn", group="kind=pump").incident == 2, "it is about a part"
    # As soon as the fleet is back, what goes on is another matter.
    incidents.resolved(dark, 6 * MINUTE_US)
    incidents.resolved(backlog, 6 * MINUTE_US)
    late = admit(incidents, 7, range(0), "dead-letters", group=ALL)
    assert (late.incident, late.severity) == (3, Severity.PAGE)


def test_what_is_wrong_with_the_service_at_one_time_is_one_thing_and_hides_no_outage() -> None:
    incidents = Incidents()
    assert admit(incidents, 0, range(0), "dead-letters", Severity.TICKET, ALL).incident == 1
    topics = admit(incidents, 1, range(0), "strange-topics", group=ALL)
    assert (topics.incident, topics.severity) == (1, Severity.PAGE), "nobody had been called"
    dark = admit(incidents, 1, range(10), group=ALL)
    assert (dark.incident, dark.severity) == (2, Severity.PAGE)
    # A part of the fleet is not all of it, and after more than a minute something else begins.
    part = Incidents()
    admit(part, 0, range(10))
    assert [admit(part, at, range(0), "backlog", group=ALL).incident for at in (0, 2)] == [2, 3]


def test_whoever_has_taken_a_dark_fleet_has_not_taken_the_service() -> None:
    incidents = Incidents()
    admit(incidents, 0, range(10), group=ALL)
    incidents.acknowledge(1, MINUTE_US)
    assert admit(incidents, 2, range(0), "backlog", group=ALL).incident == 2


def test_a_ticket_that_wakes_an_incident_after_a_rest_takes_no_page_away() -> None:
    incidents = Incidents()
    first = admit(incidents, 0, range(10))
    incidents.acknowledge(1, MINUTE_US)
    incidents.resolved(first, 5 * MINUTE_US)
    admit(incidents, 20, range(10), "flat-line", Severity.TICKET)
    assert incidents.escalate(26 * MINUTE_US) == []
    again = admit(incidents, 27, range(10))
    assert (again.incident, again.severity) == (1, Severity.PAGE)
    assert incidents.escalate(32 * MINUTE_US) == [incidents.all[0]]
