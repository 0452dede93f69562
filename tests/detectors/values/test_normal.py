"""Between what a value had to lie, as detectors tell it, and what they scored it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.values.contract import Peers, Sample, build, catalogue, defaults
from twinstorm.detectors.values.relative import FleetRelative
from twinstorm.twin.flow import MINUTE_US, SECOND_US

CALM = 20.0 + np.random.default_rng(7).normal(0.0, 0.5, 300)
SAYING = {
    "limit": {"lowest": "15", "highest": "25"},
    "shewhart": {"train": "200"},
    "band": {},
    "robust-z": {},
    "iqr": {},
    "ewma": {"train": "200"},
    "cusum": {"train": "200"},
    "page-hinkley": {},
    "rate": {},
    "seasonal": {},
}
APART_US = {"seasonal": 10 * MINUTE_US}
"""Between two values, of who needs a day."""


def last(name: str, value: float, reach: float) -> tuple[float, float, float]:
    """Score of a value behind calm ones, and between what it had to lie to score less than `reach`."""
    detector, apart_us = build(name, 1, SAYING[name]), APART_US.get(name, SECOND_US)
    for row, each in enumerate(CALM):
        detector.step(Sample(np.array([row * apart_us]), np.array([each])))
    sample = Sample(np.array([len(CALM) * apart_us]), np.array([value]))
    told = detector.normal(sample, np.array([reach]))
    assert told is not None
    return float(detector.step(sample)[0]), float(told[0][0]), float(told[1][0])


@pytest.mark.parametrize("name", SAYING)
@given(value=st.floats(-200, 200), reach=st.floats(0.01, 60.0))
def test_a_value_scores_what_counts_where_what_is_normal_ends(name: str, value: float, reach: float) -> None:
    score, low, high = last(name, value, reach)
    outside = max(value - high, low - value)
    if abs(outside) > 1e-6:
        assert (score > reach) == (outside > 0)


@pytest.mark.parametrize("name", SAYING)
def test_what_is_normal_is_a_range_around_what_was(name: str) -> None:
    score, low, high = last(name, 60.0, 1.0)
    assert score > 1
    assert low < 20 < high < 60


def test_what_its_like_tell_is_normal_and_what_is_usual_for_it() -> None:
    detector = FleetRelative(8, defaults(FleetRelative.options, "a test") | {"train": 20})
    detector.among(Peers.all_of(8))
    noise = np.random.default_rng(3)
    always = np.arange(8.0)
    for number in range(40):
        detector.step(Sample(np.full(8, number), 20.0 + always + noise.normal(0.0, 0.1, 8)))
    values = 30.0 + always + np.where(np.arange(8) == 2, 4.0, noise.normal(0.0, 0.1, 8))
    sample = Sample(np.full(8, 40), values)
    score, _ = detector.look(sample)
    for reach in (0.5, 1.0, 8.0):
        low, high = detector.normal(sample, np.full(8, reach))
        assert np.array_equal(score > reach, (values < low) | (values > high))
    low, high = detector.normal(sample, np.ones(8))
    assert low[2] < 32.0 < high[2] < 33.5


def test_what_looks_at_more_than_a_value_says_nothing() -> None:
    saying = [name for name, kind in catalogue().items() if "normal" in vars(kind)]
    assert sorted(saying) == sorted([*SAYING, "fleet-relative"])
