"""Crossings that are foretold, and how that is scored."""

from __future__ import annotations

import numpy as np

from twinstorm.detectors.values.contract import Reals, Sample, build
from twinstorm.detectors.values.forecast import scored
from twinstorm.twin.flow import SECOND_US

RNG = np.random.default_rng(5)
MINUTE_US = 60 * SECOND_US


def scores(values: Reals, **settings: str) -> Reals:
    """Of one series, a value a minute."""
    detector = build("forecast", 1, settings)
    at_us = np.arange(len(values)) * MINUTE_US
    return np.array(
        [detector.step(Sample(at_us[row : row + 1], values[row : row + 1]))[0] for row in range(len(values))]
    )


def test_a_drift_is_foretold_before_it_crosses_and_noise_is_not() -> None:
    calm = 20.0 + RNG.normal(0.0, 0.1, 400)
    drifting = calm.copy()
    drifting[200:] += 0.01 * np.arange(200)
    limit = calm[:100].max() + np.ptp(calm[:100])
    crossed = drifting > limit
    told = scores(drifting, margin="100 %")
    first = int(np.flatnonzero(crossed)[0])
    assert not (scores(calm, margin="100 %")[100:] >= 1.0).any()
    said = int(np.flatnonzero(told >= 1.0)[0])
    assert 0 < first - said <= 60
    predictions = scored(told >= 1.0, crossed, np.linspace(0.0, 399.0 * 60.0, 400), 3_600.0)
    assert predictions["right"] == 1
    assert predictions["wrong"] == 0
    assert predictions["missed"] == 0


def test_a_straight_line_tells_the_time_that_is_left() -> None:
    line = np.concatenate((np.tile([0.0, 1.0], 50), np.full(60, 0.5), 0.5 + 0.01 * np.arange(60)))
    told = scores(line, horizon="1h", window="40")
    # The limit is 1.5; the last value 1.09 at 0.01 a minute leaves 41 minutes.
    assert abs(told[-1] - 60.0 / 41.0) < 1e-6


def test_predictions_are_right_wrong_missed_or_still_open() -> None:
    at_s = np.arange(100.0)
    said, crossed = np.zeros(100, bool), np.zeros(100, bool)
    said[[5, 6, 30, 95]] = True
    crossed[[10, 11, 70]] = True
    assert scored(said, crossed, at_s, 10.0) == {"right": 1, "wrong": 1, "missed": 1}
