"""Faults that break connections, in virtual time: who notices when, what is lost, what evidence is left."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.worlds import Lab, carried, plan
from twinstorm.broker.middlemen import Meddler, Replayer
from twinstorm.broker.toxics import Piece
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.faults.broker import BrokerOutage
from twinstorm.scenarios.faults.network import Partition
from twinstorm.scenarios.faults.wire import (
    ByteLimit,
    ConnectionReset,
    ManInTheMiddle,
    PacketSlicing,
    PortRefused,
    ReplayedMessage,
    SlowClose,
)
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.damage import falsified
from twinstorm.twin.fleet import State
from twinstorm.twin.flow import SECOND_US, FaultOrder
from twinstorm.twin.network import LINKS

N = 40
HALF = np.arange(0, N, 2, dtype=np.int32)
OTHERS = np.arange(1, N, 2, dtype=np.int32)


def order_of(fault: type[Fault], given: Mapping[str, str], device: np.ndarray = HALF, step: str = "f") -> FaultOrder:
    return FaultOrder(step, fault.name, fault_settings(fault, given, N), device, 0, None)


def begun(fault: type[Fault], given: Mapping[str, str], device: np.ndarray = HALF, lab: Lab | None = None) -> Lab:
    """The fault on half of the fleet from 10 s on."""
    lab = lab or Lab.make(plan(motors=30, climate=10), connect_rate=None)
    lab.until(10 * SECOND_US)
    fault.start(lab.world, order_of(fault, given, device), device, 10 * SECOND_US)
    return lab


def ended(lab: Lab, fault: type[Fault], given: Mapping[str, str], at_s: int) -> None:
    lab.until(at_s * SECOND_US)
    fault.end(lab.world, order_of(fault, given), HALF, at_s * SECOND_US)


def evidence(lab: Lab, step: str = "f") -> dict[str, int]:
    return dict(lab.world.evidence_of(step).counts)


def test_connections_are_reset_again_after_each_has_lasted_so_long() -> None:
    lab = begun(ConnectionReset, {"after": "20 s"})
    lab.until(29 * SECOND_US)
    assert not evidence(lab)
    lab.until(30 * SECOND_US + 1)
    assert evidence(lab) == {"connections_reset": len(HALF)}
    assert not lab.world.online()[HALF].any()
    assert lab.world.online()[OTHERS].all()
    lab.until(40 * SECOND_US)
    assert lab.world.online().all(), "they come back at once"
    lab.until(57 * SECOND_US)
    assert evidence(lab)["connections_reset"] == 2 * len(HALF), "20 s after each was opened again"
    ended(lab, ConnectionReset, {"after": "20 s"}, 60)
    lab.until(120 * SECOND_US)
    assert evidence(lab)["connections_reset"] == 2 * len(HALF)
    assert lab.world.online().all()
    assert lab.missing() == 0
    assert not lab.world.lost, "at QoS 1 what was not sent waits"


def test_a_reset_tells_broker_and_core_at_once() -> None:
    lab = begun(PortRefused, {})
    lab.until(11 * SECOND_US)
    lab.broker.collect(11 * SECOND_US)
    assert not lab.broker.live[HALF].any()
    assert lab.broker.live[OTHERS].all()


def test_a_closed_port_turns_away_at_no_cost_to_the_broker_until_it_opens() -> None:
    lab = begun(PortRefused, {})
    lab.until(60 * SECOND_US)
    found = evidence(lab)
    assert found["connections_reset"] == len(HALF)
    assert found["connects_refused"] >= 3 * len(HALF)
    assert lab.broker.counters(60 * SECOND_US).attempts == 0
    assert not lab.world.online()[HALF].any()
    ended(lab, PortRefused, {}, 60)
    lab.until(180 * SECOND_US)
    assert lab.world.online().all()
    assert lab.missing() == 0


def test_who_has_a_connection_notices_no_closed_port() -> None:
    lab = begun(PortRefused, {"open": "stay"})
    lab.until(60 * SECOND_US)
    assert not any(evidence(lab).values())
    assert lab.world.online().all()


def test_devices_behind_gateways_have_connections_to_reset_too() -> None:
    lab = Lab.make(carried(), connect_rate=None)
    inside = np.flatnonzero(lab.world.fleet.carrier > 0).astype(np.int32)
    begun(ConnectionReset, {"after": "5 s"}, inside, lab)
    lab.until(15 * SECOND_US + 1)
    assert evidence(lab)["connections_reset"] == len(inside)
    lab.until(60 * SECOND_US)
    assert lab.missing() == 0
    assert evidence(lab)["connections_reset"] >= 4 * len(inside)


def test_a_connection_is_closed_when_it_has_carried_its_bytes() -> None:
    """Ten readings of a motor, one a second."""
    motors = np.arange(10, N, dtype=np.int32)
    size = LINKS["ethernet"].reading_bytes(6) + LINKS["ethernet"].overhead_bytes
    lab = begun(ByteLimit, {"after": f"{size * 10} B"}, motors)
    lab.until(19 * SECOND_US)
    assert not evidence(lab)
    lab.until(21 * SECOND_US)
    assert evidence(lab) == {"connections_closed": len(motors)}
    lab.until(60 * SECOND_US)
    assert evidence(lab)["connections_closed"] >= 3 * len(motors)
    assert lab.missing() == 0


def test_slices_delay_a_message_by_the_gaps_between_them() -> None:
    motors = np.arange(10, N, dtype=np.int32)
    lab = begun(PacketSlicing, {"slice": "10 B", "gap": "100 ms"}, motors)
    newest = {who: max(seqs) for who, seqs in lab.order.items() if who >= 10}
    lab.until(14 * SECOND_US)
    assert {who: max(seqs) for who, seqs in lab.order.items() if who >= 10} == newest, "some six seconds late"
    lab.until(40 * SECOND_US)
    assert evidence(lab)["messages_delayed"] >= len(motors) * 20
    assert all(seqs == sorted(seqs) for seqs in lab.order.values())
    assert lab.missing() == 0


def test_who_learns_late_of_a_close_believes_to_be_online() -> None:
    lab = begun(SlowClose, {"by": "40 s"})
    outage = FaultOrder("o", BrokerOutage.name, {"connections": "reset"}, HALF[:0], 0, None)
    BrokerOutage.start(lab.broker, outage, HALF[:0], 10 * SECOND_US)
    lab.until(12 * SECOND_US)
    BrokerOutage.end(lab.broker, outage, HALF[:0], 12 * SECOND_US)
    lab.until(45 * SECOND_US)
    assert (lab.world.fleet.state[HALF] == State.ONLINE).all()
    assert not lab.world.online()[HALF].any(), "the broker knows better"
    assert lab.world.online()[OTHERS].all()
    assert evidence(lab)["closes_noticed_late"] >= len(HALF)
    lab.until(120 * SECOND_US)
    assert lab.world.online().all()
    assert lab.missing() == 0


def test_whoever_cuts_the_wire_in_virtual_time_the_partition_is_the_same() -> None:
    found = []
    for on in ("model", "wire", "both"):
        lab = begun(Partition, {"on": on})
        ended(lab, Partition, {"on": on}, 100)
        lab.until(200 * SECOND_US)
        assert lab.missing() == 0
        found.append((evidence(lab), {who: tuple(seqs) for who, seqs in lab.order.items()}))
    assert found[0][0]["sessions_cut_off"] == len(HALF)
    assert found[0] == found[1] == found[2]


def test_a_man_in_the_middle_alters_what_is_measured_and_nobody_can_tell() -> None:
    honest = Lab.make(plan(motors=30, climate=10), connect_rate=None)
    honest.until(40 * SECOND_US)
    lab = begun(ManInTheMiddle, {})
    lab.until(40 * SECOND_US)
    assert evidence(lab)["connections_reset"] == len(HALF)
    assert evidence(lab)["messages_altered"] >= 15 * 25
    assert lab.missing() == 0
    assert not lab.world.lost, "nothing of it is unreadable"
    assert lab.world.online().all()


@given(st.lists(st.tuples(st.text(max_size=20), st.floats(-1e6, 1e6)), max_size=8))
def test_a_lie_is_as_long_as_the_truth_and_says_as_much(told: list[tuple[str, float]]) -> None:
    payload = json.dumps({"timestamp": "2030-01-07T00:00:01.5Z", "measurements": dict(told), "boot": 1}).encode()
    lie = falsified(payload)
    assert len(lie) == len(payload)
    read = json.loads(lie)
    assert read["boot"] == 1
    assert read["timestamp"] == "2030-01-07T00:00:01.5Z"
    assert len(read["measurements"]) <= len(dict(told))


@given(st.integers(1, 40))
def test_a_meddler_alters_messages_however_they_are_cut(size: int) -> None:
    body = b'{"measurements": {"a_c": 21.25}, "boot": 1}'
    publish = bytes([0x30, 2 + 3 + len(body)]) + b"\x00\x03a/b" + body
    stream = b"\x10\x04\x00\x00\x00\x00" + publish * 3 + b"\xc0\x00"
    stage = Meddler().stage(lambda number: number)
    assert stage is not None
    pieces = [Piece(0.0, stream[at : at + size]) for at in range(0, len(stream), size)]
    out = b"".join(passed.data for piece in pieces for passed in stage.passed(piece))
    assert out == stream.replace(b"21.25", b"21.70")
    assert stage.count["messages_altered"] == 3


def test_what_somebody_overheard_comes_again_later_and_counts_once() -> None:
    lab = begun(ReplayedMessage, {"share": "50 %", "after": "15 s"})
    lab.until(24 * SECOND_US)
    assert lab.world.online().all(), "their connections broke, and they came back"
    assert lab.repeated == 0, "nothing is 15 s old yet"
    lab.until(40 * SECOND_US)
    ended(lab, ReplayedMessage, {}, 40)
    lab.until(60 * SECOND_US)
    found = evidence(lab)
    assert set(found) == {"messages_replayed"}
    assert 15 * 10 <= found["messages_replayed"] <= 20 * 20
    assert lab.repeated == found["messages_replayed"]
    assert lab.missing() == 0


def _replayed(stream: list[tuple[float, bytes]], share: float = 1.0) -> tuple[bytes, int]:
    stage = Replayer(direction="up", after_s=5.0, share=share).stage(lambda number: number)
    assert stage is not None
    out = b"".join(passed.data for at_s, data in stream for passed in stage.passed(Piece(at_s, data)))
    return out, stage.count["messages_replayed"]


HELLO = b"\x10\x04\x00\x00\x00\x00"
PING = b"\xc0\x00"


@given(st.binary(max_size=300))
def test_a_recording_has_the_same_topic_and_payload_and_no_number(padding: bytes) -> None:
    payload = b'{"measurements": {"a_c": 21.25}, "boot": 1}' + padding
    body = b"\x00\x03a/b" + b"\x12\x34" + payload

    def packet(first: int, said: bytes) -> bytes:
        size = len(said)
        return bytes([first, size] if size < 128 else [first, size & 0x7F | 0x80, size >> 7]) + said

    numbered, plain = packet(0x32, body), packet(0x30, b"\x00\x03a/b" + payload)
    birth = packet(0x31, b"\x00\x03a/b{}")
    sent = [(0.0, HELLO + numbered + birth), (4.9, PING), (5.0, PING), (9.0, plain), (14.0, PING)]
    assert _replayed(sent) == (HELLO + numbered + birth + PING + plain + PING + plain + plain + PING, 2)
    assert _replayed(sent, share=0.0) == (HELLO + numbered + birth + PING + PING + plain + PING, 0)


def test_nothing_of_tls_is_overheard() -> None:
    sent = [(0.0, b"\x16\x03\x01" + b'{"measurements": {}}' * 9), (9.0, b"\x17\x03")]
    assert _replayed(sent) == (b"".join(data for _, data in sent), 0)


@pytest.mark.parametrize("foreseen", [True, False])
def test_what_a_gateway_says_but_once_is_no_evidence_on_either_clock(foreseen: bool) -> None:
    """No gateway forwards a message twice that is as its device wrote it."""
    lab = Lab.make(carried(), connect_rate=None)
    lab.world.payloads._foreseen = foreseen
    inside = np.flatnonzero(lab.world.fleet.carrier > 0).astype(np.int32)
    begun(ReplayedMessage, {"share": "100 %", "after": "2 s"}, inside, lab)
    lab.until(40 * SECOND_US)
    assert not any(evidence(lab).values())
    assert lab.repeated == 0
