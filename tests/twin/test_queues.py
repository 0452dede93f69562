"""The batch recurrence against one arrival at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.queues import ceil_div, gcra

ARRIVALS = st.lists(st.integers(0, 400), max_size=60).map(sorted)


def one_at_a_time(tat: int, arrivals: list[int], interval: int, tolerance: int) -> tuple[list[bool], list[int]]:
    passed, states = [], []
    for arrival in arrivals:
        ok = tat - tolerance <= arrival
        if ok:
            tat = max(tat, arrival) + interval
        passed.append(ok)
        states.append(tat if ok else 0)
    return passed, states


@given(ARRIVALS, st.integers(0, 300), st.integers(1, 40), st.integers(0, 200))
def test_batch_equals_one_arrival_at_a_time(arrivals: list[int], tat: int, interval: int, tolerance: int) -> None:
    result = gcra(tat, np.array(arrivals, np.int64), interval, tolerance)
    passed, states = one_at_a_time(tat, arrivals, interval, tolerance)
    assert result.passed.tolist() == passed
    assert result.tat.tolist() == states


@given(ARRIVALS, st.integers(0, 60), st.integers(1, 40), st.integers(0, 200))
def test_cutting_a_batch_anywhere_changes_nothing(arrivals: list[int], cut: int, interval: int, tolerance: int) -> None:
    whole = gcra(0, np.array(arrivals, np.int64), interval, tolerance)
    first = gcra(0, np.array(arrivals[:cut], np.int64), interval, tolerance)
    state = whole.tat_after(min(cut, len(arrivals)), 0)
    assert first.tat_after(len(first.passed), 0) == state
    rest = gcra(state, np.array(arrivals[cut:], np.int64), interval, tolerance)
    assert (first.passed.tolist() + rest.passed.tolist()) == whole.passed.tolist()


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1), st.integers(1, 10**6))
def test_ceil_div_is_exact(numerators: list[int], denominator: int) -> None:
    assert ceil_div(np.array(numerators), denominator).tolist() == [-(-n // denominator) for n in numerators]
