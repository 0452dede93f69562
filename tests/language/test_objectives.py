"""Objectives of a scenario: burn alarms as they are written, and what cannot be meant."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.run import Run, RunOptions, build
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.model import Burn, BurnAlarm, Scenario
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.reports.why import alarm_lines
from twinstorm.scenarios.webhook import payloads
from twinstorm.twin.flow import HOUR_US, MINUTE_US

STORM = """storm: 1
name: burning
story: A site loses its power for a minute.
duration: 20 min
warm_up: 1 min
fleet:
  devices: 20
  sites: [a, b]
  segments:
    motors: {{kind: motor, share: 100 %}}
objectives:
  fresh: {{sli: freshness, within: 10 s, at_least: 99 %{burn}}}
  here: {{sli: freshness, within: 10 s, at_least: 99 %, of: site=b, burn: 1 h}}
steps:
  - {{name: cut, at: 5 min, fault: power-outage, target: site=a, lasts: 1 min}}
expect:
  - {{alarm: {alarm}, after: cut, within: 30 s, severity: page}}
  - {{no_alarm: here-burn}}
  - {{objective: fresh, verdict: missed}}
"""


def scenario(burn: str = ", burn: run", alarm: str = "fresh-burn", more: str = "") -> Scenario:
    return read(STORM.format(burn=burn, alarm=alarm) + more, "burning.storm.yaml")


def problems(**written: str) -> list[tuple[str, str, str]]:
    with pytest.raises(ScenarioErrors) as raised:
        scenario(**written)
    return [(problem.code, problem.path, problem.message) for problem in raised.value.problems]


def test_a_period_is_enough_and_all_can_be_said() -> None:
    assert scenario().objectives[0].burn == Burn(None, None, ())
    assert scenario(", burn: 30 d").objectives[0].burn == Burn(30 * 24 * HOUR_US, None, ())
    said = ", burn: {period: 2 h, least: 50, alarms: [{spends: 5 %, within: 10 min, severity: page}]}"
    assert scenario(said).objectives[0].burn == Burn(2 * HOUR_US, 50, (BurnAlarm(0.05, 10 * MINUTE_US, "page"),))
    assert scenario(", burn: {least: 7}").objectives[0].burn == Burn(None, 7, ())


def test_an_alarm_of_burn_needs_an_objective_that_asks_for_it() -> None:
    found = problems(burn="")
    assert found == [("S308", "expect[0].alarm", "nothing raises `fresh-burn`: no objective `fresh` with `burn`")]
    assert problems(alarm="frsh-burn")[0][0] == "S308"
    assert problems(alarm="silense")[0][0] == "S104"


def test_without_detectors_burn_alarms_are_alarms_all_the_same() -> None:
    assert scenario(more="detectors: []\n").detectors == {}


def test_what_has_no_budget_cannot_burn() -> None:
    text = STORM.format(burn=", burn: run", alarm="fresh-burn").replace("at_least: 99 %, burn", "at_least: 100 %, burn")
    with pytest.raises(ScenarioErrors, match="no error budget"):
        read(text, "burning.storm.yaml")
    assert problems(burn=", burn: 10 s")[0][:2] == ("S210", "objectives.fresh.burn")
    assert problems(burn=", burn: soon")[0][:2] == ("S202", "objectives.fresh.burn")


def test_alarms_of_a_run_carry_their_runbook() -> None:
    page = "https://example.org/"
    detectors = f"detectors: {{silence: {{runbook: '{page}silence'}}, connect-storm: {{}}}}\n"
    run = Run(scenario(f", burn: run, runbook: {page}fresh", more=detectors), RunOptions(seed=3))
    result = run.execute()
    found = {alarm.name: alarm for alarm in result.alarms}
    assert {name: alarm.runbook for name, alarm in found.items() if alarm.runbook} == {
        "silence": f"{page}silence",
        "fresh-burn": f"{page}fresh",
    }
    assert f"  runbook   {page}silence" in alarm_lines(result, found["silence"], [])
    sent = payloads(result, receiver="r", started_at="2026-01-01T00:00:00Z", run="burning")
    told = {alert["labels"]["alertname"]: alert["annotations"] for one in sent for alert in one["alerts"]}
    assert told["fresh-burn"]["runbook_url"] == f"{page}fresh"


@pytest.mark.parametrize("detectors", ["detectors: []\n", ""])
def test_the_run_raises_what_is_expected(detectors: str) -> None:
    engine = build(scenario(more=detectors), RunOptions(seed=3))
    engine.play()
    burns = [alarm for alarm in engine.core.alarms if alarm.name.endswith("-burn")]
    assert [alarm.name for alarm in burns][:1] == ["fresh-burn"]
    assert {len(alarm.device) for alarm in burns} == {10}
    if detectors:
        assert burns[0].severity == "page"
    else:
        assert burns[0].incident == engine.core.alarms[0].incident, "silence had paged for it already"
        assert sum(alarm.severity == "page" for alarm in engine.core.alarms) == 1


def test_runbooks_are_known_by_the_alarms_that_they_are_for() -> None:
    pages = [f"https://example.org/{name}" for name in ("silence", "fresh")]
    said = scenario(f", burn: run, runbook: {pages[1]}", more=f"detectors: {{silence: {{runbook: '{pages[0]}'}}}}\n")
    assert said.runbooks == {"silence": pages[0], "fresh-burn": pages[1]}
    assert said.detectors == {"silence": {}}, "it is for people"
    assert scenario().runbooks == {}


@pytest.mark.parametrize(
    "page",
    [
        "example.org/a",
        "ftp://example.org/a",
        "https://",
        "'https://['",
        "'https://example.org/a b'",
        f"https://{'a' * 2000}",
    ],
)
def test_a_runbook_is_a_page(page: str) -> None:
    assert [found[:2] for found in problems(burn=f", burn: run, runbook: {page}")] == [
        ("S217", "objectives.fresh.runbook")
    ]


@pytest.mark.parametrize(
    ("written", "meant"), [("frshness: {}", "freshness"), ("reboot-rat: {of: site=a}", "reboot-rate"), ("zz: {}", "")]
)
def test_a_misspelt_sli_is_told_what_it_was_meant_to_be(written: str, meant: str) -> None:
    text = STORM.format(burn="", alarm="silence").replace("objectives:", f"objectives:\n  {written}")
    with pytest.raises(ScenarioErrors) as raised:
        read(text, "burning.storm.yaml")
    (problem,) = raised.value.problems
    assert (problem.code, problem.suggestion) == ("S105", meant)
    assert ("did you mean" in problem.render()) == bool(meant)
