"""Faults of payloads: what the core makes of them, what the ledger says, and which evidence they leave."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import campaign
from tests.twin.worlds import broker_settings, plan
from twinstorm.detectors.ingest import Ingest
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.faults.base import Fault, catalogue
from twinstorm.scenarios.faults.payloads import (
    LateFlood,
    Misrouted,
    PayloadCorruption,
    PayloadDuplicate,
    PayloadReorder,
    PayloadTruncation,
    SchemaBreak,
)
from twinstorm.scenarios.language.settings import SettingError, fault_settings
from twinstorm.twin.flow import SECOND_US, FaultOrder, Ledger, LossCause
from twinstorm.twin.stories import Stage

N = 40
ALL = np.arange(N, dtype=np.int32)
HALF = np.arange(0, N, 2, dtype=np.int32)
FAULTS: tuple[type[Fault], ...] = (
    LateFlood,
    Misrouted,
    PayloadCorruption,
    PayloadDuplicate,
    PayloadReorder,
    PayloadTruncation,
    SchemaBreak,
)


class Bench:
    """World, modelled broker and the real door of the core, moved by hand; the ledger must close every second."""

    def __init__(self, fleet: Any = None, block: int = 16_384, seed: int = 7, **limits: Any) -> None:
        limits = {"connect_rate": None} | limits
        self.wiring = ModelledWiring(
            fleet or plan(motors=30, climate=10, buffer=200), broker_settings(**limits), seed, block_devices=block
        )
        self.world = self.wiring.world
        self.ingest = Ingest(self.wiring.registry)
        self.stage = Stage(self.wiring.acts, self.wiring.stories, 0)
        self.now_us = 0

    def until(self, at_us: int) -> None:
        """Everything before `at_us`."""
        while self.now_us < at_us:
            second_us = min((self.now_us // SECOND_US + 1) * SECOND_US, at_us)
            while (due_us := self.stage.next_us()) < second_us:
                self.world.advance_to(due_us)
                self.stage.step()
            self.now_us = second_us
            self.world.advance_to(second_us)
            for delivery in self.wiring.collect(second_us).deliveries:
                self.ingest.take(delivery)
            assert self.ledger().difference == 0

    @property
    def letters(self) -> Counter[str]:
        return self.ingest.dead.counts

    def ledger(self) -> Ledger:
        lost = Counter({str(cause): count for cause, count in self.wiring.lost().items()})
        lost[str(LossCause.DEAD_LETTER)] += sum(self.letters.values())
        return self.wiring.ledger(self.ingest.accepted, self.ingest.repeated, dict(lost))

    def evidence(self, step: str = "f") -> dict[str, int]:
        return dict(self.world.evidence_of(step).counts)


def order_of(fault: type[Fault], given: Mapping[str, str], device: Any = HALF, step: str = "f") -> FaultOrder:
    return FaultOrder(step, fault.name, fault_settings(fault, given, N), device, 0, None)


def play(
    fault: type[Fault], given: Mapping[str, str], to_s: int = 40, end_s: int = 60, device: Any = HALF, **how: Any
) -> Bench:
    """The fault on half of the fleet from 10 s on."""
    bench = Bench(**how)
    order = order_of(fault, given, device)
    bench.until(10 * SECOND_US)
    fault.start(bench.world, order, device, 10 * SECOND_US)
    bench.until(to_s * SECOND_US)
    fault.end(bench.world, order, device, to_s * SECOND_US)
    bench.until(end_s * SECOND_US)
    return bench


def sent_meanwhile(bench: Bench, to_s: int = 40) -> int:
    """Readings that the faulty half samples from 10 s on and before `to_s`."""
    every_s = bench.world.fleet.every_us[HALF] // SECOND_US
    return int(sum(-(-to_s // every) - -(-10 // every) for every in every_s.tolist()))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_leaves_evidence_and_none_of_it_without_devices(fault: type[Fault]) -> None:
    assert any(play(fault, {}).evidence().values())
    nobody = play(fault, {}, device=HALF[:0])
    assert not any(nobody.evidence().values())
    assert sum(nobody.ledger().lost.values()) == 0
    assert nobody.ledger().repeated == 0
    assert fault.clocks == {"virtual", "live"}


@pytest.mark.parametrize(
    ("how", "reasons"),
    [
        ("number", {"unknown schema 2"}),
        ("rename", {"motor has no such measurement", "environment has no such measurement"}),
        ("type", {"Expected `float | object | null`, got `str` - at `$.measurements[...]`"}),
        ("unit", {"motor has no such measurement", "environment has no such measurement"}),
    ],
)
def test_a_broken_schema_is_refused_with_a_reason_of_its_own(how: str, reasons: set[str]) -> None:
    bench = play(SchemaBreak, {"how": how})
    sent = sent_meanwhile(bench)
    assert set(bench.letters) == reasons
    assert bench.ledger().lost == {"dead_letter": sent}
    assert bench.evidence() == {"messages_of_another_schema": sent}


def test_what_is_cut_off_cannot_be_read_and_what_is_short_stays_whole() -> None:
    bench = play(PayloadTruncation, {"keep": "256 B"})
    assert set(bench.letters) == {"Input data was truncated"}
    assert bench.ledger().lost == {"corrupt": sent_meanwhile(bench)}
    whole = play(PayloadTruncation, {"keep": "2 kB"})
    assert not any(whole.evidence().values())
    assert not whole.ledger().lost


def test_flipped_bits_are_refused_or_believed_and_never_forge_a_number() -> None:
    bench = play(PayloadCorruption, {"share": "100 %", "bits": "1"}, to_s=200, end_s=210)
    damaged, readable = (bench.evidence()[name] for name in ("messages_damaged", "damaged_and_still_readable"))
    ledger = bench.ledger()
    assert damaged == sent_meanwhile(bench, 200)
    assert ledger.lost["corrupt"] == damaged - readable
    assert 0 < ledger.lost.get("dead_letter", 0) < readable, "some are out of range, some are believed"
    assert ledger.repeated == 0
    assert bench.ingest.seen.current.boot.max() == 1
    assert (bench.ingest.seen.current.newest <= bench.world.fleet.seq).all()


def test_the_share_is_the_share() -> None:
    bench = play(PayloadCorruption, {"share": "10 %"}, to_s=400, end_s=410)
    assert bench.evidence()["messages_damaged"] / sent_meanwhile(bench, 400) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("given", [{}, {"flag": "yes"}, {"after": "3 s"}])
def test_repeats_are_counted_beside_the_ledger(given: dict[str, str]) -> None:
    bench = play(PayloadDuplicate, {"share": "50 %", **given})
    ledger = bench.ledger()
    assert ledger.repeated == bench.evidence()["messages_repeated"] > 100
    assert not ledger.lost
    assert ledger.delivered == ledger.produced - ledger.buffered - ledger.in_flight


def test_messages_overtake_each_other_and_none_is_lost() -> None:
    bench = play(PayloadReorder, {"by": "20 s"}, end_s=80)
    assert bench.evidence()["messages_overtaking"] > 100
    assert not bench.ledger().lost
    assert bench.ledger().repeated == 0


def test_nothing_overtakes_where_devices_speak_more_rarely() -> None:
    climate = np.arange(10, dtype=np.int32)
    bench = play(PayloadReorder, {"by": "3 s"}, device=climate)
    assert {bench.world.fleet.every_us[who] for who in climate} == {7 * SECOND_US}
    assert not any(bench.evidence().values())


def test_what_comes_later_than_the_core_remembers_is_lost_as_late() -> None:
    few = plan(motors=2, climate=1)
    everybody = np.arange(3, dtype=np.int32)
    bench = play(PayloadReorder, {"by": "5 min"}, to_s=200, end_s=520, device=everybody, fleet=few)
    assert bench.ledger().lost["late"] > 0
    assert bench.ledger().repeated == 0


def test_a_flood_comes_in_one_instant_and_is_complete() -> None:
    bench = play(LateFlood, {"hold": "20 s"}, to_s=25, end_s=26)
    delivered = bench.ledger().delivered
    assert bench.ledger().buffered == 0
    held = play(LateFlood, {"hold": "20 s"}, to_s=29, end_s=29)
    motors = [who for who in HALF.tolist() if bench.world.fleet.every_us[who] == SECOND_US]
    assert held.ingest.accepted_per_device[motors].tolist() == [10] * len(motors), "silent since 10 s"
    flooded = play(LateFlood, {"hold": "20 s"}, to_s=60, end_s=60)
    # At 30 s and at 50 s everything came; since then nothing has.
    assert flooded.ingest.accepted_per_device[motors].tolist() == [51] * len(motors)
    assert delivered < flooded.ledger().delivered
    assert not bench.ledger().lost


def test_a_flood_that_waits_too_long_overflows_and_a_power_cut_takes_it() -> None:
    bench = Bench(plan(motors=30, climate=10, buffer=20))
    LateFlood.start(bench.world, order_of(LateFlood, {"hold": "1 h"}), HALF, 0)
    bench.until(60 * SECOND_US)
    assert bench.ledger().lost["evicted"] > 0
    bench.world.power_off(HALF, 60 * SECOND_US)
    assert bench.ledger().lost["power"] == 20 * 15 + 5 * 9, "full rings of motors, all of the others"
    assert bench.ledger().difference == 0


def test_a_device_that_reconnects_goes_on_holding_back() -> None:
    bench = Bench()
    LateFlood.start(bench.world, order_of(LateFlood, {"hold": "1 h"}, ALL), ALL, 0)
    bench.wiring.broker.stop(SECOND_US, silent=False)
    bench.wiring.broker.start(2 * SECOND_US)
    bench.until(90 * SECOND_US)
    assert bench.world.online().all()
    assert bench.ledger().delivered == 0


@pytest.mark.parametrize("to", ["device", "site"])
def test_the_core_believes_no_message_on_the_topic_of_another(to: str) -> None:
    bench = play(Misrouted, {"to": to})
    sent = sent_meanwhile(bench)
    assert sum(bench.letters.values()) == sent
    assert set(bench.letters) <= {"the document names another device than the topic", "unknown device"}
    assert bench.ledger().lost == {"dead_letter": sent}


def test_of_messages_that_go_nowhere_the_core_sees_nothing() -> None:
    bench = play(Misrouted, {"to": "nowhere"})
    assert not bench.letters
    assert bench.ledger().lost == {"corrupt": sent_meanwhile(bench)}


@pytest.mark.parametrize("fault", [PayloadCorruption, Misrouted])
def test_a_share_of_nothing_is_refused(fault: type[Fault]) -> None:
    assert fault.misfit(list, fault_settings(fault, {"share": "0 %"}, N))
    assert not fault.misfit(list, fault_settings(fault, {}, N))


@pytest.mark.parametrize(
    ("fault", "given"),
    [(PayloadCorruption, {"bits": "0"}), (PayloadReorder, {"by": "0 s"}), (LateFlood, {"hold": "10 ms"})],
)
def test_settings_out_of_their_bounds_are_refused(fault: type[Fault], given: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="is less than"):
        fault_settings(fault, given, N)


def test_behind_a_cut_downwards_an_unreadable_first_copy_is_sent_again() -> None:
    """At QoS 1 the device keeps what nobody acknowledges; what comes in the end is the reading, once."""
    bench = Bench()
    bench.until(10 * SECOND_US)
    SchemaBreak.start(bench.world, order_of(SchemaBreak, {}), HALF, 10 * SECOND_US)
    bench.world.cut(ALL, 10 * SECOND_US, "down")
    bench.until(15 * SECOND_US)
    SchemaBreak.end(bench.world, order_of(SchemaBreak, {}), HALF, 15 * SECOND_US)
    bench.world.heal(ALL, 15 * SECOND_US, "down")
    bench.until(30 * SECOND_US)
    assert bench.letters.total() > 0, "the core has refused them"
    assert not bench.ledger().lost, "and has them all the same"


def arrivals(bench: Bench) -> tuple[Any, ...]:
    ingest = bench.ingest
    return (
        ingest.accepted_per_device.tolist(),
        ingest.last_arrival_us.tolist(),
        ingest.newest.tobytes(),
        dict(ingest.dead.counts),
        bench.ledger(),
        bench.evidence(),
    )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_block_size_changes_nothing(fault: type[Fault]) -> None:
    assert arrivals(play(fault, {}, block=5)) == arrivals(play(fault, {}))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_other_devices_and_other_faults_change_nobodys_chance(fault: type[Fault]) -> None:
    few, all_of_them = play(fault, {}, device=HALF[:5]), play(fault, {}, device=HALF)
    mine = HALF[:5]
    assert (few.ingest.accepted_per_device[mine] == all_of_them.ingest.accepted_per_device[mine]).all()
    assert (few.ingest.last_arrival_us[mine] == all_of_them.ingest.last_arrival_us[mine]).all()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_world_saved_amid_the_fault_goes_on_as_if_nothing_had_been(fault: type[Fault]) -> None:
    def go_on(saved: bool) -> tuple[Any, ...]:
        bench = Bench()
        fault.start(bench.world, order_of(fault, {}), HALF, 0)
        bench.until(20 * SECOND_US)
        if saved:
            bench.wiring, bench.ingest = pickle.loads(pickle.dumps((bench.wiring, bench.ingest)))
            bench.world = bench.wiring.world
            bench.stage = Stage(bench.wiring.acts, bench.wiring.stories, bench.now_us)
        bench.until(40 * SECOND_US)
        fault.end(bench.world, order_of(fault, {}), HALF, 40 * SECOND_US)
        bench.until(60 * SECOND_US)
        return arrivals(bench)

    assert go_on(saved=True) == go_on(saved=False)


GIVEN: dict[str, st.SearchStrategy[dict[str, str]]] = {
    "payload-reorder": st.sampled_from([{}, {"by": "3 s", "share": "100 %"}, {"by": "1 min"}]),
    "payload-duplicate": st.sampled_from([{}, {"after": "4 s", "share": "100 %"}]),
    "payload-corruption": st.sampled_from([{}, {"share": "100 %", "bits": "1"}]),
    "schema-break": st.sampled_from([{}, {"how": "type"}, {"how": "unit"}]),
    "late-flood": st.sampled_from([{"hold": "7 s"}, {"hold": "1 min"}]),
    "misrouted": st.sampled_from([{}, {"to": "site"}, {"to": "nowhere", "share": "50 %"}]),
    "partition": st.sampled_from([{}, {"direction": "down"}, {"direction": "up"}]),
}
NAMES = [*(fault.name for fault in FAULTS), "power-outage", "partition", "latency"]


@st.composite
def plans(draw: st.DrawFn) -> tuple[str, dict[str, str], int, int, frozenset[int]]:
    name = draw(st.sampled_from(NAMES))
    given = draw(GIVEN.get(name, st.just({})))
    begin_us, lasts_us = draw(st.integers(1, 60 * SECOND_US)), draw(st.integers(1, 60 * SECOND_US))
    return name, given, begin_us, lasts_us, draw(st.frozensets(st.integers(0, N - 1), min_size=1))


@campaign(12, nightly=500)
@given(
    st.lists(plans(), min_size=1, max_size=5),
    st.sampled_from([0, 1]),
    st.sampled_from([0, 3, 40]),
    st.lists(st.tuples(st.sampled_from(["broker-outage", "core-outage"]), st.integers(5, 90)), max_size=2),
    st.sampled_from([None, Fraction(20)]),
)
def test_the_ledger_closes_every_second_whatever_overlaps(
    faults: list[tuple[str, dict[str, str], int, int, frozenset[int]]],
    qos: int,
    buffer: int,
    outages: list[tuple[str, int]],
    message_rate: Fraction | None,
) -> None:
    bench = Bench(plan(motors=30, climate=10, qos=qos, buffer=buffer), message_rate=message_rate, message_queue=50)
    acts: list[tuple[int, int, Any, FaultOrder]] = []
    for number, (name, given_here, begin_us, lasts_us, who) in enumerate(faults):
        fault = catalogue()[name]
        order = order_of(fault, given_here, np.array(sorted(who), np.int32), f"f{number}")
        acts += [(begin_us, number, fault.start, order), (begin_us + lasts_us, number, fault.end, order)]
    broker = bench.wiring.broker
    for number, (name, outage_s) in enumerate(outages, 98):
        fault = catalogue()[name]
        order = order_of(fault, {}, ALL[:0], f"f{number}")
        acts += [
            (outage_s * SECOND_US, number, fault.start, order),
            ((outage_s + 9) * SECOND_US, number, fault.end, order),
        ]
    for at_us, _, act, order in sorted(acts, key=lambda one: one[:2]):
        bench.until(at_us)
        act(bench.world if len(order.device) else broker, order, order.device, at_us)
        assert bench.ledger().difference == 0
    bench.until(200 * SECOND_US)
    assert not bench.world.payloads.holding
    assert not bench.world.payloads.held_back.any()
