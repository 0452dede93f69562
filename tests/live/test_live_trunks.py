"""Lines that sites share, over real sockets: what waits for them waits in the devices of that site alone."""

from __future__ import annotations

from pathlib import Path

from tests.live.test_live_links import Rows
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import RunResult

SCENARIO = """storm: 1
name: trunks
story: One of two sites has a narrow line for a while.
duration: 40 s
warm_up: 2 s
fleet:
  devices: 16
  sites:
    arn-1: {{share: 50 %}}
    fra-1: {{share: 50 %, trunk: {{rate: 100 kB/s, queue: 4 kB}}}}
  keep_alive: 60 s
  buffer: {{readings: 60, evict: oldest}}
  segments:
    motors: {{kind: motor, share: 100 %, every: 1 s}}
objectives:
  there: {{sli: freshness, within: 6 s, at_least: 10 %, of: site=arn-1}}
  here: {{sli: freshness, within: 6 s, at_least: 10 %, of: site=fra-1}}
steps:
  - {{name: bad, at: 8 s, fault: {fault}, target: site=fra-1, lasts: 12 s{settings}}}
"""


def play(folder: Path, fault: str, settings: str = "") -> tuple[RunResult, Rows]:
    path, rows = folder / "trunks.storm.yaml", Rows()
    path.write_text(SCENARIO.format(fault=fault, settings=settings), encoding="utf-8")
    run = Run(load(str(path)), RunOptions(seed=5, live=True, speed=6.0))
    run.sinks = (*run.sinks, rows)
    result = run.execute()
    ledger = result.ledger
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert not ledger.lost
    assert result.faults[0].bit
    assert rows.worst("here", 5, 8) > 0.99, "before the fault"
    assert rows.worst("there", 5, 40) > 0.99, "the other site has another line"
    return result, rows


def test_a_narrow_trunk_makes_the_devices_of_its_site_wait_and_loses_nothing(tmp_path: Path) -> None:
    result, rows = play(tmp_path, "trunk-squeeze", ", with: {to: 400 B/s}")
    assert rows.worst("here", 16, 20) < 0.8
    assert result.faults[0].evidence["messages_delayed"] > 0
    assert max(row.buffered for row in rows.panes) >= 16, "what does not fit the line waits in its device"
    assert rows.worst("here", 36, 40) > 0.99, "what waited has been sent"


def test_a_trunk_that_is_cut_silences_its_site_alone(tmp_path: Path) -> None:
    result, rows = play(tmp_path, "trunk-cut")
    assert rows.worst("here", 16, 20) < 0.5
    assert result.faults[0].evidence["sessions_cut_off"] == 8
    assert result.faults[0].evidence["sessions_survived"] == 8
    assert rows.worst("here", 36, 40) > 0.99
