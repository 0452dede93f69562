"""Alert rules for Prometheus: what they say, and what promtool makes of them."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from twinstorm.scenarios.alert_rule_tests import cases_of, unit_tests
from twinstorm.scenarios.alert_rules import BAD, EVENTS, alerts_of, allowed_share, rules_text, seconds
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.metrics import Metrics
from twinstorm.twin.flow import SECOND_US

HEAD = """storm: 1
name: plant
story: Two sites, of which one loses its power.
duration: 10 min
fleet:
  devices: 20
  sites: [a, b]
  segments:
    motors: {kind: motor, share: 100 %}
steps:
  - {name: cut, at: 5 min, fault: power-outage, target: site=a, lasts: 1 min}
"""

OBJECTIVES = """objectives:
  connected: {sli: connectivity, at_least: 99 %, burn: 1 d, runbook: https://example.org/connected}
  here: {sli: freshness, within: 10 s, at_least: 90 %, of: site=a, burn: {period: 1 d, alarms: [
    {spends: 2 %, within: 2 min, severity: page}, {spends: 5 %, within: 12 min, severity: page}]}}
  reboots: {sli: reboot_rate, at_most: 1 %, burn: {period: 1 d, alarms: [
    {spends: 5 %, within: 10 min, severity: page}]}}
  strict: {sli: ingress_errors, at_most: 0.01 %, burn: {period: 1 d, least: 50, alarms: [
    {spends: 2 %, within: 2 min, severity: ticket}]}}
  quiet: {sli: backlog, at_least: 99 %}
"""


def scenario(objectives: str = OBJECTIVES) -> Scenario:
    return read(HEAD + objectives, "plant.storm.yaml")


def test_an_alert_is_both_windows_above_the_share_that_its_burn_allows() -> None:
    of = scenario("objectives:\n  connected: {sli: connectivity, at_least: 99 %, burn: 30 d}\n")
    page, ticket = alerts_of(of)
    assert (page.name, str(page.severity), str(ticket.severity)) == ("connected-burn", "page", "ticket")
    text = rules_text(of, [page, ticket])
    bad, events = (f'{name}{{objective=\\"connected\\"}}' for name in (BAD, EVENTS))
    assert f"(rate({bad}[1h]) / rate({events}[1h]) > 0.144 and rate({bad}[5m]) / rate({events}[5m]) > 0.144" in text
    assert f"and increase({events}[1h]) >= 6.944444444444445) or (rate({bad}[6h])" in text
    windows = re.findall(r"\[(\w+)\]\) > ", text)
    assert windows == ["1h", "5m", "6h", "30m", "1d", "2h", "3d", "6h"]
    assert "evaluate every 1m15s" in text


def test_thresholds_that_the_bound_puts_out_of_reach_have_no_rule() -> None:
    alerts = {(alert.objective.name, str(alert.severity)): len(alert.rules) for alert in alerts_of(scenario())}
    assert alerts == {
        ("connected", "page"): 2,
        ("connected", "ticket"): 2,
        ("here", "ticket"): 1,
        ("reboots", "page"): 1,
        ("strict", "ticket"): 1,
    }


def test_what_may_be_bad_is_counted_as_the_indicator_counts() -> None:
    shares = {one.name: allowed_share(one) for one in scenario().objectives}
    assert shares["reboots"] == Fraction(1, 100 * 3600), "of device-seconds"
    assert shares["here"] == Fraction(1, 10)


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (5 * SECOND_US, "5s"),
        (5_400 * SECOND_US, "1h30m"),
        (SECOND_US // 2, "500ms"),
        (86_400 * SECOND_US, "1d"),
        (0, "0ms"),
    ],
)
def test_durations_are_written_as_prometheus_reads_them(us: int, text: str) -> None:
    assert seconds(us) == text


def test_rules_ask_for_what_a_run_serves() -> None:
    of = scenario()
    metrics = Metrics()
    engine = build(of, RunOptions(seed=3))
    engine.sinks = (metrics,)
    engine.play()
    served = dict(line.rsplit(" ", 1) for line in metrics.text().splitlines() if not line.startswith("#"))
    asked = {
        match.replace("\\", "") for match in re.findall(r'(\w+{objective=\\"[\w-]+\\"})', rules_text(of, alerts_of(of)))
    }
    assert len(asked) == 8
    assert asked <= set(served)
    for name, value in (("connected", "connected"), ("here", "here")):
        standing = engine.core.objective(name)
        assert int(served[f'{EVENTS}{{objective="{value}"}}']) == standing.total
        assert int(served[f'{BAD}{{objective="{value}"}}']) == standing.total - standing.good
    assert served[f'{BAD}{{objective="reboots"}}'] == "10", "what happens too often is what is bad"


def test_promtool_finds_that_the_rules_do_what_the_formula_says(promtool: str, tmp_path: Path) -> None:
    of = scenario()
    alerts = alerts_of(of)
    (tmp_path / "rules.yml").write_text(rules_text(of, alerts))
    (cases,) = unit_tests(alerts, "rules.yml")
    (tmp_path / "tests.yml").write_text(cases)
    checked = subprocess.run(
        [promtool, "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "5 rules found" in checked.stdout
    played = subprocess.run(
        [promtool, "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True, timeout=100
    )
    assert played.returncode == 0, played.stdout + played.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("> 0.144", "> 0.16"),  # a threshold
        ("[5m]", "[1h]"),  # the short window
        ("[1h]", "[5m]"),  # the long one
        (" and increase", " or increase"),  # the guard against few events
    ],
)
def test_promtool_finds_a_rule_that_is_wrong(promtool: str, tmp_path: Path, old: str, new: str) -> None:
    of = scenario(
        "objectives:\n  connected: {sli: connectivity, at_least: 99 %, burn: {period: 30 d, "
        "alarms: [{spends: 2 %, within: 1 h, severity: page}]}}\n"
    )
    alerts = alerts_of(of)
    text = rules_text(of, alerts)
    assert old in text
    (tmp_path / "rules.yml").write_text(text.replace(old, new))
    (cases,) = unit_tests(alerts, "rules.yml")
    (tmp_path / "tests.yml").write_text(cases)
    played = subprocess.run(
        [promtool, "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True, timeout=60
    )
    assert played.returncode == 1, played.stdout
    assert "FAILED" in played.stdout + played.stderr


def test_objectives_of_seconds_and_of_days_have_files_of_their_own(promtool: str, tmp_path: Path) -> None:
    of = scenario(
        "objectives:\n  connected: {sli: connectivity, at_least: 99 %, burn: 30 d}\n"
        "  reboots: {sli: reboot_rate, at_most: 1 %, burn: run}\n"
    )
    alerts = alerts_of(of)
    (tmp_path / "rules.yml").write_text(rules_text(of, alerts))
    files = unit_tests(alerts, "rules.yml")
    assert [("reboots" in text, "connected" in text) for text in files] == [(True, False), (False, True)]
    for text in files:
        (tmp_path / "tests.yml").write_text(text)
        played = subprocess.run(
            [promtool, "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True, timeout=100
        )
        assert played.returncode == 0, played.stdout + played.stderr


def test_each_threshold_is_tried_from_both_sides() -> None:
    alerts = [alert for alert in alerts_of(scenario()) if alert.objective.name == "connected"]
    step_us = min(rule.short_us for alert in alerts for rule in alert.rules) // 2
    names = [case.name for case in cases_of(alerts, step_us)]
    assert sum("just below" in name for name in names) == sum("just above" in name for name in names) == 4
    assert {"nothing is wrong", "too few events to be believed", "an outage, and what comes after it"} <= set(names)
    assert names[-1] == "a burst after a time without errors"
