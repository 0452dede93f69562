"""The core is away while other things go wrong; in a small world."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import campaign
from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.flow import SECOND_US, Device, FaultOrder, LossCause

N = 20
ALL = np.arange(N, dtype=np.int32)


def act(lab: Lab, name: str, at_s: int, device: Device, given: Mapping[str, str], ends: bool, step: str = "") -> None:
    fault = catalogue()[name]
    on = lab.world if fault.acts_on == "world" else lab.broker
    order = FaultOrder(step or name, name, fault_settings(fault, given, N), device, at_s * SECOND_US, None)
    lab.until(at_s * SECOND_US)
    (fault.end if ends else fault.start)(on, order, device, at_s * SECOND_US)
    assert lab.missing() == 0


def test_what_waits_for_the_core_behind_a_link_cut_downwards_is_the_devices_when_the_broker_dies() -> None:
    lab = Lab.make(plan(motors=15, climate=5, qos=1), connect_rate=None)
    down = {"direction": "down"}
    act(lab, "partition", 10, ALL, down, ends=False)
    act(lab, "core-outage", 20, ALL, {}, ends=False)
    act(lab, "broker-outage", 25, ALL, {}, ends=False)
    lost = lab.broker.lost[LossCause.OUTAGE]
    act(lab, "broker-outage", 27, ALL, {}, ends=True)
    act(lab, "core-outage", 28, ALL, {}, ends=True)
    act(lab, "partition", 30, ALL, down, ends=True)
    lab.until(200 * SECOND_US)
    assert lab.missing() == 0
    # The devices have kept a copy of all that the broker took with it, and sent it again.
    assert lost == 0
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in lab.order.values() if len(seqs) > 20)


def test_evidence_of_an_absence_is_what_the_core_does_not_see_and_what_waits_for_it() -> None:
    lab = Lab.make(plan(motors=15, climate=5, qos=1), connect_rate=None)
    act(lab, "core-outage", 10, ALL, {}, ends=False, step="a")
    assert lab.broker.evidence_of("a").counts == {"sessions_out_of_sight": N}
    act(lab, "core-outage", 20, ALL, {}, ends=True, step="a")
    kept = lab.broker.evidence_of("a").counts["messages_kept"]
    assert 15 * 10 <= kept <= 15 * 11 + 5


FAULTS = ["core-outage", "broker-outage", "partition", "power-outage", "device-crash"]


@campaign(20, nightly=500)
@given(
    faults=st.lists(
        st.tuples(
            st.sampled_from(FAULTS),
            st.sampled_from(["both", "up", "down"]),
            st.integers(1, 50),
            st.integers(1, 40),
            st.sets(st.integers(0, N - 1), min_size=1),
        ),
        min_size=1,
        max_size=5,
    ),
    qos=st.sampled_from([0, 1]),
    limit=st.sampled_from([0, 3, 60, 10_000]),
    rate=st.sampled_from([None, 12, 40]),
)
def test_the_ledger_closes_whatever_overlaps_an_absence(
    faults: list[tuple[str, str, int, int, set[int]]], qos: int, limit: int, rate: int | None
) -> None:
    lab = Lab.make(
        plan(motors=15, climate=5, qos=qos),
        connect_rate=None,
        offline_queue=limit,
        message_rate=rate,
        message_queue=50,
    )
    acts = []
    for number, (name, direction, from_s, lasts_s, who) in enumerate(faults):
        given = {"direction": direction} if name == "partition" else {}
        one = (name, np.array(sorted(who), np.int32), given, f"f{number}")
        acts += [(from_s, number, False, one), (from_s + lasts_s, number, True, one)]
    for at_s, _, ends, (name, device, given, step) in sorted(acts, key=lambda each: each[:2]):
        act(lab, name, at_s, device, given, ends, step)
    lab.until(150 * SECOND_US)
    assert lab.missing() == 0
    assert not lab.broker.downstream.away
