"""Faults of links over real sockets: what they do shows, leaves evidence, and loses nothing without a name."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult

SCENARIO = """storm: 1
name: links
story: One of two sites has bad links for a while.
duration: 28 s
warm_up: 2 s
fleet:
  devices: 16
  sites: [arn-1, fra-1]
  keep_alive: 60 s
  buffer: {{readings: 10, evict: oldest}}
  segments:
    motors: {{kind: motor, share: 100 %, every: {every}}}
objectives:
  there: {{sli: freshness, within: 3 s, at_least: 10 %, of: site=arn-1}}
  here: {{sli: freshness, within: 3 s, at_least: 10 %, of: site=fra-1}}
steps:
  - {{name: bad, at: 7 s, fault: {fault}, target: site=fra-1, lasts: 8 s, with: {{{settings}}}}}
"""


class Rows:
    """A sink that keeps what was observed each second."""

    def __init__(self) -> None:
        self.panes: list[PaneRow] = []

    def event(self, row: EventRow) -> None: ...

    def pane(self, row: PaneRow) -> None:
        self.panes.append(row)

    def close(self, result: RunResult | None, why: str = "") -> None: ...

    def worst(self, objective: str, from_s: int, to_s: int) -> float:
        seen = [row.slis[objective] for row in self.panes if from_s <= row.at_s <= to_s]
        return min(value for value in seen if value is not None)


def play(folder: Path, fault: str, settings: str, every: str = "1 s", seed: int = 5) -> tuple[RunResult, Rows]:
    path, rows = folder / "links.storm.yaml", Rows()
    path.write_text(SCENARIO.format(fault=fault, settings=settings, every=every), encoding="utf-8")
    run = Run(load(str(path)), RunOptions(seed=seed, live=True, speed=4.0))
    run.sinks = (*run.sinks, rows)
    result = run.execute()
    ledger = result.ledger
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert "unexplained" not in ledger.lost
    assert result.faults[0].bit
    assert rows.worst("here", 5, 7) > 0.99, "before the fault"
    assert rows.worst("there", 5, 28) > 0.99, "the other site is not in it"
    assert multiprocessing.active_children() == []
    return result, rows


def test_latency_makes_readings_late_and_loses_none(tmp_path: Path) -> None:
    result, rows = play(tmp_path, "latency", "more: 6 s, jitter: 1 s")
    assert rows.worst("here", 11, 17) < 0.8
    assert result.faults[0].evidence["bytes_delayed"] > 8 * 8 * 100
    assert not result.ledger.lost
    assert result.ledger.delivered == result.ledger.produced


def test_a_squeeze_makes_readings_wait_in_their_device_until_its_buffer_is_full(tmp_path: Path) -> None:
    result, rows = play(tmp_path, "bandwidth-squeeze", "to: 600 B/min", every="200 ms")
    assert rows.worst("here", 11, 17) < 0.8
    assert result.faults[0].evidence["bytes_delayed"] > 0
    assert set(result.ledger.lost) == {"evicted"}
    assert max(row.buffered for row in rows.panes) >= 8 * 8
    assert result.ledger.buffered == 0, "what waited has been sent"
    assert rows.worst("here", 28, 28) > 0.9


def test_losses_are_delays_over_a_connection(tmp_path: Path) -> None:
    result, rows = play(tmp_path, "burst-loss", "loss: 30 %, burst: 2", seed=8)
    assert rows.worst("here", 8, 28) < 1
    evidence = result.faults[0].evidence
    assert evidence["retransmissions"] >= 10
    assert evidence["bytes_delayed"] > 0
    assert not result.ledger.lost


def test_a_storm_goes_through_the_proxy(tmp_path: Path) -> None:
    """A power cut on devices behind a slow link: abandoned sockets, new ones, births; nobody stays away."""
    path = tmp_path / "links.storm.yaml"
    text = SCENARIO.format(fault="latency", settings="more: 1 s, jitter: 1 s", every="1 s")
    path.write_text(
        text + "  - {name: cut, at: 9 s, fault: power-outage, target: site=fra-1, lasts: 4 s}\n"
        "expect:\n  - {ledger: lost, at_most: 20 %}\n",
        encoding="utf-8",
    )
    result = Run(load(str(path)), RunOptions(seed=5, live=True, speed=4.0)).execute()
    ledger = result.ledger
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert set(ledger.lost) <= {"power"}
    assert result.counts["reboots"] == 8
    assert result.verdict == "held"
