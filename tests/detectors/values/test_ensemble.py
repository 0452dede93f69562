"""Detectors together."""

from __future__ import annotations

import numpy as np

from twinstorm.detectors.values.contract import Reals, Sample, build
from twinstorm.twin.flow import SECOND_US

RNG = np.random.default_rng(3)


def scores(name: str, values: Reals, **settings: str) -> Reals:
    """Of one series."""
    detector = build(name, 1, settings)
    return np.array(
        [detector.step(Sample(np.array([row * SECOND_US]), values[row : row + 1]))[0] for row in range(len(values))]
    )


def test_members_are_measured_by_their_own_past_whatever_their_limits() -> None:
    heavy = RNG.standard_t(2.0, 1_500)
    lone, together = scores("robust-z", heavy)[600:], scores("ensemble", heavy)[600:]
    assert (lone >= 1.0).mean() > 0.02, "a limit for the normal distribution is too low for these tails"
    assert (together >= 1.0).mean() < 0.25 * (lone >= 1.0).mean()


def test_the_highest_sees_what_the_mean_leaves_to_others() -> None:
    values = np.concatenate((20.0 + RNG.normal(0.0, 0.5, 800), [26.0]))
    assert scores("ensemble", values, join="max")[-1] >= scores("ensemble", values)[-1] >= 1.0
