"""Invariants of the world: the ledger closes under any faults; nothing depends on blocks, watchers or other devices."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.worlds import Lab, plan
from twinstorm.twin.fleet import State
from twinstorm.twin.flow import SECOND_US

END_US = 90 * SECOND_US

INSTANTS = st.integers(0, 60 * SECOND_US)
FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["power", "both", "up", "down", "reset", "silent"]),
        INSTANTS,
        st.integers(1, 40 * SECOND_US),
        st.sets(st.integers(0, 39), min_size=1, max_size=40),
    ),
    max_size=5,
)


def play(lab: Lab, faults: list[tuple[str, int, int, set[int]]], end_us: int = END_US) -> None:
    acts: list[tuple[int, int, str, np.ndarray, bool]] = []
    for number, (kind, from_us, lasts_us, devices) in enumerate(faults):
        device = np.array(sorted(devices), np.int32)
        acts.append((from_us, number, kind, device, True))
        acts.append((from_us + lasts_us, number, kind, device, False))
    for at_us, _, kind, device, starts in sorted(acts, key=lambda act: act[:2]):
        if at_us >= end_us:
            break
        lab.until(at_us)
        if kind == "power":
            (lab.world.power_off if starts else lab.world.power_on)(device, at_us)
        elif kind in ("reset", "silent"):
            if starts:
                lab.broker.stop(at_us, silent=kind == "silent")
            else:
                lab.broker.start(at_us)
        elif starts:
            lab.world.cut(device, at_us, kind)
        else:
            lab.world.heal(device, at_us, kind)
        assert lab.missing() == 0
    lab.until(end_us)


QUEUES: list[dict[str, Any]] = [{}, {"message_rate": Fraction(20), "message_queue": 15}]
"""No limit towards the core, and one that a fleet of 40 exceeds."""


def bury(lab: Lab) -> None:
    """Everybody loses power for good: the broker finds out about each of them."""
    everybody = np.arange(len(lab.world.fleet), dtype=np.int32)
    lab.world.power_off(everybody, END_US)
    lab.until(END_US + 200 * SECOND_US)
    assert not lab.broker.live.any(), "a session outlives its device"
    assert lab.missing() == 0


@settings(max_examples=20, deadline=None)
@given(FAULTS, st.sampled_from([0, 1, 2]), st.sampled_from([0, 3, 40]), st.booleans(), st.sampled_from(QUEUES))
def test_the_ledger_closes_under_any_faults(
    faults: list[tuple[str, int, int, set[int]]], qos: int, buffer: int, evict_oldest: bool, queue: dict[str, Any]
) -> None:
    lab = Lab.make(plan(qos=qos, buffer=buffer, evict_oldest=evict_oldest), **queue)
    play(lab, faults)
    assert lab.missing() == 0
    bury(lab)


@pytest.mark.nightly
@settings(max_examples=500, deadline=None)
@given(FAULTS, st.sampled_from([0, 1, 2]), st.sampled_from([0, 3, 40]), st.booleans(), st.sampled_from(QUEUES))
def test_the_ledger_closes_under_any_faults_at_length(
    faults: list[tuple[str, int, int, set[int]]], qos: int, buffer: int, evict_oldest: bool, queue: dict[str, Any]
) -> None:
    lab = Lab.make(plan(qos=qos, buffer=buffer, evict_oldest=evict_oldest), **queue)
    play(lab, faults)
    assert lab.missing() == 0
    bury(lab)


OUTAGE = [("power", 10 * SECOND_US, 20 * SECOND_US, set(range(10, 35))), ("both", 5_000_001, 30 * SECOND_US, {1, 2, 3})]


def test_a_power_cut_empties_buffers_and_everybody_comes_back() -> None:
    lab = Lab.make()
    play(lab, OUTAGE)
    assert (lab.world.fleet.state == State.ONLINE).all()
    assert set(lab.world.fleet.boot.tolist()) == {1, 2}


def test_a_short_cut_at_qos_1_loses_nothing_and_keeps_the_order() -> None:
    lab = Lab.make()
    play(lab, [("both", 10 * SECOND_US, 20 * SECOND_US, set(range(40)))])
    assert sum(lab.world.lost.values()) == 0
    assert lab.repeated == 0
    for seqs in lab.order.values():
        assert seqs == list(range(1, len(seqs) + 1))


def test_what_a_full_queue_drops_behind_a_one_way_cut_is_sent_again_and_counted_once() -> None:
    lab = Lab.make(plan(motors=10, climate=0), message_rate=Fraction(9), message_queue=5)
    play(lab, [("down", 10 * SECOND_US + 1, 20 * SECOND_US, set(range(10)))])
    assert lab.missing() == 0


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_has_not_reached_a_dying_broker_is_lost_at_qos_0_and_sent_again_above(qos: int) -> None:
    """Readings of second 20 are 2 to 4 ms on their way when it dies."""
    lab = Lab.make(plan(motors=20, climate=0, qos=qos))
    play(lab, [("reset", 20 * SECOND_US + 3_000, 5 * SECOND_US, {0})])
    arrived = [seq for seqs in lab.order.values() for seq in seqs if seq == 21]
    assert lab.missing() == 0
    assert sum(lab.broker.lost.values()) == 0
    if qos:
        assert len(arrived) == 20
        assert sum(lab.world.lost.values()) == 0
        assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in lab.order.values())
    else:
        assert 0 < len(arrived) < 20
        assert lab.world.lost["qos0"] >= 20 - len(arrived)


def test_behind_a_one_way_cut_readings_arrive_and_repeat() -> None:
    lab = Lab.make(plan(motors=10, climate=0))
    play(lab, [("down", 10 * SECOND_US + 1, 30 * SECOND_US, set(range(10)))])
    assert lab.repeated == 10 * 20
    assert lab.missing() == 0


def test_at_qos_2_nothing_arrives_behind_a_one_way_cut_and_nothing_twice() -> None:
    """The PUBREC does not come down, so no PUBREL goes up."""
    lab = Lab.make(plan(motors=10, climate=0, qos=2))
    cut = ("down", 10 * SECOND_US + 1, 30 * SECOND_US, set(range(10)))
    play(lab, [cut], 39 * SECOND_US)
    assert {seqs[-1] for seqs in lab.order.values()} == {11}, "the reading of the 10th second"
    assert lab.world.held == 10 * 28
    lab.world.heal(np.arange(10, dtype=np.int32), 40 * SECOND_US + 1, "down")
    lab.until(45 * SECOND_US)
    assert lab.repeated == 0
    assert all(seqs == list(range(1, len(seqs) + 1)) and len(seqs) > 43 for seqs in lab.order.values())
    assert lab.missing() == 0


def test_at_qos_2_a_reading_is_passed_on_a_round_trip_later(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived: dict[int, list[int]] = {1: [], 2: []}
    for qos, instants in arrived.items():
        lab = Lab.make(plan(motors=10, climate=0, qos=qos))
        monkeypatch.setattr(lab, "_receive", lambda one, instants=instants: instants.extend(one.arrived_us.tolist()))
        lab.until(3 * SECOND_US + 500_000)
    assert len(arrived[1]) >= 30
    assert arrived[2] == [at_us + 2 * 2_000 for at_us in arrived[1]], "twice the least latency of ethernet"


def test_what_is_not_released_when_the_broker_dies_is_the_devices_and_sent_once() -> None:
    """Readings of second 20 are there after 4 ms at the latest, and released 4 ms later."""
    lab = Lab.make(plan(motors=20, climate=0, qos=2))
    play(lab, [("reset", 20 * SECOND_US + 4_500, 5 * SECOND_US, {0})])
    assert lab.missing() == lab.repeated == sum(lab.world.lost.values()) == sum(lab.broker.lost.values()) == 0
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in lab.order.values())


EVERYBODY = set(range(10))


def test_the_broker_misses_a_device_whose_uplink_is_cut_after_its_downlink() -> None:
    lab = Lab.make(plan(motors=10, climate=0, keep_alive_us=20 * SECOND_US))
    cuts = [(way, 10 * SECOND_US + after, 60 * SECOND_US, EVERYBODY) for after, way in enumerate(("down", "up"))]
    play(lab, cuts, 39 * SECOND_US)
    assert lab.broker.live.all()
    lab.until(40 * SECOND_US)
    assert not lab.broker.live.any(), "1.5 keep-alives after the reading of the 10th second"


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_uplink_that_heals_behind_a_dead_downlink_is_a_cut_of_the_downlink(
    qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab.make(plan(motors=10, climate=0, qos=qos))
    muted: list[tuple[int, str, int]] = []

    def silence(device: np.ndarray, at_us: int, last_packet_us: np.ndarray, direction: str) -> None:
        muted.append((at_us, direction, len(device)))
        original(device, at_us, last_packet_us, direction)

    original = lab.broker.silence
    monkeypatch.setattr(lab.broker, "silence", silence)
    up_us, down_us, healed_us = 10 * SECOND_US + 1, 11 * SECOND_US + 1, 15 * SECOND_US + 1
    faults = [("up", up_us, healed_us - up_us, EVERYBODY), ("down", down_us, 20 * SECOND_US, EVERYBODY)]
    play(lab, faults, 25 * SECOND_US)
    assert [each for each in muted if each[2]] == [(up_us, "up", 10), (healed_us, "down", 10)]
    # Without acknowledgements a client sends on at QoS 0 only.
    newest = [seqs[-1] for seqs in lab.order.values()]
    assert newest == [25 if qos == 0 else 11] * 10
    assert lab.missing() == 0
    lab.until(30 * SECOND_US + 1)
    lab.world.heal(np.arange(10, dtype=np.int32), 30 * SECOND_US + 1, "down")
    lab.until(35 * SECOND_US)
    assert all(seqs == list(range(1, len(seqs) + 1)) and len(seqs) > 33 for seqs in lab.order.values())


def test_block_size_and_watching_change_nothing() -> None:
    reference = Lab.make()
    play(reference, OUTAGE)
    blocks = Lab.make(block=7)
    play(blocks, OUTAGE)
    watched = Lab.make()

    def look(before_us: int) -> None:
        for at_us in range(watched.world.life.moved_us, before_us, 333_337):
            watched.world.advance_to(at_us)

    original = watched.until
    watched.until = lambda at_us, watch=look: original(at_us, watch)  # type: ignore[method-assign]
    play(watched, OUTAGE)
    assert blocks.log.digest() == reference.log.digest()
    assert watched.log.digest() == reference.log.digest()
    assert blocks.delivered == reference.delivered


def test_another_seed_is_another_storm() -> None:
    one, other = Lab.make(seed=1), Lab.make(seed=2)
    play(one, OUTAGE)
    play(other, OUTAGE)
    assert one.log.digest() != other.log.digest()


def test_adding_devices_changes_no_reading_of_the_others() -> None:
    small, large = Lab.make(plan(motors=6, climate=2)), Lab.make(plan(motors=16, climate=8))
    for lab in (small, large):
        lab.until(30 * SECOND_US)

    def by_name(lab: Lab) -> dict[tuple[str, int], bytes]:
        return {(lab.world.fleet.names[who], seq): values for (who, seq), values in lab.delivered.items()}

    few, many = by_name(small), by_name(large)
    assert few.items() <= many.items()
    assert len(few) < len(many)


def test_a_run_that_grows_in_phases_samples_every_device_once_a_period() -> None:
    lab = Lab.make(replace(plan(motors=40, climate=0), phases=10))
    lab.until(10 * SECOND_US)
    assert len(lab.world.fleet.groups) > 5
    assert lab.world.fleet.seq.tolist() == [10] * 40
