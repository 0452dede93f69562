"""Waits of the four jitters, by their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.chance import below_one
from twinstorm.twin.reconnect import BACKOFFS, JITTERS, ReconnectPolicy

WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20)


@given(WORDS, st.integers(1, 40), st.integers(0, 60_000_000))
def test_waits_follow_their_formulas(draws: list[int], failures: int, previous_us: int) -> None:
    base_us, cap_us = 1_000_000, 60_000_000
    ceiling = min(cap_us, base_us * 2 ** min(failures, 20))
    start = max(previous_us, base_us)
    expected = {
        "none": [ceiling for _ in draws],
        "full": [below_one(draw, ceiling) for draw in draws],
        "equal": [ceiling // 2 + below_one(draw, ceiling - ceiling // 2) for draw in draws],
        "decorrelated": [min(cap_us, base_us + below_one(draw, 3 * start - base_us)) for draw in draws],
    }
    for jitter in JITTERS:
        policy = ReconnectPolicy("exponential", jitter, base_us, cap_us, 1)
        n = len(draws)
        waits = policy.wait_us(
            np.full(n, failures, np.int32), np.full(n, previous_us, np.int64), np.array(draws, np.uint64)
        )
        assert waits.tolist() == expected[jitter]


@pytest.mark.parametrize(("backoff", "expected"), [("none", 0), ("fixed", 1_000_000)])
def test_without_growth_the_wait_stays(backoff: str, expected: int) -> None:
    policy = ReconnectPolicy(backoff, "none", 1_000_000, 60_000_000, 1)
    waits = policy.wait_us(np.array([1, 30], np.int32), np.zeros(2, np.int64), np.zeros(2, np.uint64))
    assert waits.tolist() == [expected, expected]
    assert backoff in BACKOFFS
