"""Functions called once a message, beside what is published of such services."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.functions import Functions, Serverless
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Int

FUNCTION = Serverless(service_us=200_000, cold_us=800_000, keep_us=5 * MINUTE_US, most=1_000, price=0.2e-6)


def called(profile: Serverless, arrival_us: Int) -> tuple[Functions, Int, Int]:
    functions = Functions(profile)
    return functions, *functions.call(arrival_us)


def poisson(per_s: float, seconds: int) -> Int:
    """Arrivals of a Poisson process, the same at each call."""
    gaps_us = np.random.default_rng(20260101).exponential(1e6 / per_s, int(per_s * seconds * 1.2))
    arrival_us = np.cumsum(gaps_us).astype(np.int64)
    return arrival_us[arrival_us < seconds * SECOND_US]


def test_a_burst_starts_an_instance_a_call_and_the_next_one_finds_them_warm() -> None:
    calls, _, end_us = called(FUNCTION, np.array([0] * 50 + [2 * SECOND_US] * 60))
    assert calls.cold == 60
    assert (end_us[:50] == SECOND_US).all()
    assert np.count_nonzero(end_us[50:] == 2_200_000) == 50
    assert calls.most_at_once == 60


def test_an_instance_that_rests_too_long_is_cold_again() -> None:
    for pause_us, cold in ((5 * MINUTE_US, 1), (5 * MINUTE_US + 1, 2)):
        assert called(FUNCTION, np.array([0, SECOND_US + pause_us]))[0].cold == cold


def test_calls_beyond_the_limit_wait_for_an_instance() -> None:
    few = Serverless(service_us=100_000, cold_us=0, keep_us=MINUTE_US, most=2, price=0.0)
    calls, start_us, _ = called(few, np.zeros(5, np.int64))
    assert start_us.tolist() == [0, 0, 100_000, 100_000, 200_000]
    assert calls.most_at_once == 2


def test_instances_at_work_are_arrivals_times_service() -> None:
    """Little's law, on a queue without a limit (M/D/inf): 50/s of 0.2 s are 10 at a time."""
    arrival_us = poisson(50.0, 2_000)
    warm = Serverless(service_us=200_000, cold_us=0, keep_us=60 * MINUTE_US, most=10_000, price=0.0)
    _, start_us, end_us = called(warm, arrival_us)
    probes = np.arange(100, 1_990) * SECOND_US
    at_work = np.searchsorted(start_us, probes, side="right") - np.searchsorted(np.sort(end_us), probes, side="right")
    assert at_work.mean() == pytest.approx(10.0, rel=0.03)
    assert at_work.var() == pytest.approx(10.0, rel=0.1)


def test_the_price_is_that_of_calls_and_of_work() -> None:
    """A published price: 0.20 a million calls and 0.0000166667 a GB-second, of functions with 1 GB."""
    priced = Serverless(service_us=100_000, cold_us=0, keep_us=MINUTE_US, most=10, price=0.2e-6, price_per_s=1.66667e-5)
    calls, _, _ = called(priced, np.arange(10_000) * SECOND_US)
    assert calls.cost == pytest.approx(0.002 + 1_000 * 1.66667e-5)
    assert math.isclose(called(FUNCTION, np.arange(3) * SECOND_US)[0].cost, 0.6e-6)


@given(st.lists(st.integers(0, 20 * SECOND_US), max_size=40), st.integers(0, 40), st.integers(1, 5))
def test_calls_in_parts_and_at_once_end_the_same(arrivals: list[int], cut: int, most: int) -> None:
    profile = Serverless(service_us=300_000, cold_us=700_000, keep_us=2 * SECOND_US, most=most, price=1.0)
    arrival_us = np.array(sorted(arrivals), np.int64)
    whole, start_us, end_us = called(profile, arrival_us)
    parted = Functions(profile)
    parts = [parted.call(arrival_us[:cut]), parted.call(arrival_us[cut:])]
    assert np.concatenate([start for start, _ in parts]).tolist() == start_us.tolist()
    assert np.concatenate([end for _, end in parts]).tolist() == end_us.tolist()
    assert (parted.calls, parted.cold, parted.most_at_once) == (whole.calls, whole.cold, whole.most_at_once)
    assert parted.cost == whole.cost


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Serverless(service_us=0, cold_us=0, keep_us=0, most=1, price=0.0)
