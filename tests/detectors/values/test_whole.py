"""Rows by minutes: which there are, what stands in them, and whose score stays how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.detectors.values import whole
from twinstorm.detectors.values.contract import Reals, Sample
from twinstorm.detectors.values.features import LAGS, MINUTES, STATISTICS, Rolling
from twinstorm.detectors.values.model import Model
from twinstorm.detectors.values.whole import (
    LONGEST,
    WholeDevices,
    bytes_a_channel,
    feature_names,
    held_by,
    without_times,
)
from twinstorm.twin.flow import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Int

CHANNELS = ("flow", "pressure")
WIDTH = len(CHANNELS)
EVERY_US = 20 * SECOND_US
HELD = held_by(EVERY_US)
MONDAY_US = 4 * DAY_US


class Kept(WholeDevices):
    """Keeps the rows that it is shown; a score is the first feature, without its sign."""

    name = "kept"
    summary = "kept"

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.rows: list[tuple[int, int, list[float]]] = []

    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        if learns:
            self.rows += zip(at_us.tolist(), device.tolist(), rows.tolist(), strict=True)
        return np.abs(rows[:, 0])


def kept(devices: int = 1, level: int = 0) -> Kept:
    detector = Kept(devices * WIDTH, {})
    detector.of_width(WIDTH, level, HELD)
    return detector


def noise(readings: int, devices: int = 1) -> Reals:
    return np.random.default_rng(9).normal(50.0, 2.0, (readings, devices * WIDTH))


def test_a_row_is_a_device_at_the_first_reading_of_a_minute_once_its_windows_are_whole() -> None:
    detector, alone = kept(), Rolling(WIDTH, MINUTES, LAGS, STATISTICS, calendar=False, most=HELD)
    values = noise(3 * (LONGEST + 4 + 10))
    names = feature_names(CHANNELS, HELD)
    assert len(names) == WIDTH * (2 + 3 + 15) + 1 + 2
    wanted = {}
    for number, row in enumerate(values):
        sample = Sample(np.full(WIDTH, MONDAY_US + number * EVERY_US), row)
        wanted[int(sample.at_us[0])] = alone.of(sample)
        detector.step(sample)
        alone.learn(sample)
    told = [at_us for at_us, _, _ in detector.rows]
    # The tenth value before is there within the fourth minute.
    first_us = MONDAY_US + (3 + LONGEST) * MINUTE_US
    assert told == list(range(first_us, MONDAY_US + len(values) * EVERY_US, MINUTE_US))
    for at_us, _, row in detector.rows:
        seen = dict(zip(names, row, strict=True))
        now = values[(at_us - MONDAY_US) // EVERY_US]
        np.testing.assert_array_equal(row[: 20 * WIDTH], wanted[at_us].T.ravel())
        assert seen["flow*pressure"] == now[0] * now[1]
        assert (seen["hour"], seen["weekday"]) == ((at_us - MONDAY_US) / HOUR_US, 0.0)
        since = values[: (at_us - MONDAY_US) // EVERY_US + 1, 1]
        assert seen["pressure.mean_5min"] == pytest.approx(since[-15:].mean())
        assert seen["pressure.lag_10"] == since[-11]


def test_no_row_depends_on_how_many_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for at_once in (1, 1 << 20):
        monkeypatch.setattr(whole, "AT_ONCE", at_once)
        detector = kept(5, level=3)
        for number, row in enumerate(noise(3 * (LONGEST + 8), 5)):
            detector.step(Sample(np.full(5 * WIDTH, number * EVERY_US), row))
        told.append(detector.rows)
    assert told[0] == told[1]
    assert told[0]


def test_a_score_stays_until_the_next_minute_and_asking_changes_nothing() -> None:
    detector, minute = kept(2), np.zeros(0)
    for number, row in enumerate(noise(3 * (LONGEST + 6), 2)):
        sample = Sample(np.full(2 * WIDTH, number * EVERY_US), row)
        before = {name: np.copy(each) for name, each in vars(detector).items() if isinstance(each, np.ndarray)}
        asked = detector.score(sample)
        for name, each in before.items():
            np.testing.assert_array_equal(getattr(detector, name), each)
        told = detector.step(sample)
        np.testing.assert_array_equal(asked, told)
        if number >= 3 * (LONGEST + 3):
            minute = row if number % 3 == 0 else minute
            np.testing.assert_array_equal(told, np.repeat(minute[::WIDTH], WIDTH))
        else:
            assert np.isnan(told).all()


@given(st.lists(st.lists(st.sampled_from("sixn"), min_size=3, max_size=3), min_size=70, max_size=90), st.data())
@settings(max_examples=20, deadline=None)
def test_who_is_absent_or_half_silent_is_as_one_who_was_not_asked(rows: list[list[str]], data: st.DataObject) -> None:
    stretch, apart = kept(3, level=2), kept(3, level=2)
    start = data.draw(st.integers(-2, 2)) * 30 * MINUTE_US
    values = noise(len(rows), 3).reshape(-1, 3, WIDTH)
    for number, there in enumerate(rows):
        now_us = start + number * EVERY_US
        given_us = np.zeros((3, WIDTH), np.int64)
        told = np.full((3, WIDTH), np.nan)
        asked = []
        for device, how in enumerate(there):
            if how == "n":
                continue
            told[device], given_us[device] = values[number, device], now_us
            if how == "s" and number % 5 == 0:
                told[device, 1] = np.nan
            series = device * WIDTH + np.arange(WIDTH)
            asked.append((device, apart.step(Sample(given_us[device], told[device], series))))
        scores = stretch.step(Sample(given_us.ravel(), told.ravel(), slice(0, 3 * WIDTH))).reshape(3, WIDTH)
        for device, score in asked:
            np.testing.assert_array_equal(scores[device], score)
    assert stretch.rows == apart.rows


def test_who_begins_anew_is_as_new_to_the_last_bit() -> None:
    worked_at, new = kept(2, level=5), kept(2, level=5)
    values = noise(3 * 2 * (LONGEST + 8), 2)
    half = len(values) // 2
    for number, row in enumerate(values):
        sample = Sample(np.full(2 * WIDTH, number * EVERY_US), row)
        if number == half:
            worked_at.forget(np.arange(WIDTH))
        worked_at.step(sample)
        if number >= half:
            new.step(sample)
    late_us = half * EVERY_US
    again = [each for each in worked_at.rows if each[1] == 0 and each[0] >= late_us]
    assert again == [each for each in new.rows if each[1] == 0]
    assert again
    assert len([each for each in worked_at.rows if each[1] == 1 and each[0] >= late_us]) > len(again)


def test_time_teaches_nothing_before_it_was_seen_whole() -> None:
    rows = np.ones((4, 5))
    for span_us, hour, weekday in ((DAY_US - 1, 0.0, 0.0), (DAY_US, 1.0, 0.0), (7 * DAY_US, 1.0, 1.0)):
        told = without_times(rows, np.array([0, 5, 9, span_us]))
        assert (told[:, :3] == 1.0).all()
        assert (told[:, 3] == hour).all()
        assert (told[:, 4] == weekday).all()
    assert (rows == 1.0).all()


@pytest.mark.parametrize("algorithm", ["pyod:PCA", "pyod:IForest"])
def test_features_that_follow_from_others_teach_a_model_and_it_is_kept_whole(algorithm: str) -> None:
    draws = np.random.default_rng(2)
    names = feature_names(CHANNELS, HELD)
    rows = draws.normal(size=(400, len(names)))
    rows[:, 1] = rows[:, 0] - rows[:, 2]  # A change is a value less the one before.
    rows[:, -1] = 0.0
    at_us = np.arange(400) * MINUTE_US
    model = Model.trained(algorithm, "pump", CHANNELS, 5, rows, at_us, 0.01, HELD)
    assert model.judge.usual < model.judge.limit < 1e9
    again = Model.of_arrays("pump", CHANNELS, model.arrays())
    assert (again.held, again.digest()) == (HELD, model.digest())
    np.testing.assert_array_equal(again.judge.score(rows), model.judge.score(rows))
    broken = rows.copy()
    broken[:, :40] += 30.0
    assert model.judge.score(broken).min() > np.quantile(model.judge.score(rows), 0.9)
    assert "held" not in Model.trained(algorithm, "pump", CHANNELS, 5, rows, at_us, 0.01).arrays()


def test_memory_of_windows_is_known_before_it_is_taken() -> None:
    assert held_by(SECOND_US) == 900
    assert held_by(10 * SECOND_US) == 91
    assert held_by(HOUR_US) == max(LAGS) + 1
    one, two = (Kept(each * WIDTH, {}) for each in (1, 2))
    for each in (one, two):
        each.of_width(WIDTH, 5, 900)
    taken = [sum(part.nbytes for part in _arrays(each)) for each in (one, two)]
    assert taken[1] - taken[0] <= WIDTH * bytes_a_channel(900) < 1.1 * (taken[1] - taken[0])


def _arrays(detector: Kept) -> list[Any]:
    held = [*vars(detector).values(), *vars(detector._features).values()]
    return [each for each in held if isinstance(each, np.ndarray)]
