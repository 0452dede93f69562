"""What a scenario says of the ends of certificates."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.language.errors import Problem, ScenarioErrors
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.quantities import Range
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import DAY_US

FILE = """storm: 1
name: papers
story: Certificates end.
duration: 10 min
warm_up: 1 min
fleet:
  devices: 60
  segments:
    presses: {kind: environment, share: 50 %, certificate_batch: spring, certificate_expires: 20 d}
    rooms: {kind: environment, share: 50 %}
"""


def scenario(text: str) -> Scenario:
    return read(text, "papers.storm.yaml")


def problem_of(text: str) -> Problem:
    with pytest.raises(ScenarioErrors) as told:
        scenario(text)
    (problem,) = told.value.problems
    return problem


def test_a_segment_overrides_the_fleet_and_without_it_nobody_knows() -> None:
    plain = scenario(FILE).fleet.segments
    assert [each.certificate_expires_us for each in plain] == [Range(20 * DAY_US, 20 * DAY_US), None]
    both = scenario(FILE.replace("  devices: 60", "  devices: 60\n  certificate_expires: 1 w .. 2 w")).fleet.segments
    assert both[1].certificate_expires_us == Range(7 * DAY_US, 14 * DAY_US)
    assert both[0].certificate_expires_us == Range(20 * DAY_US, 20 * DAY_US)


@pytest.mark.parametrize(
    ("written", "code", "says"),
    [
        ("20 d .. 10 d", "S2", "20 d"),
        ("-20 d", "S2", "-20 d"),
        ("20", "S201", "needs a unit"),
        ("0 s", "S2", "0 s"),
        ("11 y", "S2", "11 y"),
        ("never", "S2", "never"),
    ],
)
def test_what_is_no_duration_is_told(written: str, code: str, says: str) -> None:
    problem = problem_of(FILE.replace("certificate_expires: 20 d", f"certificate_expires: {written}"))
    assert problem.code.startswith(code)
    assert says in f"{problem.message} {problem.value}"
    assert problem.path == "fleet.segments.presses.certificate_expires"


def test_a_misspelt_key_is_told() -> None:
    problem = problem_of(FILE.replace("certificate_expires", "certificate_expire"))
    assert problem.suggestion == "certificate_expires"


def test_certificates_of_a_batch_end_together() -> None:
    text = FILE.replace("share: 50 %}", "share: 50 %, certificate_batch: spring}")
    problem = problem_of(text)
    assert problem.code == "S212"
    assert "batch `spring` end at two times" in problem.message
    assert "`presses` in 20 d, by segment `rooms` nobody knows when" in problem.message
    other = text.replace("spring}", "spring, certificate_expires: 20 d .. 30 d}")
    assert "`rooms` in 20 d to 30 d" in problem_of(other).message
    scenario(text.replace("spring}", "spring, certificate_expires: 20 d}"))


DETECTORS = ["detectors: [silence, expiring-certificates]\n", "detectors: {expiring-certificates: {within: 2 w}}\n"]


@pytest.mark.parametrize("detectors", DETECTORS)
def test_who_looks_needs_something_to_look_at(detectors: str) -> None:
    scenario(FILE + detectors)
    problem = problem_of(FILE.replace(", certificate_expires: 20 d", "") + detectors)
    assert problem.code == "S309"
    assert "`expiring-certificates` has nothing to look at" in problem.message
    assert "certificate_expires: 20 d" in problem.hint


def test_an_alarm_that_nobody_looks_for_is_told() -> None:
    text = FILE + "expect: [{no_alarm: expiring-certificates}]\n"
    scenario(text)
    problem = problem_of(text.replace(", certificate_expires: 20 d", ""))
    assert problem.code == "S308"
    assert "no detector looks for `expiring-certificates`" in problem.message


def test_a_wrong_setting_is_told() -> None:
    problem = problem_of(FILE + "detectors: {expiring-certificates: {within: 30}}\n")
    assert problem.code == "S201"
    problem = problem_of(FILE + "detectors: {expiring-certificates: {withn: 30 d}}\n")
    assert problem.suggestion == "within"


def test_new_certificates_are_told_of_somebody() -> None:
    steps = "steps:\n  - {at: 5 min, certified: certificate_batch=spring}\n"
    assert scenario(FILE + steps).steps[0].action == "certified"
    problem = problem_of(FILE + steps.replace("=spring", "=sprng"))
    assert problem.code == "S301"
    assert any(each.suggestion == "certified" for each in _all(FILE + steps.replace("certified", "certifed"))), "a typo"


def _all(text: str) -> list[Problem]:
    with pytest.raises(ScenarioErrors) as told:
        scenario(text)
    return list(told.value.problems)
