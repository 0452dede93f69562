"""Stored models: rows of whole devices, arrays that come back, and how far a fleet has left what was learnt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.detectors.values.contract import Reals, Sample
from twinstorm.detectors.values.model import LEAST_ROWS, Model, UnfitModelError, algorithms
from twinstorm.detectors.values.shift import BINS, MOVED, Population
from twinstorm.detectors.values.stored import Version
from twinstorm.detectors.values.trained import DRIFT_SUFFIX, _Rows
from twinstorm.detectors.values.whole import WholeDevices, feature_names
from twinstorm.scenarios.language.watching import DRIFT_SUFFIX as TOLD
from twinstorm.twin.flow import Int

CHANNELS = ("flow_m3_h", "power_kw")
TIMES = np.arange(100_000) * 1_000_000


def rows_of(count: int, seed: int = 1) -> Reals:
    """Rows of two channels that move together."""
    draws = np.random.default_rng(seed)
    load = draws.normal(size=(count, 1))
    return load + 0.1 * draws.normal(size=(count, len(feature_names(CHANNELS))))


def model_of(algorithm: str = "pyod:PCA", level: int = 0) -> Model:
    return Model.trained(algorithm, "pump", CHANNELS, level, rows_of(600), TIMES[:600], 0.001)


class Kept(WholeDevices):
    """Keeps what it is shown."""

    name = "kept"
    summary = "kept"

    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        self.rows, self.device = rows, device
        return rows[:, 0]


def test_the_language_and_the_core_call_the_alarm_of_a_drift_alike() -> None:
    assert TOLD == DRIFT_SUFFIX


def test_a_row_is_a_device_with_the_features_of_each_channel_in_turn() -> None:
    kept = Kept(6, {})
    kept.of_width(2, 0)
    for second, at in enumerate(([1.0, 10.0, 2.0, 20.0, 3.0, 30.0], [1.5, 11.0, np.nan, 21.0, 3.0, 33.0])):
        scores = kept.step(Sample(np.full(6, second * 1_000_000), np.array(at)))
    assert kept.device.tolist() == [0, 2]
    names = feature_names(CHANNELS)
    assert len(names) == kept.rows.shape[1] == 20
    row = dict(zip(names, kept.rows[0].tolist(), strict=True))
    assert (row["flow_m3_h.value"], row["flow_m3_h.delta"], row["power_kw.delta"]) == (1.5, 0.5, 1.0)
    assert row["power_kw.mean_5rows"] == 10.5
    # Every channel of a device has its score; of one that left a channel out nothing is said.
    np.testing.assert_array_equal(scores, [1.5, 1.5, np.nan, np.nan, 3.0, 3.0])


def test_values_are_told_from_the_level_of_their_device_once_it_is_known() -> None:
    kept = Kept(2, {})
    kept.of_width(1, 2)
    told = [kept.step(Sample(np.full(2, second), np.array([10.0 + second, 50.0]))) for second in range(5)]
    # Two readings make the level, one more the change.
    assert np.isnan(told[:3]).all()
    np.testing.assert_array_equal(told[3:], [[2.5, 0.0], [3.5, 0.0]])
    kept.forget(np.array([0]))
    assert np.isnan(kept.score(Sample(np.full(2, 9), np.array([10.0, 50.0])))[0])


@pytest.mark.parametrize(
    "algorithm", ["pyod:PCA", "pyod:HBOS", "pyod:IForest", "pyod:ECOD", "pyod:COPOD", "autoencoder"]
)
def test_arrays_of_a_model_are_the_model(algorithm: str) -> None:
    model = model_of(algorithm)
    again = Model.of_arrays("pump", CHANNELS, model.arrays())
    some = rows_of(50, seed=2)
    some[0] += np.linspace(-40.0, 40.0, some.shape[1])
    np.testing.assert_array_equal(again.judge.score(some), model.judge.score(some))
    assert again.digest() == model.digest() == model_of(algorithm).digest()
    assert model.judge.score(some)[0] > np.median(model.judge.score(some))
    assert not any(array.dtype.hasobject for array in model.arrays().values())


def test_what_can_be_kept_are_the_detectors_that_learn_a_model() -> None:
    assert set(algorithms()) >= {"autoencoder", "pyod:COPOD", "pyod:ECOD", "pyod:HBOS", "pyod:IForest", "pyod:PCA"}


def test_rows_that_teach_nothing_are_told() -> None:
    with pytest.raises(UnfitModelError, match="50 healthy rows are too few to learn from; 200 at least"):
        Model.trained("pyod:PCA", "pump", CHANNELS, 0, rows_of(50), TIMES[:50], 0.001)
    with pytest.raises(UnfitModelError, match="nothing in these rows moves"):
        Model.trained("pyod:PCA", "pump", CHANNELS, 0, np.ones((LEAST_ROWS, 20)), TIMES[:LEAST_ROWS], 0.001)


@pytest.mark.parametrize("gone", ["judge.limit", "population.share", "Components.weight", "level"])
def test_arrays_that_are_no_model_are_told(gone: str) -> None:
    arrays = {name: array for name, array in model_of().arrays().items() if name != gone}
    with pytest.raises(UnfitModelError, match="not the arrays of a model"):
        Model.of_arrays("pump", CHANNELS, arrays)


def test_arrays_that_do_not_go_together_are_told() -> None:
    arrays = model_of().arrays()
    with pytest.raises(UnfitModelError):
        Model.of_arrays("pump", CHANNELS, arrays | {"judge.mean": arrays["judge.mean"][:3]})


# --- drift ------------------------------------------------------------------------------------------------------------


def test_the_index_is_that_of_the_books() -> None:
    """Ten equal bins, half of the rows of one have gone to its neighbour: 0.05 ln 0.5 and 0.05 ln 1.5, by hand."""
    rows = np.arange(100_000, dtype=np.float64)[:, None]
    population = Population.of(rows, TIMES)
    counts = np.full((1, BINS), 100_000)
    counts[0, 0], counts[0, 1] = 50_000, 150_000
    assert population.index(counts)[0] == pytest.approx(-0.05 * np.log(0.5) + 0.05 * np.log(1.5), rel=1e-3)
    assert population.index(population.counts(rows))[0] == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 500), min_size=BINS, max_size=BINS), min_size=3, max_size=3))
def test_the_index_is_never_negative_and_nothing_breaks_it(counts: list[list[int]]) -> None:
    population = Population.of(np.random.default_rng(1).normal(size=(400, 3)), TIMES[:400])
    index = population.index(np.array(counts))
    assert np.isfinite(index).all()
    assert (index >= 0.0).all()


def test_one_of_many_that_is_ill_is_no_drift_and_a_shift_of_all_is_one() -> None:
    draws = np.random.default_rng(3)
    population = Population.of(draws.normal(size=(5_000, 1)), TIMES[:5_000])
    now = draws.normal(size=(2_000, 1))
    one = now.copy()
    one[:40] += 8.0
    assert population.index(population.counts(now))[0] < 0.05
    assert population.index(population.counts(one))[0] < MOVED
    assert population.index(population.counts(now + 0.6))[0] > MOVED


def test_a_feature_that_follows_the_day_is_allowed_to_move_by_as_much() -> None:
    day = np.sin(np.linspace(0.0, 2.0 * np.pi, 4_000))[:, None]
    population = Population.of(np.hstack([day, np.random.default_rng(1).normal(size=(4_000, 1))]), TIMES[:4_000])
    assert population.usual[0] > 1.0 > MOVED > population.usual[1]


def test_to_score_changes_nothing_and_to_step_counts() -> None:
    by_model = _Rows(4, {"model": Version("pumps", 1, model_of()), "drift": 0.25, "persist": 1})
    for second in range(3):
        sample = Sample(np.full(4, second), np.array([0.1, 0.2, 0.3, 0.4]) * second)
        before = by_model.rows
        score = by_model.score(sample)
        assert by_model.rows == before
        np.testing.assert_array_equal(score, by_model.step(sample))
    assert by_model.rows == 4
    assert (by_model.counts.sum(axis=1) == 4).all()
