"""The modelled broker: admission, sessions that end in every way, the queue towards the core."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from twinstorm.broker.downstream import DOWNSTREAM_US
from twinstorm.broker.modelled import BrokerSettings, ModelledBroker
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    Answer,
    Identities,
    LossCause,
    Readings,
    SessionEvent,
)

KEEP_ALIVE_US = 60 * SECOND_US


def broker(n: int = 4, **limits: object) -> ModelledBroker:
    settings = {"model": "test", "handshake_ns": 1_000_000, "backlog": 100} | limits
    made = ModelledBroker(BrokerSettings(**settings))  # type: ignore[arg-type]
    made.open(Identities([f"d{i}" for i in range(n)], np.full(n, KEEP_ALIVE_US), np.ones(n, np.uint8)))
    made.collect(0)
    return made


def connect(one: ModelledBroker, at_us: list[int], device: list[int]) -> tuple[list[int], list[int]]:
    times = np.array(at_us, np.int64)
    outcome = one.offer(times, np.array(device, np.int32), np.zeros(len(times), np.int64), times)
    one.commit(len(times))
    return outcome.answer.tolist(), outcome.answer_us.tolist()


def events(one: ModelledBroker, until_us: int) -> list[tuple[int, int, SessionEvent]]:
    told = one.collect(until_us).sessions
    return [
        (at_us, device, SessionEvent(what))
        for at_us, device, what in zip(told.at_us.tolist(), told.device.tolist(), told.what.tolist(), strict=True)
    ]


def readings(device: list[int], seq: int = 1, duplicate: bool = False) -> Readings:
    n = len(device)
    number = np.full(n, seq, np.int64)
    return Readings(
        "motor",
        np.array(device, np.int32),
        np.ones(n, np.int32),
        number,
        number,
        number,
        np.zeros((n, 2), np.float32),
        duplicate=duplicate,
    )


def test_handshakes_queue_and_the_backlog_refuses_at_once() -> None:
    one = broker(backlog=2)
    answers, when = connect(one, [0, 0, 0, 0], [0, 1, 2, 3])
    assert answers == [Answer.ADMITTED, Answer.ADMITTED, Answer.ADMITTED, Answer.REFUSED]
    assert when == [1_000, 2_000, 3_000, 0]


def test_bucket_admits_the_burst_lets_the_queue_wait_and_refuses_the_rest_after_they_paid() -> None:
    one = broker(handshake_ns=1_000, connect_rate=Fraction(10), connect_burst=1, connect_queue=1)
    answers, when = connect(one, [0, 0, 0], [0, 1, 2])
    assert answers == [Answer.ADMITTED, Answer.ADMITTED, Answer.REFUSED]
    assert when == [1, 100_001, 3]


def test_an_offer_changes_nothing_until_it_is_committed() -> None:
    one = broker(connect_rate=Fraction(1), connect_burst=1)
    times = np.array([0], np.int64)
    for _ in range(3):
        outcome = one.offer(times, np.array([0], np.int32), times, times)
        assert outcome.answer.tolist() == [Answer.ADMITTED]
    assert one.count["attempts"] == 0


def test_a_silent_device_loses_its_session_after_one_and_a_half_keep_alives() -> None:
    one = broker()
    one.disconnect(np.array([2], np.int32), np.array([100]), np.array([90]), abrupt=True)
    assert events(one, 90 + KEEP_ALIVE_US * 3 // 2 - 1) == []
    assert events(one, 10 * KEEP_ALIVE_US) == [(90 + KEEP_ALIVE_US * 3 // 2, 2, SessionEvent.LOST)]


def test_a_reconnect_before_that_takes_the_session_over() -> None:
    one = broker()
    one.disconnect(np.array([2], np.int32), np.array([100]), np.array([90]), abrupt=True)
    connect(one, [5_000], [2])
    one.announce(np.array([2], np.int32), np.array([2], np.int32), np.array([9_000]))
    assert events(one, 10 * KEEP_ALIVE_US) == [(6_000, 2, SessionEvent.TAKEN_OVER), (9_000, 2, SessionEvent.BORN)]
    assert one.sessions.count["takeovers"] == 1
    assert one.sessions.count["ghosts"] == 0


def test_an_admission_that_nobody_hears_is_a_ghost_and_ends_by_keep_alive() -> None:
    one = broker()
    one.disconnect(np.array([1], np.int32), np.array([0]), np.array([0]), abrupt=False)
    connect(one, [5_000], [1])
    told = events(one, 10 * KEEP_ALIVE_US)
    assert told[-1] == (6_000 + KEEP_ALIVE_US * 3 // 2, 1, SessionEvent.LOST)
    assert one.sessions.count["ghosts"] == 1


def test_a_cut_that_heals_in_time_costs_no_session() -> None:
    one = broker()
    one.silence(np.array([1, 2], np.int32), 0, np.array([0, NEVER_US]), "both")
    one.resume(np.array([1, 2], np.int32), 1, np.array([True, False]))
    assert events(one, 10 * KEEP_ALIVE_US) == []


def test_a_stop_ends_every_session_and_loses_what_was_queued() -> None:
    one = broker(message_rate=Fraction(1), message_queue=10)
    one.publish(readings([0, 1, 2]), np.zeros(3, np.int64))
    one.stop(1_500_000, silent=False)
    told = events(one, 2_000_000)
    assert [what for _, _, what in told] == [SessionEvent.CLOSED] * 4
    assert one.lost[LossCause.OUTAGE] == 2
    assert one.in_flight == 0
    one.publish(readings([0], 2), np.array([1_600_000]))
    assert one.lost[LossCause.OUTAGE] == 3


def test_the_queue_towards_the_core_delays_and_drops_the_newest() -> None:
    one = broker(message_rate=Fraction(10), message_queue=2)
    one.publish(readings([0, 1, 2]), np.zeros(3, np.int64))
    assert one.counters(0).queue == 2
    assert one.lost[LossCause.QUEUE_FULL] == 1
    first = one.collect(100_000 + DOWNSTREAM_US).deliveries
    assert [len(delivery.readings) for delivery in first if delivery.readings] == [1]
    assert one.in_flight == 1
    second = one.collect(SECOND_US).deliveries
    assert [delivery.readings.device.tolist() for delivery in second if delivery.readings] == [[1]]
    assert one.in_flight == 0


def test_a_batch_that_has_half_arrived_is_delivered_by_halves() -> None:
    one = broker()
    one.publish(readings([0, 1]), np.array([10_000, 30_000]))
    first = one.collect(20_000).deliveries
    assert [delivery.readings.device.tolist() for delivery in first if delivery.readings] == [[0]]
    assert one.in_flight == 1
    second = one.collect(40_000).deliveries
    assert [delivery.readings.device.tolist() for delivery in second if delivery.readings] == [[1]]


def test_readings_sent_again_are_in_no_column_of_the_ledger() -> None:
    one = broker()
    one.publish(readings([0], duplicate=True), np.array([10_000]))
    assert one.in_flight == 0
    one.stop(0, silent=False)
    one.publish(readings([0], duplicate=True), np.array([10_000]))
    assert one.lost[LossCause.OUTAGE] == 0


def test_a_birth_on_its_way_is_the_last_that_is_heard_of_a_device_that_fell_silent() -> None:
    one = broker()
    connect(one, [1_000], [2])
    events(one, 5_000)
    device, boot = np.array([2], np.int32), np.array([2], np.int32)
    one.announce(device, boot, np.array([9_000]))
    one.disconnect(device, np.array([8_000]), np.array([7_000]), abrupt=True)
    told = events(one, 100 * KEEP_ALIVE_US)
    assert told == [(9_000, 2, SessionEvent.BORN), (9_000 + KEEP_ALIVE_US * 3 // 2, 2, SessionEvent.LOST)]


def test_a_device_that_is_heard_again_in_time_keeps_its_session() -> None:
    one = broker()
    device = np.array([1], np.int32)
    one.silence(device, 8_000, np.array([7_000]), "up")
    one.resume(device, KEEP_ALIVE_US, np.array([True]))
    assert events(one, 100 * KEEP_ALIVE_US) == []
    one.silence(device, 100 * KEEP_ALIVE_US + 2, np.array([100 * KEEP_ALIVE_US + 1]), "both")
    assert events(one, 200 * KEEP_ALIVE_US) == [
        (100 * KEEP_ALIVE_US + 1 + KEEP_ALIVE_US * 3 // 2, 1, SessionEvent.LOST)
    ]


def test_a_broker_is_back_when_the_last_outage_ends() -> None:
    one = broker()
    one.stop(1_000, silent=False)
    one.stop(2_000, silent=True)
    one.start(3_000)
    assert one.down
    assert not one.counters(3_500).up
    one.start(4_000)
    assert not one.down


def test_what_a_device_keeps_is_not_lost_when_the_queue_is_full() -> None:
    one = broker(message_rate=Fraction(1), message_queue=1)
    kept = np.array([False, True, False, True])
    dropped = one.publish(readings([0, 1, 2, 3]), np.full(4, 1_000), kept)
    assert dropped is not None
    assert dropped.tolist() == [False, True, True, True]
    assert one.lost[LossCause.QUEUE_FULL] == 1
