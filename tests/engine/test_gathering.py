"""Gateways that gather: what they put together, when it goes, and what becomes of it as a whole."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.worlds import Lab, carried
from twinstorm.broker.downstream import Downstream
from twinstorm.broker.misconduct import PUBLISH
from twinstorm.twin.flow import SECOND_US, Int, LossCause, Mask, Readings, Together
from twinstorm.twin.wire.columns import Lengths

GATEWAYS = np.arange(8, 12, dtype=np.int32)


class Sent:
    """Messages that gateways hand to the broker, in their order: whose, when they arrive, and what is in them."""

    def __init__(self, lab: Lab) -> None:
        self.messages: list[tuple[int, int, str, list[int]]] = []
        assert lab.world.gateways is not None
        inner = lab.world.gateways._inner
        publish = inner.publish

        def seen(readings: Readings, at_broker_us: Int, kept: Mask | None = None) -> Mask | None:
            together = readings.together
            if together is not None:
                for number in np.unique(together.message).tolist():
                    rows = np.flatnonzero(together.message == number)
                    assert len(set(at_broker_us[rows].tolist())) == 1
                    who = int(together.client[number])
                    self.messages.append(
                        (who, int(at_broker_us[rows[0]]), readings.kind, readings.device[rows].tolist())
                    )
            return publish(readings, at_broker_us, kept)

        inner.publish = seen  # type: ignore[method-assign]


def make(seed: int = 7, **gateway: Any) -> Lab:
    return Lab.make(carried(batch_readings=200, **gateway), seed=seed, connect_rate=None)


def until(lab: Lab, at_s: float) -> Lab:
    lab.until(int(at_s * SECOND_US))
    assert lab.missing() == 0
    return lab


def test_one_message_a_second_and_kind_has_what_came_since_the_last() -> None:
    lab = make()
    sent = Sent(lab)
    until(lab, 12)
    motors = [one for one in sent.messages if one[2] == "motor"]
    # Six motors behind each of four gateways, a reading a second each.
    assert {len(devices) for *_, devices in motors} == {6}
    assert len(motors) in range(4 * 10, 4 * 12 + 1)
    # They are on their way since a whole second.
    assert all(at_us % SECOND_US < 50_000 for _, at_us, _, _ in motors)
    by_gateway = Counter(who for who, *_ in motors)
    assert set(by_gateway) == set(GATEWAYS.tolist())


def test_a_message_has_no_more_than_it_may() -> None:
    lab = Lab.make(carried(batch_readings=4), connect_rate=None)
    sent = Sent(lab)
    until(lab, 12)
    assert max(len(devices) for *_, devices in sent.messages) <= 4
    assert sum(len(devices) for *_, devices in sent.messages) > 4 * 6 * 9


def test_the_rate_of_a_gateway_counts_messages() -> None:
    lab = make(rate_per_s=0.5)
    sent = Sent(lab)
    until(lab, 21)
    assert max(Counter(who for who, *_ in sent.messages).values()) <= 11
    assert max(len(devices) for *_, devices in sent.messages) >= 12


def test_after_an_outage_full_messages_come_in_order_and_nothing_is_lost() -> None:
    lab = make()
    until(lab, 5)
    lab.world.cut(GATEWAYS, 5 * SECOND_US, "both")
    until(lab, 60)
    sent = Sent(lab)
    lab.world.heal(GATEWAYS, 60 * SECOND_US, "both")
    until(lab, 90)
    assert max(len(devices) for *_, devices in sent.messages) > 100
    assert not sum(lab.world.lost.values())
    assert not sum(lab.broker.lost.values())
    assert all(seq == sorted(seq) for seq in lab.order.values())


def test_a_message_that_the_broker_drops_loses_its_readings_and_counts_once() -> None:
    lab = make()
    until(lab, 5)
    lab.broker.mishandle("f", GATEWAYS[:1], PUBLISH, twice=False, share=1.0, nth=0)
    until(lab, 15)
    dropped = lab.broker.evidence["f"]["messages_dropped"]
    assert 10 <= dropped <= 30
    assert lab.broker.lost[LossCause.SHED] > 3 * dropped


def test_what_is_counted_as_sent_is_as_long_as_it_is() -> None:
    lab = make()
    sent = Sent(lab)
    until(lab, 12)
    world = lab.world
    assert world.gateways is not None
    payload = 0
    for who, _, kind, devices in sent.messages:
        lengths = Lengths.of(world.fleet.names[who], kind, [each.name for each in world.channels[kind]])
        names = {world.fleet.names[device] for device in devices}
        payload += lengths.payload(len(devices), len(names), sum(len(name) for name in names))
    segment = int(world.fleet.segment[GATEWAYS[0]])
    messages, told, whole = world.gateways.forwarder.forwarded(segment)
    assert (messages, told) == (len(sent.messages), payload)
    assert whole > told


@settings(max_examples=8, deadline=None)
@given(stops=st.lists(st.integers(1, 39_999_999), max_size=12, unique=True), rate=st.sampled_from([0.7, 3.0, 200.0]))
def test_nothing_hangs_on_when_somebody_looks(stops: list[int], rate: float) -> None:
    whole, cut = (Lab.make(carried(batch_readings=9, rate_per_s=rate), connect_rate=None) for _ in range(2))
    one, other = Sent(whole), Sent(cut)
    for lab, looks in ((whole, [40_000_000]), (cut, [*sorted(stops), 40_000_000])):
        for at_us in looks:
            lab.until(at_us)
            assert lab.world.gateways is not None
            lab.world.gateways.catch_up(at_us)
    assert sorted(map(str, one.messages)) == sorted(map(str, other.messages))


# --- the way to the core ----------------------------------------------------------------------------------------------


def readings(messages: int, in_each: int) -> Readings:
    n = messages * in_each
    zeros = np.zeros(n, np.int64)
    together = Together(np.repeat(np.arange(messages), in_each), np.zeros(messages, np.int32), np.arange(messages))
    return Readings(
        "motor",
        np.arange(n, dtype=np.int32),
        np.ones(n, np.int32),
        zeros,
        zeros,
        zeros,
        np.zeros((n, 5), np.float32),
        together=together,
    )


def test_the_queue_towards_the_core_counts_messages_and_loses_whole_ones() -> None:
    down = Downstream(rate=Fraction(1), queue=2, offline_queue=10)
    dropped = down.publish(readings(3, 5), np.zeros(15, np.int64))
    assert dropped is not None
    assert np.flatnonzero(dropped).tolist() == [10, 11, 12, 13, 14]
    assert (down.dropped, down.lost[LossCause.QUEUE_FULL]) == (1, 5)
    first, *_ = down.collect(SECOND_US + 10_000)
    assert first.readings is not None
    assert len(first.readings) == 5


@pytest.mark.parametrize("offline", [0, 1, 2, 5])
def test_the_queue_of_an_absent_core_counts_messages(offline: int) -> None:
    down = Downstream(rate=None, queue=10, offline_queue=offline, qos=np.zeros(15, np.uint8))
    down.core_leaves(0)
    down.publish(readings(3, 5), np.ones(15, np.int64))
    assert down.waiting == min(offline, 3)
    assert down.in_flight == 5 * min(offline, 3)
    down.core_returns(SECOND_US)
    assert sum(len(each.readings or ()) for each in down.collect(10 * SECOND_US)) == 5 * min(offline, 3)
