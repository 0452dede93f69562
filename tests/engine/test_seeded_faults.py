"""Every sort of fault is found by an alarm that names it, and soon: recall 1.0, and nothing without a cause.

Whoever looks has ten seconds from what shows. Most faults show at once; that a device at 1 Hz is silent shows after ten
seconds without a reading, a boot takes about as long, nineteen repetitions of a value take nineteen seconds, what waits
for the core may wait for a minute, and a battery is half empty when it is (`SHOWS_S`).
"""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read

TEXT = """storm: 1
name: seeded
story: One fault, and everybody looks.
duration: 11 min
warm_up: 3 min
fleet:
  devices: 60
  sites: [arn-1, fra-1, fra-2]
  link: ethernet
  keep_alive: 20 s
  buffer: {readings: 300, evict: oldest}
  segments:
    edge: {kind: gateway, share: 10 %, every: 1 s}
    motors: {kind: motor, share: 45 %, every: 1 s, through: edge}
    rooms: {kind: environment, share: 45 %, every: 1 s, power: {battery: 2400 mAh}}
broker: {offline_queue: 100000}
detectors:
  silence: {}
  connect-storm: {}
  reboot-storm: {}
  chatter: {}
  dead-letters: {}
  strange-topics: {}
  backlog: {}
  flat-line: {on: kind=motor, channels: [winding_temperature_c, vibration_z_mm_s]}
  battery: {detector: limit, on: kind=environment, channels: [battery_pct], lowest: 50}
steps:
  - {name: seeded, at: 4 min, FAULT}
"""
AT_S = 240.0
WITHIN_S = 10.0
SHOWS_S = {"silence": 10.0, "reboot-storm": 10.0, "flat-line": 19.0, "backlog": 60.0, "battery": 120.0}
"""After so long a fault shows to whoever looks for this."""

FAULTS = [
    ("device-crash, target: site=fra-1", "reboot-storm"),
    ("power-outage, target: site=fra-1, lasts: 2 min", "silence"),
    ("partition, target: site=fra-1, lasts: 2 min", "silence"),
    ("gateway-crash, target: id=fra-1/edge-0001, lasts: 2 min", "silence"),
    ("broker-outage, lasts: 1 min", "silence"),
    ("connect-refusal, target: kind=environment, lasts: 1 min", "connect-storm"),
    ("mass-disconnect, target: kind=environment", "connect-storm"),
    ("core-outage, lasts: 2 min", "backlog"),
    ("flood, lasts: 1 min", "dead-letters"),
    ("payload-corruption, target: kind=environment, lasts: 1 min, with: {bits: 40, share: 50 %}", "dead-letters"),
    ("misrouted, target: kind=environment, lasts: 1 min", "strange-topics"),
    ("peak, target: kind=environment, lasts: 1 min, with: {factor: 5}", "chatter"),
    ("battery-drain, target: site=fra-1, with: {share: 70 %, over: 2 min}", "battery"),
    ("sensor-stuck, target: kind=motor site=fra-1, lasts: 3 min, with: {channel: all}", "flat-line"),
]


@pytest.mark.parametrize(("fault", "by"), FAULTS, ids=[fault.partition(",")[0] for fault, _ in FAULTS])
def test_it_is_found_in_time_and_nobody_is_called_twice(fault: str, by: str) -> None:
    engine = build(read(TEXT.replace("FAULT", f"fault: {fault}"), "seeded.storm.yaml"), RunOptions(seed=11))
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert result.faults[0].bit
    right = [alarm.at_s - AT_S for alarm in result.alarms if alarm.name == by and alarm.fault == "seeded"]
    assert right, [(alarm.name, alarm.at_s, alarm.group, alarm.fault) for alarm in result.alarms]
    assert min(right) <= SHOWS_S.get(by, 0.0) + WITHIN_S
    assert [alarm.name for alarm in result.alarms if alarm.fault is None] == []
    assert result.counts["pages"] <= 1
