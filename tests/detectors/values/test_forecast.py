"""Crossings that are foretold, and how that is scored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.values.contract import Reals, Sample, build
from twinstorm.detectors.values.forecast import Forecast
from twinstorm.detectors.values.predictions import Foretold, Predictions
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
    detector = build("forecast", 1, {"margin": "100 %"})
    assert isinstance(detector, Forecast)
    for row, value in enumerate(drifting):
        detector.step(Sample(np.array([row * MINUTE_US]), np.array([value])))
    assert detector.predictions.foretold() == Foretold(1, 0, 0, 0, 0, 0, (first - said) * 60.0)


def test_a_straight_line_tells_the_time_that_is_left() -> None:
    line = np.concatenate((np.tile([0.0, 1.0], 50), np.full(60, 0.5), 0.5 + 0.01 * np.arange(60)))
    told = scores(line, horizon="1h", window="40")
    # The limit is 1.5; the last value 1.09 at 0.01 a minute leaves 41 minutes.
    assert abs(told[-1] - 60.0 / 41.0) < 1e-6


def foretold(said: list[int], crossed: list[int], rows: int = 100, horizon: int = 10) -> Foretold:
    predictions = Predictions(1, horizon * SECOND_US)
    for row in range(rows):
        score = np.array([1.5 if row in said else 0.0])
        predictions.see(slice(None), np.array([row * SECOND_US]), score, np.array([row in crossed]))
    return predictions.foretold()


def test_predictions_are_right_wrong_missed_or_still_open() -> None:
    assert foretold([5, 6, 30, 95], [10, 11, 70]) == Foretold(
        right=1, wrong=1, unknown=0, withdrawn=0, missed=1, waiting=1, lead_s=5.0
    )


def test_who_goes_on_warning_makes_a_prediction_a_horizon() -> None:
    assert foretold(list(range(20, 55)), [50]) == Foretold(
        right=1, wrong=2, unknown=0, withdrawn=0, missed=0, waiting=0, lead_s=8.0
    )


def test_a_series_that_trembles_about_its_limit_has_crossed_it_once() -> None:
    assert foretold([], [40, 42, 45, 54, 60]) == Foretold(
        right=0, wrong=0, unknown=0, withdrawn=0, missed=1, waiting=0, lead_s=None
    )


def test_a_warning_with_the_crossing_is_none() -> None:
    assert foretold([40], [40]).missed == 1


def test_a_minute_says_nothing_of_an_hour() -> None:
    # A value a second that swings in ten minutes: of its trend in a minute nothing follows for an hour.
    detector = build("forecast", 1, {})
    told = []
    for second in range(3 * 3_600):
        value = np.array([20.0 + np.sin(second / 600.0 * 2.0 * np.pi)])
        told.append(float(detector.step(Sample(np.array([second * SECOND_US]), value))[0]))
    assert all(score != score for score in told[:3_600]), "an hour shows what an hour is like"
    assert max(told[3_600:]) == 0.0


def waits(horizon: int = 10, heard: tuple[int, ...] = ()) -> Predictions:
    """One series of two about which something was foretold at 5 s, and that was heard at these seconds after it."""
    predictions = Predictions(2, horizon * SECOND_US)
    for second in (5, *heard):
        score = np.array([1.5 if second == 5 else 0.0])
        predictions.see(np.array([0]), np.array([second * SECOND_US]), score, np.array([False]))
    return predictions


@pytest.mark.parametrize(
    ("heard", "until_s", "told"),
    [
        ((), 15, {"waiting": 1}),
        ((), 16, {"unknown": 1}),
        ((7,), 16, {"unknown": 1}),
        ((7, 10), 16, {"wrong": 1}),
        ((7, 30), 30, {"unknown": 1}),
        ((12, 30), 30, {"wrong": 1}),
    ],
)
def test_a_prediction_about_a_series_that_fell_silent_waits_no_longer_than_its_horizon(
    heard: tuple[int, ...], until_s: int, told: dict[str, int]
) -> None:
    predictions = waits(heard=heard)
    none = {"right": 0, "wrong": 0, "unknown": 0, "withdrawn": 0, "missed": 0, "waiting": 0}
    assert predictions.foretold(until_s * SECOND_US) == Foretold(**{**none, **told}, lead_s=None)
    assert predictions.foretold().waiting == (not heard or heard[-1] < 15), "to look changes nothing"


def test_what_was_said_of_a_series_that_begins_anew_is_withdrawn_once() -> None:
    predictions = waits(heard=(7,))
    for _ in range(2):
        predictions.withdraw(np.array([0, 1]))
    assert predictions.foretold(60 * SECOND_US) == Foretold(0, 0, 0, 1, 0, 0, None)


def test_a_device_that_is_serviced_after_the_horizon_withdraws_nothing() -> None:
    told = build("forecast", 1, {"horizon": "10 s"})
    assert isinstance(told, Forecast)
    told.predictions = waits(heard=(11,))
    told.is_now(16 * SECOND_US)
    told.forget(np.array([0]))
    assert (told.predictions.foretold().wrong, told.predictions.foretold().withdrawn) == (1, 0)


@given(
    st.lists(st.tuples(st.floats(0.0, 2.0), st.booleans()), max_size=60),
    st.integers(1, 12),
)
def test_every_prediction_becomes_one_thing(rows: list[tuple[float, bool]], horizon: int) -> None:
    alone, beside = Predictions(1, horizon * SECOND_US), Predictions(3, horizon * SECOND_US)
    began = 0
    for row, (score, beyond) in enumerate(rows):
        was = alone.foretold()
        at_us = np.array([row * SECOND_US])
        alone.see(slice(None), at_us, np.array([score]), np.array([beyond]))
        beside.see(np.array([1]), at_us, np.array([score]), np.array([beyond]))
        now = alone.foretold()
        ended = now.right + now.wrong + now.unknown - was.right - was.wrong - was.unknown
        began += now.waiting - was.waiting + ended
    told = alone.foretold()
    assert told == beside.foretold()
    assert began == told.right + told.wrong + told.unknown + told.waiting
    assert told.lead_s is None or 0.0 < told.lead_s <= horizon
