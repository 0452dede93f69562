"""ADWIN by River: a level that moves is found once, and its absence is told with the command that helps."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.lab import registry_of
from tests.language.test_reader import small
from twinstorm.detectors import lineup
from twinstorm.detectors.values import drift
from twinstorm.detectors.values.contract import Reals, Sample, build
from twinstorm.detectors.values.fleet import bytes_a_series
from twinstorm.scenarios.language.errors import ScenarioErrors


def found(values: Reals, **settings: str) -> list[int]:
    """Rows of a table of one column at which a drift is seen."""
    detector = build("adwin", 1, settings)
    scores = [detector.step(Sample(np.zeros(1, np.int64), values[row : row + 1]))[0] for row in range(len(values))]
    assert np.isnan(scores[:200]).all()
    return np.flatnonzero(np.array(scores) == 1.0).tolist()


def noise(seed: int, values: int) -> Reals:
    return np.random.default_rng(seed).normal(50.0, 2.0, values)


def test_noise_about_a_level_is_no_drift() -> None:
    assert [found(noise(seed, 3_000)) for seed in range(3)] == [[]] * 3


@pytest.mark.parametrize("seed", range(3))
def test_a_level_that_moves_by_a_deviation_is_found_once_and_then_normal(seed: int) -> None:
    values = noise(seed, 3_000)
    values[1_500:] += 2.0
    rows = found(values)
    assert 1_500 < rows[0] < 1_700
    assert rows[-1] < 1_800


def test_a_window_begins_anew_when_it_is_as_long_as_it_may_be() -> None:
    detector = drift.Adwin(1, {"train": 2, "delta": 0.002, "longest": 100})
    for value in noise(1, 350):
        detector.step(Sample(np.zeros(1, np.int64), np.array([value])))
    assert detector._windows[0].width == 48.0


def test_its_memory_is_known_before_it_is_taken() -> None:
    assert 4_096 < bytes_a_series("adwin", {}) < 4_300


def test_without_river_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "find_spec", lambda name: None)
    command = r"pip install 'twinstorm\[streaming\]'"
    with pytest.raises(ValueError, match=command):
        build("adwin", 1)
    with pytest.raises(ValueError, match=command):
        lineup.build(registry_of(), {"adwin": {}})
    for text in ("detectors: [silence, adwin]\n", "detectors: {adwin: {train: 50}}\n"):
        with pytest.raises(ScenarioErrors) as raised:
            small(text)
        (wrong,) = raised.value.problems
        assert (wrong.code, wrong.hint) == ("S115", "install it: pip install 'twinstorm[streaming]'")
