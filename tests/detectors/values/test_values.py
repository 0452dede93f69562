"""What each detector on values sees, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from twinstorm.detectors.values.contract import Ends, Reals, Sample, build
from twinstorm.detectors.values.gate import Gate, Limits
from twinstorm.twin.flow import DAY_US, SECOND_US

RNG = np.random.default_rng(7)
CALM = 20.0 + RNG.normal(0.0, 0.5, 1_000)
DAY = 288


def scores(name: str, values: Reals, /, every_s: float = 300.0, **settings: str) -> Reals:
    """Of one series."""
    detector = build(name, 1, settings)
    at_us = (np.arange(len(values)) * every_s * SECOND_US).astype(np.int64)
    return np.array(
        [detector.step(Sample(at_us[row : row + 1], values[row : row + 1]))[0] for row in range(len(values))]
    )


def with_tail(*tail: float) -> Reals:
    return np.concatenate((CALM, tail))


@pytest.mark.parametrize("name", ["shewhart", "robust-z", "iqr", "band", "context", "rate", "ewma"])
def test_a_value_far_outside_is_seen_at_once(name: str) -> None:
    score = scores(name, with_tail(60.0))
    assert score[-1] > 1.0
    assert np.nanmedian(score[200:-1]) < 0.7


@pytest.mark.parametrize("name", ["cusum", "page-hinkley", "ewma"])
def test_a_small_shift_that_lasts_is_seen_although_no_value_is_strange(name: str) -> None:
    shifted = with_tail(*(20.5 + RNG.normal(0.0, 0.5, 60)))
    assert np.nanmax(scores(name, shifted)[-60:]) >= 1.0
    assert not (scores("robust-z", shifted)[-60:] >= 1.0).any()


def test_more_and_less_noise_are_both_a_change_of_spread() -> None:
    for factor in (3.0, 0.1):
        noise = with_tail(*(20.0 + factor * RNG.normal(0.0, 0.5, 80)))
        score = scores("spread", noise)
        assert score[-1] >= 1.0
        assert np.nanmax(score[200:1_000]) < 1.0


def test_a_sensor_that_repeats_itself_is_flat_unless_it_always_did() -> None:
    # What never repeated itself is flat after ten, what is not known yet after twenty.
    assert scores("flat-line", with_tail(*[20.0] * 10))[-1] == 1.0
    assert scores("flat-line", np.append(CALM[:20], [20.0] * 20))[-1] == 1.0
    # By chance a quarter of them repeat themselves, and so do those: eighteen come once in a billion.
    rounded = np.round(CALM / 0.4) * 0.4
    assert 0.15 < (np.diff(rounded) == 0).mean() < 0.3
    often = scores("flat-line", np.append(rounded, [rounded[-1] + 0.4] * 18), times="1")
    assert often[-2] < 1.0 <= often[-1]
    coarse = np.repeat(np.round(CALM[:100]), 15)
    longest = max(len(run) for run in np.split(coarse, np.flatnonzero(np.diff(coarse)) + 1))
    assert longest > 20
    assert np.nanmax(scores("flat-line", coarse, values="20", times="3")[750:]) < 1.0


def test_at_an_end_of_what_a_sensor_can_tell_it_may_stand_still_for_longer() -> None:
    for level, enough in ((90.0, 10), (100.0, 20), (0.0, 20)):
        detector = build("flat-line", 1)
        detector.ends = Ends(np.zeros(1), np.full(1, 100.0))
        told = [
            detector.step(Sample(np.array([row * SECOND_US]), np.array([value])))[0]
            for row, value in enumerate(with_tail(*[level] * 20))
        ]
        assert int(np.argmax(np.array(told) >= 1.0)) == len(CALM) + enough - 1, level


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_begins_to_look_at_something_has_seen_enough_of_it_to_judge(seed: int) -> None:
    # `context` takes up one feature after the other, the last of them after a day.
    noise = 20.0 + np.random.default_rng(seed).normal(0.0, 0.5, 600)
    assert np.nanmax(scores("context", np.append(noise, 45.0))[:-1]) < 20.0
    assert scores("context", np.append(noise, 45.0))[-1] > 100.0


def test_a_rate_is_by_the_second_not_by_the_value() -> None:
    steps = np.cumsum(np.where(np.arange(400) % 2, 1.0, -1.0))
    at_us = np.arange(400) * 10 * SECOND_US
    at_us[-1] = at_us[-2] + SECOND_US  # The same step, ten times as fast.
    detector = build("rate", 1)
    for row in range(400):
        score = detector.step(Sample(at_us[row : row + 1], steps[row : row + 1]))
    assert score[0] == pytest.approx(10.0 / 6.0, rel=0.02)


def test_the_same_value_is_strange_at_night_and_not_at_noon() -> None:
    hours = np.arange(10 * DAY) % DAY / DAY
    cycle = 20.0 + 10.0 * np.sin(2 * np.pi * hours) + RNG.normal(0.0, 0.2, 10 * DAY)
    night, noon = cycle.copy(), cycle.copy()
    night[-DAY + 216] = 29.0  # Where the cycle is at its lowest.
    noon[-DAY + 72] = 29.0
    assert scores("seasonal", night)[-DAY + 216] >= 1.0
    assert scores("seasonal", noon)[-DAY + 72] < 1.0
    assert not (scores("band", night)[-DAY:] >= 1.0).any()


@pytest.mark.parametrize("name", ["seasonal", "context"])
def test_a_clock_before_1970_has_days_as_well(name: str) -> None:
    hours = np.arange(4 * DAY) % DAY / DAY
    values = 20.0 + 10.0 * np.sin(2 * np.pi * hours) + np.random.default_rng(3).normal(0.0, 0.2, 4 * DAY)
    told = []
    for start_us in (0, -7 * DAY_US):
        detector = build(name, 1)
        at_us = start_us + np.arange(4 * DAY) * 300 * SECOND_US
        told.append([detector.step(Sample(at_us[row : row + 1], values[row : row + 1]))[0] for row in range(4 * DAY)])
    np.testing.assert_array_equal(told[0], told[1])
    assert np.nanmax(told[1]) > 0.0


def test_context_sees_a_night_without_rest_and_a_signal_that_falls_quiet() -> None:
    hours = np.arange(14 * DAY) % DAY / DAY
    cycle = 50.0 + 30.0 * np.sin(2 * np.pi * hours) + RNG.normal(0.0, 2.0, 14 * DAY)
    awake = cycle.copy()
    awake[-DAY + 180 : -DAY + 250] = 78.0
    for changed in (awake, np.concatenate((cycle, np.full(120, 50.0)))):
        score = scores("context", changed)
        assert np.nanmax(score[12 * DAY : 13 * DAY]) < 1.0
        assert np.nanmax(score[13 * DAY :]) >= 1.0


def test_context_says_a_thing_once() -> None:
    burst = with_tail(*(60.0 + 3.0 * np.arange(15) % 7))
    score = scores("context", burst)[-15:]
    assert (score >= 1.0).sum() <= 3


def test_isolated_extremes_rank_first() -> None:
    values = np.concatenate((np.tile([2.0, 11.0, 13.0], 40), [-100.0, 2.0, 11.0, 13.0, 100.0]))
    for name in ("robust-z", "iqr"):
        score = scores(name, values)[-5:]
        assert set(np.argsort(score)[-2:]) == {0, 4}


def test_what_cannot_be_said_is_not_said() -> None:
    score = scores("shewhart", np.concatenate((CALM[:200], [np.nan, 60.0])))
    assert np.isnan(score[:200]).all()
    assert np.isnan(score[200])
    assert score[201] > 1.0


def test_an_unknown_detector_or_setting_names_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"unknown detector `ewmaa`; allowed: adwin, autoencoder, band, context"):
        build("ewmaa", 1)
    with pytest.raises(ValueError, match=r"detector `ewma` has no setting `lamda`; allowed: deviations, limits"):
        build("ewma", 1, {"lamda": "0.2"})
    with pytest.raises(ValueError, match=r"detector `cusum`: setting `limit` is at least 0.1, not `0`"):
        build("cusum", 1, {"limit": "0"})
    with pytest.raises(ValueError, match=r"detector `iqr`: setting `window` is at most 10000, not `99999`"):
        build("iqr", 1, {"window": 99_999})


def decided(limits: Limits, *scores: float) -> str:
    gate = Gate(1, limits)
    return "".join("#" if gate.decide(np.array([score]))[0] else "." for score in scores)


def test_a_gate_opens_at_its_threshold_and_closes_under_the_lower_one() -> None:
    assert decided(Limits(1.0, 0.5), 0.9, 1.0, 0.7, 0.4, 0.7) == ".##.."


def test_a_gate_waits_for_scores_in_a_row_and_a_missing_one_changes_nothing() -> None:
    assert decided(Limits(hold=3), 1, 1, 0, 1, 1, 1, 0) == ".....#."
    assert decided(Limits(hold=2), 1, np.nan, 1, np.nan, 0) == "..##."


def test_a_gate_is_quiet_for_a_while_after_an_alarm() -> None:
    assert decided(Limits(quiet=2), 1, 0, 1, 1, 1, 0) == "#...#."
