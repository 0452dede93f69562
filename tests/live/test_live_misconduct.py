"""Faults of a broker that is up, at the embedded one: one run shows each, and the account closes with their causes."""

from __future__ import annotations

from pathlib import Path

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load

SCENARIO = """storm: 1
name: conduct
story: A broker does everything to its clients that a broker should not do.
duration: 46 s
warm_up: 2 s
fleet:
  devices: 28
  sites: [kicked, refused, held, dropped, silent, twice, late]
  keep_alive: 24 s
  reconnect: {base: 1 s, cap: 4 s, timeout: 3 s}
  segments:
    motors: {kind: motor, share: 100 %, every: 1 s}
objectives:
  known: {sli: auth_errors, at_most: 0.1 %}
steps:
  - {name: kicked, at: 4 s, fault: mass-disconnect, target: site=kicked}
  - {name: refused, at: 4 s, fault: connect-refusal, target: site=refused, lasts: 8 s, with: {code: bad-credentials}}
  - {name: held, at: 4 s, fault: throttle, target: site=held, lasts: 8 s, with: {rate: 20/min}}
  - {name: dropped, at: 4 s, fault: dropped-packets, target: site=dropped, lasts: 8 s, with: {share: 50 %}}
  - {name: third, at: 4 s, fault: dropped-packets, target: site=kicked, lasts: 8 s, with: {nth: 3}}
  - {name: silent, at: 4 s, fault: dropped-packets, target: site=silent, lasts: 8 s, with: {packet: connack, nth: 1}}
  - {name: out, at: 5 s, fault: mass-disconnect, target: site=silent}
  - {name: twice, at: 4 s, fault: duplicated-packets, target: site=twice, lasts: 8 s, with: {nth: 2}}
  - {name: late, at: 4 s, fault: slow-close, target: site=late, lasts: 8 s, with: {by: 4 s}}
  - {name: closed, at: 5 s, fault: mass-disconnect, target: site=late}
  - {name: slow, at: 18 s, fault: slow-broker, lasts: 4 s, with: {message: 1 s}}
  - {name: back, at: 20500 ms, fault: broker-restart, lasts: 500 ms}
  - {name: all-held, at: 24 s, fault: broker-throttle, lasts: 4 s, with: {rate: 7/s}}
  - {name: away, at: 31 s, fault: core-outage, lasts: 8 s}
  - {name: expired, at: 31 s, fault: session-expiry, lasts: 8 s, with: {after: 4 s}}
expect:
  - at: 30 s
    that: online = devices
  - at: end
    that: online < devices
"""


def test_every_fault_of_a_broker_that_is_up_leaves_its_evidence_and_its_cause(tmp_path: Path) -> None:
    path = tmp_path / "conduct.storm.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    result = Run(load(str(path)), RunOptions(seed=5, live=True, speed=4.0)).execute()
    evidence = {fault.name: fault.evidence for fault in result.faults}
    assert evidence["kicked"] == {"sessions_ended": 4}
    assert evidence["refused"]["sessions_ended"] == 4
    assert evidence["refused"]["connects_refused"] >= 4
    (known,) = result.objectives
    assert (known.bad, known.verdict) == (evidence["refused"]["connects_refused"], "missed")
    assert known.bad < known.total <= result.counts["attempts"]
    assert 8 <= evidence["held"]["messages_delayed"] <= 4 * 8
    assert 4 <= evidence["dropped"]["messages_dropped"] <= 4 * 8 - 4
    assert evidence["third"] == {"messages_dropped": 4}
    assert evidence["silent"] == {"answers_dropped": 4}
    assert evidence["twice"] == {"messages_duplicated": 4}
    assert evidence["late"] == {"closes_noticed_late": 4}
    assert evidence["slow"]["messages_delayed"] >= 28
    assert evidence["back"]["sessions_ended"] == 28
    assert evidence["back"]["messages_kept"] >= 1
    assert evidence["back"]["sessions_kept"] == 1
    assert evidence["all-held"]["messages_delayed"] >= 14
    assert evidence["expired"]["messages_expired"] >= 28
    ledger = result.ledger
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    dropped = evidence["dropped"]["messages_dropped"] + evidence["third"]["messages_dropped"]
    assert ledger.lost["shed"] == dropped
    assert ledger.lost["session_expired"] == evidence["expired"]["messages_expired"]
    assert set(ledger.lost) == {"shed", "session_expired", "outage"}
    assert ledger.lost["outage"] <= 28 * 8, "what came for a core that nobody knew any more"
    assert ledger.repeated >= 4
    assert {row.verdict for row in result.expectations if row.line} == {"held"}, (
        "everybody is back, until the core forgets who is there"
    )
