"""Between what a value had to lie, as detectors tell it, and what they scored it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.values.contract import Sample, build, catalogue
from twinstorm.twin.flow import SECOND_US

CALM = 20.0 + np.random.default_rng(7).normal(0.0, 0.5, 300)
SAYING = {
    "limit": {"lowest": "15", "highest": "25"},
    "shewhart": {"train": "200"},
    "band": {},
    "robust-z": {},
    "iqr": {},
}


def last(name: str, value: float, reach: float) -> tuple[float, float, float]:
    """Score of a value behind calm ones, and between what it had to lie to score less than `reach`."""
    detector = build(name, 1, SAYING[name])
    for row, each in enumerate(CALM):
        detector.step(Sample(np.array([row * SECOND_US]), np.array([each])))
    sample = Sample(np.array([len(CALM) * SECOND_US]), np.array([value]))
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


def test_what_looks_at_more_than_a_value_says_nothing() -> None:
    silent = [name for name, kind in catalogue().items() if "normal" not in vars(kind)]
    assert sorted(set(catalogue()) - set(silent)) == sorted(SAYING)
