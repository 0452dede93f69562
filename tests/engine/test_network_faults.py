"""Faults of links: what becomes of messages, order, ledger and evidence; connects against the heap reference."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.campaigns import campaign
from tests.twin.heap_reference import ADMITTED, BOOTED, Action, Broker, Device, Row, simulate
from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.faults.base import Fault, catalogue
from twinstorm.scenarios.faults.network import BandwidthSqueeze, BurstLoss, Latency, SimExpiry
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.eventlog import FIRST_DEVICE_CODE
from twinstorm.twin.fleet import State
from twinstorm.twin.flow import SECOND_US, FaultOrder, LossCause
from twinstorm.twin.network import LINKS
from twinstorm.twin.radio import BurstLoss as Chain
from twinstorm.twin.stories import Stage

N = 40
ALL = np.arange(N, dtype=np.int32)
HALF = np.arange(0, N, 2, dtype=np.int32)
FAULTS: dict[str, type[Fault]] = {each.name: each for each in (BandwidthSqueeze, BurstLoss, Latency, SimExpiry)}


def order_of(fault: type[Fault], given: Mapping[str, str], device: Any = HALF, step: str = "f") -> FaultOrder:
    return FaultOrder(step, fault.name, fault_settings(fault, given, N), device, 0, None)


def play(
    fault: type[Fault],
    given: Mapping[str, str],
    to_s: int = 110,
    end_s: int = 130,
    *,
    fleet: Any = None,
    device: Any = HALF,
    block: int = 16_384,
) -> Lab:
    """The fault on half of the fleet from 10 s on."""
    lab = Lab.make(fleet or plan(motors=30, climate=10, buffer=200), connect_rate=None, block=block)
    order = order_of(fault, given, device)
    lab.until(10 * SECOND_US)
    fault.start(lab.world, order, device, 10 * SECOND_US)
    lab.until(to_s * SECOND_US)
    assert lab.missing() == 0
    fault.end(lab.world, order, device, to_s * SECOND_US)
    lab.until(end_s * SECOND_US)
    assert lab.missing() == 0
    return lab


def evidence(lab: Lab) -> dict[str, int]:
    return dict(lab.world.evidence_of("f").counts)


def over(fleet: Any, link: str) -> Any:
    return replace(fleet, segments=tuple(replace(part, link=link) for part in fleet.segments))


def in_order(lab: Lab) -> bool:
    return all(seqs == sorted(seqs) for seqs in lab.order.values())


def test_latency_delays_every_message_and_overtakes_none() -> None:
    lab = play(Latency, {"more": "3 s", "jitter": "4 s"}, to_s=30, end_s=31)
    newest = {who: max(seqs) for who, seqs in lab.order.items()}
    motors = range(10, N)
    assert all(newest[who] == 31 for who in motors if who % 2)
    assert all(newest[who] < 31 for who in motors if not who % 2), "the last ones are still on their way"
    assert in_order(lab)
    lab.until(60 * SECOND_US)
    assert in_order(lab)
    assert evidence(lab)["messages_delayed"] >= 15 * 20
    assert not lab.world.uplinks.active, "everything has arrived"


@pytest.mark.parametrize(
    ("fault", "given"), [(Latency, {"more": "0 s", "jitter": "0 s"}), (BurstLoss, {"loss": "0 %"})], ids=str
)
def test_what_does_nothing_leaves_no_evidence(fault: type[Fault], given: dict[str, str]) -> None:
    assert not any(evidence(play(fault, given, to_s=30)).values())


def test_nobody_who_is_off_is_delayed() -> None:
    lab = Lab.make(plan(motors=30, climate=10), connect_rate=None)
    lab.world.power_off(ALL, 0)
    order = order_of(Latency, {})
    Latency.start(lab.world, order, HALF, 0)
    lab.until(60 * SECOND_US)
    assert not evidence(lab)
    lab.world.power_on(ALL, 60 * SECOND_US)
    lab.until(80 * SECOND_US)
    assert evidence(lab)["messages_delayed"] >= len(HALF)


def test_a_squeezed_device_sends_one_message_after_the_other() -> None:
    """620 bytes of a motor at 6,200 bytes a minute: one in 6 s, exactly."""
    fleet = plan(motors=10, climate=0, buffer=200)
    size = LINKS["ethernet"].reading_bytes(6) + LINKS["ethernet"].overhead_bytes
    everybody = np.arange(10, dtype=np.int32)
    lab = play(BandwidthSqueeze, {"to": f"{size * 10} B/min"}, fleet=fleet, device=everybody, to_s=70, end_s=70)
    assert {len(seqs) for seqs in lab.order.values()} == {10 + 60 // 6 - 1}, "the tenth is 2 to 4 ms late"
    assert lab.world.buffers.held == 10 * (60 - 10)
    lab.until(100 * SECOND_US)
    assert all(seqs == list(range(1, 101)) for seqs in lab.order.values()), "what waited has been sent"


def test_a_squeezed_device_overflows_and_says_so() -> None:
    fleet = plan(motors=10, climate=0, buffer=20)
    lab = play(BandwidthSqueeze, {"to": "1 kB/min"}, fleet=fleet, device=np.arange(10, dtype=np.int32))
    assert lab.world.buffers.evicted > 500


def test_what_waits_behind_a_narrow_link_is_lost_with_the_power() -> None:
    fleet = plan(motors=10, climate=0, buffer=200)
    everybody = np.arange(10, dtype=np.int32)
    lab = play(BandwidthSqueeze, {"to": "6.2 kB/min"}, fleet=fleet, device=everybody, to_s=70, end_s=70)
    lab = Lab.make(fleet, connect_rate=None)
    lab.world.uplinks.squeeze("f", everybody, 0, 100.0)
    lab.until(60 * SECOND_US)
    held = lab.world.buffers.held
    lab.world.power_off(everybody, 60 * SECOND_US)
    assert held > 400
    assert lab.world.lost[LossCause.POWER] == held


def test_losses_become_delay_over_a_connection() -> None:
    lab = play(BurstLoss, {"loss": "30 %", "burst": "3"}, end_s=250)
    assert evidence(lab)["messages_retried"] > 100
    assert "messages_lost" not in evidence(lab)
    assert in_order(lab)
    assert sum(lab.world.lost.values()) == lab.world.buffers.evicted == 0


def test_over_datagram_the_share_is_lost_in_bursts_of_that_length() -> None:
    lab = Lab.make(over(plan(motors=N, climate=0), "datagram"), connect_rate=None)
    BurstLoss.start(lab.world, order_of(BurstLoss, {"loss": "20 %", "burst": "5"}, ALL), ALL, 0)
    lab.until(600 * SECOND_US)
    assert lab.missing() == 0
    gone = evidence(lab)["messages_lost"]
    assert gone / lab.world.produced == pytest.approx(0.2, abs=0.02)
    bursts = 0
    for seqs in lab.order.values():
        arrived = np.zeros(601, np.bool_)
        arrived[seqs] = True
        bursts += int(np.count_nonzero(arrived[1:-2] & ~arrived[2:-1]))
    # One reading in a hundred is lost by the class itself, mostly alone.
    assert gone / (bursts - 0.01 * 0.8 * lab.world.produced) == pytest.approx(5, rel=0.1)


def test_bursts_are_as_long_as_the_share_needs() -> None:
    lab = Lab.make(plan(motors=30, climate=10), connect_rate=None)
    BurstLoss.start(lab.world, order_of(BurstLoss, {"loss": "80 %", "burst": "1"}), HALF, 0)
    chain = lab.world.uplinks.orders[0].chain  # type: ignore[attr-defined]
    assert chain.loss == pytest.approx(0.8)
    assert chain.mean_burst == pytest.approx(4)


@pytest.mark.parametrize(
    ("fault", "given"),
    [(BandwidthSqueeze, {"to": "0 B/min"}), (BurstLoss, {"loss": "100 %"}), (BurstLoss, {"burst": "0"})],
)
def test_nonsense_is_refused(fault: type[Fault], given: dict[str, str]) -> None:
    assert fault.misfit(list, fault_settings(fault, given, N))
    assert not fault.misfit(list, fault_settings(fault, {}, N))


def test_an_expired_plan_cuts_devices_off_until_somebody_pays() -> None:
    lab = play(SimExpiry, {}, to_s=300, end_s=420)
    assert evidence(lab)["sessions_cut_off"] == len(HALF)
    assert (lab.world.fleet.state == State.ONLINE).all()
    assert not SimExpiry.survivable
    assert SimExpiry.clocks == {"virtual", "live"}


def test_what_is_on_its_way_behind_a_link_cut_downwards_stays_the_devices_when_the_broker_dies() -> None:
    lab = Lab.make(plan(motors=30, climate=10), connect_rate=None)
    lab.until(1)
    lab.world.cut(HALF, 1, "down")
    at_us = 20 * SECOND_US + 3
    lab.until(at_us)
    lab.broker.stop(at_us, silent=False)
    lab.until(36 * SECOND_US)
    lab.world.heal(HALF, 36 * SECOND_US, "down")
    lab.broker.start(36 * SECOND_US)
    lab.until(300 * SECOND_US)
    assert lab.missing() == 0
    assert lab.broker.lost[LossCause.OUTAGE] == 0


def arrivals(lab: Lab) -> dict[tuple[str, int], bytes]:
    names = lab.world.fleet.names
    return {(names[who], seq): values for (who, seq), values in lab.delivered.items()}


@pytest.mark.parametrize("fault", [Latency, BandwidthSqueeze, BurstLoss])
def test_blocks_and_other_devices_change_nothing(fault: type[Fault]) -> None:
    def chosen(fleet: Any) -> Any:
        names = Lab.make(fleet).world.fleet.names
        return np.flatnonzero([name.endswith(("0001", "0003")) for name in names]).astype(np.int32)

    small, large = plan(motors=12, climate=6), plan(motors=12, climate=6)
    large = replace(large, segments=tuple(replace(part, devices=(9, 8)) for part in large.segments))
    few = play(fault, {}, 40, 43, fleet=small, device=chosen(small))
    many = play(fault, {}, 40, 43, fleet=large, device=chosen(large))
    blocks = play(fault, {}, 40, 43, fleet=small, device=chosen(small), block=5)
    assert arrivals(blocks) == arrivals(few)
    assert blocks.log.digest() == few.log.digest()
    assert arrivals(few).items() <= arrivals(many).items()
    assert {key for key in arrivals(many) if key[0] in set(few.world.fleet.names)} == set(arrivals(few))


@campaign(20, nightly=500)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*FAULTS, "power-outage", "partition"]),
            st.integers(1, 60 * SECOND_US),
            st.integers(1, 60 * SECOND_US),
            st.sets(st.integers(0, N - 1), min_size=1),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([0, 1]),
    st.sampled_from(["ethernet", "nb-iot", "lorawan", "datagram"]),
    st.sampled_from([0, 3, 40]),
    st.booleans(),
)
def test_the_ledger_closes_whatever_overlaps(
    faults: list[tuple[str, int, int, set[int]]], qos: int, link: str, buffer: int, outage: bool
) -> None:
    lab = Lab.make(over(plan(motors=30, climate=10, qos=qos, buffer=buffer), link), connect_rate=None)
    acts: list[tuple[int, int, Any, FaultOrder]] = []
    for number, (name, from_us, lasts_us, who) in enumerate(faults):
        fault = FAULTS.get(name) or catalogue()[name]
        order = order_of(fault, {}, np.array(sorted(who), np.int32), f"f{number}")
        acts += [(from_us, number, fault.start, order), (from_us + lasts_us, number, fault.end, order)]
    for at_us, _, act, order in sorted(acts, key=lambda one: one[:2]):
        lab.until(at_us)
        act(lab.world, order, order.device, at_us)
        assert lab.missing() == 0
    if outage:
        lab.broker.stop(lab.world.life.moved_us, silent=False)
        assert lab.missing() == 0
        lab.broker.start(lab.world.life.moved_us)
    lab.until(300 * SECOND_US)
    assert lab.missing() == 0
    assert not lab.world.uplinks.orders
    if link != "datagram":
        assert in_order(lab)


def both(fleet: Any, actions: list[Action], seed: int, until_us: int) -> tuple[list[Row], list[Row]]:
    """Rows of the world, and of the plain simulation, of devices that only connect."""
    limits: dict[str, Any] = {"handshake_ns": 8_000_000, "backlog": 50, "connect_rate": None}
    lab = Lab.make(fleet, seed=seed, **limits)
    lab.stage = Stage(lab.world.acts, [], 0)
    world = lab.world
    for action in actions:
        lab.until(action.at_us)
        device = np.array(action.devices, np.int32)
        match action.kind:
            case "power-off":
                world.power_off(device, action.at_us)
            case "power-on":
                world.power_on(device, action.at_us)
            case "slow":
                world.uplinks.slow_down(action.step, device, action.at_us, action.more_us, action.jitter_us)
            case "lossy":
                world.uplinks.lose(action.step, device, action.at_us, Chain(action.worsen, action.recover))
            case "recover":
                world.uplinks.end(action.step, device, action.at_us)
    lab.until(until_us)
    assert lab.log.keep is not None
    rows = np.concatenate(lab.log.keep)
    code = rows[:, 1] >> 32
    mine = code >= FIRST_DEVICE_CODE
    found = list(zip(rows[mine, 0].tolist(), code[mine].tolist(), (rows[mine, 1] & 0xFFFFFFFF).tolist(), strict=True))
    devices = []
    for index, name in enumerate(world.fleet.names):
        part = fleet.segments[world.fleet.segment[index]]
        link, policy = LINKS[part.link], part.reconnect
        devices.append(
            Device(
                name=name,
                link=(link.base_us, link.jitter_us, link.retry_us, link.retry_per_65536),
                backoff=policy.backoff,
                jitter=policy.jitter,
                base_us=policy.base_us,
                cap_us=policy.cap_us,
                timeout_us=policy.timeout_us,
                keep_alive_us=part.keep_alive_us,
                boot_low_us=part.boot_us[0],
                boot_high_us=part.boot_us[1],
                every_us=part.every_us,
                phase_us=int(world.fleet.phase_us[index]),
                air_us=link.air_us(link.connect_bytes),
            )
        )
    return found, simulate(devices, Broker(8_000_000, 50, None, 1, 0), actions, seed, until_us)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_connects_through_slow_and_lossy_links_are_those_of_the_plain_simulation(chance_seed: int) -> None:
    chance = random.Random(chance_seed)
    actions = [Action(1, "power-off", tuple(ALL.tolist())), Action(2, "power-on", tuple(ALL.tolist()))]
    for number, kind in enumerate(("slow", "lossy", "slow")):
        begin_us, step = chance.randrange(1, 15 * SECOND_US), f"f{number}"
        devices = tuple(sorted(chance.sample(range(N), chance.randint(1, N))))
        amounts = {"more_us": chance.randrange(3 * SECOND_US), "jitter_us": chance.randrange(SECOND_US)}
        if kind == "lossy":
            amounts = {"worsen": chance.choice([0.1, 0.25]), "recover": chance.choice([0.25, 0.5])}  # type: ignore[dict-item]
        actions.append(Action(begin_us, kind, devices, step=step, **amounts))  # type: ignore[arg-type]
        actions.append(Action(begin_us + chance.randrange(1, 20 * SECOND_US), "recover", devices, step=step))
    actions.sort(key=lambda action: action.at_us)
    fleet = plan(motors=30, climate=10)
    fleet = chance.choice([fleet, over(fleet, "nb-iot"), over(fleet, "lorawan")])
    found, expected = both(fleet, actions, chance.randint(1, 99), 45 * SECOND_US)
    assert found == expected
    assert {BOOTED, ADMITTED} <= {code for _, code, _ in found}
