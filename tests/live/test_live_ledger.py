"""Live runs in which much goes wrong for the same devices at once: the ledger closes and names no cause that was not
there, and every fault leaves evidence."""

from __future__ import annotations

import re
from pathlib import Path

from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.faults.base import catalogue
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
  - {name: cut, at: 20 s, fault: sim-expiry, target: all, lasts: 16 s}
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
    result = play(RESETS_AND_A_CUT, 5.0)
    assert result.faults[0].bit
    assert result.faults[1].bit
    assert result.ledger.lost["evicted"] >= 24
    assert result.ledger.lost.get("power", 0) <= 48


MACHINES = """storm: 1
name: ledger
story: Every failure and every wrong sensor that no other test has live.
duration: 40 s
fleet:
  devices: 24
  every: 1 s
  segments:
    motors: {kind: motor, share: 50 %, configuration: 7}
    pumps: {kind: pump, share: 25 %}
    chillers: {kind: chiller, share: 25 %}
expect:
  - {ledger: lost, at_most: 50 %}
processing: {service: 10 ms, checkpoint: 5 s}
steps:
"""
OF_SOME = {
    "cavitation": "segment=pumps",
    "machine-failure": "segment=pumps",
    "refrigerant-loss": "segment=chillers",
    "seal-leak": "segment=pumps",
}
"""Failures of other machines than motors."""
WITH = {
    "machine-failure": "mode: bearing-wear",  # it has no default, and what fails so already fails no more by it
    "sensor-dropout": "share: 30 %",  # of the default nothing would be left to be wrong in another way
    "sensor-spike": "share: 30 %",
}

DEVICES = """storm: 1
name: ledger
story: Whatever befalls the devices themselves, one after the other and upon each other.
duration: 60 s
fleet:
  devices: 24
  every: 1 s
  keep_alive: 20 s
  boot: 2 s .. 3 s
  segments:
    motors: {kind: motor, share: 50 %, clock: {sync: 10 s, drift: 20 ppm, backup: none}}
    rooms: {kind: environment, share: 50 %, power: {battery: 5 Wh, charge: 50 %}}
expect:
  - {ledger: lost, at_most: 50 %}
steps:
  - {name: clock-drift, at: 2 s, fault: clock-drift, target: segment=motors, lasts: 50 s, with: {by: 10000 ppm}}
  - {name: clock-jump, at: 2 s, fault: clock-jump, target: segment=rooms, lasts: 50 s}
  - {name: battery-drain, at: 2 s, fault: battery-drain, target: segment=rooms, lasts: 28 s, with: {over: 20 s}}
  - {name: brown-out, at: 5 s, fault: brown-out, target: segment=motors, lasts: 8 s, with: {depth: 30 %}}
  - {name: churn, at: 16 s, fault: churn, target: segment=motors, lasts: 10 s, with: {rate: 300 %/min, away: 2 s}}
  - {name: memory-leak, at: 18 s, fault: memory-leak, target: segment=rooms, lasts: 12 s, with: {rate: 20 MB/min}}
  - {name: device-freeze, at: 32 s, fault: device-freeze, target: segment=motors, lasts: 8 s, with: {watchdog: 2 s}}
  - {name: sim-expiry, at: 36 s, fault: sim-expiry, target: segment=rooms, lasts: 16 s}
  - {name: buffer-overflow, at: 38 s, fault: buffer-overflow, target: segment=rooms, lasts: 12 s}
"""


def of_no_other_test() -> list[str]:
    """Installed faults that can be played live and that no other live test names."""
    here = Path(__file__)
    others = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(here.parent.glob("test_*.py")) if path != here
    )
    named = DEVICES + RESETS_AND_A_CUT + others
    live = [name for name, fault in sorted(catalogue().items()) if "live" in fault.clocks]
    return [name for name in live if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", named)]


def test_every_fault_of_devices_leaves_evidence_live() -> None:
    result = play(DEVICES, 10.0)
    assert [fault.name for fault in result.faults if not fault.bit] == []
    assert result.ledger.lost["evicted"] > 0


def test_every_fault_that_no_other_test_plays_leaves_evidence_live() -> None:
    names, steps = of_no_other_test(), []
    for name in names:
        given = [WITH[name]] if name in WITH else []
        given += ["grows: 1 s"] if any(setting.name == "grows" for setting in catalogue()[name].settings) else []
        target = f", target: {OF_SOME.get(name, 'segment=motors')}" if catalogue()[name].needs_target else ""
        more = f", with: {{{', '.join(given)}}}" if given else ""
        steps.append(f"  - {{name: {name}, at: 2 s, fault: {name}{target}, lasts: 36 s{more}}}\n")
    result = play(MACHINES + "".join(steps), 10.0)
    assert [fault.name for fault in result.faults] == names
    assert [fault.name for fault in result.faults if not fault.bit] == []
    assert set(result.ledger.lost) <= {"dead_letter"}, "no more than values beyond what a sensor can tell"


EXACTLY_ONCE = """storm: 1
name: ledger
story: Connections break in every way between a message and the end of its exchange.
duration: 24 s
fleet:
  devices: 24
  keep_alive: 10 s
  boot: 1 s .. 2 s
  qos: 2
  reconnect: {base: 1 s, cap: 2 s, timeout: 2 s}
  segments: {m: {kind: motor, share: 100 %, every: 1 s}}
steps:
  - {name: deaf, at: 3 s, fault: partition, target: all first=16, lasts: 4 s, with: {direction: down}}
  - {name: resets, at: 8 s, fault: connection-reset, target: all, lasts: 6 s, with: {after: 2 s}}
  - {name: off, at: 15 s, fault: broker-restart, lasts: 2 s}
expect:
  - {ledger: lost, at_most: 0 %}
"""


def test_at_qos_2_everything_comes_once_whatever_ends_the_connections() -> None:
    result = play(EXACTLY_ONCE, 5.0)
    assert all(fault.bit for fault in result.faults)
    assert result.ledger.repeated == 0
    assert sum(result.ledger.lost.values()) == 0
    assert result.ledger.delivered > 24 * 20
