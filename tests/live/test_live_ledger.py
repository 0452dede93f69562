"""Live runs in which several causes lose readings of the same devices: the ledger closes, and names no cause that was
not there."""

from __future__ import annotations

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import RunResult

RESETS_AND_A_CUT = """storm: 1
name: ledger
story: Devices reset under way, and then are cut off for longer than their buffers last.
duration: 40 s
fleet:
  devices: 24
  keep_alive: 20 s
  boot: 2 s .. 3 s
  buffer: {readings: 5}
  segments: {m: {kind: motor, share: 100 %, every: 1 s}}
steps:
  - {name: resets, at: 2 s, fault: watchdog-storm, target: all, lasts: 8 s, with: {every: 4 s}}
  - {name: cut, at: 14 s, fault: sim-expiry, target: all, lasts: 18 s}
expect:
  - {ledger: lost, at_most: 50 %}
"""


def play(text: str, speed: float) -> RunResult:
    """Play a scenario live; its ledger closes, and nobody is said to have spoken in the name of a twin."""
    result = Run(read(text, "ledger.storm.yaml"), RunOptions(seed=5, live=True, speed=speed)).execute()
    ledger = result.ledger
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert "unexplained" not in ledger.lost
    assert not [note for note in result.notes if "no twin" in note]
    return result


def test_what_was_under_way_at_a_reset_and_came_is_not_lost_beside_what_a_buffer_evicts() -> None:
    result = play(RESETS_AND_A_CUT, 10.0)
    assert result.faults[0].bit
    assert result.faults[1].bit
    assert result.ledger.lost["evicted"] >= 24
    assert result.ledger.lost.get("power", 0) <= 48
