"""Intruders and bad certificates, in virtual time."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.live_checks import problems
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.faults.security import (
    CertificateExpiry,
    CertificateRevocation,
    ForgedPublisher,
    MalformedPackets,
    OversizedPackets,
)
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.flow import SECOND_US, FaultOrder

N = 40
HALF = np.arange(0, N, 2, dtype=np.int32)


def order_of(fault: type[Fault], given: Mapping[str, str]) -> FaultOrder:
    return FaultOrder("f", fault.name, fault_settings(fault, given, N), HALF, 0, None)


def evidence(lab: Lab) -> dict[str, int]:
    return dict(lab.broker.evidence_of("f").counts)


@pytest.mark.parametrize("fault", [CertificateExpiry, CertificateRevocation])
def test_who_has_no_good_certificate_is_out_until_it_gets_one(fault: type[Fault]) -> None:
    lab = Lab.make(plan(motors=30, climate=10), connect_rate=None)
    lab.until(10 * SECOND_US)
    fault.start(lab.broker, order_of(fault, {}), HALF, 10 * SECOND_US)
    lab.until(60 * SECOND_US)
    assert evidence(lab)["sessions_ended"] == len(HALF)
    assert evidence(lab)["connects_refused"] >= 3 * len(HALF)
    assert not lab.world.online()[HALF].any()
    fault.end(lab.broker, order_of(fault, {}), HALF, 60 * SECOND_US)
    lab.until(180 * SECOND_US)
    assert lab.world.online().all()
    assert lab.missing() == 0


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (MalformedPackets, "connections_ended"),
        (OversizedPackets, "connections_ended"),
        (ForgedPublisher, "messages_refused"),
    ],
)
def test_an_intruder_is_counted_while_the_broker_is_up(fault: type[Fault], what: str) -> None:
    lab = Lab.make(plan(motors=30, climate=10), connect_rate=None)
    lab.until(10 * SECOND_US)
    fault.start(lab.broker, order_of(fault, {"rate": "2/s"}), HALF, 10 * SECOND_US)
    lab.until(20 * SECOND_US)
    assert evidence(lab) == {what: 20}
    lab.broker.stop(20 * SECOND_US, silent=False)
    lab.until(30 * SECOND_US)
    assert evidence(lab) == {what: 20}
    lab.broker.start(30 * SECOND_US)
    lab.until(35 * SECOND_US)
    fault.end(lab.broker, order_of(fault, {"rate": "2/s"}), HALF, 35 * SECOND_US)
    lab.until(60 * SECOND_US)
    assert evidence(lab) == {what: 30}
    assert lab.missing() == 0


def text(fault: str, broker: str = "") -> str:
    target = ", target: all" if fault == "certificate-expiry" else ""
    return f"""storm: 1
name: harm
story: Somebody means harm.
duration: 3 min
fleet: {{devices: 60, sites: 2, segments: {{motors: {{kind: motor, share: 100 %, every: 2 s}}}}}}
{broker}
steps:
  - {{name: it, at: 30 s, fault: {fault}, lasts: 1 min{target}}}
expect:
  - {{ledger: lost, at_most: 0}}
"""


@pytest.mark.parametrize(
    ("broker", "verdict"), [("", "held"), ("broker: {messages: {rate: 60/s, queue: 100}}", "missed")]
)
def test_a_flood_is_dead_letters_and_takes_the_place_of_others(broker: str, verdict: str) -> None:
    written = read(text("flood", broker), "harm.storm.yaml")
    engine = Engine(written, 1, ModelledWiring(fleet_plan(written), broker_settings(written), seed=1))
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert result.faults[0].evidence == {"messages_sent": 6_000}
    assert sum(engine.core.dead_letters.values()) == 6_000
    assert engine.ledger().difference == 0
    assert result.verdict == verdict


def test_live_a_fault_of_certificates_needs_some() -> None:
    written = read(text("certificate-expiry"), "harm.storm.yaml")
    ask = {"live": True, "speed": 1.0, "broker_url": None, "hold_open": False, "yes": False}
    assert "--tls" in problems(written, **ask)[0]  # type: ignore[arg-type]
    assert not problems(written, **ask, tls=True)  # type: ignore[arg-type]


ALL_AT_ONCE = """storm: 1
name: all-at-once
story: Whatever can be wrong with wire and broker is wrong at once.
duration: 3 min
fleet: {devices: 80, sites: 2, keep_alive: 20 s, segments: {motors: {kind: motor, share: 100 %, every: 5 s}}}
steps:
  - {at: 20 s, fault: connection-reset, lasts: 2 min, target: all share=30 %, with: {after: 5 s}}
  - {at: 22 s, fault: port-refused, lasts: 40 s, target: all share=20 %}
  - {at: 24 s, fault: byte-limit, lasts: 2 min, target: all, with: {after: 3 kB}}
  - {at: 26 s, fault: slow-close, lasts: 2 min, target: all share=30 %}
  - {at: 28 s, fault: packet-slicing, lasts: 2 min, target: all share=30 %}
  - {at: 30 s, fault: man-in-the-middle, lasts: 2 min, target: all share=30 %}
  - {at: 30 s, fault: replayed-message, lasts: 2 min, target: all share=30 %}
  - {at: 31 s, fault: connect-refusal, lasts: 1 min, target: all share=10 %}
  - {at: 32 s, fault: throttle, lasts: 2 min, target: all share=30 %}
  - {at: 33 s, fault: slow-broker, lasts: 2 min}
  - {at: 34 s, fault: dropped-packets, lasts: 2 min, target: all}
  - {at: 35 s, fault: dropped-packets, lasts: 2 min, target: all, with: {packet: connack, share: 30 %}}
  - {at: 36 s, fault: duplicated-packets, lasts: 2 min, target: all}
  - {at: 37 s, fault: broker-throttle, lasts: 2 min, with: {rate: 10/s}}
  - {at: 38 s, fault: flood, lasts: 2 min, with: {rate: 2/s}}
  - {at: 39 s, fault: session-expiry, lasts: 2 min, with: {after: 20 s}}
  - {at: 50 s, fault: core-outage, lasts: 40 s}
  - {at: 95 s, fault: broker-restart, lasts: 20 s}
expect:
  - {ledger: delivered, at_least: 1}
"""


def test_a_snapshot_in_the_midst_of_them_all_changes_nothing() -> None:
    written = read(ALL_AT_ONCE, "all-at-once.storm.yaml")
    found = []
    for stops in ((), (60_300_000, 100_000_000)):
        engine = Engine(written, 1, ModelledWiring(fleet_plan(written), broker_settings(written), seed=1))
        for at_us in stops:
            engine.advance(at_us)
            engine = pickle.loads(pickle.dumps(engine))
            assert engine.ledger().difference == 0
        engine.play()
        assert engine.ledger().difference == 0
        result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
        assert [fault.fault for fault in result.faults if not fault.bit] == []
        found.append((result.digest, [fault.evidence for fault in result.faults], engine.ledger()))
    assert found[0] == found[1]
