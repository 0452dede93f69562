"""The line that a site shares: who waits for whom, what becomes of readings and CONNECTs, and what faults do to it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.twin.worlds import Lab, carried, plan
from twinstorm.scenarios.faults.base import Fault, catalogue
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.eventlog import Code
from twinstorm.twin.fleet import FleetPlan, State
from twinstorm.twin.flow import SECOND_US, FaultOrder, LossCause
from twinstorm.twin.machines.installed import catalogue as kinds
from twinstorm.twin.network import LINKS
from twinstorm.twin.stories import Stage
from twinstorm.twin.trunks import DELAYED, TrunkPlan, _served

ALL = np.arange(40, dtype=np.int32)
WIDE = TrunkPlan(1e6, 64e3, 20_000)
NARROW = TrunkPlan(2e3, 8e3, 20_000)
"""Of some 12 kB that arn-1 sends in a second."""


def with_trunk(trunk: TrunkPlan = WIDE, fleet: FleetPlan | None = None, **changes: Any) -> FleetPlan:
    """Site arn-1 has one, fra-1 has none."""
    return replace(fleet or plan(buffer=200, **changes), trunks=(trunk, None))


def lab_of(trunk: TrunkPlan = WIDE, fleet: FleetPlan | None = None, block: int = 16_384, **changes: Any) -> Lab:
    return Lab.make(with_trunk(trunk, fleet, **changes), connect_rate=None, block=block)


def here(lab: Lab) -> Any:
    """Devices of arn-1."""
    return np.flatnonzero(lab.world.fleet.site == 0).astype(np.int32)


def order_of(name: str, given: Mapping[str, str], device: Any) -> tuple[type[Fault], FaultOrder]:
    fault = catalogue()[name]
    return fault, FaultOrder("f", name, fault_settings(fault, dict(given), 40), device, 0, None)


def struck(name: str, given: Mapping[str, str], lab: Lab, begin_s: int = 20, end_s: int = 80, to_s: int = 200) -> Lab:
    fault, order = order_of(name, given, here(lab))
    lab.until(begin_s * SECOND_US)
    fault.start(lab.world, order, order.device, begin_s * SECOND_US)
    lab.until(end_s * SECOND_US)
    assert lab.missing() == 0
    fault.end(lab.world, order, order.device, end_s * SECOND_US)
    lab.until(to_s * SECOND_US)
    assert lab.missing() == 0
    return lab


def test_a_line_serves_in_order_of_arrival_and_is_idle_only_when_nobody_waits() -> None:
    trunk = np.array([0, 0, 0, 2, 2])
    ready_ns = np.array([0, 5, 100, 7, 7])
    service_ns = np.array([10, 10, 10, 3, 4])
    assert _served(trunk, ready_ns, service_ns).tolist() == [10, 20, 110, 10, 14]
    assert len(_served(trunk[:0], ready_ns[:0], service_ns[:0])) == 0


def test_messages_of_a_site_leave_one_after_the_other_and_those_of_another_do_not() -> None:
    """Fifteen motors of arn-1 sample at once; their documents need 1 ms each on a line of 0.62 MB/s."""
    size = LINKS["ethernet"].reading_bytes(len(kinds()["motor"].channels)) + LINKS["ethernet"].overhead_bytes
    lab = lab_of(TrunkPlan(size * 1_000.0, 1e6, 20_000), motors=30, climate=0)
    lab.until(10 * SECOND_US + 1)
    arrived = []
    for now_us in range(10 * SECOND_US, 10 * SECOND_US + 60_000, 500):
        before = len(lab.delivered)
        lab.until(now_us)
        arrived += [now_us] * (len(lab.delivered) - before)
    theirs, ours = np.diff(arrived[:15]), np.diff(arrived[15:])
    assert len(arrived) == 30
    assert theirs.sum() < 3_000
    assert set(ours.tolist()) == {1_000}


def test_without_a_bottleneck_all_arrives_later_by_the_latency_and_nothing_is_lost() -> None:
    lab, other = lab_of(), Lab.make(plan(buffer=200), connect_rate=None)
    for each in (lab, other):
        each.until(60 * SECOND_US)
        each.until(60 * SECOND_US + 900_000)
        assert each.missing() == 0
    assert lab.delivered == other.delivered


def test_beyond_the_queue_devices_hold_back_and_take_turns() -> None:
    lab = lab_of(NARROW)
    lab.until(100 * SECOND_US)
    assert lab.missing() == 0
    depth = lab.world.buffers.depth
    mine = here(lab)
    motors = mine[lab.world.fleet.every_us[mine] == SECOND_US]
    assert depth[motors].min() > 50, "their buffers fill"
    assert depth[np.setdiff1d(ALL, mine)].max() == 0, "nobody else's"
    got = np.array([len(lab.order[who]) for who in motors.tolist()])
    assert np.ptp(got) <= 2, "nobody is preferred"
    trunks = lab.world.trunks
    assert trunks is not None
    assert trunks.moved_bytes[0] == pytest.approx(100 * NARROW.bytes_per_s, rel=0.02), "the line is never idle"
    waiting = trunks.in_flight * 620
    assert waiting < NARROW.queue_bytes + 12_000 + NARROW.bytes_per_s, "what one second brings on top"
    assert all(seqs == sorted(seqs) for seqs in lab.order.values())
    assert not lab.world.lost


def test_a_datagram_that_finds_too_much_waiting_is_lost() -> None:
    fleet = plan(buffer=200)
    fleet = replace(fleet, segments=tuple(replace(part, link="datagram") for part in fleet.segments))
    lab = lab_of(NARROW, fleet)
    lab.until(60 * SECOND_US)
    assert lab.missing() == 0
    assert lab.world.lost[LossCause.QUEUE_FULL] > 100
    assert lab.world.buffers.depth.max() == 0


@pytest.mark.parametrize("trunk", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", ["power-outage", "broker-outage", "payload-duplicate", "late-flood"])
def test_no_result_depends_on_blocks_or_on_who_looks(name: str, trunk: TrunkPlan) -> None:
    def played(block: int, looks: bool) -> tuple[str, Any]:
        lab = lab_of(trunk, block=block)
        fault, order = order_of(name, {}, None if name == "broker-outage" else here(lab))
        on = lab.broker if fault.acts_on == "broker" else lab.world
        for second in range(90):
            if second in (20, 50):
                act = fault.start if second == 20 else fault.end
                lab.until(second * SECOND_US)
                lab.world.settle(second * SECOND_US)
                act(on, order, order.device, second * SECOND_US)
            if looks:
                for part_us in (333_333, 777_777):
                    lab.until(second * SECOND_US + part_us)
                    lab.world.settle(second * SECOND_US + part_us)
                    assert lab.missing() == 0
        lab.until(90 * SECOND_US)
        assert lab.missing() == 0
        return lab.log.digest(), lab.delivered

    assert played(16_384, looks=False) == played(7, looks=True)


def test_a_world_goes_on_from_its_pickle() -> None:
    lab = struck("trunk-squeeze", {"to": "1 kB/s"}, lab_of(), to_s=120)
    again = lab_of()
    fault, order = order_of("trunk-squeeze", {"to": "1 kB/s"}, here(again))
    again.until(20 * SECOND_US)
    fault.start(again.world, order, order.device, 20 * SECOND_US)
    again.until(47 * SECOND_US)
    world, broker, log = pickle.loads(pickle.dumps((again.world, again.broker, again.log)))
    more = Lab(world, broker, log, Stage(world.acts, world.stories, 47 * SECOND_US), again.delivered)
    more.until(80 * SECOND_US)
    fault.end(more.world, order, order.device, 80 * SECOND_US)
    more.until(120 * SECOND_US)
    assert more.log.digest() == lab.log.digest()
    assert more.delivered == lab.delivered


# --- CONNECTs ---------------------------------------------------------------------------------------------------------


def back_s(lab: Lab, power_s: int = 30) -> dict[int, float]:
    """Power is away from 20 s to 30 s. How long after its return each device of arn-1 is back."""
    mine = here(lab)
    lab.until(20 * SECOND_US)
    lab.world.power_off(mine, 20 * SECOND_US)
    lab.until(power_s * SECOND_US)
    lab.world.power_on(mine, power_s * SECOND_US)
    lab.until(150 * SECOND_US)
    assert lab.missing() == 0
    assert (lab.world.fleet.state[mine] == State.ONLINE).all()
    back_us = lab.world.fleet.connected_us[mine]
    return dict(zip(mine.tolist(), ((back_us - power_s * SECOND_US) / 1e6).tolist(), strict=True))


def test_handshakes_wait_in_the_line_with_everything_else() -> None:
    alone, wide = back_s(Lab.make(plan(buffer=200), connect_rate=None)), back_s(lab_of())
    thin = back_s(lab_of(TrunkPlan(8e3, 64e3, 20_000)))
    later = [wide[who] - alone[who] for who in alone]
    assert min(later) > 0.02
    assert max(later) < 0.2
    # Twenty handshakes of 2.7 kB need 7 s.
    assert max(thin.values()) > max(alone.values()) + 3


def test_connects_that_find_too_much_waiting_are_not_answered() -> None:
    lab = lab_of(TrunkPlan(12e3, 4e3, 20_000))
    back_s(lab)
    wide = lab_of()
    back_s(wide)
    assert lab.log.counts[Code.UNANSWERED] > wide.log.counts.get(Code.UNANSWERED, 0) == 0


def test_a_connect_behind_another_waits_for_it_and_readings_wait_for_both() -> None:
    lab = lab_of(TrunkPlan(1e4, 64e3, 20_000))
    trunks = lab.world.trunks
    assert trunks is not None
    lab.until(SECOND_US)
    at_us = np.full(3, SECOND_US + 100_000)
    device = here(lab)[:3].astype(np.int64)
    reach_us, lost = trunks.foresee_connects(at_us, device)
    again_us, _ = trunks.foresee_connects(at_us, device)
    assert reach_us.tolist() == again_us.tolist(), "looking changes nothing"
    assert not lost.any()
    waits = np.diff(reach_us)
    assert waits.tolist() == [waits[0]] * 2
    assert waits[0] == pytest.approx(272_000, rel=0.02)
    trunks.let_pass(at_us[:2], device[:2])
    alone_us, _ = trunks.foresee_connects(at_us[2:], device[2:])
    assert alone_us.tolist() == reach_us[2:].tolist(), "a part that happened, then the rest"


# --- gateways and faults ----------------------------------------------------------------------------------------------


def test_what_gateways_forward_passes_the_trunk_and_what_their_devices_say_does_not() -> None:
    lab = lab_of(TrunkPlan(2e3, 8e3, 20_000), carried())
    lab.until(100 * SECOND_US)
    assert lab.missing() == 0
    world = lab.world
    assert world.trunks is not None
    assert world.gateways is not None
    fleet = world.fleet
    assert world.trunks.sends.nonzero()[0].tolist() == fleet.gateway[fleet.site[fleet.gateway] == 0].tolist()
    held = world.gateways.held_each()
    assert held[fleet.site == 0].sum() > 500, "they wait in the buffers of gateways"
    assert held[fleet.site == 1].sum() == 0
    assert world.buffers.depth[fleet.carrier > 0].max() == 0, "and not in those of devices"


def test_a_squeeze_fills_buffers_and_ends_with_everything_delivered() -> None:
    lab = struck("trunk-squeeze", {"to": "1 kB/s"}, lab_of())
    assert lab.world.evidence["f"][DELAYED] > 50
    other = Lab.make(plan(buffer=200), connect_rate=None)
    other.until(200 * SECOND_US)
    newest = {who: max(seqs) for who, seqs in other.order.items()}
    assert all(newest[who] - max(seqs) <= 1 for who, seqs in lab.order.items())
    assert not lab.world.lost
    assert lab.world.buffers.evicted == 0


def test_a_squeeze_to_more_than_there_is_leaves_no_evidence() -> None:
    lab = struck("trunk-squeeze", {"to": "2 MB/s"}, lab_of())
    assert not lab.world.evidence_of("f").counts.get(DELAYED)


@pytest.mark.parametrize("fleet", [None, carried()], ids=["direct", "carried"])
def test_a_cut_trunk_cuts_off_those_that_talk_over_it(fleet: FleetPlan | None) -> None:
    lab = lab_of(WIDE, fleet)
    fault, order = order_of("trunk-cut", {}, ALL[: len(lab.world.fleet)])
    lab.until(20 * SECOND_US)
    fault.start(lab.world, order, order.device, 20 * SECOND_US)
    lab.until(50 * SECOND_US)
    fleet_ = lab.world.fleet
    over = (fleet_.site == 0) & (fleet_.carrier == 0)
    assert (fleet_.link_cuts > 0).tolist() == over.tolist()
    assert lab.world.evidence["f"]["sessions_cut_off"] == over.sum()
    fault.end(lab.world, order, order.device, 50 * SECOND_US)
    lab.until(250 * SECOND_US)
    assert lab.missing() == 0
    assert lab.world.online().all()
    assert fleet_.tries[fleet_.carrier > 0].sum() == 0, "inside, nobody lost a session"
