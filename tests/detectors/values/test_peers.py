"""Detectors that compare devices with their like: who is alike, what counts at a time, and what is then far away."""

from __future__ import annotations

import pickle
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import registry_of
from twinstorm.detectors.taps import Accepted
from twinstorm.detectors.values.contract import Peers, Reals, Sample, build, catalogue
from twinstorm.detectors.values.fleet import bytes_a_series
from twinstorm.detectors.values.peers import OnPeers
from twinstorm.detectors.values.relative import FleetRelative, medians
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Registry

REGISTRY = registry_of(motors=8, climate=2)
MOTORS = 40
WINDOW_US = MINUTE_US


def on_peers(registry: Registry = REGISTRY, **settings: Any) -> OnPeers:
    kind: Any = catalogue()["fleet-relative"]
    return OnPeers(kind, registry, {"window": "1 min", "clear_threshold": 0.01, "adaptive": "false", **settings})


def heard(
    device: Any, values: Reals, at_us: int, dated_us: int | None = None, dense: bool = False, late: bool = False
) -> Accepted:
    """Readings of motors, which have two channels."""
    device = np.asarray(device, np.int32)
    same = np.full(len(device), at_us, np.int64)
    dated = same if dated_us is None else np.full(len(device), dated_us, np.int64)
    for column in (same, dated):
        column.flags.writeable = False
    rows = slice(int(device[0]), int(device[-1]) + 1) if dense else None
    return Accepted(
        code=0,
        device=device,
        boot=np.ones(len(device), np.int32),
        seq=np.ones(len(device), np.int64),
        dated_us=dated,
        sent_us=same,
        arrived_us=same,
        values=np.asarray(values, np.float32),
        rows=rows,
        late=late,
    )


def spread_out() -> Reals:
    """One reading of each motor: 0.1 apart by their number at the site, and one at the third site far away."""
    values = np.tile(np.arange(8) / 10.0 + 20.0, 5)
    values[19] += 9.0
    return np.column_stack((values, np.full(MOTORS, 3.0)))


# --- the middle of others ---------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(-9, 9))), max_size=30))
def test_medians_of_groups_are_those_of_each_group_alone(rows: list[tuple[int, int | None]]) -> None:
    group = np.array([row[0] for row in rows], np.int64)
    values = np.array([np.nan if row[1] is None else row[1] for row in rows], np.float64)
    found, counts = medians(values, group)
    for row, middle, count in zip(rows, found.tolist(), counts.tolist(), strict=True):
        mine = [value for each, value in rows if each == row[0] and value is not None]
        assert count == len(mine)
        assert middle == median(mine) if mine else middle != middle


def test_a_score_is_the_distance_from_the_median_in_robust_deviations_of_the_like() -> None:
    detector = build("fleet-relative", 7, {"deviations": "2"})
    values = np.array([10.0, 11.0, 12.0, 13.0, 14.0, 40.0, np.nan])
    score = detector.score(Sample(np.zeros(7, np.int64), values))
    # Median 12.5; distances 2.5 1.5 0.5 0.5 1.5 27.5, of which the median is 1.5.
    assert score[:6] == pytest.approx(np.abs(values[:6] - 12.5) / (1.5 * 1.4826) / 2.0)
    assert np.isnan(score[6])
    four = np.where(np.arange(7) < 4, values, np.nan)
    assert np.isnan(detector.score(Sample(np.zeros(7, np.int64), four))).all()


def test_a_spread_is_never_less_than_what_a_sensor_can_tell() -> None:
    detector = FleetRelative(6, {"deviations": 1.0, "least": 5, "floor": 0.0, "train": 0})
    detector.among(Peers(np.zeros(6, np.int64), np.full(6, 0.5)))
    values = Sample(np.zeros(6, np.int64), np.array([7.0, 7.0, 7.0, 7.0, 7.0, 7.5]))
    assert detector.score(values).tolist() == [0.0] * 5 + [1.0]
    detector.settings["floor"] = 2.0
    assert detector.score(values).tolist() == [0.0] * 5 + [0.25]


def test_who_always_stands_apart_is_judged_by_how_that_changes() -> None:
    plain, taught = (build("fleet-relative", 8, {"train": train}) for train in ("0", "20"))
    apart = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 8.0])
    noise = np.random.default_rng(5)
    for number in range(60):
        drift = np.where(np.arange(8) == 2, 0.5 * max(number - 40, 0), 0.0)
        values = 20.0 + 10.0 * np.sin(number / 9.0) + apart + drift + np.round(noise.normal(0.0, 0.05, 8), 2)
        scores = [each.step(Sample(np.full(8, number, np.int64), values)) for each in (plain, taught)]
        if number < 20:
            assert np.isnan(scores[1]).all()
        elif number < 40:
            assert scores[0][7] > 1.0
            assert scores[1].max() < 1.0
    assert scores[1][2] > 5.0
    assert np.delete(scores[1], 2).max() < 1.0


# --- at work on a fleet -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["dense", "sparse", "shuffled", "one by one"])
def test_however_readings_come_a_window_compares_their_means(way: str) -> None:
    detector = on_peers()
    values = spread_out()
    order = np.random.default_rng(2).permutation(MOTORS) if way == "shuffled" else np.arange(MOTORS)
    for second in (1, 20, 40):
        # What goes up and down by turns is away in the mean.
        now = values + {1: -4.0, 20: 4.0, 40: 0.0}[second]
        for rows in [order] if way != "one by one" else order.reshape(-1, 1):
            detector.take(heard(rows, now[rows], second * SECOND_US, dense=way == "dense"))
    detector.turn(WINDOW_US - SECOND_US)
    assert np.isnan(detector._score).all()
    detector.turn(WINDOW_US)
    at_site = np.abs(np.arange(8) / 10.0 - 0.35) / (0.2 * 1.4826) / 6.0
    calm = np.delete(np.arange(MOTORS), slice(16, 24))
    assert detector._score[calm] == pytest.approx(np.tile(at_site, 4), rel=1e-4)
    assert detector._score[19] > 3.9
    assert np.isnan(detector._score[MOTORS:]).all()
    assert (detector.judged, detector.late, detector.lonely) == (2 * MOTORS + 10, 0, 10)


def test_a_window_begins_with_nothing() -> None:
    detector = on_peers()
    detector.take(heard(range(MOTORS), spread_out(), 5 * SECOND_US))
    detector.turn(WINDOW_US)
    assert detector._score[19] > 1.0
    alike = np.tile([20.0, 3.0], (MOTORS, 1))
    detector.take(heard(range(MOTORS), alike, WINDOW_US + SECOND_US))
    detector.turn(2 * WINDOW_US)
    assert (detector._score[:MOTORS] == 0.0).all()
    # And one that was missed, as while nobody judged, ends with the next pane.
    detector.take(heard(range(MOTORS), spread_out(), 3 * WINDOW_US))
    detector.turn(7 * WINDOW_US + 30 * SECOND_US)
    assert detector._score[19] > 1.0
    detector.turn(8 * WINDOW_US - SECOND_US)
    assert detector._end_us == 8 * WINDOW_US


def test_what_is_old_is_compared_with_nobody() -> None:
    detector = on_peers()
    alike = np.tile([20.0, 3.0], (MOTORS, 1))
    now_us = 10 * WINDOW_US + SECOND_US
    detector.turn(10 * WINDOW_US)
    detector.take(heard(range(MOTORS), alike, now_us))
    wild = np.tile([90.0, 3.0], (2, 1))
    detector.take(heard([3, 4], wild, now_us, dated_us=now_us - 2 * WINDOW_US))
    detector.take(heard([5, 6], wild, now_us, dated_us=now_us + 2 * WINDOW_US))
    detector.take(heard([7, 8], wild, now_us, late=True))
    detector.turn(11 * WINDOW_US)
    assert (detector._score[:MOTORS] == 0.0).all()
    assert detector.late == 6


def test_only_those_devices_and_channels_take_part_that_are_named() -> None:
    on = np.zeros(len(REGISTRY), np.bool_)
    on[[*range(8), 19, 20, 21, 22]] = True
    detector = on_peers(on=on, channels=["winding_temperature_c"])
    values = spread_out()
    values[:, 1] = np.arange(MOTORS) * 100.0
    detector.take(heard(range(MOTORS), values, SECOND_US, dense=True))
    detector.turn(WINDOW_US)
    assert (detector._score[:8] < 1.0).all()
    # Of the site of 19 too few are watched, though eight are heard.
    assert np.isnan(detector._score[8:]).all()
    assert detector.lonely == 4


@pytest.mark.parametrize(("alike", "far"), [("site", [19]), ("kind", [19, *range(32, 40)]), ("segment", [19])])
def test_who_is_alike_is_said(alike: str, far: list[int]) -> None:
    values = spread_out()
    if alike != "segment":
        # Another place: warmer by ten degrees, all of it.
        values[32:, 0] += 10.0
    registry = replace(REGISTRY, segment=np.where(np.arange(len(REGISTRY)) < 32, 0, 1).astype(np.int16))
    detector = on_peers(registry, peers=alike)
    detector.take(heard(range(MOTORS), values, SECOND_US))
    detector.turn(WINDOW_US)
    assert np.flatnonzero(detector._score >= 1.0).tolist() == far


def test_a_detector_that_breaks_while_it_compares_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(self: FleetRelative, sample: Sample) -> Reals:
        raise ValueError("not today")

    monkeypatch.setattr(FleetRelative, "look", look)
    detector = on_peers()
    detector.turn(WINDOW_US)
    assert detector.broken == "`look` raised ValueError: not today"


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    detector = on_peers(train="2")
    for window in range(4):
        detector.take(heard(range(MOTORS), spread_out(), window * WINDOW_US + SECOND_US))
        other = pickle.loads(pickle.dumps(detector))
        for each in (detector, other):
            each.turn((window + 1) * WINDOW_US)
        assert np.array_equal(detector._score, other._score, equal_nan=True)
        detector = other
    assert (detector._score[:MOTORS] == 0.0).all()


def test_memory_is_known_before_it_is_taken() -> None:
    assert bytes_a_series("fleet-relative", {"adaptive": "false"}) == 24 + 88
