"""Crews and machines: order, limits, keyed chance, and the steady state of the formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.twin.chance import device_key, stream
from twinstorm.twin.flow import NEVER_US
from twinstorm.twin.repairs import Repairs, Scatter, simulate
from twinstorm.twin.waiting import Repairable

HOUR_US = 3_600_000_000
CHANCE = stream(7, 1)


def keys(machines: int) -> np.ndarray:
    return np.array([device_key(f"press-{i}") for i in range(machines)], np.uint64)


def runs(machines: int, crews: int, up_h: float, repair_h: float, hours: int, shape: float = 1.0) -> Repairs:
    up, repair = Scatter(up_h * HOUR_US, shape), Scatter(repair_h * HOUR_US)
    return simulate(CHANCE, keys(machines), crews, up, repair, hours * HOUR_US)


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(1, 4), st.floats(1.0, 50.0), st.floats(0.5, 50.0))
def test_crews_take_failures_in_order_and_never_more_than_they_are(
    machines: int, crews: int, up_h: float, repair_h: float
) -> None:
    one = runs(machines, crews, up_h, repair_h, 400)
    assert (np.diff(one.failed_us) >= 0).all()
    assert (np.diff(one.begun_us) >= 0).all()
    begun = one.begun_us != NEVER_US
    assert (one.begun_us >= one.failed_us).all()
    assert (one.repaired_us[begun] > one.begun_us[begun]).all()
    assert (one.repaired_us[~begun] == NEVER_US).all()
    for at_us in one.begun_us[begun].tolist():
        in_repair = (one.begun_us <= at_us) & (one.repaired_us > at_us)
        assert 1 <= int(in_repair.sum()) <= crews
        # Nobody waits beside an idle crew.
        waits = (one.failed_us <= at_us) & (one.begun_us > at_us)
        assert not waits.any() or int(in_repair.sum()) == crews


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 3))
def test_a_machine_fails_only_after_it_was_repaired(machines: int, crews: int) -> None:
    one = runs(machines, crews, 10.0, 5.0, 500)
    for machine in range(machines):
        mine = one.machine == machine
        assert (one.failed_us[mine][1:] > one.repaired_us[mine][:-1]).all()


def test_another_machine_moves_nobody_where_crews_abound() -> None:
    few, more = runs(3, 9, 10.0, 2.0, 2_000), runs(4, 9, 10.0, 2.0, 2_000)
    for machine in range(3):
        assert few.failed_us[few.machine == machine].tolist() == more.failed_us[more.machine == machine].tolist()
    assert (more.machine == 3).any()


def test_times_to_failure_do_not_depend_on_how_long_repairs_waited() -> None:
    def ups(one: Repairs) -> list[int]:
        mine = one.machine == 0
        ends = np.concatenate([[0], one.repaired_us[mine][:-1]])
        return list((one.failed_us[mine] - ends).tolist())

    alone, crowded = ups(runs(6, 6, 10.0, 5.0, 2_000)), ups(runs(6, 1, 10.0, 5.0, 2_000))
    assert len(crowded) < len(alone)
    assert alone[: len(crowded)] == crowded


@pytest.mark.parametrize(("machines", "crews"), [(1, 1), (4, 1), (6, 2)])
def test_the_steady_state_is_that_of_the_formula(machines: int, crews: int) -> None:
    one, wanted = runs(machines, crews, 20.0, 8.0, 150_000), Repairable(machines, crews, 20.0, 8.0)
    assert one.availability == pytest.approx(wanted.availability, rel=0.02)
    assert one.mean_down_us / HOUR_US == pytest.approx(wanted.down_s, rel=0.03)
    assert one.mean_wait_us / HOUR_US == pytest.approx(wanted.wait_s, rel=0.06)


def test_wear_makes_failures_regular() -> None:
    def scatter(shape: float) -> float:
        gaps = np.diff(runs(1, 1, 20.0, 1e-6, 20_000, shape).failed_us).astype(np.float64)
        return float(gaps.std() / gaps.mean())

    assert scatter(1.0) == pytest.approx(1.0, abs=0.1)
    assert scatter(3.0) == pytest.approx(0.363, abs=0.03)


def test_without_a_failure_all_is_up() -> None:
    one = runs(2, 1, 1e6, 1.0, 1)
    assert len(one.machine) == 0
    assert one.availability == 1.0
    assert math.isnan(one.mean_down_us)
    assert math.isnan(one.mean_wait_us)


def test_what_is_under_repair_at_the_end_counts_as_down_until_then() -> None:
    one = runs(2, 1, 0.1, 1e6, 10)
    assert one.begun_us.tolist()[1] == NEVER_US
    down_us = 2 * one.until_us - int(one.failed_us.sum())
    assert one.availability == pytest.approx(1.0 - down_us / (2 * one.until_us))


@pytest.mark.parametrize(
    ("wrong", "name"), [({"keys": keys(0)}, "keys"), ({"crews": 0}, "crews"), ({"until_us": 0}, "until_us")]
)
def test_an_empty_plant_is_named(wrong: dict[str, object], name: str) -> None:
    good: dict[str, object] = {"keys": keys(1), "crews": 1, "until_us": 1}
    with pytest.raises(ValueError, match=name):
        simulate(CHANCE, up=Scatter(1.0), repair=Scatter(1.0), **(good | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(("scale_us", "shape", "name"), [(0.0, 1.0, "scale_us"), (1.0, -1.0, "shape")])
def test_durations_are_positive(scale_us: float, shape: float, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Scatter(scale_us, shape)
