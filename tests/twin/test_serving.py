"""The line before servers against one customer at a time, and against the batch recurrence of the broker's queues."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.queues import gcra
from twinstorm.twin.serving import begin_us

CUSTOMERS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60)), max_size=50)


def columns(customers: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(sorted(customers), np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(CUSTOMERS, st.integers(1, 5))
def test_the_longest_free_server_takes_the_next_customer(customers: list[tuple[int, int]], servers: int) -> None:
    arrivals, services = columns(customers)
    free, wanted = [0] * servers, []
    for arrival, service in zip(arrivals.tolist(), services.tolist(), strict=True):
        server = free.index(min(free))
        wanted.append(max(arrival, free[server]))
        free[server] = wanted[-1] + service
    assert begin_us(arrivals, services, servers).tolist() == wanted


@given(CUSTOMERS, st.integers(1, 40))
def test_with_constant_service_it_is_the_batch_recurrence(customers: list[tuple[int, int]], service: int) -> None:
    arrivals, _ = columns(customers)
    begun = begin_us(arrivals, np.full(len(arrivals), service, np.int64))
    assert begun.tolist() == (gcra(0, arrivals, service, 1 << 40).tat - service).tolist()


def test_nobody_is_served_without_a_server() -> None:
    with pytest.raises(ValueError, match="servers"):
        begin_us(np.zeros(1, np.int64), np.ones(1, np.int64), 0)
