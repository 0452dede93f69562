"""Intruders over sockets of their own, and certificates that the embedded broker believes no more."""

from __future__ import annotations

from pathlib import Path

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import RunResult

HEAD = """storm: 1
name: harm
story: Somebody means harm, and some have no good papers.
duration: 24 s
warm_up: 2 s
fleet:
  devices: 16
  sites: [good, bad, worse, heard]
  keep_alive: 24 s
  reconnect: {base: 1 s, cap: 4 s}
  segments:
    motors: {kind: motor, share: 100 %, every: 1 s}
expect:
  - at: end
    that: online = devices
  - {ledger: lost, at_most: 0}
steps:
"""
INTRUDERS = """
  - {name: malformed, at: 4 s, fault: malformed-packets, lasts: 8 s, with: {rate: 1/s}}
  - {name: oversized, at: 4 s, fault: oversized-packets, lasts: 8 s, with: {rate: 1/s}}
  - {name: forged, at: 4 s, fault: forged-publisher, target: site=bad, lasts: 8 s, with: {rate: 10/s}}
  - {name: middle, at: 4 s, fault: man-in-the-middle, target: site=worse, lasts: 8 s}
  - {name: heard, at: 4 s, fault: replayed-message, target: site=heard, lasts: 12 s, with: {share: 100 %, after: 3 s}}
  - {name: flood, at: 4 s, fault: flood, lasts: 8 s, with: {rate: 50/s}}
"""
BROKEN = """
  - {name: malformed, at: 4 s, fault: malformed-packets, lasts: 8 s, with: {rate: 1/s}}
  - {name: oversized, at: 4 s, fault: oversized-packets, lasts: 8 s, with: {rate: 1/s}}
"""
PAPERS = """
  - {name: revoked, at: 4 s, fault: certificate-revocation, target: site=bad, lasts: 6 s}
  - {name: expired, at: 4 s, fault: certificate-expiry, target: site=worse, lasts: 6 s, with: {open: stay}}
  - {name: out, at: 5 s, fault: mass-disconnect, target: site=worse}
  - {name: forged, at: 4 s, fault: forged-publisher, target: site=good, lasts: 6 s}
  - {name: middle, at: 12 s, fault: man-in-the-middle, target: site=good, lasts: 4 s}
"""


def play(folder: Path, steps: str, *, tls: bool, speed: float) -> RunResult:
    path = folder / "harm.storm.yaml"
    path.write_text(HEAD + steps, encoding="utf-8")
    return Run(load(str(path)), RunOptions(seed=5, live=True, speed=speed, tls=tls)).execute()


def test_intruders_are_refused_and_nobody_else_notices(tmp_path: Path) -> None:
    result = play(tmp_path, INTRUDERS, tls=False, speed=4.0)
    evidence = {fault.name: fault.evidence for fault in result.faults}
    assert evidence["malformed"]["connections_ended"] >= 3
    assert evidence["oversized"]["connections_ended"] >= 3
    assert evidence["forged"]["messages_refused"] >= 20
    assert evidence["flood"]["messages_sent"] >= 100
    assert evidence["middle"]["connections_reset"] == 4
    assert evidence["middle"]["messages_altered"] >= 4
    assert "handshakes_broken" not in evidence["middle"]
    assert set(evidence["heard"]) == {"messages_replayed"}
    others = result.ledger.repeated - evidence["heard"]["messages_replayed"]
    assert evidence["heard"]["messages_replayed"] >= 8
    assert 0 <= others <= 4 * 24, "beside them only what was under way where the one in the middle reset"
    assert not result.ledger.lost
    assert [note for note in result.notes if "came from no twin" in note], "the flood reached the core"
    assert result.verdict == "held"


def test_bad_certificates_keep_devices_out_until_they_are_good_again(tmp_path: Path) -> None:
    result = play(tmp_path, PAPERS, tls=True, speed=2.0)
    evidence = {fault.name: fault.evidence for fault in result.faults}
    assert evidence["revoked"]["sessions_ended"] == 4
    assert evidence["revoked"]["connects_refused"] >= 4
    assert evidence["expired"]["connects_refused"] >= 4
    assert "sessions_ended" not in evidence["expired"]
    assert evidence["forged"]["connections_ended"] >= 1, "an intruder without certificate gets nowhere"
    assert evidence["middle"]["handshakes_broken"] >= 4
    assert "messages_altered" not in evidence["middle"]
    failed = [note.partition(" (")[0] for note in result.notes if "handshake failed" in note]
    assert "a handshake failed: certificate revoked" in failed
    assert "a handshake failed: certificate has expired" in failed, "OpenSSL found out, not we"
    assert result.verdict == "held"


def test_a_broker_with_tls_hangs_up_on_each_malformed_and_oversized_packet(tmp_path: Path) -> None:
    result = play(tmp_path, BROKEN, tls=True, speed=4.0)
    evidence = {fault.name: fault.evidence for fault in result.faults}
    assert evidence["malformed"]["connections_ended"] >= 3
    assert evidence["oversized"]["connections_ended"] >= 3
    assert not [note for note in result.notes if "timeout" in note], "the broker waited for more of a packet"
    assert result.verdict == "held"
