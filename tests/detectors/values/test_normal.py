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
EXACT = ("limit", "shewhart", "band")
"""Those whose limits do not move with the value itself, or that take the move back."""


def last(name: str, value: float, settings: dict[str, str]) -> tuple[float, float, float]:
    """Score of a value behind calm ones, and between what it had to lie."""
    detector = build(name, 1, settings)
    for row, each in enumerate((*CALM, value)):
        sample = Sample(np.array([row * SECOND_US]), np.array([each]))
        score = detector.step(sample)
    told = detector.normal(sample, score)
    assert told is not None
    return float(score[0]), float(told[0][0]), float(told[1][0])


@pytest.mark.parametrize("name", EXACT)
@given(value=st.floats(-200, 200))
def test_a_value_scores_one_where_what_is_normal_ends(name: str, value: float) -> None:
    score, low, high = last(name, value, SAYING[name])
    outside = max(value - high, low - value)
    if abs(outside) > 1e-6:
        assert (score > 1) == (outside > 0)


@pytest.mark.parametrize("name", SAYING)
def test_what_is_normal_is_a_range_around_what_was(name: str) -> None:
    score, low, high = last(name, 60.0, SAYING[name])
    assert score > 1
    assert low < 20 < high < 60


def test_what_looks_at_more_than_a_value_says_nothing() -> None:
    silent = [name for name, kind in catalogue().items() if "normal" not in vars(kind)]
    assert sorted(set(catalogue()) - set(silent)) == sorted(SAYING)
