"""Faults that break connections over real sockets: one run through the proxy shows each on devices of its own."""

from __future__ import annotations

from pathlib import Path

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load

SCENARIO = """storm: 1
name: wire
story: Each of six sites has another middlebox in its way, and a seventh a line of its own.
duration: 32 s
warm_up: 2 s
fleet:
  devices: 28
  sites: {reset: {}, refused: {}, limit: {}, slices: {}, dark: {}, both: {}, line: {trunk: {rate: 1 MB/s}}}
  keep_alive: 24 s
  reconnect: {base: 1 s, cap: 4 s}
  segments:
    motors: {kind: motor, share: 100 %, every: 1 s}
steps:
  - {name: reset, at: 4 s, fault: connection-reset, target: site=reset, lasts: 14 s, with: {after: 4 s}}
  - {name: refused, at: 4 s, fault: port-refused, target: site=refused, lasts: 8 s}
  - {name: limit, at: 4 s, fault: byte-limit, target: site=limit, lasts: 14 s, with: {after: 4 kB}}
  - {name: slices, at: 4 s, fault: packet-slicing, target: site=slices, lasts: 8 s, with: {slice: 32 B, gap: 100 ms}}
  - {name: dark, at: 4 s, fault: partition, target: site=dark, lasts: 8 s, with: {on: wire, direction: up}}
  - {name: both, at: 4 s, fault: partition, target: site=both, lasts: 8 s, with: {on: both}}
  - {name: line, at: 4 s, fault: trunk-cut, target: site=line, lasts: 8 s}
  - {name: unharmed, at: 26 s, fault: port-refused, target: site=slices, lasts: 4 s, with: {open: stay}}
expect:
  - at: end
    that: online = devices
"""


def test_every_fault_of_connections_leaves_its_evidence_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "wire.storm.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    result = Run(load(str(path)), RunOptions(seed=5, live=True, speed=8.0)).execute()
    evidence = {fault.name: fault.evidence for fault in result.faults}
    assert evidence["reset"]["connections_reset"] >= 2 * 4
    assert evidence["refused"]["connections_reset"] == 4
    assert evidence["refused"]["connects_refused"] >= 4
    assert evidence["limit"]["connections_closed"] >= 2 * 4
    assert evidence["slices"]["bytes_delayed"] > 4 * 5 * 300
    assert evidence["dark"] == {"sessions_cut_off": 0, "sessions_survived": 0, "streams_silenced": 4}
    assert evidence["both"]["sessions_cut_off"] == 4
    assert evidence["both"]["streams_silenced"] == 2 * 4
    assert evidence["line"]["sessions_cut_off"] == 4
    assert not any(evidence["unharmed"].values()), "nobody needed a new connection"
    ledger = result.ledger
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert not ledger.lost
    assert {row.verdict for row in result.expectations} == {"held"}, "everybody is back"
