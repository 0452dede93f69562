"""Retries on a stalled server, in batches, against one request at a time."""

from __future__ import annotations

from fractions import Fraction
from heapq import heappop, heappush

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.overload import Service, amplification, run

STALLS = st.lists(st.integers(0, 4_000), max_size=6, unique=True).map(
    lambda edges: [(early, late) for early, late in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)]
)


def worked_until(at: int, work: int, stalls: list[tuple[int, int]]) -> int:
    """When so much work is done that begins at some instant, by walking from stall to stall."""
    for begin, end in stalls:
        if end <= at:
            continue
        if at + work <= begin:
            break
        work -= max(begin - at, 0)
        at = end
    return at + work


def one_at_a_time(
    service_us: int, timeout_us: int, retries: int, arrivals: list[int], stalls: list[tuple[int, int]]
) -> list[tuple[int, int, int]]:
    ahead: list[tuple[int, int, int, int]] = []
    for row, at in enumerate(arrivals):
        heappush(ahead, (at, 1, row, 0))
    done, free, row = [], 0, len(arrivals)
    while ahead:
        sent, _, _, number = heappop(ahead)
        free = worked_until(max(free, sent), service_us, stalls)
        done.append((sent, free, number))
        if free - sent > timeout_us and number < retries:
            row += 1
            heappush(ahead, (sent + timeout_us, 0, row, number + 1))
    return done


@given(
    st.sampled_from((50, 80, 100)),
    st.integers(20, 900),
    st.integers(0, 3),
    st.lists(st.integers(0, 5_000), max_size=40).map(sorted),
    STALLS,
)
def test_batches_are_one_request_at_a_time(
    service_us: int, timeout_us: int, retries: int, arrivals: list[int], stalls: list[tuple[int, int]]
) -> None:
    service = Service(Fraction(SECOND_US, service_us), timeout_us, retries)
    found = run(service, np.array(arrivals, np.int64), stalls)
    rows = list(zip(found.sent_us.tolist(), found.answered_us.tolist(), found.number.tolist(), strict=True))
    assert rows == one_at_a_time(service_us, timeout_us, retries, arrivals, stalls)


def test_a_client_asks_as_often_as_it_may_and_no_more() -> None:
    found = run(Service(Fraction(1), 100_000, retries=3), np.array([0], np.int64), [(0, 60 * SECOND_US)])
    assert found.sent_us.tolist() == [0, 100_000, 200_000, 300_000]
    assert found.number.tolist() == [0, 1, 2, 3]
    assert found.answered_us.tolist() == [(61 + i) * SECOND_US for i in range(4)]


def test_rates_count_what_was_sent_and_what_was_answered_in_time() -> None:
    service = Service(Fraction(10), SECOND_US, retries=1)
    found = run(service, np.arange(100, dtype=np.int64) * 100_000, [(3 * SECOND_US, 8 * SECOND_US)])
    assert found.offered_per_s(0, 2 * SECOND_US) == 10.0
    assert found.answered_per_s(0, 2 * SECOND_US) == 10.0
    assert found.offered_per_s(5 * SECOND_US, 8 * SECOND_US) == 20.0
    assert found.answered_per_s(4 * SECOND_US, 7 * SECOND_US) == 0.0


def test_nobody_comes() -> None:
    found = run(Service(Fraction(1), 1), np.empty(0, np.int64))
    assert len(found.sent_us) == len(found.answered_us) == len(found.number) == 0


@pytest.mark.parametrize("stalls", [[(5, 5)], [(5, 4)], [(1, 5), (3, 9)], [(6, 9), (1, 2)]])
def test_stalls_out_of_order_are_refused(stalls: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="stalls"):
        run(Service(Fraction(1), 1), np.array([0], np.int64), stalls)


def test_each_layer_multiplies() -> None:
    assert [amplification(3, layers) for layers in range(4)] == [1, 3, 9, 27]
