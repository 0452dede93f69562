"""A gateway with five hundred devices behind it dies: one incident, one page, and the report names the gateway."""

from __future__ import annotations

from pathlib import Path

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.record.read import open_run
from twinstorm.scenarios.record.recorder import Recorder
from twinstorm.scenarios.reports.files import render

FILE = """storm: 1
name: dead-gateway
story: Four gateways carry five hundred sensors each, and one of them dies for five minutes.
duration: 30 min
warm_up: 3 min
fleet:
  devices: 2004
  sites: [rot-1, rot-2]
  keep_alive: 60 s
  segments:
    gates: {kind: gateway, share: 0.2 %, every: 10 s, gateway: {rate: 500/s, store: memory}}
    cold-rooms: {kind: environment, share: 99.8 %, every: 30 s, through: gates}
detectors:
  silence: {severity: page}
  reboot-storm: {}
  connect-storm: {}
objectives:
  connected: {sli: connectivity, at_least: 90 %}
steps:
  - {name: crash, at: 8 min, fault: gateway-crash, target: kind=gateway site=rot-2 first=1, lasts: 5 min}
expect:
  - {alarm: silence, after: crash, within: 3 min, severity: page, target: site=rot-2}
  - {no_alarm: any, target: site=rot-1}
  - {count: pages, at_most: 1}
  - {recovered: 99 %, of: crash, within: 5 min}
"""


def test_it_is_one_incident_and_one_page_with_the_right_cause_also_in_the_report(tmp_path: Path) -> None:
    scenario = read(FILE, "dead-gateway.storm.yaml")
    recorder = Recorder.start(scenario, seed=1, out=tmp_path)
    result = Run(scenario, RunOptions(seed=1), [recorder]).execute()
    assert result.verdict == "held"
    (incident,) = result.incidents
    assert incident.title == "501 devices fell silent, gateway=rot-2/gates-0001"
    (alarm,) = result.alarms
    assert (alarm.severity, alarm.group, alarm.fault, alarm.right) == (
        "page",
        "gateway=rot-2/gates-0001",
        "crash",
        True,
    )
    report = render(open_run(str(recorder.folder)), "md").decode()
    assert report.count("501 devices fell silent, gateway=rot-2/gates-0001") >= 1
    assert "INC-1" in report
    assert "INC-2" not in report
