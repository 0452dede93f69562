"""Tools of machines with queues and customers: arrivals, draws that are not normal, queues, long steps."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.machine_runs import some_keys
from twinstorm.twin.chance import words
from twinstorm.twin.flow import SECOND_US, Values
from twinstorm.twin.machines.kind import Inputs
from twinstorm.twin.normal import normals
from twinstorm.twin.physics import arrivals
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.queueing import mean_queue
from twinstorm.twin.physics.skewed import exponential, geometric, upper_tail
from twinstorm.twin.physics.stretches import stretches


def floats(*values: float) -> Values:
    return np.array(values, np.float32)


def going(count: int, expected: float, times: int) -> np.ndarray:
    """Events of each machine and stretch: (times, count)."""
    place = arrivals.begin(words(7, some_keys(count), 0))
    rest = np.zeros(count, np.float32)
    each = []
    for _ in range(times):
        way = arrivals.along(place, rest, np.full(count, expected, np.float32))
        each.append(arrivals.brought(way, arrivals.events()))
    return np.stack(each)


# --- arrivals ---------------------------------------------------------------------------------------------------------


def test_arrivals_are_poisson() -> None:
    """Mean and variance alike, and exp(-0.5) of the stretches empty."""
    counted = going(3_000, 0.5, 20)
    assert counted.mean() == pytest.approx(0.5, rel=0.02)
    assert counted.var() == pytest.approx(0.5, rel=0.05)
    assert (counted == 0).mean() == pytest.approx(math.exp(-0.5), abs=0.01)


def test_stretches_are_independent_of_each_other() -> None:
    counted = going(3_000, 1.0, 20)
    assert abs(np.corrcoef(counted[:-1].ravel(), counted[1:].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("parts", [2, 10, 64])
def test_many_short_stretches_hold_what_a_long_one_does(parts: int) -> None:
    often, seldom = going(500, 3.0 / parts, parts), going(500, 3.0, 1)
    assert np.abs(often.sum(axis=0) - seldom[0]).mean() < 0.01  # rounding may put an event on the other side
    assert often.sum() == pytest.approx(seldom.sum(), abs=5)


def test_a_turn_of_the_path_brings_each_event_once() -> None:
    assert (going(100, arrivals.PATH, 3) == arrivals.PATH).all()


def test_short_steps_are_not_lost() -> None:
    """A millionth of an event, a million times: the same as one event."""
    place, rest = floats(4_000.0), floats(0.0)
    for _ in range(20_000):
        arrivals.along(place, rest, floats(1e-5))
    assert place[0] == pytest.approx(4_000.2, abs=1e-3)


def test_batches_have_their_shares() -> None:
    batches, events = arrivals.batches((0.7, 0.2, 0.1)), arrivals.events()
    assert batches[-1] / events[-1] == pytest.approx(1.4, abs=0.04)
    single = np.diff(batches)[np.diff(events) == 1]
    assert set(single.tolist()) == {1.0, 2.0, 3.0}
    assert (single == 1).mean() == pytest.approx(0.7, abs=0.03)
    assert not np.diff(batches)[np.diff(events) == 0].any()


# --- draws ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("z", [-3.0, -1.0, 0.0, 0.7, 2.0, 5.0])
def test_an_exponential_draw_has_the_probability_of_its_normal_one(z: float) -> None:
    assert float(exponential(floats(z))[0]) == pytest.approx(-math.log(0.5 * math.erfc(z / math.sqrt(2))), rel=2e-4)


def test_the_tail_keeps_its_digits() -> None:
    z = np.arange(-6, 6.51, 1 / 64)
    told = upper_tail(z)
    assert told == pytest.approx([0.5 * math.erfc(each / math.sqrt(2)) for each in z.tolist()], rel=1e-6)


def test_exponential_draws_have_mean_and_variance_one() -> None:
    drawn = exponential(normals(words(3, some_keys(20_000), 0)).reshape(-1))
    assert drawn.mean() == pytest.approx(1.0, abs=0.01)
    assert drawn.var() == pytest.approx(1.0, abs=0.04)
    assert (drawn >= 0).all()


@pytest.mark.parametrize("mean", [0.02, 0.3, 1.0, 4.0, 60.0])
def test_an_arrival_finds_a_geometric_queue(mean: float) -> None:
    drawn = exponential(normals(words(4, some_keys(20_000), 0)).reshape(-1))
    found = geometric(drawn, np.full(len(drawn), mean, np.float32))
    share = mean / (1 + mean)
    assert found.mean() == pytest.approx(mean, rel=0.03)
    assert (found == 0).mean() == pytest.approx(1 - share, abs=0.006)
    assert (found >= 3).mean() == pytest.approx(share**3, abs=0.006)
    assert (found == np.floor(found)).all()


# --- queues -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [0.0, 0.1, 0.5, 0.8, 0.9])
def test_a_queue_that_had_time_is_the_one_of_m_m_1(load: float) -> None:
    """L = rho / (1 - rho); with 8 of 10 a second: 4."""
    told = mean_queue(floats(load), floats(10.0), 3e5)
    assert float(told[0]) == pytest.approx(load / (1 - load), rel=2e-3)


def test_at_full_load_a_queue_grows_with_the_root_of_time() -> None:
    told = [float(mean_queue(floats(1.0), floats(10.0), since_s)[0]) for since_s in (1e3, 4e3)]
    assert told[1] / told[0] == pytest.approx(2.0, rel=0.02)
    assert told[0] == pytest.approx(math.sqrt(1e4), rel=0.01)


@given(st.floats(0.0, 5.0), st.floats(0.1, 1e4), st.floats(1.0, 1e4))
def test_a_mean_queue_solves_the_implicit_fluid_step(load: float, per_s: float, since_s: float) -> None:
    """L = lambda T - mu T L / (1 + L), in double precision beside it."""
    told = float(mean_queue(floats(load), floats(per_s), since_s)[0])
    served, rho = np.float64(np.float32(per_s)) * since_s, min(float(np.float32(load)), 1.0)
    a = (1 - rho) * served + 1
    assert told == pytest.approx(2 * rho * served / (a + math.sqrt(a * a + 4 * rho * served)), rel=2e-2, abs=1e-5)


# --- steps and drives -------------------------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(5, 500), st.integers(1, 1_500))
def test_stretches_cover_the_step_once(now_us: int, dt_us: int, every_us: int, memory_us: int) -> None:
    dt_us = min(dt_us, now_us)
    found = list(stretches(now_us, dt_us, every_us, memory_us))
    assert found[0][0] == now_us - dt_us
    assert found[-1][1] == now_us
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(start < end for start, end in found)
    long = [end - start for start, end in found if end - start > every_us]
    assert len(long) <= (dt_us > memory_us)
    assert len(found) <= (memory_us + every_us) // every_us + 3


def test_a_drive_leaves_alone_what_it_does_not_say() -> None:
    column = floats(1.0, 2.0)
    follow(column, Inputs(SECOND_US, SECOND_US, drives={"x": floats(np.nan, 7.0)}), "x")
    follow(column, Inputs(SECOND_US, SECOND_US), "x")
    assert column.tolist() == [1.0, 7.0]
