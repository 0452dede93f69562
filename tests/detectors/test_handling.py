"""What becomes of alarms: escalation, acknowledgement, suppression, flapping, and limits that learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors.panes import Pane
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Alarm, Incident, Severity

FLEET = registry_of(motors=8, climate=2)
FRA = np.flatnonzero(np.isin(FLEET.site, [1, 2, 3]))
FRA_2 = np.flatnonzero(FLEET.site == 2)
STORM: dict[str, Any] = {"reboot-storm": {}}
TICKET: dict[str, Any] = {"reboot-storm": {"severity": "ticket"}}


def lab(severity: str = "page") -> Lab:
    started = Lab.start(FLEET, silence={"severity": severity, "devices": 3}, **STORM)
    started.play(60)
    return started


def raised(panes: list[Pane]) -> list[Alarm]:
    return [alarm for pane in panes for alarm in pane.new_alarms]


def escalated(panes: list[Pane]) -> list[Incident]:
    return [incident for pane in panes for incident in pane.escalated]


def cut(of: Lab, device: np.ndarray = FRA_2, away_s: int = 40, back_s: int = 140) -> list[Pane]:
    of.power_off(device)
    panes = of.play(away_s)
    of.reconnects(device)
    return panes + of.play(back_s)


def test_a_page_that_nobody_acknowledges_escalates_once_after_five_minutes() -> None:
    of = lab()
    of.power_off(FRA_2)
    (incident,) = escalated(of.play(700))
    assert incident.paged_us is not None
    assert incident.escalated_us == incident.paged_us + 5 * MINUTE_US


def test_a_ticket_an_acknowledged_page_and_one_that_is_over_do_not_escalate() -> None:
    of = lab("ticket")
    of.power_off(FRA_2)
    assert escalated(of.play(400)) == []
    of = lab()
    of.power_off(FRA_2)
    of.play(60)
    assert of.core.acknowledge(1, of.second * SECOND_US).state == "acknowledged"
    assert escalated(of.play(400)) == []
    assert escalated(cut(lab(), back_s=500)) == []


def test_only_an_open_incident_can_be_acknowledged() -> None:
    of = lab()
    with pytest.raises(ValueError, match="no incident INC-1; there is none yet"):
        of.core.acknowledge(1, 0)
    cut(of)
    with pytest.raises(ValueError, match="INC-1 is resolved, not open"):
        of.core.acknowledge(1, 0)


def test_what_joins_an_acknowledged_incident_is_told_to_nobody() -> None:
    of = lab()
    of.power_off(FRA)
    of.play(30)
    of.core.acknowledge(1, of.second * SECOND_US)
    of.boots(FRA)
    (storm,) = [alarm for alarm in raised(of.play(60)) if alarm.name == "reboot-storm"]
    assert (storm.severity, storm.suppressed) == (Severity.TICKET, "INC-1 is acknowledged")


def test_a_ticket_within_a_greater_alarm_is_suppressed_and_a_page_is_not() -> None:
    of = Lab.start(FLEET, silence={}, **STORM)
    of.play(60)
    of.power_off(FRA)
    of.play(30)
    of.boots(FRA)
    (storm,) = raised(of.play(20))
    assert (storm.severity, storm.suppressed) == (Severity.PAGE, "")
    of = Lab.start(FLEET, silence={}, **TICKET)
    of.play(60)
    of.power_off(FRA)
    of.play(30)
    of.boots(FRA)
    (storm,) = raised(of.play(20))
    assert storm.suppressed == "silence site=fra-1,fra-2,fra-3 tells of its devices"


def test_nothing_is_said_of_a_maintenance_window_until_it_is_over() -> None:
    of = lab()
    mask = np.isin(np.arange(len(FLEET)), FRA_2)
    of.core.begin_window("works", mask)
    of.power_off(FRA)
    (others,) = raised(of.play(60))
    assert others.group == "site=fra-1,fra-3"
    of.core.end_window("works")
    (late,) = raised(of.play(20))
    assert late.group == "site=fra-2"


def test_an_alarm_that_comes_and_goes_becomes_one_that_flaps() -> None:
    of = lab()
    panes = [pane for _ in range(5) for pane in cut(of)]
    assert [alarm.number for alarm in raised(panes)] == [1, 2]
    assert of.core.alarms[1].openings == 3, "it stays open for ten minutes then"
    assert [alarm.number for pane in panes for alarm in pane.flapping_alarms] == [2]
    assert of.core.incidents[0].state == "open"
    of.play(700)
    assert [incident.state for incident in of.core.incidents] == ["resolved"]


def test_the_share_of_a_group_learns_from_an_alarm_that_was_wrong() -> None:
    of = lab()
    of.power_off(FRA_2[:4])
    (alarm,) = raised(of.play(30))
    assert of.core.mark_wrong(1, of.second * SECOND_US).wrong
    assert alarm.resolved_us is not None
    assert of.core.incidents[0].state == "resolved"
    later = raised(of.play(300))
    assert [each.group for each in later] == ["no group"], "four of ten are no group any more"
    of.power_off(FRA_2)
    (whole,) = raised(of.play(60))
    assert whole.group == "site=fra-2"
    with pytest.raises(ValueError, match="alarm 1 is marked wrong already"):
        of.core.mark_wrong(1, 0)
    with pytest.raises(ValueError, match="no alarm 4; there are 3"):
        of.core.mark_wrong(4, 0)


def test_an_alarm_carries_what_it_rests_on() -> None:
    of = lab()
    of.power_off(FRA_2)
    (alarm,) = raised(of.play(30))
    assert (alarm.number, alarm.limit, alarm.known) == (1, 1.0, 8)
    assert {example.device for example in alarm.examples} <= set(FRA_2.tolist())
    assert all(example.boot == 1 and example.last_us <= 61 * SECOND_US for example in alarm.examples)
