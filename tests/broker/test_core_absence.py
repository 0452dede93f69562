"""A core that is away: what the broker keeps for it, what it drops, and what it is told when it is back."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.broker.test_modelled import broker, connect, events, readings
from twinstorm.broker.modelled import ModelledBroker
from twinstorm.twin.flow import SECOND_US, Device, Int, LossCause, Mask, Readings, SessionEvent

S = SECOND_US


def publish(one: ModelledBroker, device: list[int], at_us: int, seq: int = 1) -> list[bool]:
    dropped = one.publish(readings(device, seq), np.full(len(device), at_us, np.int64))
    return [False] * len(device) if dropped is None else dropped.tolist()


def arrived(one: ModelledBroker, until_us: int) -> list[tuple[int, int]]:
    """Device and instant of what the core has got."""
    found: list[tuple[int, int]] = []
    for delivery in one.collect(until_us).deliveries:
        assert delivery.readings is not None
        found += zip(delivery.readings.device.tolist(), delivery.arrived_us.tolist(), strict=True)
    return found


def nonzero(one: ModelledBroker) -> dict[str, int]:
    return {cause: count for cause, count in one.lost.items() if count}


def test_what_comes_while_the_core_is_away_arrives_at_its_return_in_order() -> None:
    one = broker()
    one.core_leaves(10 * S)
    publish(one, [2, 0], 11 * S)
    publish(one, [1], 12 * S, seq=2)
    assert arrived(one, 60 * S) == []
    assert (one.in_flight, one.counters(60 * S).queue) == (3, 3)
    assert one.core_returns(70 * S) == 3
    assert arrived(one, 71 * S) == [(2, 70_001_000), (0, 70_001_000), (1, 70_001_000)]
    assert (one.in_flight, one.counters(71 * S).queue, sum(one.lost.values())) == (0, 0, 0)


def test_a_message_that_has_reached_the_core_is_not_kept_again() -> None:
    one = broker()
    publish(one, [0], 9 * S)
    publish(one, [1], 10 * S)
    one.core_leaves(10 * S)
    assert arrived(one, 20 * S) == [(0, 9_001_000)]
    assert one.core_returns(20 * S) == 1
    assert arrived(one, 21 * S) == [(1, 20_001_000)]


def test_beyond_its_limit_the_newest_are_dropped_and_nothing_stays_at_qos_0() -> None:
    one = broker(offline_queue=2)
    one.downstream.qos = np.array([1, 1, 0, 1], np.uint8)
    one.core_leaves(10 * S)
    assert publish(one, [0, 1, 2, 3], 11 * S) == [False, False, True, True]
    assert nonzero(one) == {LossCause.QUEUE_FULL: 1, LossCause.QOS0: 1}
    assert one.counters(12 * S).dropped == 2
    one.core_returns(20 * S)
    assert [device for device, _ in arrived(one, 21 * S)] == [0, 1]


def test_the_rate_towards_the_core_holds_at_its_return_too() -> None:
    one = broker(message_rate=Fraction(2))
    one.core_leaves(10 * S)
    publish(one, [0, 1, 2], 11 * S)
    one.core_returns(20 * S)
    assert one.counters(20 * S).queue == 3
    publish(one, [3], 20 * S)
    assert [at_us for _, at_us in arrived(one, 30 * S)] == [20_501_000, 21_001_000, 21_501_000, 22_001_000]


def test_absences_may_overlap_and_the_last_to_end_counts() -> None:
    one = broker()
    assert [one.core_leaves(10 * S), one.core_leaves(11 * S)] == [4, 0]
    publish(one, [0], 12 * S)
    one.core_returns(13 * S)
    assert arrived(one, 14 * S) == []
    one.core_returns(15 * S)
    assert arrived(one, 16 * S) == [(0, 15_001_000)]


def test_a_core_that_is_away_knows_of_no_session_and_is_told_of_each_when_it_is_back() -> None:
    one = broker()
    one.core_leaves(10 * S)
    assert events(one, 11 * S) == [(10 * S, device, SessionEvent.CLOSED) for device in range(4)]
    gone, back = np.array([1], np.int32), np.array([2], np.int32)
    one.disconnect(gone, np.array([12 * S]), np.array([12 * S]), abrupt=False)
    connect(one, [13 * S], [2])
    one.announce(back, np.array([7], np.int32), np.array([14 * S]))
    assert events(one, 20 * S) == []
    one.core_returns(30 * S)
    told = one.collect(31 * S).sessions
    assert told.device.tolist() == [0, 2, 3]
    assert told.boot.tolist() == [1, 7, 1]
    assert set(told.what.tolist()) == {SessionEvent.BORN}


def test_a_broker_that_dies_takes_the_session_of_an_absent_core_with_it() -> None:
    one = broker()
    one.core_leaves(10 * S)
    publish(one, [0, 1], 11 * S)
    one.stop(12 * S, silent=False)
    one.start(13 * S)
    assert nonzero(one) == {LossCause.OUTAGE: 2}
    # Nobody has subscribed: it acknowledges, and passes on to nobody.
    assert publish(one, [2], 14 * S) == [True]
    assert one.core_returns(20 * S) == 0
    publish(one, [3], 21 * S)
    assert arrived(one, 22 * S) == [(3, 21_001_000)]
    assert nonzero(one) == {LossCause.OUTAGE: 3}


@pytest.mark.parametrize("still_there", [0, 1, 2])
def test_what_a_dying_broker_loses_and_a_device_keeps_is_not_lost(still_there: int) -> None:
    class Watcher:
        def broker_stopped(self, at_us: int, silent: bool) -> int:
            return 0

        def broker_started(self, at_us: int) -> None: ...

        def serves_batches(self, whole: bool) -> None: ...

        def undelivered(self, readings: Readings, rows: Mask) -> int:
            return 0

        def unarrived(self, readings: Readings, rows: Mask) -> int:
            asked.append(readings.device[rows].tolist())
            return still_there

        def break_connections(self, device: Device, at_us: int) -> int:
            return 0

    asked: list[list[int]] = []
    one = broker()
    one.watcher = Watcher()
    one.core_leaves(10 * S)
    at_us: Int = np.full(3, 11 * S, np.int64)
    one.publish(readings([0, 1, 2]), at_us, kept=np.array([True, False, True]))
    one.stop(12 * S, silent=False)
    assert asked == [[0, 2]]
    assert nonzero(one) == {LossCause.OUTAGE: 3 - still_there}
