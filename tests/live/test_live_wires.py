"""Codecs and profiles over real sockets: what is sent is understood, also from a device that is not ours."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.live.paho_end import leave
from tests.live.test_live_payloads import expected_lost, play
from tests.twin.worlds import plan
from twinstorm.broker.cloud_end import LiveCloudEnd
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.twin.fleet import grow
from twinstorm.twin.flow import Readings
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.wire.spec import Flat, Spec, Template
from twinstorm.twin.wire.wires import Ear, Wire

SCENARIO = """storm: 1
name: wires
story: Four sorts of devices, each in its own language, and all that can be wrong with it.
duration: 24 s
warm_up: 2 s
fleet:
  devices: 16
  sites: [arn-1, fra-1]
  keep_alive: 20 s
  segments:
    a: {kind: motor, share: 25 %, codec: cbor, power: {battery: 20 Wh}}
    b: {kind: motor, share: 25 %, codec: msgpack}
    c: {kind: motor, share: 25 %, wire: flat.wire.yaml}
    d: {kind: motor, share: 25 %, wire: flat.wire.yaml, codec: cbor}
steps:
  - {name: outage, at: 3 s, fault: power-outage, target: site=fra-1, lasts: 2 s}
  - {name: damage, at: 4 s, fault: payload-corruption, target: all, lasts: 4 s, with: {share: 50 %}}
  - {name: short, at: 9 s, fault: payload-truncation, target: site=arn-1, lasts: 3 s, with: {keep: 30 B}}
  - {name: schema, at: 13 s, fault: schema-break, target: all, lasts: 3 s, with: {how: type}}
  - {name: astray, at: 17 s, fault: misrouted, target: site=arn-1, lasts: 3 s, with: {to: nowhere}}
expect:
  - {ledger: lost, at_most: 50 %}
"""
FLAT = Spec("plant", Template("plant/{site}/{device}/telemetry"), Template("plant/{site}/{device}/state"), Flat())
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_every_language_is_understood_and_its_faults_have_their_causes(tmp_path: Path) -> None:
    path = tmp_path / "wires.storm.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    (tmp_path / "flat.wire.yaml").write_text((EXAMPLES / "flat.wire.yaml").read_text())
    result = play(path)
    assert all(fault.bit for fault in result.faults)
    lost = expected_lost(result)
    astray = result.faults[-1].evidence["messages_misrouted"]
    assert result.ledger.lost["corrupt"] == lost["corrupt"] + astray
    assert lost["dead_letter"] - astray <= result.ledger.lost["dead_letter"] <= lost["dead_letter"] - astray + 16
    assert set(result.ledger.lost) == {"corrupt", "dead_letter"}
    assert not [note for note in result.notes if "came from no twin" in note]
    assert [note for note in result.notes if note.startswith("batteries: ")]
    mean = {row.segment: row.payload_bytes / row.messages for row in result.traffic}
    assert mean["c"] < mean["b"] < mean["a"] < 450
    assert mean["d"] < mean["c"]
    # Batteries outlast the outage. A packet has its topic before the payload, and some seven bytes.
    assert [row.births for row in result.traffic] == [0, 2, 2, 2]
    for row, topic in zip(result.traffic, (40, 43, 29, 29), strict=True):
        assert row.wire_bytes - row.payload_bytes == pytest.approx((topic + 7) * row.messages, rel=0.15)


def test_a_device_of_ones_own_that_speaks_flat_json_is_understood_and_may_use_no_other_topic() -> None:
    fleet = grow(plan(motors=2, climate=2, wire=Wire("json", FLAT)))
    kinds = catalogue()
    registry = fleet.registry({kind: kinds[kind].channels for kind in ("motor", "environment")})
    ear = Ear(part.wire for part in fleet.plan.segments)
    broker = EmbeddedBroker(list(registry.names), now_us=lambda: 0, speed=Fraction(1), ear=ear)
    port = broker.open()
    user, password = broker.core_credentials
    core = LiveCloudEnd(
        host="127.0.0.1", port=port, username=user, password=password, registry=registry, now_us=lambda: 1, ear=ear
    )
    device = list(registry.names).index("arn-1/climate-0001")
    sensor = paho.Client(CallbackAPIVersion.VERSION2, client_id=registry.names[device])
    try:
        core.start()
        sensor.username_pw_set(registry.names[device], broker.device_passwords[device])
        sensor.connect("127.0.0.1", port)
        sensor.loop_start()
        sensor.publish("plant/arn-1/climate-0001/state", b'{"state": "online"}', qos=1)
        assert core.collect_until(1)
        document = json.dumps({"ts": 1_893_974_400_500, "temperature_c": 21.4})
        for topic in ("plant/fra-1/climate-0001/telemetry", "plant/arn-1/climate-0001/telemetry"):
            sensor.publish(topic, document, qos=1)
        came: list[Readings | None] = []
        until = time.monotonic() + 5.0
        while not came and time.monotonic() < until:
            came = [delivery.readings for delivery in core.poll(1).deliveries]
    finally:
        leave(sensor)
        core.close()
        broker.close()
    assert len(came) == 1
    readings = came[0]
    assert readings is not None
    assert (readings.device.tolist(), readings.seq.tolist()) == ([device], [1_893_974_400_500])
    assert sum(np.isfinite(readings.values[0])) == 1
