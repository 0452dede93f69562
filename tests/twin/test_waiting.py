"""Steady states of queues by formula: against sums, against each other, and at their limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.waiting import Queue, Repairable, erlang_b, erlang_c

LOADS = st.floats(0.01, 0.99)


@given(st.integers(1, 40), LOADS)
def test_erlangs_formulas_are_their_sums(servers: int, share: float) -> None:
    load = share * servers
    terms = [load**k / math.factorial(k) for k in range(servers + 1)]
    assert erlang_b(load, servers) == pytest.approx(terms[-1] / sum(terms))
    last = terms[-1] / (1.0 - share)
    assert erlang_c(load, servers) == pytest.approx(last / (sum(terms[:-1]) + last))


def test_nobody_waits_without_load_and_one_server_makes_its_load_wait() -> None:
    assert erlang_b(0.0, 3) == erlang_c(0.0, 3) == 0.0
    assert erlang_b(7.0, 0) == 1.0
    assert erlang_c(0.8, 1) == pytest.approx(0.8)


@given(LOADS, st.floats(0.1, 100.0), st.integers(1, 20))
def test_what_is_present_waits_or_is_served(share: float, served_per_s: float, servers: int) -> None:
    queue = Queue(share * servers * served_per_s, served_per_s, servers)
    assert queue.present - queue.waiting == pytest.approx(share * servers)
    assert queue.stay_s - queue.wait_s == pytest.approx(1.0 / served_per_s)
    assert queue.late_share(0.0) == pytest.approx(queue.waits_share)


def test_constant_service_halves_the_wait_and_wild_service_lengthens_it() -> None:
    waits = [Queue(8.0, 10.0, variation=variation).wait_s for variation in (0.0, 1.0, 4.0)]
    assert waits == pytest.approx([0.2, 0.4, 1.0])


def test_the_mean_wait_is_the_sum_of_all_late_shares() -> None:
    queue = Queue(8.0, 1.0, servers=10)
    step_s = 1e-3
    total_s = sum(queue.late_share((i + 0.5) * step_s) for i in range(15_000)) * step_s
    assert total_s == pytest.approx(queue.wait_s, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ((0.0, 1.0), "arrivals_per_s"),
        ((1.0, -1.0), "served_per_s"),
        ((1.0, 2.0, 0), "servers"),
        ((1.0, 2.0, 1, -0.5), "variation"),
        ((2.0, 1.0, 2), "arrivals_per_s must be less"),
        ((math.nan, 1.0), "arrivals_per_s"),
    ],
)
def test_queues_that_never_settle_are_named(settings: tuple[float, ...], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Queue(*settings)  # type: ignore[arg-type]


def test_limits_of_the_formulas_are_told() -> None:
    with pytest.raises(ValueError, match="load"):
        erlang_c(3.0, 3)
    with pytest.raises(ValueError, match="variation 1"):
        Queue(8.0, 10.0, variation=0.0).late_share(1.0)


@given(st.integers(1, 12), st.floats(0.1, 100.0), st.floats(0.1, 100.0))
def test_a_crew_for_each_machine_leaves_nobody_waiting(machines: int, up_s: float, repair_s: float) -> None:
    plant = Repairable(machines, machines, up_s, repair_s)
    assert plant.availability == pytest.approx(up_s / (up_s + repair_s))
    assert plant.waiting == 0.0
    assert plant.wait_s == pytest.approx(0.0, abs=1e-9 * repair_s + 1e-12 * up_s)


@given(st.integers(2, 12), st.integers(1, 11), st.floats(0.1, 100.0), st.floats(0.1, 100.0))
def test_another_crew_never_hurts_and_failures_equal_repairs(
    machines: int, crews: int, up_s: float, repair_s: float
) -> None:
    plant, better = (Repairable(machines, count, up_s, repair_s) for count in (crews, crews + 1))
    assert sum(plant.shares) == pytest.approx(1.0)
    assert plant.availability <= better.availability + 1e-12
    busy = sum(min(down, crews) * share for down, share in enumerate(plant.shares))
    assert busy / repair_s == pytest.approx(machines * plant.availability / up_s)


@pytest.mark.parametrize("wrong", ["machines", "crews", "up_s", "repair_s"])
def test_impossible_plants_are_named(wrong: str) -> None:
    good = {"machines": 2, "crews": 1, "up_s": 1.0, "repair_s": 0.5}
    with pytest.raises(ValueError, match=wrong):
        Repairable(**(good | {wrong: 0}))  # type: ignore[arg-type]
