"""Limits that series learn: when something is said at all, what grows into them, and what does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.values.contract import Finest, Reals, Sample, build
from twinstorm.detectors.values.history import History
from twinstorm.twin.flow import MINUTE_US, SECOND_US

LEAP, CHANGES, LEARN_US = 3.0, 10, MINUTE_US


def told(scores: list[float], every_us: int = 10 * SECOND_US, *, moves: bool = True) -> list[float]:
    """What becomes of the scores of one series."""
    history = History(1, LEAP, CHANGES, LEARN_US)
    found = []
    for number, score in enumerate(scores):
        value = np.array([float(number if moves else 0)])
        sample = Sample(np.full(1, number * every_us, np.int64), value)
        found.append(float(history.judged(np.array([score]), sample)[0]))
    return found


def test_nothing_is_said_before_it_was_seen_for_long_enough_and_changed_often_enough() -> None:
    assert [np.isnan(each) for each in told([0.5] * 12)] == [True] * 9 + [False] * 3, "ten changes take longer"
    slow = told([0.5] * 12, every_us=5 * SECOND_US)
    assert [np.isnan(each) for each in slow] == [True] * 12, "a minute takes longer"
    assert all(np.isnan(each) for each in told([0.5] * 500, moves=False)), "nothing moves"


def test_a_leap_counts_from_the_highest_calm_score_and_from_the_limit_at_least() -> None:
    assert told([0.1] * 20 + [3.0, 2.7])[-2:] == [1.0, 2.7 / 3.0]
    assert told([4.0] * 20 + [11.0, 12.0, 36.0])[-3:] == [11.0 / 12.0, 12.0 / 33.0, 36.0 / 36.0]


def test_what_is_too_much_teaches_nothing_and_a_beginner_is_easily_surprised() -> None:
    assert told([0.5] * 20 + [6.0] * 50)[-1] == 2.0
    assert told([900.0] * 3 + [0.5] * 20 + [6.0])[-1] == 2.0, "the first half of learning is not remembered"
    assert told([0.5] * 7 + [900.0] + [0.5] * 20 + [6.0])[-1] == 6.0 / 2_700.0, "the second half is"


@given(st.lists(st.floats(0.0, 2.9), min_size=1, max_size=60))
def test_what_grows_by_less_than_a_leap_is_calm(steps: list[float]) -> None:
    scores, highest = [0.5] * 15, 1.0
    for step in steps:
        scores.append(step * highest)
        highest = max(highest, scores[-1])
    assert np.nanmax(told(scores)) < 1.0


@given(st.lists(st.lists(st.floats(0.0, 50.0) | st.just(float("nan")), min_size=3, max_size=3), max_size=40))
def test_series_are_apart_and_forgotten_alone(rows: list[list[float]]) -> None:
    together, parted, fresh = (History(3, LEAP, 3, 0) for _ in range(3))
    which = (np.array([2, 0]), slice(1, 2))
    for number, row in enumerate([*rows, None, *rows]):
        if row is None:
            together.forget(np.array([1]))
            parted.forget(slice(1, 2))
            continue
        at_us, scores = np.full(3, number, np.int64), np.array(row)
        values = scores + number
        whole = together.judged(scores, Sample(at_us, values))
        for part in which:
            found = parted.judged(scores[part], Sample(at_us[part], values[part], part))
            assert np.array_equal(found, whole[part], equal_nan=True)
        if number > len(rows):
            begun = fresh.judged(scores, Sample(at_us, values))
            assert np.array_equal(begun[1:2], whole[1:2], equal_nan=True)


def score_of(name: str, values: Reals, step: float) -> float:
    detector = build(name, 1, {})
    if step:
        detector.tells(Finest(np.full(1, step)))
    scores = [
        detector.step(Sample(np.full(1, number * SECOND_US, np.int64), values[number : number + 1]))[0]
        for number in range(len(values))
    ]
    return float(scores[-1])


def test_a_sensor_that_moves_by_one_step_has_not_left_everything_behind() -> None:
    values = np.full(300, 20.0)
    values[-1] = 20.1
    for name, least, most in (("robust-z", 1e3, 1.0), ("iqr", 1e3, 1.0), ("rate", 1e3, 1.0), ("shewhart", 1e3, 1.0)):
        assert score_of(name, values, 0.0) > least, name
        assert score_of(name, values, 0.1) <= most, name


def judged_at(history: History, at_s: float, score: float) -> float:
    """Of one series; every value is unlike the one before."""
    at_us = np.full(1, int(at_s * SECOND_US), np.int64)
    return float(history.judged(np.full(1, score), Sample(at_us, np.full(1, float(at_s))))[0])


def test_a_clock_that_is_set_back_makes_no_beginner() -> None:
    for silent in (False, True):
        # A neighbour without a value makes all of the sample go the slow way.
        history = History(2, LEAP, CHANGES, LEARN_US)
        found = []
        for number in range(40):
            second = number * 10 - (3_600 if number >= 25 else 0)
            values = np.array([float(number), np.nan if silent else float(number)])
            scores = np.where(np.isnan(values), np.nan, 6.0 if number == 30 else 0.5)
            told = history.judged(scores, Sample(np.full(2, second * SECOND_US, np.int64), values))
            found.append(float(told[0]))
        assert found[30] == 2.0
        assert not np.isnan(found[12:]).any()


@pytest.mark.parametrize("first_s", [0.0, -86_400.0])
def test_a_first_stamp_that_is_far_too_old_is_not_time_in_which_anything_was_learnt(first_s: float) -> None:
    history = History(1, LEAP, CHANGES, LEARN_US)
    judged_at(history, first_s, 0.5)
    told = [judged_at(history, 86_400.0 + 4.0 * number, 0.5) for number in range(20)]
    first = next(number for number, each in enumerate(told) if each == each)
    # A jump is worth a fifth of the minute, and it takes ten values.
    assert first == 12
    assert judged_at(history, 86_500.0, 6.0) == 2.0


def test_a_clock_before_1970_learns_as_any_other() -> None:
    for start_s in (0.0, -86_400.0):
        history = History(1, LEAP, CHANGES, LEARN_US)
        told = [judged_at(history, start_s + 10.0 * number, 0.5) for number in range(12)]
        assert [np.isnan(each) for each in told] == [True] * 9 + [False] * 3


@given(st.lists(st.tuples(st.integers(-2_000, 2_000), st.booleans()), max_size=60))
def test_what_is_known_stays_known_whatever_the_clock_says(rows: list[tuple[int, bool]]) -> None:
    alone, beside = History(1, LEAP, 3, 50), History(2, LEAP, 3, 50)
    was = False
    for number, (at_us, silent) in enumerate(rows):
        value = np.array([float(number)])
        told = alone.judged(np.array([0.5]), Sample(np.array([at_us]), value))
        both = np.array([0.5, np.nan if silent else 0.5])
        stamps = np.array([at_us, 0 if silent else at_us])
        of_both = beside.judged(both, Sample(stamps, np.where(np.isnan(both), np.nan, value[0])))
        assert np.array_equal(told, of_both[:1], equal_nan=True)
        assert not (was and np.isnan(told[0]))
        was = not np.isnan(told[0])


ROW = st.lists(st.tuples(st.floats(0.0, 40.0) | st.just(float("nan")), st.integers(0, 2)), min_size=3, max_size=3)


@given(st.lists(ROW | st.integers(0, 2), max_size=40))
def test_it_does_not_matter_whether_anybody_is_still_learning(rows: list[list[tuple[float, int]] | int]) -> None:
    quick, slow = History(3, LEAP, 3, 2), History(3, LEAP, 3, 2)
    for number, row in enumerate(rows):
        if isinstance(row, int):
            quick.forget(np.array([row]))
            slow.forget(np.array([row]))
            continue
        scores = np.array([score for score, _ in row])
        sample = Sample(np.full(3, number), np.array([float(value) for _, value in row]))
        assert np.array_equal(quick.judged(scores, sample), slow._learnt(scores, sample), equal_nan=True)
