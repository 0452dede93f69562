"""Faults of payloads over real sockets: the same evidence, and a ledger in which nothing is unexplained."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import RunResult

SCENARIO = """storm: 1
name: payloads
story: Everything that can be wrong with a payload, one after the other.
duration: 48 s
warm_up: 2 s
fleet:
  devices: 16
  sites: [arn-1, fra-1]
  keep_alive: 20 s
  qos: {qos}
  segments:
    motors: {{kind: motor, share: 100 %, every: 1 s, firmware: 2.5.0}}
steps:
  - {{name: damage, at: 4 s, fault: payload-corruption, target: all, lasts: 4 s, with: {{share: 50 %}}}}
  - {{name: short, at: 9 s, fault: payload-truncation, target: site=arn-1, lasts: 4 s}}
  - {{name: schema, at: 14 s, fault: schema-break, target: firmware=2.5.0, lasts: 4 s, with: {{how: type}}}}
  - {{name: twice, at: 19 s, fault: payload-duplicate, target: all, lasts: 4 s, with: {{share: 100 %, flag: yes}}}}
  - {{name: later, at: 19 s, fault: payload-duplicate, target: site=fra-1, lasts: 4 s, with: {{after: 2 s}}}}
  - {{name: order, at: 25 s, fault: payload-reorder, target: all, lasts: 5 s, with: {{by: 3 s}}}}
  - {{name: flood, at: 34 s, fault: late-flood, target: all, lasts: 5 s, with: {{hold: 3 s}}}}
  - {{name: astray, at: 41 s, fault: misrouted, target: site=fra-1, lasts: 4 s}}
expect:
  - {{ledger: lost, at_most: 50 %}}
"""


def play(path: Path, **options: Any) -> RunResult:
    result = Run(load(str(path)), RunOptions(seed=5, **{"live": True, "speed": 8.0, **options})).execute()
    ledger = result.ledger
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert multiprocessing.active_children() == []
    return result


def expected_lost(result: RunResult) -> dict[str, int]:
    """What the evidence says: corrupt, and refused for what it says or where it was sent."""
    evidence = {fault.name: fault.evidence for fault in result.faults}
    unreadable = sum(
        evidence[name][what] - evidence[name].get("damaged_and_still_readable", 0)
        for name, what in (("damage", "messages_damaged"), ("short", "messages_truncated"))
    )
    refused = evidence["schema"]["messages_of_another_schema"] + evidence["astray"]["messages_misrouted"]
    return {"corrupt": unreadable, "dead_letter": refused}


@pytest.mark.parametrize("qos", [1, 0])
def test_every_payload_fault_leaves_its_evidence_and_its_cause(tmp_path: Path, qos: int) -> None:
    path = tmp_path / "payloads.storm.yaml"
    path.write_text(SCENARIO.format(qos=qos), encoding="utf-8")
    result = play(path)
    assert all(fault.bit for fault in result.faults)
    lost = expected_lost(result)
    assert result.ledger.lost["corrupt"] == lost["corrupt"]
    # Damaged values that are out of range come on top.
    assert lost["dead_letter"] <= result.ledger.lost["dead_letter"] <= lost["dead_letter"] + 16
    assert set(result.ledger.lost) == {"corrupt", "dead_letter"}
    evidence = {fault.name: fault.evidence for fault in result.faults}
    assert result.ledger.repeated == sum(evidence[name]["messages_repeated"] for name in ("twice", "later"))
    assert not [note for note in result.notes if "came from no twin" in note]
    assert result.verdict == "held"


def test_a_broker_without_access_rules_lets_the_core_see_what_is_misrouted(tmp_path: Path, mosquitto: Any) -> None:
    path = tmp_path / "payloads.storm.yaml"
    path.write_text(SCENARIO.format(qos=1), encoding="utf-8")
    result = play(path, broker_url=mosquitto.url)
    assert result.ledger.lost["corrupt"] == expected_lost(result)["corrupt"]
    assert set(result.ledger.lost) == {"corrupt", "dead_letter"}
    assert not [note for note in result.notes if "came from no twin" in note]
