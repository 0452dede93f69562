"""Faults of a broker that is up, in virtual time: who waits, what is lost for which cause, what evidence is left."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest

from tests.twin.worlds import Lab, carried, plan
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.faults.broker import BrokerOutage, BrokerRestart, CoreOutage
from twinstorm.scenarios.faults.conduct import (
    BrokerThrottle,
    ConnectRefusal,
    DroppedPackets,
    DuplicatedPackets,
    MassDisconnect,
    SessionExpiry,
    SlowBroker,
    Throttle,
)
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.flow import SECOND_US, FaultOrder, LossCause, SessionEvent

N = 40
HALF = np.arange(0, N, 2, dtype=np.int32)
OTHERS = np.arange(1, N, 2, dtype=np.int32)
MOTORS = np.arange(10, N, dtype=np.int32)
NOBODY = HALF[:0]


def order_of(fault: type[Fault], given: Mapping[str, str], device: np.ndarray, step: str = "f") -> FaultOrder:
    return FaultOrder(step, fault.name, fault_settings(fault, given, N), device, 0, None)


def made(**changes: object) -> Lab:
    return Lab.make(plan(motors=30, climate=10), connect_rate=None, **changes)  # type: ignore[arg-type]


def begun(lab: Lab, fault: type[Fault], given: Mapping[str, str], device: np.ndarray, at_s: int = 10) -> Lab:
    lab.until(at_s * SECOND_US)
    fault.start(lab.broker, order_of(fault, given, device), device, at_s * SECOND_US)
    return lab


def ended(lab: Lab, fault: type[Fault], device: np.ndarray, at_s: int) -> None:
    lab.until(at_s * SECOND_US)
    fault.end(lab.broker, order_of(fault, {}, device), device, at_s * SECOND_US)


def evidence(lab: Lab) -> dict[str, int]:
    return dict(lab.broker.evidence_of("f").counts)


def newest(lab: Lab) -> dict[int, int]:
    return {who: max(seqs) for who, seqs in lab.order.items()}


def test_a_mass_disconnect_brings_them_all_back_at_once() -> None:
    lab = begun(made(), MassDisconnect, {}, HALF)
    assert evidence(lab) == {"sessions_ended": len(HALF)}
    assert not lab.world.online()[HALF].any()
    lab.until(20 * SECOND_US)
    assert lab.world.online().all()
    assert lab.broker.counters(20 * SECOND_US).attempts == len(HALF)
    assert lab.missing() == 0
    assert not lab.world.lost


def test_who_has_no_session_loses_none() -> None:
    lab = made()
    lab.until(5 * SECOND_US)
    lab.world.power_off(HALF, 5 * SECOND_US)
    begun(lab, MassDisconnect, {}, HALF)
    assert evidence(lab) == {"sessions_ended": 0}


def test_gateways_are_clients_and_those_behind_them_are_not() -> None:
    lab = Lab.make(carried(), connect_rate=None)
    inside = np.flatnonzero(lab.world.fleet.carrier > 0).astype(np.int32)
    begun(lab, MassDisconnect, {}, inside)
    assert evidence(lab) == {"sessions_ended": 0}
    gates = lab.world.fleet.gateway.astype(np.int32)
    begun(lab, MassDisconnect, {}, gates)
    assert evidence(lab) == {"sessions_ended": len(gates)}
    lab.until(60 * SECOND_US)
    assert lab.missing() == 0
    assert lab.world.online().all()


def test_a_refusal_costs_a_handshake_and_ends_with_the_fault() -> None:
    lab = begun(made(), ConnectRefusal, {"code": "unavailable"}, HALF)
    lab.until(60 * SECOND_US)
    found, counters = evidence(lab), lab.broker.counters(60 * SECOND_US)
    assert found["sessions_ended"] == len(HALF)
    assert found["connects_refused"] == counters.attempts == counters.refused
    assert found["connects_refused"] >= 3 * len(HALF)
    assert not lab.world.online()[HALF].any()
    ended(lab, ConnectRefusal, HALF, 60)
    lab.until(180 * SECOND_US)
    assert lab.world.online().all()
    assert lab.missing() == 0


def test_a_refusal_takes_no_token_from_others() -> None:
    lab = Lab.make(plan(motors=30, climate=10), connect_rate=Fraction(1), connect_burst=1, connect_queue=0)
    begun(lab, ConnectRefusal, {}, HALF)
    begun(lab, MassDisconnect, {}, OTHERS)
    lab.until(100 * SECOND_US)
    assert lab.broker.counters(100 * SECOND_US).admitted > 15
    assert not lab.world.online()[HALF].any()


def test_who_keeps_its_session_is_not_asked() -> None:
    lab = begun(made(), ConnectRefusal, {"open": "stay"}, HALF)
    lab.until(60 * SECOND_US)
    assert not any(evidence(lab).values())


def test_a_slow_broker_passes_on_late_and_catches_up_at_the_end() -> None:
    lab = begun(made(), SlowBroker, {"message": "5 s", "connect": "0 s"}, NOBODY)
    before = newest(lab)
    lab.until(15 * SECOND_US)
    assert newest(lab) == before
    assert lab.broker.counters(15 * SECOND_US).queue >= 5 * 30
    lab.until(30 * SECOND_US)
    assert all(before[who] < newest(lab)[who] <= 26 for who in MOTORS.tolist())
    ended(lab, SlowBroker, NOBODY, 30)
    lab.until(31 * SECOND_US)
    assert all(newest(lab)[who] >= 30 for who in MOTORS.tolist())
    assert all(seqs == sorted(seqs) for seqs in lab.order.values())
    assert evidence(lab)["messages_delayed"] >= 20 * 30
    assert lab.missing() == 0


def test_a_slow_broker_is_occupied_by_each_connect() -> None:
    lab = begun(made(), SlowBroker, {"message": "0 s", "connect": "1 s"}, NOBODY)
    begun(lab, MassDisconnect, {}, HALF)
    lab.until(15 * SECOND_US)
    assert np.count_nonzero(lab.world.online()[HALF]) <= 5
    assert evidence(lab)["connects_delayed"] == len(HALF)


def test_what_waits_in_a_slow_broker_dies_with_it() -> None:
    lab = begun(made(), SlowBroker, {"message": "5 s"}, NOBODY)
    lab.until(20 * SECOND_US)
    lab.broker.stop(20 * SECOND_US, silent=False)
    lab.until(40 * SECOND_US)
    lab.broker.start(40 * SECOND_US)
    lab.until(80 * SECOND_US)
    assert lab.broker.lost[LossCause.OUTAGE] >= 4 * 30
    assert lab.missing() == 0


def test_a_throttle_lets_so_many_through_of_each() -> None:
    """A motor speaks once a second and gets through every 5 s."""
    lab = begun(made(), Throttle, {"rate": "12/min"}, HALF)
    before = {who: len(seqs) for who, seqs in lab.order.items()}
    lab.until(40 * SECOND_US)
    passed = {who: len(seqs) - before[who] for who, seqs in lab.order.items() if who >= 10}
    assert all(count in (6, 7) if who % 2 == 0 else count == 30 for who, count in passed.items())
    assert evidence(lab)["messages_delayed"] >= 15 * 20
    ended(lab, Throttle, HALF, 40)
    lab.until(42 * SECOND_US)
    assert all(newest(lab)[who] >= 40 for who in MOTORS.tolist())
    assert all(seqs == sorted(seqs) for seqs in lab.order.values())
    assert lab.missing() == 0


@pytest.mark.parametrize("fault", [Throttle, BrokerThrottle, DroppedPackets, DuplicatedPackets, SlowBroker])
def test_what_happens_to_messages_does_not_depend_on_blocks(fault: type[Fault]) -> None:
    found = []
    for block in (16_384, 7):
        lab = begun(made(block=block), fault, {}, HALF if fault.needs_target else NOBODY)
        lab.until(40 * SECOND_US)
        found.append((evidence(lab), list(lab.delivered), lab.order, lab.repeated))
    assert found[0] == found[1]
    assert any(found[0][0].values())


@pytest.mark.parametrize("rate", ["5/s", "300/s", "2000/s"])
def test_the_turn_of_a_message_in_a_throttle_of_all_does_not_depend_on_blocks(rate: str) -> None:
    """A batch is served from its first arrival on: half a batch would be served otherwise."""
    found = []
    for block in (16_384, 7):
        lab = begun(made(block=block), BrokerThrottle, {"rate": rate}, NOBODY)
        lab.until(30 * SECOND_US)
        ended(lab, BrokerThrottle, NOBODY, 30)
        lab.until(32 * SECOND_US)
        found.append((evidence(lab), lab.arrived_us, lab.broker.downstream.free_us))
    assert found[0] == found[1]
    assert len(found[0][1]) > 500


def test_a_throttle_of_all_holds_the_sum() -> None:
    lab = begun(made(), BrokerThrottle, {"rate": "10/s"}, NOBODY)
    before = sum(len(seqs) for seqs in lab.order.values())
    lab.until(30 * SECOND_US)
    passed = sum(len(seqs) for seqs in lab.order.values()) - before
    assert 195 <= passed <= 205
    ended(lab, BrokerThrottle, NOBODY, 30)
    lab.until(32 * SECOND_US)
    assert evidence(lab)["messages_delayed"] > 300
    assert lab.missing() == 0
    assert all(newest(lab)[who] >= 30 for who in MOTORS.tolist())
    assert not +lab.broker.lost


def test_the_nth_message_is_lost_and_no_other() -> None:
    lab = begun(made(), DroppedPackets, {"nth": "3"}, MOTORS)
    lab.until(30 * SECOND_US)
    assert evidence(lab) == {"messages_dropped": len(MOTORS)}
    assert lab.broker.lost == {LossCause.SHED: len(MOTORS)}
    gaps = {tuple(sorted(set(range(1, max(seqs) + 1)) - set(seqs))) for who, seqs in lab.order.items() if who >= 10}
    assert gaps <= {(13,), (12,)}, "a reading of the tenth second may have been on its way"
    assert lab.missing() == 0


def test_a_share_of_messages_is_lost() -> None:
    lab = begun(made(), DroppedPackets, {"share": "30 %"}, MOTORS)
    lab.until(110 * SECOND_US)
    assert 0.25 < evidence(lab)["messages_dropped"] / (30 * 100) < 0.35
    assert lab.broker.lost == {LossCause.SHED: evidence(lab)["messages_dropped"]}
    assert lab.missing() == 0


def test_a_lost_answer_leaves_a_ghost_and_a_device_that_tries_again() -> None:
    lab = begun(made(), DroppedPackets, {"packet": "connack", "nth": "1"}, HALF)
    begun(lab, MassDisconnect, {}, HALF)
    lab.until(18 * SECOND_US)
    assert evidence(lab)["answers_dropped"] == len(HALF)
    assert not lab.world.online()[HALF].any()
    assert lab.broker.counters(18 * SECOND_US).admitted == len(HALF)
    lab.until(60 * SECOND_US)
    assert lab.world.online().all()
    lab.broker.collect(60 * SECOND_US)
    assert lab.broker.counters(60 * SECOND_US).takeovers == len(HALF)
    assert evidence(lab)["answers_dropped"] == len(HALF)
    assert lab.missing() == 0


def test_what_is_passed_on_twice_counts_once() -> None:
    lab = begun(made(), DuplicatedPackets, {"nth": "2"}, MOTORS)
    lab.until(30 * SECOND_US)
    assert evidence(lab) == {"messages_duplicated": len(MOTORS)}
    assert lab.repeated == len(MOTORS)
    assert lab.missing() == 0
    assert not +lab.broker.lost


def test_the_session_of_an_absent_core_expires_with_what_waits_in_it() -> None:
    lab = begun(made(), SessionExpiry, {"after": "5 s"}, NOBODY)
    lab.until(20 * SECOND_US)
    assert not any(evidence(lab).values()), "the core is there"
    away = FaultOrder("away", CoreOutage.name, {}, NOBODY, 0, None)
    CoreOutage.start(lab.broker, away, NOBODY, 20 * SECOND_US)
    for at_s in range(21, 30):
        lab.until(at_s * SECOND_US)
    expired = evidence(lab)["messages_expired"]
    assert 5 * 30 <= expired <= 5 * 35
    assert lab.broker.lost[LossCause.SESSION_EXPIRED] == expired
    assert lab.broker.lost[LossCause.OUTAGE] >= 3 * 30, "nobody keeps what comes then"
    CoreOutage.end(lab.broker, away, NOBODY, 30 * SECOND_US)
    lab.until(40 * SECOND_US)
    assert lab.missing() == 0
    assert evidence(lab)["messages_expired"] == expired
    after = [what for at_us, _, what in lab.told if at_us >= 30 * SECOND_US]
    assert SessionEvent.BORN not in after, "nobody tells a core that the broker does not know who is there"


@pytest.mark.parametrize("fault", [BrokerOutage, BrokerRestart])
def test_a_broker_that_restarts_with_its_state_loses_nothing_that_waits_in_it(fault: type[Fault]) -> None:
    lab = begun(made(message_rate=Fraction(10), message_queue=1_000), fault, {}, NOBODY, at_s=20)
    lab.until(40 * SECOND_US)
    assert lab.missing() == 0
    ended(lab, fault, NOBODY, 40)
    assert lab.missing() == 0
    lab.until(200 * SECOND_US)
    assert lab.missing() == 0
    assert lab.world.online().all(), "connections end either way"
    closed = {who for at_us, who, what in lab.told if what == SessionEvent.CLOSED and at_us == 20 * SECOND_US}
    assert len(closed) == N, "the core hears of it"
    lost = lab.broker.lost[LossCause.OUTAGE]
    if fault is BrokerRestart:
        assert lost == 0
        assert evidence(lab)["messages_kept"] > 300
        assert evidence(lab)["sessions_kept"] == 1
    else:
        assert lost > 300
    assert evidence(lab)["sessions_ended"] == N
    assert evidence(lab)["seconds_down"] == 20


def test_a_restart_keeps_what_waits_for_a_core_that_is_away() -> None:
    lab = made()
    away = FaultOrder("away", CoreOutage.name, {}, NOBODY, 0, None)
    lab.until(10 * SECOND_US)
    CoreOutage.start(lab.broker, away, NOBODY, 10 * SECOND_US)
    begun(lab, BrokerRestart, {}, NOBODY, at_s=15)
    ended(lab, BrokerRestart, NOBODY, 25)
    lab.until(60 * SECOND_US)
    CoreOutage.end(lab.broker, away, NOBODY, 60 * SECOND_US)
    lab.until(70 * SECOND_US)
    assert not lab.broker.lost[LossCause.OUTAGE]
    assert lab.missing() == 0


def restarted(lab: Lab) -> dict[str, int]:
    """What a restart from 20 s to 30 s says of itself."""
    begun(lab, BrokerRestart, {}, NOBODY, at_s=20)
    ended(lab, BrokerRestart, NOBODY, 30)
    return dict(BrokerRestart.evidence(lab.broker, order_of(BrokerRestart, {}, NOBODY)).counts)


def test_a_restart_when_nothing_waits_keeps_the_session_of_the_core() -> None:
    assert restarted(made()) == {"messages_kept": 0, "sessions_kept": 1, "sessions_ended": N, "seconds_down": 10}


def test_a_restart_that_has_nothing_to_keep_did_not_bite() -> None:
    lab = made()
    away = FaultOrder("away", CoreOutage.name, {}, NOBODY, 0, None)
    lab.until(10 * SECOND_US)
    CoreOutage.start(lab.broker, away, NOBODY, 10 * SECOND_US)
    lab.broker.stop(15 * SECOND_US, silent=False)
    lab.broker.start(16 * SECOND_US)
    assert restarted(lab) == dict.fromkeys(("messages_kept", "sessions_kept", "sessions_ended", "seconds_down"), 0)
    lab.until(60 * SECOND_US)
    assert lab.missing() == 0
