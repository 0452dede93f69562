"""Faults of gateways and around them: evidence, ledger, order, and what the core hears."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import campaign
from tests.twin.worlds import Lab, carried
from twinstorm.scenarios.faults.base import Fault, catalogue
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.chance import Purpose
from twinstorm.twin.eventlog import Code
from twinstorm.twin.flow import DAY_US, SECOND_US, FaultOrder, LossCause, SessionEvent
from twinstorm.twin.gateways import Gateways
from twinstorm.twin.places import place
from twinstorm.twin.solar import STEP_US, SolarSupply
from twinstorm.twin.stories import Stage

N = 36
ALL = np.arange(N, dtype=np.int32)
GATEWAYS = np.arange(8, 12, dtype=np.int32)
ONE = GATEWAYS[:1]


def order_of(name: str, given: Mapping[str, str], device: Any, step: str = "f") -> FaultOrder:
    return FaultOrder(step, name, fault_settings(catalogue()[name], given, N), device, 0, None)


def make(seed: int = 7, **gateway: Any) -> Lab:
    return Lab.make(carried(**gateway), seed=seed, connect_rate=None)


def gateways(lab: Lab) -> Gateways:
    assert lab.world.gateways is not None
    return lab.world.gateways


def start(lab: Lab, at_s: int, name: str, device: Any = GATEWAYS, step: str = "f", **given: str) -> FaultOrder:
    order = order_of(name, given, device, step)
    lab.until(at_s * SECOND_US)
    catalogue()[name].start(lab.world, order, device, at_s * SECOND_US)
    assert lab.missing() == 0
    return order


def end(lab: Lab, at_s: int, order: FaultOrder) -> None:
    lab.until(at_s * SECOND_US)
    assert lab.missing() == 0
    catalogue()[order.fault].end(lab.world, order, order.device, at_s * SECOND_US)
    assert lab.missing() == 0


def until(lab: Lab, at_s: int) -> Lab:
    lab.until(at_s * SECOND_US)
    assert lab.missing() == 0
    return lab


def evidence(lab: Lab, step: str = "f") -> dict[str, int]:
    return {what: count for what, count in lab.world.evidence_of(step).counts.items() if count}


def behind(lab: Lab, gateway: int = 0) -> list[int]:
    return np.flatnonzero(lab.world.fleet.carrier == 1 + gateway).tolist()


def heard(lab: Lab, what: SessionEvent, from_s: float, to_s: float) -> set[int]:
    told = [row for row in lab.told if from_s * SECOND_US <= row[0] < to_s * SECOND_US and row[2] == what]
    return {device for _, device, _ in told}


def in_order(lab: Lab) -> bool:
    return all(seqs == sorted(seqs) for seqs in lab.order.values())


def newest(lab: Lab, device: int) -> int:
    return max(lab.order[device])


# --- the uplink -------------------------------------------------------------------------------------------------------


def test_without_faults_everything_passes_and_nothing_waits() -> None:
    lab = until(make(), 60)
    assert lab.world.produced - len(lab.delivered) <= N
    assert gateways(lab).held == 0
    assert in_order(lab)


def test_behind_a_dead_uplink_readings_wait_in_the_gateway_and_not_in_its_devices() -> None:
    lab = make()
    order = start(lab, 20, "partition", ONE)
    until(lab, 120)
    assert gateways(lab).held > 6 * 90
    assert lab.world.buffers.depth[behind(lab)].sum() == 0
    assert all(newest(lab, device) <= 21 for device in behind(lab))
    end(lab, 120, order)
    until(lab, 200)
    assert gateways(lab).held == 0
    assert in_order(lab)
    assert sum(lab.world.lost.values()) == lab.repeated == 0


def test_the_will_of_the_gateway_tells_of_all_behind_it_and_its_birth_announces_them() -> None:
    lab = make()
    order = start(lab, 20, "partition", ONE)
    until(lab, 130)
    everybody = {*behind(lab), int(ONE[0])}
    assert heard(lab, SessionEvent.LOST, 20, 130) == everybody
    end(lab, 130, order)
    until(lab, 260)
    assert heard(lab, SessionEvent.BORN, 130, 260) == everybody


def test_a_short_cut_that_the_session_survives_tells_nobody_anything() -> None:
    lab = make()
    order = start(lab, 20, "partition", ONE)
    end(lab, 30, order)
    until(lab, 60)
    assert not heard(lab, SessionEvent.LOST, 20, 60)
    assert not heard(lab, SessionEvent.BORN, 20, 60)
    assert gateways(lab).held == 0


def test_what_happens_behind_a_cut_is_told_when_it_is_over() -> None:
    lab = make()
    order = start(lab, 20, "partition", ONE)
    dead = np.array(behind(lab)[:1], np.int32)
    lab.world.power_off(dead, 20 * SECOND_US)
    lab.until(25 * SECOND_US)
    lab.world.power_on(dead, 25 * SECOND_US)
    end(lab, 50, order)
    until(lab, 70)
    assert heard(lab, SessionEvent.BORN, 49, 70) == {int(dead[0])}


def test_the_buffer_drains_oldest_first_at_the_rate_of_the_forwarder() -> None:
    lab = make(rate_per_s=20.0)
    order = start(lab, 20, "partition", ONE)
    end(lab, 60, order)
    before = len(lab.delivered)
    elsewhere = sum(len(seqs) for device, seqs in lab.order.items() if device not in behind(lab))
    until(lab, 65)
    arrived = len(lab.delivered) - before
    arrived -= sum(len(seqs) for device, seqs in lab.order.items() if device not in behind(lab)) - elsewhere
    assert arrived == pytest.approx(20 * 5, abs=2)
    assert gateways(lab).held > 100, "it takes longer than that"
    until(lab, 120)
    assert gateways(lab).held == 0
    assert in_order(lab)


@pytest.mark.parametrize(("oldest", "lost"), [(True, "oldest"), (False, "newest")])
def test_a_full_buffer_evicts_by_name(oldest: bool, lost: str) -> None:
    lab = make(buffer_readings=60, evict_oldest=oldest)
    order = start(lab, 20, "partition", ONE)
    until(lab, 50)
    assert gateways(lab).held == 60
    assert lab.world.lost[LossCause.EVICTED] > 60
    end(lab, 50, order)
    until(lab, 80)
    motor = behind(lab)[-1]
    assert (25 in lab.order[motor]) == (not oldest), lost
    assert (48 in lab.order[motor]) == oldest, lost
    assert in_order(lab)


def test_latency_on_gateways_delays_what_they_forward() -> None:
    lab = make()
    order = start(lab, 20, "latency", ONE, more="5 s", jitter="1 s")
    until(lab, 40)
    assert evidence(lab)["messages_delayed"] > 60
    assert all(newest(lab, device) <= 36 for device in behind(lab))
    end(lab, 40, order)
    until(lab, 60)
    assert in_order(lab)
    assert newest(lab, behind(lab)[-1]) >= 59


def test_a_broker_that_dies_leaves_what_was_on_its_way_with_the_gateways() -> None:
    lab = make()
    order = start(lab, 20, "latency", GATEWAYS, more="3 s", jitter="0 s")
    until(lab, 30)
    lab.broker.stop(30 * SECOND_US, silent=False)
    assert lab.missing() == 0
    assert gateways(lab).held >= 3 * 24
    assert lab.world.fleet.state[behind(lab)].min() == 4, "their sessions are with the gateways"
    until(lab, 40)
    lab.broker.start(40 * SECOND_US)
    end(lab, 41, order)
    until(lab, 150)
    assert gateways(lab).held == 0
    assert in_order(lab)
    assert lab.repeated == 0
    assert lab.broker.lost[LossCause.OUTAGE] == 0
    assert {len(lab.order[device]) for device in behind(lab) if lab.world.fleet.every_us[device] == SECOND_US} == {150}


def test_a_core_that_was_away_learns_who_is_there_behind_gateways_that_are_heard() -> None:
    lab = make()
    until(lab, 20)
    lab.broker.core_leaves(20 * SECOND_US)
    order = start(lab, 22, "partition", ONE)
    dead = np.array(behind(lab, 1)[:1], np.int32)
    lab.world.power_off(dead, 22 * SECOND_US)
    until(lab, 130)
    assert heard(lab, SessionEvent.LOST, 20, 130) == set(np.flatnonzero(lab.world.fleet.carrier).tolist())
    lab.world.settle(130 * SECOND_US)
    lab.broker.core_returns(130 * SECOND_US)
    until(lab, 140)
    missing = {*behind(lab), int(ONE[0]), int(dead[0])}
    assert heard(lab, SessionEvent.BORN, 130, 140) == set(range(N)) - missing
    end(lab, 140, order)


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_a_crash_keeps_what_is_on_the_disk_and_loses_what_is_in_memory() -> None:
    lost = {}
    for durable in (True, False):
        lab = make(durable=durable)
        cut = start(lab, 20, "partition", ONE, step="cut")
        crash = start(lab, 60, "gateway-crash", ONE)
        end(lab, 90, crash)
        end(lab, 120, cut)
        until(lab, 300)
        assert evidence(lab)["gateways_stopped"] == 1
        assert gateways(lab).held == 0
        assert in_order(lab)
        lost[durable] = lab.world.lost[LossCause.POWER]
    assert lost[True] <= 6, "the gateway's own"
    assert lost[False] > 6 * 35


def test_devices_of_a_crashed_gateway_get_no_answer_and_come_back() -> None:
    lab = make()
    crash = start(lab, 20, "gateway-crash", ONE)
    until(lab, 150)
    assert not lab.world.online()[behind(lab)].any()
    assert lab.world.buffers.depth[behind(lab)].min() > 10
    end(lab, 150, crash)
    until(lab, 400)
    assert lab.world.online().all()
    assert in_order(lab)
    assert heard(lab, SessionEvent.LOST, 20, 150) == {*behind(lab), int(ONE[0])}
    assert heard(lab, SessionEvent.BORN, 150, 400) == {*behind(lab), int(ONE[0])}


def test_a_broker_in_a_gateway_that_stops_costs_sessions_and_refuses() -> None:
    lab = make()
    crash = start(lab, 20, "gateway-crash", ONE, service="broker")
    assert evidence(lab) == {"services_stopped": 1, "sessions_ended": len(behind(lab))}
    until(lab, 40)
    assert lab.log.counts[Code.REFUSED] > 0, "a closed port"
    assert heard(lab, SessionEvent.CLOSED, 20, 40) == set(behind(lab)), "the gateway lives and tells of them"
    end(lab, 40, crash)
    until(lab, 200)
    assert lab.world.online().all()


@pytest.mark.parametrize("service", ["processor", "buffer"])
def test_behind_a_stopped_service_readings_queue_up_to_a_limit(service: str) -> None:
    lab = make(queue_readings=50)
    crash = start(lab, 20, "gateway-crash", ONE, service=service)
    until(lab, 25)
    assert 0 < gateways(lab).held < 50
    assert lab.world.lost[LossCause.QUEUE_FULL] == 0
    until(lab, 60)
    assert gateways(lab).held == 50
    assert lab.world.lost[LossCause.QUEUE_FULL] > 100
    assert lab.world.online().all()
    end(lab, 60, crash)
    until(lab, 80)
    assert gateways(lab).held == 0
    assert in_order(lab)


def test_a_buffer_in_memory_that_stops_loses_what_it_held() -> None:
    lab = make(durable=False)
    start(lab, 20, "partition", ONE, step="cut")
    start(lab, 60, "gateway-crash", ONE, service="buffer")
    assert evidence(lab)["readings_lost"] == lab.world.lost[LossCause.OUTAGE] > 6 * 35


def test_a_forwarder_that_stops_takes_everybody_from_the_core_at_once() -> None:
    lab = make()
    crash = start(lab, 20, "gateway-crash", ONE, service="forwarder")
    until(lab, 30)
    assert heard(lab, SessionEvent.LOST, 20, 21) == set(behind(lab))
    assert heard(lab, SessionEvent.CLOSED, 20, 21) == set(ONE.tolist())
    assert gateways(lab).held > 6 * 8
    end(lab, 30, crash)
    until(lab, 200)
    assert gateways(lab).held == 0
    assert lab.world.online().all()
    assert heard(lab, SessionEvent.BORN, 30, 200) == {*behind(lab), int(ONE[0])}


def test_a_service_that_stops_while_the_machine_is_down_is_down_after_the_boot() -> None:
    lab = make()
    whole = start(lab, 20, "gateway-crash", ONE, step="whole")
    part = start(lab, 25, "gateway-crash", ONE, step="part", service="broker")
    assert not evidence(lab, "part").get("sessions_ended")
    end(lab, 30, whole)
    until(lab, 100)
    assert not lab.world.online()[behind(lab)].any()
    end(lab, 100, part)
    until(lab, 300)
    assert lab.world.online().all()


def test_a_spare_takes_over_after_its_time() -> None:
    lab = make(spare=True)
    start(lab, 20, "gateway-failover", ONE, takeover="10 s")
    assert evidence(lab) == {"machines_failed": 1, "spares_called": 1}
    until(lab, 30)
    assert not gateways(lab).up[0]
    until(lab, 33)
    assert gateways(lab).up[0]
    until(lab, 300)
    assert lab.world.online().all(), "though nobody has repaired anything"


def test_two_failures_of_a_pair_are_one_too_many_until_the_first_is_repaired() -> None:
    lab = make(spare=True)
    first = start(lab, 20, "gateway-failover", ONE, step="first", takeover="10 s")
    start(lab, 60, "gateway-failover", ONE, step="second", takeover="10 s")
    until(lab, 200)
    assert not gateways(lab).up[0]
    end(lab, 200, first)
    until(lab, 400)
    assert lab.world.online().all()


def test_a_full_disk_keeps_its_size() -> None:
    lab = make()
    cut = start(lab, 20, "partition", ONE, step="cut")
    start(lab, 40, "disk-full", ONE)
    held = gateways(lab).held
    until(lab, 60)
    assert gateways(lab).held == held
    assert evidence(lab)["readings_evicted"] == lab.world.lost[LossCause.EVICTED] > 100
    end(lab, 60, cut)
    until(lab, 100)
    assert in_order(lab)


def test_a_full_disk_that_nobody_needs_leaves_no_evidence() -> None:
    lab = make()
    order = start(lab, 20, "disk-full", GATEWAYS)
    end(lab, 60, order)
    assert not evidence(lab)


def test_too_much_in_memory_restarts_the_gateway() -> None:
    lab = make(durable=False, memory_bytes=100_000.0)
    start(lab, 20, "partition", ONE)
    until(lab, 120)
    assert gateways(lab).killed > 0
    assert lab.world.lost[LossCause.POWER] > 150
    lab = make(durable=True, memory_bytes=100_000.0)
    start(lab, 20, "partition", ONE)
    until(lab, 120)
    assert gateways(lab).killed == 0, "what lies on the disk is not in memory"


def test_a_small_disk_holds_as_many_as_fit() -> None:
    lab = make(disk_bytes=100_000.0)
    start(lab, 20, "partition", ONE)
    until(lab, 120)
    assert 100_000 / 700 < gateways(lab).held < 100_000 / 200


def test_gateways_live_by_the_sun_and_go_dark_in_winter() -> None:
    lab = make(solar=True, battery_wh=1.0)
    until(lab, 6 * 60)
    assert lab.world.online().all()
    until(lab, 8 * 60)
    assert not gateways(lab).up.any(), "0.9 Wh at 8 W last less than seven minutes of a night"
    assert not lab.world.online().any()
    assert lab.world.lost[LossCause.POWER] == 0, "the disk has it"


@pytest.mark.parametrize(("day", "nights_dark"), [(172, 0), (355, 6)])
def test_a_panel_that_is_enough_in_summer_is_not_in_winter(day: int, nights_dark: int) -> None:
    where = place(1, Purpose.SITE, ["arn-1"], np.zeros(1, np.int32))
    supply = SolarSupply(where, np.array([60.0], np.float32), np.array([240.0], np.float32), day * DAY_US)
    dark = np.zeros(7, np.bool_)
    for number in range(DAY_US // STEP_US, 8 * DAY_US // STEP_US):
        supply.step(number * STEP_US)
        dark[number * STEP_US // DAY_US - 1] |= not supply.on.all()
    assert np.count_nonzero(dark) >= nights_dark
    assert nights_dark or not dark.any()


# --- faults that cannot bite ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gateway-crash", "gateway-failover", "disk-full"])
def test_without_gateways_nothing_is_seen_and_the_file_is_refused(name: str) -> None:
    fault: type[Fault] = catalogue()[name]
    lab = Lab.make(connect_rate=None)
    order = order_of(name, {}, np.arange(40, dtype=np.int32))
    fault.start(lab.world, order, order.device, 0)
    lab.until(30 * SECOND_US)
    fault.end(lab.world, order, order.device, 30 * SECOND_US)
    assert not evidence(lab)
    assert fault.misfit_of_segments([])
    assert fault.clocks == {"virtual", "live"}


# --- invariants -------------------------------------------------------------------------------------------------------

FAULTS: dict[str, dict[str, str]] = {
    "gateway-crash": {},
    "gateway-crash broker": {"service": "broker"},
    "gateway-crash processor": {"service": "processor"},
    "gateway-crash buffer": {"service": "buffer"},
    "gateway-crash forwarder": {"service": "forwarder"},
    "gateway-failover": {"takeover": "7 s"},
    "disk-full": {},
    "partition": {},
    "partition up": {"direction": "up"},
    "partition down": {"direction": "down"},
    "power-outage": {},
    "crash-loop": {"uptime": "10 s"},
    "latency": {},
    "bandwidth-squeeze": {"to": "60 kB/min"},
    "burst-loss": {},
}


@campaign(8, nightly=500)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(FAULTS)),
            st.integers(1, 60 * SECOND_US),
            st.integers(1, 60 * SECOND_US),
            st.sampled_from([(8,), (8, 9, 10, 11), (0, 1, 12, 13), (8, 0, 12, 30), tuple(range(N))]),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([0, 1]),
    st.sampled_from(
        [
            {},
            {"durable": False, "memory_bytes": 60_000.0},
            {"buffer_readings": 20, "evict_oldest": False, "rate_per_s": 7.0},
            {"spare": True, "queue_readings": 5, "rate_per_s": 15.0},
        ]
    ),
    st.sampled_from([0, 20 * SECOND_US + 3, 45 * SECOND_US]),
    st.booleans(),
)
def test_the_ledger_closes_and_order_holds_whatever_overlaps(
    faults: list[tuple[str, int, int, tuple[int, ...]]], qos: int, gateway: dict[str, Any], outage_us: int, silent: bool
) -> None:
    lab = Lab.make(carried(qos=qos, **gateway), connect_rate=None)
    acts: list[tuple[int, int, Any]] = []
    for number, (words, from_us, lasts_us, who) in enumerate(faults):
        name = words.split()[0]
        order = order_of(name, FAULTS[words], np.array(sorted(who), np.int32), f"f{number}")
        for at_us, act in ((from_us, catalogue()[name].start), (from_us + lasts_us, catalogue()[name].end)):
            acts.append((at_us, number, lambda at, act=act, order=order: act(lab.world, order, order.device, at)))
    if outage_us:
        acts.append((outage_us, 90, lambda at: lab.broker.stop(at, silent=silent)))
        acts.append((outage_us + 15 * SECOND_US, 91, lambda at: lab.broker.start(at)))
    for at_us, _, act in sorted(acts, key=lambda one: one[:2]):
        lab.until(at_us)
        assert lab.missing() == 0
        act(at_us)
        assert lab.missing() == 0
    lab.until(320 * SECOND_US)
    assert lab.missing() == 0
    one_way = any(words == "partition down" for words, *_ in faults)
    assert one_way or lab.repeated == 0
    if not one_way:
        assert in_order(lab)
    assert lab.world.online().all()
    assert gateways(lab).held <= 10, "what is sampled in one second takes longer at 7/s"


def played(lab: Lab, watch: bool = False, saved_at_s: int = 0) -> tuple[str, dict[tuple[int, int], bytes], Any]:
    order = start(lab, 20, "partition", GATEWAYS[:2], step="cut")
    if saved_at_s:
        lab.until(saved_at_s * SECOND_US)
        assert gateways(lab).held > 100
        world, broker, log = pickle.loads(pickle.dumps((lab.world, lab.broker, lab.log)))
        stage = Stage(world.acts, world.stories, saved_at_s * SECOND_US)
        lab = Lab(world, broker, log, stage, lab.delivered, lab.repeated, lab.order, lab.told)
    if watch:
        for at_us in range(41 * SECOND_US, 59 * SECOND_US, 333_333):
            lab.world.advance_to(at_us)
    end(lab, 60, order)
    crash = start(lab, 62, "gateway-crash", GATEWAYS[1:], step="crash")
    end(lab, 80, crash)
    until(lab, 200)
    return lab.log.digest(), lab.delivered, lab.told


def test_a_snapshot_in_the_middle_of_a_full_buffer_changes_nothing() -> None:
    limits: dict[str, Any] = {"rate_per_s": 15.0, "buffer_readings": 200}
    assert played(make(**limits), saved_at_s=50) == played(make(**limits))


def test_blocks_change_nothing() -> None:
    small = Lab.make(carried(rate_per_s=15.0), connect_rate=None, block=5)
    assert played(small) == played(make(rate_per_s=15.0))
