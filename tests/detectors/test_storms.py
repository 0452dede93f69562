"""Detectors, alarms and incidents on small stories: one storm is one incident and one page; quiet is quiet."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors.objectives import Objective
from twinstorm.detectors.panes import Pane
from twinstorm.twin.flow import SECOND_US, Alarm, SessionEvent, Severity

FLEET = registry_of(motors=40, climate=10)
FRA = np.flatnonzero(np.isin(FLEET.site, [1, 2, 3]))
FRA_2 = np.flatnonzero(FLEET.site == 2)
ALL = np.arange(len(FLEET))
OBJECTIVES = (
    Objective("connected", "connectivity", at_least=0.9),
    Objective("fresh", "freshness", at_least=0.9, within_us=60 * SECOND_US),
)


def alarms(lab: Lab) -> list[tuple[str, str, Severity, int]]:
    return [(alarm.name, alarm.group, alarm.severity, alarm.incident) for alarm in lab.core.alarms]


def named(lab: Lab, name: str) -> list[Alarm]:
    return [alarm for alarm in lab.core.alarms if alarm.name == name]


def open_alarms(lab: Lab) -> int:
    return sum(alarm.resolved_us is None for alarm in lab.core.alarms)


def power_storm(lab: Lab) -> list[Pane]:
    """Power is gone at three of five sites for two minutes; then they boot, and the broker admits six a second."""
    panes = lab.play(60)
    lab.power_off(FRA)
    panes += lab.play(92)
    lab.tell(FRA, SessionEvent.LOST)
    panes += lab.play(28)
    waiting = np.random.default_rng(3).permutation(FRA)
    while len(waiting):
        lab.boots(np.sort(waiting[:6]))
        waiting = waiting[6:]
        lab.connect(attempts=len(waiting) // 3, refused=len(waiting) // 3)
        panes += lab.play()
    return panes + lab.play(240)


def test_a_power_cut_and_its_storm_are_one_incident_and_one_page() -> None:
    lab = Lab.start(FLEET, OBJECTIVES, warm_up_s=30)
    panes = power_storm(lab)
    assert alarms(lab) == [
        ("silence", "site=fra-1,fra-2,fra-3", Severity.TICKET, 1),
        ("connect-storm", "site=fra-1,fra-2,fra-3", Severity.TICKET, 1),
        ("reboot-storm", "site=fra-1,fra-2,fra-3", Severity.PAGE, 1),
    ]
    (incident,) = lab.core.incidents
    assert incident.alarms == ["silence", "connect-storm", "reboot-storm"]
    assert incident.title == "120 devices fell silent, site=fra-1,fra-2,fra-3"
    assert incident.severity == Severity.PAGE
    assert incident.state == "resolved"
    assert all(alarm.resolved_us is not None for alarm in lab.core.alarms)
    assert incident.resolved_us == max(alarm.resolved_us or 0 for alarm in lab.core.alarms)
    assert [alarm for pane in panes for alarm in pane.new_alarms] == lab.core.alarms
    assert [each for pane in panes for each in pane.new_incidents] == [incident]
    assert sorted(alarm.name for pane in panes for alarm in pane.resolved_alarms) == sorted(incident.alarms)


def test_a_cut_is_told_within_15_seconds_and_a_reboot_storm_within_10() -> None:
    lab = Lab.start(FLEET)
    power_storm(lab)
    (silence,), (storm,) = named(lab, "silence"), named(lab, "reboot-storm")
    assert silence.at_us - 60 * SECOND_US <= 15 * SECOND_US
    assert storm.at_us - 180 * SECOND_US <= 10 * SECOND_US
    assert silence.cause == "site=fra-1,fra-2,fra-3 (lift 1.7)"
    assert set(silence.device.tolist()) <= set(FRA.tolist())


def test_findings_carry_score_and_threshold() -> None:
    lab = Lab.start(FLEET)
    power_storm(lab)
    assert [finding.detector for finding in lab.core.findings] == ["silence", "connect-storm", "reboot-storm"]
    assert all(finding.score >= finding.threshold == 1.0 for finding in lab.core.findings)
    assert lab.core.findings[2].score == 1.0


def test_quiet_is_quiet() -> None:
    lab = Lab.start(FLEET, OBJECTIVES)
    panes = lab.play(600)
    assert not lab.core.alarms
    assert not lab.core.incidents
    assert list(lab.core.findings) == []
    assert all(lab.core.objective(each.name).verdict == "held" for each in OBJECTIVES)
    assert lab.core.reboots == 0
    assert sum(pane.accepted for pane in panes) == 600 * 200 + 20 * 50


def test_ordinary_reconnects_and_reboots_are_no_storm() -> None:
    lab = Lab.start(FLEET)
    for device in range(0, 250, 5):
        lab.drop([device])
        lab.play(2)
        (lab.boots if device % 2 else lab.reconnects)([device])
        lab.play(38)
    assert lab.core.alarms == []
    assert lab.core.reboots == 25


def test_nothing_is_raised_during_the_warm_up() -> None:
    lab = Lab.start(FLEET, warm_up_s=300)
    panes = power_storm(lab)
    assert all(not pane.new_alarms for pane in panes if pane.at_us <= 300 * SECOND_US)


def test_a_broker_outage_blames_everybody_not_the_fast_devices() -> None:
    lab = Lab.start(FLEET)
    lab.play(60)
    lab.drop(ALL)
    lab.play(60)
    assert alarms(lab) == [("silence", "all", Severity.TICKET, 1)]
    assert lab.core.alarms[0].cause == ""
    lab.reconnects(ALL)
    lab.connect(attempts=500)
    lab.play(180)
    assert alarms(lab)[1:] == [("connect-storm", "all", Severity.TICKET, 1)]
    assert [incident.state for incident in lab.core.incidents] == ["resolved"]


def test_a_device_that_stops_is_a_ticket_and_six_at_different_sites_are_one_too() -> None:
    lab = Lab.start(FLEET)
    lab.play(60)
    for device in range(0, 180, 30):
        lab.power_off([device])
        lab.play(15)
    lab.play(60)
    assert alarms(lab) == [("silence", "no group", Severity.TICKET, 1)]
    assert lab.core.alarms[0].device.tolist() == [0]
    assert lab.core.incidents[0].title == "1 device fell silent, no group"


def test_the_ticket_about_lone_devices_is_resolved_when_they_are_back() -> None:
    lab = Lab.start(FLEET)
    lab.play(60)
    lab.power_off([7])
    lab.play(60)
    assert open_alarms(lab) == 1
    lab.reconnects([7])
    lab.play(59)
    assert open_alarms(lab) == 1
    lab.play(5)
    assert open_alarms(lab) == 0
    assert lab.core.incidents[0].state == "resolved"


def test_a_second_site_makes_an_alarm_and_an_incident_of_its_own() -> None:
    lab = Lab.start(FLEET)
    lab.play(60)
    lab.power_off(FRA_2)
    lab.play(60)
    lab.power_off(np.flatnonzero(FLEET.site == 0))
    lab.play(60)
    assert alarms(lab) == [
        ("silence", "site=fra-2", Severity.TICKET, 1),
        ("silence", "site=arn-1", Severity.TICKET, 2),
    ]


def test_an_open_alarm_is_not_raised_again_and_a_quiet_period_follows_it() -> None:
    """A site that flaps: 30 s gone, 30 s back; never clear for a minute, so it stays one alarm."""
    lab = Lab.start(FLEET)
    lab.play(60)
    for _ in range(8):
        lab.power_off(FRA_2)
        lab.play(30)
        lab.reconnects(FRA_2)
        lab.play(30)
    (first,) = named(lab, "silence")
    lab.play(60)
    assert first.resolved_us is not None
    lab.power_off(FRA_2)
    lab.play(25)
    assert len(named(lab, "silence")) == 1, "its quiet period"
    assert lab.core.incidents[0].state == "resolved"
    lab.play(60)
    (_, second) = named(lab, "silence")
    assert (second.group, second.severity, second.incident) == ("site=fra-2", Severity.TICKET, 1)
    assert (lab.core.incidents[0].state, lab.core.incidents[0].resolved_us) == ("open", None)


def test_after_half_an_hour_the_same_site_is_another_incident() -> None:
    lab = Lab.start(FLEET)
    lab.play(60)
    for _ in range(2):
        lab.power_off(FRA_2)
        lab.play(40)
        lab.reconnects(FRA_2)
        lab.play(180 + 31 * 60)
    assert [(alarm.severity, alarm.incident) for alarm in named(lab, "silence")] == [
        (Severity.TICKET, 1),
        (Severity.TICKET, 2),
    ]


def test_stragglers_of_an_open_incident_are_suppressed_and_told_when_it_is_over() -> None:
    """A device stays away after the rest is back: while the storm lasts, its incident explains them."""
    lab = Lab.start(FLEET)
    lab.play(60)
    lab.power_off(FRA_2)
    lab.play(40)
    lab.boots(FRA_2[1:])
    for _ in range(300):
        lab.connect(attempts=20)
        lab.play()
    assert lab.core.alarms[0].resolved_us is not None, "silence of the site is over"
    assert "no group" not in {alarm.group for alarm in lab.core.alarms}
    assert any(finding.group == "no group" for finding in lab.core.findings)
    lab.play(120)
    last = lab.core.alarms[-1]
    assert (last.group, last.severity, last.incident) == ("no group", Severity.TICKET, 1)
    assert last.device.tolist() == FRA_2[:1].tolist()


def test_a_storm_does_not_become_the_new_normal() -> None:
    """Connects at ten times the limit for ten minutes: the alarm stays open, and a second wave is a storm again."""
    lab = Lab.start(FLEET)
    lab.play(60)
    lab.drop(FRA)
    for _ in range(600):
        lab.connect(attempts=20)
        lab.play()
    (storm,) = named(lab, "connect-storm")
    assert storm.resolved_us is None


def test_a_fleet_that_always_connects_much_is_used_to_it() -> None:
    """Six connects a second are a storm for a fleet of 250 that never had any, not for one that has three."""
    for usual, storms in ((0, 1), (3, 0)):
        lab = Lab.start(FLEET, warm_up_s=120)
        for second in range(240):
            lab.connect(attempts=usual if second < 180 else 6)
            lab.play()
        assert len(named(lab, "connect-storm")) == storms, usual


def test_refusals_alone_are_a_storm() -> None:
    lab = Lab.start(FLEET)
    lab.play(30)
    for _ in range(20):
        lab.connect(attempts=1, refused=1)
        lab.play()
    assert len(named(lab, "connect-storm")) == 1


def test_a_broker_that_counts_from_zero_again_is_no_storm() -> None:
    lab = Lab.start(FLEET)
    lab.connect(attempts=1_000_000)
    lab.play(30)
    lab.connect(attempts=-1_000_000)
    lab.play(30)
    assert lab.core.alarms == []


def test_settings_change_what_detectors_do() -> None:
    def first(**detectors: Any) -> list[tuple[str, int]]:
        lab = Lab.start(FLEET, **detectors)
        lab.play(60)
        lab.power_off(FRA_2)
        lab.play(100)
        return [(alarm.severity, alarm.at_us // SECOND_US) for alarm in lab.core.alarms]

    (usual,) = first(silence={})
    (slow,) = first(silence={"least": "40 s"})
    assert slow[1] - usual[1] == 34
    assert first(silence={"severity": "ticket"}) == [("ticket", usual[1])]
    assert first(**{"reboot-storm": {}}) == []


# --- snapshot, blocks, watching ---------------------------------------------------------------------------------------


def outcome(lab: Lab) -> tuple[Any, ...]:
    core = lab.core
    return (
        [
            (
                alarm.name,
                alarm.at_us,
                alarm.group,
                alarm.cause,
                alarm.severity,
                alarm.resolved_us,
                alarm.device.tolist(),
            )
            for alarm in core.alarms
        ],
        [(each.number, each.title, each.opened_us, each.resolved_us, each.alarms) for each in core.incidents],
        [core.objective(each.name) for each in OBJECTIVES],
        [core.burn(each.name, 60 * SECOND_US) for each in OBJECTIVES],
        core.sli("connectivity", FLEET.site == 1, 60 * SECOND_US),
        (core.accepted, core.repeated, core.reboots, dict(core.dead_letters)),
        core.observed(lab.second * SECOND_US).tolist(),
        core.since_us.tolist(),
        core.accepted_per_device.tolist(),
    )


def saved_and_restored(lab: Lab) -> None:
    lab.core = pickle.loads(pickle.dumps(lab.core))


def looked_at(lab: Lab) -> None:
    core = lab.core
    now_us = lab.second * SECOND_US
    core.observed(now_us + 123_456)
    core.sli("freshness", FLEET.site == 3, 30 * SECOND_US)
    core.objective_window("fresh", 10 * SECOND_US)
    core.newest_values(3)
    _ = (core.findings, core.newest_dead_letters, core.objective("connected"), core.burn("fresh", SECOND_US))


@pytest.mark.parametrize("disturb", [saved_and_restored, looked_at])
def test_a_snapshot_or_a_look_at_any_second_changes_nothing(disturb: Callable[[Lab], None]) -> None:
    straight = Lab.start(FLEET, OBJECTIVES, warm_up_s=30)
    power_storm(straight)

    disturbed = Lab.start(FLEET, OBJECTIVES, warm_up_s=30)
    play = disturbed.play

    def play_disturbed(seconds: int = 1) -> list[Pane]:
        panes = []
        for _ in range(seconds):
            panes += play()
            if disturbed.second % 7 == 0 or 175 < disturbed.second < 190:
                disturb(disturbed)
        return panes

    disturbed.play = play_disturbed  # type: ignore[method-assign]
    power_storm(disturbed)
    assert outcome(disturbed) == outcome(straight)


@pytest.mark.parametrize("block", [1, 7, 64])
def test_the_block_size_changes_nothing(block: int) -> None:
    whole, parts = (Lab.start(FLEET, OBJECTIVES, warm_up_s=30) for _ in range(2))
    parts.block = block
    for lab in (whole, parts):
        lab.play(40)
        lab.power_off(FRA_2)
        lab.play(20)
        lab.boots(FRA_2)
        lab.play(20)
    assert outcome(parts) == outcome(whole)
