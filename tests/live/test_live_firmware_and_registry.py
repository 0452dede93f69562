"""Over real sockets: a registry that is out of date, and firmware with another slot and another schema."""

from __future__ import annotations

from pathlib import Path

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load

SCENARIO = """storm: 1
name: stale
story: Half of the fleet is new and not entered, a quarter is gone and still listed, a quarter crashes beside it.
duration: 40 s
warm_up: 2 s
fleet:
  devices: 16
  sites: [arn-1, fra-1]
  keep_alive: 8 s
  boot: 1 s
  segments: {motors: {kind: motor, share: 100 %, every: 1 s}}
steps:
  - {name: new, at: 5 s, fault: stale-registry, target: site=arn-1, lasts: 10 s}
  - {name: gone, at: 5500 ms, fault: stale-registry, target: site=fra-1 first=4, lasts: 20 s, with: {entries: retired}}
  - {name: crash, at: 8500 ms, fault: device-crash, target: site=arn-1 first=4}
expect:
  - {count: reboots, at_most: 0}
  - at: 20 s
    that: count[state=offline] = 4
  - at: end - 1 s
    that: count[state=unknown] = 4
"""


def test_a_stale_registry_leaves_the_same_evidence_live(tmp_path: Path) -> None:
    path = tmp_path / "stale.storm.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    result = Run(load(str(path)), RunOptions(seed=5, live=True, speed=4.0)).execute()
    new, gone, crash = result.faults
    assert gone.evidence == {"devices_retired": 4}
    assert crash.evidence == {"devices_reset": 4}
    refused = new.evidence["readings_refused"]
    # Eight motors at 1 Hz for 10 s, four of them about two seconds less; sent and taken are not quite one instant.
    assert 60 <= refused <= 90
    ledger = result.ledger
    assert ledger.lost.get("dead_letter") == refused
    assert set(ledger.lost) <= {"dead_letter", "power", "retired"}, "nothing is unexplained"
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert result.verdict == "held", [each for each in result.expectations if each.verdict != "held"]


SLOTS = """storm: 1
name: slots
story: An image that crashes, a boot loader that knows another one, and a schema that the core does not know.
duration: 40 s
firmware:
  2.5.0: {fault: crash-loop, with: {uptime: 2 s}, slots: {other: 2.4.1, boot_limit: 2, healthy: 10 s}}
  3.0.0: {schema: 2}
fleet:
  devices: 12
  boot: 1 s
  keep_alive: 8 s
  segments:
    bad: {kind: motor, share: 50 %, every: 1 s, firmware: 2.5.0}
    odd: {kind: motor, share: 50 %, every: 1 s, firmware: 3.0.0}
expect:
  - {count: reboots, at_least: 12, at_most: 18}
  - at: end - 1 s
    that: connectivity = 100 %
"""


def test_boot_loaders_and_schemas_of_firmware_do_the_same_live(tmp_path: Path) -> None:
    path = tmp_path / "slots.storm.yaml"
    path.write_text(SLOTS, encoding="utf-8")
    result = Run(load(str(path)), RunOptions(seed=5, live=True, speed=4.0)).execute()
    (fault,) = result.faults
    assert fault.evidence == {"devices_reset": 18, "devices_on_the_other_slot": 6}
    assert any("6 devices of firmware=2.5.0 fell back" in note for note in result.notes)
    ledger = result.ledger
    assert ledger.lost["dead_letter"] == 6 * 40
    assert set(ledger.lost) <= {"dead_letter", "power"}
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert result.verdict == "held", [each for each in result.expectations if each.verdict != "held"]
