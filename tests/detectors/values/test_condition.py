"""Models of conditions: trees as arrays, features of minutes, and what is told of machines."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.detectors.lab import delivery, registry_of
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.values.condition import LONGEST_H, NONE, SHORTEST_H, WEAR, ConditionModel, Taught
from twinstorm.detectors.values.contract import Reals, Sample
from twinstorm.detectors.values.minutes import FAST, LEVEL, SLOW, Minutes, minute_names
from twinstorm.detectors.values.model import UnfitModelError
from twinstorm.detectors.values.stored import Version
from twinstorm.detectors.values.trees import Trees
from twinstorm.detectors.values.wear import Wear
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Int

CHANNELS = ("flow_m3_h", "vibration_mm_s")
WIDTH = len(minute_names(CHANNELS))


@cache
def some_taught(kinds: int = 3, rows: int = 600) -> Taught:
    """Twenty machines that shake the more the sooner they end."""
    draws = np.random.default_rng(1)
    device = np.arange(rows) % 20
    hours = np.exp2(draws.uniform(-3.0, 8.0, rows))
    features = draws.normal(size=(rows, WIDTH))
    features[:, 5] = -np.log2(hours) + 0.1 * features[:, 5]
    failure = np.array(["cavitation", NONE, WEAR])[:kinds][np.digitize(features[:, 0], [-0.5, 0.5][: kinds - 1])]
    health = np.clip(hours / 256.0, 0.0, 1.0)
    return Taught(features, device, np.arange(rows) * MINUTE_US, failure, health, hours)


@cache
def some_model(kinds: int = 3) -> ConditionModel:
    taught = some_taught(kinds)
    return ConditionModel.trained("pump", CHANNELS, taught, taught.device % 5, 1)


class Kept(Minutes):
    """Keeps what it is shown."""

    name = "kept"
    summary = "kept"

    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        if learns:
            self.rows, self.device, self.at_us = rows, device, at_us
        return rows[:, 0]


def test_trees_predict_to_the_last_bit_as_the_library_that_grew_them() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    taught = some_taught()
    regressor = HistGradientBoostingRegressor(max_iter=20).fit(taught.rows, taught.health)
    np.testing.assert_array_equal(Trees.of(regressor).predict(taught.rows)[:, 0], regressor.predict(taught.rows))
    chooser = HistGradientBoostingClassifier(max_iter=10).fit(taught.rows, taught.failure)
    told = Trees.of(chooser).predict(taught.rows)
    np.testing.assert_array_equal(told, chooser.decision_function(taught.rows))


@given(st.lists(st.integers(0, 599), min_size=1, max_size=300), st.data())
@settings(max_examples=20, deadline=None)
def test_what_is_told_of_a_row_depends_on_that_row_alone(rows: list[int], data: st.DataObject) -> None:
    whole = some_model().look(some_taught().rows)
    part = some_model().look(some_taught().rows[rows])
    for name in ("failure", "health", "hours", "least", "most"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])


@pytest.mark.parametrize("kinds", [1, 2, 3])
def test_arrays_of_a_model_are_the_model(kinds: int) -> None:
    model = some_model(kinds)
    again = ConditionModel.of_arrays("pump", CHANNELS, model.arrays())
    assert (again.digest(), again.types) == (model.digest(), model.types)
    one, other = model.look(some_taught().rows), again.look(some_taught().rows)
    np.testing.assert_array_equal(one.hours, other.hours)
    np.testing.assert_array_equal(one.failure, other.failure)
    assert not any(array.dtype.hasobject for array in model.arrays().values())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("life.left", np.array([10_000_000])),
        ("life.value", np.array([np.nan])),
        ("life.first", np.array([0.5])),
        ("expected", np.array([3.0, 1.0])),
        ("below", np.array([np.nan])),
        ("names", np.array([NONE])),
    ],
)
def test_arrays_that_are_no_model_are_refused(name: str, wrong: NDArray[Any]) -> None:
    arrays = some_model().arrays()
    with pytest.raises(UnfitModelError):
        ConditionModel.of_arrays("pump", CHANNELS, {**arrays, name: np.resize(wrong, arrays[name].shape)})
    with pytest.raises(UnfitModelError):
        ConditionModel.of_arrays("pump", CHANNELS, {key: value for key, value in arrays.items() if key != name})


def test_lives_have_bounds_and_what_shows_is_found() -> None:
    taught, found = some_taught(), some_model().look(some_taught().rows)
    assert (found.least <= found.hours).all()
    assert (found.hours <= found.most).all()
    assert found.least.min() >= SHORTEST_H
    assert found.most.max() <= LONGEST_H
    assert 0.0 <= found.health.min() <= found.health.max() <= 100.0
    assert (np.array(some_model().types)[found.failure] == taught.failure).mean() > 0.95
    inside = (taught.hours >= found.least) & (taught.hours <= found.most)
    assert inside.mean() > 0.75
    assert np.median(np.abs(np.log2(found.hours / taught.hours))) < 0.5


def test_too_little_teaches_nothing() -> None:
    taught = some_taught()
    with pytest.raises(UnfitModelError, match="too few to learn from"):
        ConditionModel.trained("pump", CHANNELS, taught.some(np.arange(50)), taught.device[:50] % 5, 1)
    with pytest.raises(UnfitModelError, match="one machine is too few"):
        ConditionModel.trained("pump", CHANNELS, taught, np.zeros(len(taught), np.int64), 1)


def kept_over(minutes: int, every_s: int = 20) -> Kept:
    """Two devices of two channels; the first is at the number of the minute, the second at ten times that."""
    kept = Kept(4, {})
    kept.of_width(2)
    for second in range(0, minutes * 60 + 1, every_s):
        minute = float(second // 60)
        away = 1.0 if second % 60 else -2.0
        kept.step(Sample(np.full(4, second * 1_000_000), np.array([minute, 5.0 + away, 10.0 * minute, 7.0])))
    return kept


def test_a_row_is_a_device_at_the_end_of_a_minute() -> None:
    kept = kept_over(LEVEL)
    assert not hasattr(kept, "rows")
    kept = kept_over(LEVEL + 1)
    assert kept.device.tolist() == [0, 1]
    assert kept.at_us.tolist() == [(LEVEL + 1) * MINUTE_US] * 2
    row = dict(zip(minute_names(CHANNELS), kept.rows[0].tolist(), strict=True))
    assert row["flow_m3_h.mean"] == LEVEL
    assert row["vibration_mm_s.mean"] == 5.0
    assert row["vibration_mm_s.sd"] == pytest.approx(np.std([-2.0, 1.0, 1.0]))
    fast = np.mean(range(FAST))
    for minute in range(FAST, LEVEL + 1):
        fast += (minute - fast) / FAST
    assert row["flow_m3_h.mean_5min"] == pytest.approx(fast)
    assert row["flow_m3_h.trend_30min"] == pytest.approx(fast - np.mean(range(LEVEL + 1)))
    assert LEVEL + 1 < SLOW
    assert row["flow_m3_h.from_level"] == pytest.approx(fast - np.mean(range(LEVEL)))
    np.testing.assert_allclose(kept.rows[1][:5], 10.0 * kept.rows[0][:5])


def test_a_score_stays_until_the_next_minute_and_asking_changes_nothing() -> None:
    kept = kept_over(LEVEL + 1)
    now = np.full(4, ((LEVEL + 1) * 60 + 20) * 1_000_000)
    sample = Sample(now, np.array([3.0, np.nan, 3.0, 3.0]))
    before = {name: np.copy(value) for name, value in vars(kept).items() if isinstance(value, np.ndarray)}
    told = kept.score(sample)
    np.testing.assert_array_equal(told, [LEVEL, np.nan, 10.0 * LEVEL, 10.0 * LEVEL])
    later = kept.score(Sample(now + MINUTE_US, np.array([3.0, 3.0, 3.0, 3.0])))
    np.testing.assert_array_equal(later, [LEVEL + 1, LEVEL + 1, 10.0 * (LEVEL + 1), 10.0 * (LEVEL + 1)])
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(kept, name), value)
    np.testing.assert_array_equal(kept.step(sample), told)


def test_a_device_that_begins_anew_has_no_level() -> None:
    kept = kept_over(LEVEL + 1)
    kept.forget(np.array([0, 1]))
    at_us = np.full(4, (LEVEL + 2) * MINUTE_US)
    told = kept.step(Sample(at_us, np.ones(4)))
    assert np.isnan(told[:2]).all()
    assert not np.isnan(told[2:]).any()


def test_a_machine_whose_clock_is_before_the_beginning_is_told_as_well() -> None:
    registry = registry_of(sites=["arn-1"], motors=2, climate=0)
    channels = tuple(channel.name for channel in registry.channels["motor"])
    taught = some_taught()
    model = ConditionModel.trained("motor", channels, taught, taught.device % 5, 1)
    wear = Wear("wear", registry, {"model": Version("motors", 1, model), "persist": "1"})
    ingest = Ingest(registry)
    ingest.taps.append(wear)
    for second in range(0, (LEVEL + 2) * 60, 20):
        at_us = (second - 86_400) * SECOND_US
        values = np.full((2, len(channels)), 20.0 + second % 60 / 2.0)
        ingest.take(delivery([0, 1], second // 20 + 1, values=values, dated_us=at_us, arrived_us=second * SECOND_US))
    told = wear.conditions()
    assert [each.at_us for each in told] == [(LEVEL + 1) * MINUTE_US - 86_400 * SECOND_US] * 2
    assert "arn-1/motors-1" in wear.says(np.array([0, 1], np.int32))
    wear.forget(np.array([1], np.int32), 0)
    assert [each.device for each in wear.conditions()] == [0]
