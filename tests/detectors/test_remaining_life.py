"""Remaining life, learnt from machines that wear at unlike paces."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from twinstorm.detectors.remaining_life import RemainingLife
from twinstorm.detectors.values.contract import Reals

HORIZON = 60.0


def unit(number: int) -> Reals:
    """A machine that fails when its wear reaches 1: vibration and heat follow wear, speed is noise, a counter stands
    still."""
    chance = np.random.default_rng(number)
    life = int(chance.integers(80, 200))
    wear = np.exp(5.0 * (np.arange(1, life + 1) / life - 1.0))
    noise = chance.normal(0.0, 0.05, (life, 3))
    return np.stack((1.0 + wear + noise[:, 0], 40 + 8 * wear + noise[:, 1], noise[:, 2], np.full(life, 7.0)), axis=1)


@cache
def learnt() -> RemainingLife:
    model = RemainingLife(HORIZON)
    model.fit([unit(number) for number in range(30)])
    return model


def test_machines_it_never_saw_are_judged_within_a_tenth_of_their_lives() -> None:
    errors = []
    for number in range(100, 115):
        machine = unit(number)
        cuts = range(40, len(machine), 10)
        for cut, outlook in zip(cuts, learnt().outlooks(machine, cuts), strict=True):
            errors.append(outlook.cycles - min(len(machine) - cut, HORIZON))
            assert 0.0 <= outlook.at_least <= outlook.cycles <= outlook.at_most <= HORIZON
    assert np.sqrt(np.square(errors).mean()) < 8.0


def test_its_bounds_hold_about_as_often_as_they_say() -> None:
    within = []
    for number in range(100, 120):
        machine = unit(number)
        cuts = range(40, len(machine), 5)
        for cut, outlook in zip(cuts, learnt().outlooks(machine, cuts), strict=True):
            within.append(outlook.at_least - 1e-9 <= min(len(machine) - cut, HORIZON) <= outlook.at_most + 1e-9)
    assert 0.7 < np.mean(within) < 0.99


def test_what_is_said_of_an_instant_needs_nothing_that_came_later() -> None:
    machine = unit(200)
    late = learnt().outlooks(machine, [50])[0]
    assert late == learnt().outlook(machine[:50])


def test_what_cannot_be_learnt_from_is_refused() -> None:
    good = unit(1)
    for units, said in (
        ([good], "1 units are too few"),
        ([good, good[:, :2]], r"unit 1 has the shape .* the first one"),
        ([good, good[:20]], "unit 1 has 20 cycles; more than 30"),
        ([good, np.where(good > 40, np.nan, good)], "unit 1 has values that are missing"),
        ([np.ones((50, 2))] * 2, "no channel moves"),
    ):
        with pytest.raises(ValueError, match=said):
            RemainingLife().fit(units)
    with pytest.raises(ValueError, match="nothing was learnt yet"):
        RemainingLife().outlook(good)
    with pytest.raises(ValueError, match="horizon is above 0"):
        RemainingLife(0.0)
