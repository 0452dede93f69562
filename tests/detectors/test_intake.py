"""Readings that wait to be processed: each is given once and in its device's order, or said to be somewhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import registry_of
from twinstorm.detectors.functions import Serverless
from twinstorm.detectors.intake import Intake, Processing
from twinstorm.detectors.pool import PoolSettings
from twinstorm.twin.flow import SECOND_US, Delivery, Int, Malformed, Readings

DEVICES = 6


def pool(**changes: Any) -> Processing:
    settings = {"partitions": 3, "consumers": 1, "service_us": 100_000, "start_us": 2 * SECOND_US} | changes
    return Processing(PoolSettings(**settings))


def intake(processing: Processing) -> Intake:
    return Intake(processing, registry_of(("fra-1",), motors=DEVICES, climate=0))


def delivery(device: Any, seq: Any, arrived_us: Any, *, duplicate: bool = False) -> Delivery:
    """Readings whose value is their number."""
    device, seq, arrived_us = np.array(device, np.int32), np.array(seq, np.int64), np.array(arrived_us, np.int64)
    readings = Readings(
        "motor",
        device,
        np.ones(len(device), np.int32),
        seq,
        arrived_us,
        arrived_us,
        seq[:, None].astype(np.float32),
        duplicate=duplicate,
    )
    return Delivery(readings, arrived_us, int(arrived_us.max()))


def columns(given_: list[Delivery]) -> list[tuple[int, int, int, bool]]:
    """Device, number, instant and whether it came before."""
    found = []
    for each in given_:
        readings = each.readings
        assert readings is not None
        assert (readings.values[:, 0] == readings.seq).all()
        assert each.last_us == each.arrived_us.max()
        rows = zip(readings.device.tolist(), readings.seq.tolist(), each.arrived_us.tolist(), strict=True)
        found += [(*row, readings.duplicate) for row in rows]
    return found


def test_a_reading_arrives_when_it_is_processed() -> None:
    """Three at once and 100 ms each, by one consumer: 100, 200, 300 ms later."""
    waits = intake(pool())
    assert waits.offer(delivery([0, 1, 2], [7, 8, 9], [500_000] * 3)) is None
    assert waits.waiting == 3
    assert not list(waits.advance(999_999)), "seconds are worked through as a whole"
    given_ = columns(list(waits.advance(SECOND_US)))
    assert given_ == [(0, 7, 600_000, False), (1, 8, 700_000, False), (2, 9, 800_000, False)]
    assert waits.waiting == waits.lag == 0
    assert (waits.figures.processed, waits.figures.longest_us, waits.figures.mean_us) == (3, 300_000, 200_000)


def test_what_nobody_can_read_waits_for_nobody() -> None:
    waits = intake(pool())
    broken = Malformed("t", b"{", 5, "no JSON")
    sent = delivery([0], [1], [5])
    at_once = waits.offer(Delivery(sent.readings, sent.arrived_us, 5, (broken,)))
    assert at_once is not None
    assert at_once.malformed == (broken,)
    assert at_once.readings is None
    assert waits.waiting == 1


def test_rows_that_are_not_present_are_none() -> None:
    dense = delivery([0, 1, 2], [1, 1, 1], [5, 5, 5]).readings
    assert dense is not None
    waits = intake(pool())
    present = np.array([True, False, True])
    readings = Readings(
        "motor", dense.device, dense.boot, dense.seq, dense.device_time_us, dense.sent_us, dense.values, 0, present
    )
    waits.offer(Delivery(readings, np.full(3, 5), 5))
    assert waits.waiting == 2
    assert [row[0] for row in columns(list(waits.advance(SECOND_US)))] == [0, 2]


def test_several_seconds_at_once_are_those_seconds() -> None:
    one, many = intake(pool()), intake(pool())
    arrived_us = np.arange(0, 4 * SECOND_US, 60_000)
    sent = delivery(np.arange(len(arrived_us)) % DEVICES, np.arange(len(arrived_us)), arrived_us)
    one.offer(sent)
    many.offer(sent)
    slowly = [each for second in range(1, 12) for each in one.advance(second * SECOND_US)]
    assert columns(slowly) == columns(list(many.advance(11 * SECOND_US)))
    assert one.figures == many.figures


def test_what_finds_no_room_is_shed_and_counted_per_device() -> None:
    waits = intake(pool(room=5, partitions=1))
    waits.offer(delivery([3] * 30, np.arange(30), [0] * 30))
    assert len(columns(list(waits.advance(SECOND_US)))) == 10
    assert (waits.figures.shed, waits.waiting, waits.lag) == (15, 5, 5)
    assert waits.inside.tolist() == [0, 0, 0, 20, 0, 0], "those that wait and those that were shed"
    assert len(columns(list(waits.advance(5 * SECOND_US)))) == 5
    assert waits.inside.tolist() == [0, 0, 0, 15, 0, 0]


def test_after_a_crash_what_came_since_the_checkpoint_is_given_again() -> None:
    waits = intake(pool(checkpoint_us=10 * SECOND_US, service_us=1_000))
    waits.offer(delivery([0] * 5, np.arange(5), np.arange(5)))
    assert len(columns(list(waits.advance(SECOND_US)))) == 5
    assert waits.crash(7) == (1, 5), "there is one consumer"
    again = columns(list(waits.advance(6 * SECOND_US)))
    assert [(seq, came_before) for _, seq, _, came_before in again] == [(each, False) for each in range(5)]
    assert waits.again == 5
    assert waits.figures.processed == 5
    assert (waits.figures.replayed, waits.figures.crashed) == (5, 1)
    list(waits.advance(20 * SECOND_US))
    assert not waits._blocks, "behind the next checkpoint nothing is kept"


def test_repeats_of_the_network_are_told_apart_from_first_ones() -> None:
    waits = intake(pool())
    waits.offer(delivery([0], [1], [0]))
    waits.offer(delivery([0], [1], [5], duplicate=True))
    assert (waits.waiting, waits.unrepeated) == (1, 1)
    assert [row[3] for row in columns(list(waits.advance(SECOND_US)))] == [False, True]
    assert (waits.waiting, waits.unrepeated) == (0, 0)


def test_a_copy_of_what_was_shed_is_the_reading() -> None:
    waits = intake(pool(room=0, partitions=1))
    waits.offer(delivery([3] * 12, np.arange(12), [0] * 12))
    list(waits.advance(SECOND_US))
    assert (waits.figures.processed, waits.figures.shed) == (10, 2)
    waits.offer(delivery([3, 3, 3], [9, 11, 11], [SECOND_US] * 3, duplicate=True))
    assert len(columns(list(waits.advance(2 * SECOND_US)))) == 3
    assert (waits.figures.processed, waits.figures.shed) == (11, 1)
    assert waits.unrepeated == 1, "the one that was no repeat"


def test_what_functions_have_done_of_a_device_is_in_order() -> None:
    """The first call starts cold for a second, the next finds the other instance warm."""
    profile = Serverless(service_us=100_000, cold_us=1_500_000, keep_us=60 * SECOND_US, most=2, price=0.0)
    waits = intake(Processing(profile))
    waits.offer(delivery([0, 1], [1, 1], [0, 1_400_000]))
    waits.offer(delivery([1, 0], [2, 2], [1_700_000, 1_700_000]))
    rows = columns(list(waits.advance(5 * SECOND_US)))
    for device in (0, 1):
        mine = sorted((at_us, seq) for who, seq, at_us, _ in rows if who == device)
        assert [seq for _, seq in mine] == [1, 2]
    assert {at_us for who, seq, at_us, _ in rows if who == 1} == {3_000_000}


def test_functions_wait_for_nobody_until_there_are_too_many() -> None:
    profile = Serverless(service_us=400_000, cold_us=300_000, keep_us=SECOND_US, most=2, price=0.5)
    waits = intake(Processing(profile))
    assert not waits.has_consumers
    assert waits.crash(1) == (0, 0)
    waits.offer(delivery([0, 1, 2], [1, 1, 1], [0, 0, 0]))
    assert [(row[0], row[2]) for row in columns(list(waits.advance(SECOND_US)))] == [(0, 700_000), (1, 700_000)]
    assert (waits.consumers, waits.lag, waits.waiting) == (1, 0, 1)
    assert [(row[0], row[2]) for row in columns(list(waits.advance(2 * SECOND_US)))] == [(2, 1_100_000)]
    assert waits.functions is not None
    assert (waits.functions.calls, waits.functions.cold, waits.functions.cost) == (3, 2, 1.5)
    assert waits.figures.most == 2


@pytest.mark.parametrize("by", ["site", "gateway", "device"])
def test_partitions_are_by_what_is_asked(by: str) -> None:
    """One site, no gateway: one line, though there are three partitions and three consumers."""
    waits = intake(Processing(pool(consumers=3).how, by))
    waits.offer(delivery(np.arange(DEVICES), np.ones(DEVICES), np.zeros(DEVICES)))
    last_us = max(row[2] for row in columns(list(waits.advance(SECOND_US))))
    assert last_us == (DEVICES // 3 if by == "device" else DEVICES) * 100_000


@given(
    st.lists(st.tuples(st.integers(0, 8 * SECOND_US), st.integers(0, DEVICES - 1), st.booleans()), max_size=40),
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 3)), max_size=3),
    st.sampled_from([None, 0, 4]),
    st.sampled_from(["newest", "oldest"]),
    st.sampled_from([0, 3 * SECOND_US]),
)
def test_every_reading_is_given_waits_or_was_shed(
    sent: list[tuple[int, int, bool]],
    crashes: list[tuple[int, int]],
    room: int | None,
    sheds: str,
    checkpoint_us: int,
) -> None:
    waits = intake(
        pool(consumers=2, service_us=300_000, room=room, sheds=sheds, checkpoint_us=checkpoint_us, start_us=SECOND_US)
    )
    own = copies = 0
    numbers = dict.fromkeys(range(DEVICES), 0)
    given_: list[tuple[int, int, int, bool]] = []
    for second in range(60):
        for at_us, device, duplicate in sorted(sent):
            if at_us // SECOND_US == second:
                again = duplicate and numbers[device] > 0
                copies += again
                own += not again
                numbers[device] += not again
                waits.offer(delivery([device], [numbers[device]], [at_us], duplicate=again))
        for at_s, consumers in crashes:
            if at_s == second:
                waits.crash(consumers)
        given_ += columns(list(waits.advance((second + 1) * SECOND_US)))
        # `again` rows are given as they came; what came twice by itself is no reading of the ledger.
        assert own == waits.figures.processed + waits.waiting + waits.figures.shed
        assert len({row[:2] for row in given_}) == waits.figures.processed, "each counts when its first copy comes"
        assert waits.waiting >= 0
        assert waits.unrepeated >= 0
    assert waits.waiting == waits.lag == 0
    assert len(given_) == waits.figures.processed + waits.again + (copies - waits.unrepeated)
    first_us: dict[tuple[int, int], int] = {}
    for device, seq, at_us, _ in given_:
        first_us.setdefault((device, seq), at_us)
    for device in range(DEVICES):
        mine: Int = np.array([at_us for (who, _), at_us in sorted(first_us.items()) if who == device], np.int64)
        assert (np.diff(mine) > 0).all(), "the order of a device is kept"
