"""Alarms against labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinstorm.detectors.grouping import LONE
from twinstorm.detectors.looked_for import BUILT_IN
from twinstorm.detectors.scoring import attribute, names_the_cause, score
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Alarm, Severity, TruthLabel
from twinstorm.twin.signs import OF_NOBODY, Sign


def alarm(at_s: int, device: range, name: str = "silence", severity: Severity = Severity.PAGE) -> Alarm:
    return Alarm(name, at_s * SECOND_US, severity, "all", np.array(device, np.int32), "", 1)


def label(step: str, device: range, from_s: int, to_s: int, aftermath_s: int = 60) -> TruthLabel:
    devices = np.array(device, np.int32)
    return TruthLabel(
        step, "power-outage", devices, from_s * SECOND_US, to_s * SECOND_US, (to_s + aftermath_s) * SECOND_US
    )


OUTAGE = label("outage", range(100), 300, 420)
CUT = label("cut", range(90, 130), 310, 400)
BROKER = label("broker", range(0), 1_000, 1_060)


@pytest.mark.parametrize(
    ("raised", "step"),
    [
        (alarm(299, range(100)), None),
        (alarm(300, range(100)), "outage"),
        (alarm(480, range(100)), "outage"),
        (alarm(481, range(100)), None),
        (alarm(320, range(3)), "outage"),
        (alarm(320, range(500, 600)), None),
        (alarm(320, range(95, 200)), "cut"),
        (alarm(320, range(60, 200)), "cut"),
        (alarm(1_050, range(7, 9)), "broker"),
        (alarm(320, range(99, 200)), "cut"),
        (alarm(320, range(1_000)), "outage"),
    ],
)
def test_attribution(raised: Alarm, step: str | None) -> None:
    found = attribute(raised, [OUTAGE, CUT, BROKER])
    assert (found.step if found else None) == step


def test_the_group_of_an_objective_is_no_finding() -> None:
    lone = replace(alarm(320, range(100)), group=LONE)
    burnt = replace(alarm(320, range(100)), name="connected-burn", group="site=fra-1")
    found = replace(burnt, name="silence", members=np.arange(200) < 100)
    assert [names_the_cause(each, OUTAGE, 200) for each in (lone, burnt, found)] == [False, None, True]


def test_a_device_in_common_is_not_enough() -> None:
    assert attribute(alarm(320, range(99, 200)), [OUTAGE]) is None


def test_it_belongs_to_the_fault_that_explains_it() -> None:
    outage = replace(OUTAGE, signs=frozenset({Sign.SILENCE}))
    modem = replace(label("modem", range(3), 100, 900), fault="payload-corruption", signs=frozenset({Sign.LETTERS}))
    stranger = replace(label("stranger", range(50), 100, 900), signs=None)
    letters = alarm(350, range(1_000), "dead-letters")
    assert attribute(letters, [outage, modem], Sign.LETTERS) is modem
    assert attribute(letters, [outage, stranger, modem], Sign.LETTERS) is modem
    assert attribute(letters, [outage, stranger], Sign.LETTERS) is stranger, "who says nothing may be anything"
    assert attribute(letters, [outage], Sign.LETTERS) is None, "of nobody in particular, and nobody explains it"
    assert attribute(letters, [outage, modem]) is outage, "of an alarm that says nothing the devices decide"
    assert attribute(alarm(350, range(100)), [outage], Sign.VALUES) is outage, "its own devices are enough"


@pytest.mark.parametrize("sign", sorted(OF_NOBODY))
def test_of_two_that_explain_it_the_one_whose_evidence_began_last(sign: Sign) -> None:
    early = replace(label("early", range(900), 300, 420), signs=frozenset({sign}), evident_us=340 * SECOND_US)
    late = replace(label("late", range(3), 310, 420), signs=frozenset({sign}), evident_us=311 * SECOND_US)
    raised = alarm(350, range(1_000))
    assert attribute(raised, [early, late], sign) is early
    assert attribute(raised, [replace(early, evident_us=None), late], sign) is late


def test_every_fault_of_ours_says_what_shows_of_it_and_somebody_looks_for_each_sign() -> None:
    said = {
        name: fault.signs for name, fault in catalogue().working().items() if fault.__module__.startswith("twinstorm.")
    }
    assert [name for name, signs in said.items() if signs is None] == []
    assert {name for name, signs in said.items() if not signs} == {"buffer-overflow"}
    looked_for = {*BUILT_IN.values(), Sign.VALUES}
    assert looked_for == set(Sign) == {sign for signs in said.values() for sign in signs or ()}


def test_delay_precision_and_recall() -> None:
    unseen = label("unseen", range(900, 950), 3_000, 3_060)
    alarms = [
        alarm(312, range(80)),
        alarm(430, range(100), "reboot-storm", Severity.TICKET),
        alarm(2_000, range(3), "connect-storm"),
        alarm(2_100, range(3), severity=Severity.TICKET),
    ]
    result = score(alarms, [OUTAGE, unseen])
    assert [(each.step, each.delay_us, each.alarms, each.pages) for each in result.faults] == [
        ("outage", 12 * SECOND_US, ("silence", "reboot-storm"), 1),
        ("unseen", None, (), 0),
    ]
    assert (result.precision, result.recall, result.pages_per_fault) == (0.5, 0.5, 1.0)
    assert (result.false_alarms, result.false_pages) == (2, 1)


def test_no_alarms_or_no_faults_have_no_precision_or_recall() -> None:
    nothing = score([], [])
    assert (nothing.precision, nothing.recall, nothing.pages_per_fault) == (None, None, None)
    assert score([], [OUTAGE]).recall == 0.0
    assert score([alarm(1, range(3))], []).precision == 0.0


def test_alarms_of_the_warm_up_do_not_count() -> None:
    assert score([alarm(10, range(3))], [], since_us=MINUTE_US).false_alarms == 0
