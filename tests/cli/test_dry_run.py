"""`run --dry-run`: the plan of a scenario, over the real language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema

from tests.cli.conftest import Ran
from twinstorm.tui.cli.schema import schema_of

PLAYED = """\
storm: 1
name: plan
story: Everything that a plan shows.
duration: 20 min
fleet:
  devices: 1000
  sites: [fra-1, fra-2]
  segments:
    motors: {kind: motor, share: 100 %, every: 1 s, link: ethernet}
steps:
  - {name: broker, at: 2 min, fault: broker-outage, lasts: 30 s}
  - name: outage
    at: 5 min
    fault: power-outage
    target: site=fra-2 share=10 %
    lasts: 2 min
  - {after: outage.end + 1 min, mark: half time}
  - {name: late, at: 15 min, fault: power-outage, target: all}
"""

PLANNED = """\
plan  seed 1  1,000 devices  10 min simulated
  00:02:00  fault   broker  broker-outage  until 00:02:30
  00:05:00  fault   outage  power-outage  site=fra-2 share=10 %  50 devices  until 00:07:00
  00:08:00  mark    step-3  half time
  00:15:00  fault   late  power-outage  all  1,000 devices  until 00:10:00  (after the end of this run)
"""


def test_a_plan_says_when_what_and_how_many(command: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "plan.storm.yaml").write_text(PLAYED)
    ran = command("run", "./plan.storm.yaml", "--dry-run", "--until", "10 min")
    assert (ran.code, ran.out, ran.err) == (0, PLANNED, "")
    assert not (tmp_path / "runs").exists()


def test_a_plan_for_tools_follows_its_schema(command: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "plan.storm.yaml").write_text(PLAYED)
    document = command("run", "./plan.storm.yaml", "--dry-run", "--json", "--seeds", "3,4").json()
    jsonschema.validate(document, schema_of("plan"))
    assert [plan["seed"] for plan in document["plans"]] == [3, 4]
    assert [step["devices"] for step in document["plans"][0]["steps"]] == [None, 50, None, 1_000]
    assert document["plans"][0]["steps"][3]["to_s"] is None


def test_a_plan_of_a_scenario_without_steps_says_so(command: Callable[..., Ran]) -> None:
    assert "no steps: nothing goes wrong on purpose" in command("run", "all-quiet", "--dry-run").out


def test_varied_plans_name_what_was_varied(command: Callable[..., Ran]) -> None:
    out = command("run", "reboot-storm", "--dry-run", "--vary", "fleet.devices=1000,2000").out
    assert "fleet.devices=1000" in out
    assert "600 devices" in out
    assert "1,200 devices" in out
