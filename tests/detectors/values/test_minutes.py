"""Features of minutes: who is not there ends none, whatever the clock says, and who begins anew begins with nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import delivery, registry_of
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.values.contract import Reals, Sample
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.detectors.values.minutes import LEVEL, Minutes
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Int

DEVICES, WIDTH = 3, 2


class Told(Minutes):
    """Keeps the rows that it is shown; scores are the mean of the minute."""

    name = "told"
    summary = "told"

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.rows: list[tuple[int, int, list[float]]] = []

    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        if learns:
            self.rows += zip(at_us.tolist(), device.tolist(), rows.tolist(), strict=True)
        return rows[:, 0]


def told(devices: int = DEVICES) -> Told:
    detector = Told(devices * WIDTH, {})
    detector.of_width(WIDTH)
    return detector


def whole(device: int, at_us: int, values: list[float]) -> Sample:
    """A reading of one device alone."""
    series = device * WIDTH + np.arange(WIDTH)
    return Sample(np.full(WIDTH, at_us, np.int64), np.array(values), series)


READING = st.lists(st.floats(-50.0, 50.0) | st.just(float("nan")), min_size=WIDTH, max_size=WIDTH)
STEP = st.tuples(st.integers(0, 90), st.lists(st.none() | READING, min_size=DEVICES, max_size=DEVICES))


@given(st.integers(-30, 30), st.lists(STEP, max_size=60))
def test_who_is_absent_from_a_stretch_is_as_one_who_was_not_asked(start: int, steps: list[Any]) -> None:
    stretch, apart = told(), told()
    second = start * 60
    for later, readings in steps:
        second += later
        values = np.full((DEVICES, WIDTH), np.nan)
        at_us = np.zeros((DEVICES, WIDTH), np.int64)
        asked = []
        for device, reading in enumerate(readings):
            if reading is not None and any(each == each for each in reading):
                values[device], at_us[device] = reading, second * SECOND_US
                asked.append(apart.step(whole(device, second * SECOND_US, reading)))
        sample = Sample(at_us.ravel(), values.ravel(), slice(0, DEVICES * WIDTH))
        looked = stretch.score(sample)
        scores = stretch.step(sample).reshape(DEVICES, WIDTH)
        np.testing.assert_array_equal(looked.reshape(DEVICES, WIDTH), scores)
        there = (values == values).any(axis=1)
        np.testing.assert_array_equal(scores[there], np.array(asked).reshape(-1, WIDTH))
        for name, column in vars(apart).items():
            if isinstance(column, np.ndarray):
                np.testing.assert_array_equal(getattr(stretch, name), column, err_msg=name)
    assert stretch.rows == apart.rows


def test_half_of_a_kind_that_samples_at_another_instant_has_whole_minutes() -> None:
    registry = registry_of(motors=4, climate=0)
    ingest = Ingest(registry)
    channels = [channel.name for channel in registry.channels["motor"]]
    tap = OnFleet(Told, registry, {"channels": channels, "adaptive": "false"})
    detector = tap.detector
    assert isinstance(detector, Told)
    detector.of_width(len(channels))
    ingest.taps.append(tap)
    many = len(registry)
    halves = [list(range(0, many, 2)), list(range(1, many, 2))]
    minutes = LEVEL + 3
    for second in range(0, minutes * 60 + 1, 5):
        for late, half in enumerate(halves):
            at_us = (second + 2 * late) * SECOND_US
            values = np.full((len(half), len(channels)), 20.0 + second % 60 / 2.0)
            taken = delivery(half, second // 5 + 1, values=values, dated_us=at_us, arrived_us=at_us)
            ingest.take(taken)
    ends = {device: [at_us for at_us, each, _ in detector.rows if each == device] for device in range(many)}
    wanted = [minute * MINUTE_US for minute in range(LEVEL + 1, minutes + 1)]
    assert set(map(tuple, ends.values())) == {tuple(wanted)}
    assert {row[0] for _, _, row in detector.rows} == {20.0 + np.mean(range(0, 60, 5)) / 2.0}


def test_minutes_end_under_a_clock_before_the_beginning_as_well() -> None:
    detector, later = told(1), told(1)
    for second in range(0, (LEVEL + 3) * 60, 20):
        values = [float(second // 60), 5.0 + second % 60]
        detector.step(whole(0, (second - 3_600 * 24) * SECOND_US, values))
        later.step(whole(0, second * SECOND_US, values))
    assert [row for _, _, row in detector.rows] == [row for _, _, row in later.rows]
    assert [at_us for at_us, _, _ in detector.rows] == [at_us - 24 * 60 * MINUTE_US for at_us, _, _ in later.rows]
    assert len(detector.rows) == 2


@pytest.mark.parametrize("start_s", [0, -86_400])
def test_who_begins_anew_is_as_new_to_the_last_bit(start_s: int) -> None:
    worked_at, new = told(2), told(2)
    draws = np.random.default_rng(5)
    for second in range(0, (2 * LEVEL + 9) * 60, 20):
        values = draws.normal(70.0, 3.0, 2 * WIDTH)
        sample = Sample(np.full(2 * WIDTH, (start_s + second) * SECOND_US), values)
        if second == (LEVEL + 4) * 60 + 20:
            worked_at.forget(np.arange(WIDTH))
            for name, column in vars(told(2)).items():
                if isinstance(column, np.ndarray):
                    np.testing.assert_array_equal(getattr(worked_at, name)[:WIDTH], column[:WIDTH], err_msg=name)
        worked_at.step(sample)
        if second >= (LEVEL + 4) * 60 + 20:
            new.step(sample)
    assert [each for each in worked_at.rows if each[1] == 0][-4:] == [each for each in new.rows if each[1] == 0][-4:]
    assert len(new.rows) == 2 * 4
