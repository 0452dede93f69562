"""Burn alarms that can never come are told before a run."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.burning import burn_notes, burn_rules, fastest_burn, judged_us
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import HOUR_US, MINUTE_US


def scenario(objective: str, duration: str = "1 h") -> Scenario:
    return read(
        f"""storm: 1
name: budget
story: An objective and its budget.
duration: {duration}
warm_up: 1 min
fleet: {{devices: 20, segments: {{motors: {{kind: motor, share: 100 %}}}}}}
objectives:
  fresh: {{{objective}}}
""",
        "budget.storm.yaml",
    )


def notes(objective: str, duration: str = "1 h") -> list[str]:
    return burn_notes(scenario(objective, duration))


def test_a_threshold_beyond_what_the_bound_lets_burn_is_told() -> None:
    (told,) = notes("sli: freshness, at_least: 90 %, burn: 1 h")
    assert told.startswith("objective `fresh` cannot burn faster than 10, when everything counts against it: those ")
    assert "over 14.4 (page, within 5 s) never come" in told
    (told,) = notes("sli: auth_errors, at_most: 20 %, burn: 1 h")
    assert "over 14.4 (page, within 5 s), 6 (page, within 30 s) never come" in told
    burn = "{period: 1 h, alarms: [{spends: 50 %, within: 1 min, severity: page}]}"
    (told,) = notes(f"sli: freshness, at_least: 0 %, burn: {burn}")
    assert "its alarms over 30 (page, within 1 min) never come" in told


@pytest.mark.parametrize(
    "bound", ["sli: freshness, at_least: 95 %", "sli: auth_errors, at_most: 5 %", "sli: reboot_rate, at_most: 200 %"]
)
def test_what_can_burn_as_fast_is_not(bound: str) -> None:
    assert notes(f"{bound}, burn: run") == []
    assert notes(bound) == []


@pytest.mark.parametrize(("spends", "told"), [("9 %", 0), ("10 %", 1)])
def test_an_alarm_must_be_over_its_threshold(spends: str, told: int) -> None:
    """A bound of 0 % burns at 1 at most; 10 % of 30 days within three of them is a threshold of just that."""
    burn = f"{{period: 30 d, alarms: [{{spends: {spends}, within: 72 h, severity: page}}]}}"
    assert len(notes(f"sli: freshness, at_least: 0 %, burn: {burn}", "4 d")) == told


def test_windows_too_long_for_the_run_are_told_if_none_is_short_enough() -> None:
    (told,) = notes("sli: freshness, at_least: 95 %, burn: 30 d", "20 min")
    assert told.startswith("objective `fresh` raises no `fresh-burn` in a run that is judged for 19 min, whatever ")
    assert notes("sli: freshness, at_least: 99.9 %, burn: 30 d", "20 min") == []


def test_only_objectives_of_the_whole_fleet_page() -> None:
    whole, part = (scenario(f"sli: freshness, burn: 1 h{of}").objectives[0] for of in ("", ", of: kind=motor"))
    assert [str(rule.severity) for rule in burn_rules(whole, HOUR_US)] == ["page", "page", "ticket", "ticket"]
    assert {str(rule.severity) for rule in burn_rules(part, HOUR_US)} == {"ticket"}
    assert burn_rules(scenario("sli: freshness").objectives[0], HOUR_US) == ()


def test_a_budget_of_reboots_is_counted_by_the_hour() -> None:
    assert fastest_burn(scenario("sli: reboot_rate, at_most: 100 %").objectives[0]) == 3600
    assert judged_us(scenario("sli: freshness")) == 59 * MINUTE_US
