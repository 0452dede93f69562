"""The maintenance log: what crews and the ends of steps did to machines, in the result, the record and the report."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.engine.test_upkeep import plant, played
from twinstorm.scenarios.record.read import open_run
from twinstorm.scenarios.record.recorder import Recorder
from twinstorm.scenarios.reports.files import render
from twinstorm.scenarios.result import RunResult


@pytest.mark.parametrize(
    ("policy", "whys"),
    [
        ("run-to-failure", {"breakdown"}),
        ("condition", {"breakdown", "condition"}),
        ("preventive", {"breakdown", "plan"}),
    ],
)
def test_each_repair_is_a_line_that_says_why(policy: str, whys: set[str]) -> None:
    _, result = played(plant(f"maintenance.policy={policy}"))
    assert result.maintenance is not None
    log = result.maintenance_log
    assert len(log) == result.maintenance.repairs > 0
    assert {entry.why for entry in log} <= whys
    assert [entry.ended_s for entry in log] == sorted(entry.ended_s for entry in log)
    for entry in log:
        assert (entry.work, entry.devices) == ("repair", 1)
        assert entry.asked_s is not None
        assert entry.begun_s is not None
        assert entry.still_s is not None
        assert entry.asked_s <= entry.begun_s < entry.ended_s
        # Who is asked for stands still at the latest when the crew begins.
        assert entry.still_s >= entry.ended_s - entry.begun_s - 1e-6
    still_s = sum(entry.still_s or 0.0 for entry in log)
    assert still_s <= result.maintenance.downtime_s


STEPS = """
steps:
  - {name: lies, at: 10 min, fault: sensor-calibration, target: site=ham-1, lasts: 5 min, with: {channel: current_a}}
  - {name: drifts, at: 10 min, fault: sensor-bias, target: site=ham-1, lasts: 5 min, with: {channel: current_a}}
"""


def test_a_calibration_is_a_line_and_the_record_and_the_report_have_all(tmp_path: Path) -> None:
    text = plant().resolved + STEPS
    scenario = plant(text=text)
    recorder = Recorder.start(scenario, seed=1, out=tmp_path)
    recorder.close(played(scenario)[1])
    recorded = open_run(str(recorder.folder))
    result = recorded.result
    assert isinstance(result, RunResult)
    (calibration,) = [entry for entry in result.maintenance_log if entry.work == "calibration"]
    assert (calibration.target, calibration.devices, calibration.why) == ("site=ham-1", 10, "lies")
    assert (calibration.ended_s, calibration.crew) == (900.0, None)
    with closing(sqlite3.connect(recorder.folder / "run.db")) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("SELECT * FROM maintenance ORDER BY number")]
    told = [{name: value for name, value in row.items() if name not in ("run", "number")} for row in rows]
    assert told == [msgspec.structs.asdict(entry) for entry in result.maintenance_log]
    report = render(recorded, "md").decode()
    assert "## Maintenance log" in report
    assert "| 00:15:00 | calibration | site=ham-1 | 10 | lies |" in report


def test_a_step_that_says_serviced_is_a_line_too() -> None:
    steps = "steps:\n  - {name: new, at: 10 min, serviced: site=ham-1}\n"
    _, result = played(plant(text=plant().resolved + steps))
    (service,) = [entry for entry in result.maintenance_log if entry.work == "service"]
    assert (service.target, service.devices, service.why, service.ended_s) == ("site=ham-1", 10, "new", 600.0)


def test_where_nothing_was_done_there_is_no_log() -> None:
    scenario = plant("duration=2 min")
    _, result = played(scenario)
    assert result.maintenance_log == []
