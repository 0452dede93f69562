"""Features over windows, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from twinstorm.detectors.values.contract import Reals, Sample
from twinstorm.detectors.values.features import Rolling, minutes, products, rows
from twinstorm.twin.flow import SECOND_US

MONDAY_US = 4 * 86_400 * SECOND_US
"""1970-01-05."""


def told(features: Rolling, values: list[float], every_s: float = 1.0, start_us: int = 0) -> dict[str, Reals]:
    """Of one series: each feature over time."""
    seen = []
    for number, value in enumerate(values):
        sample = Sample(np.array([start_us + round(number * every_s * SECOND_US)]), np.array([value]))
        seen.append(features.of(sample)[:, 0])
        features.learn(sample)
    return dict(zip(features.names, np.array(seen).T, strict=True))


def test_rolling_means_of_two_and_deltas_of_the_public_case() -> None:
    seen = told(Rolling(1, rows(2)), [20.0, 21.0, 35.0, 22.0])
    assert seen["mean_2rows"].tolist() == [20.0, 20.5, 28.0, 28.5]
    assert np.isnan(seen["delta"][0])
    assert seen["delta"][1:].tolist() == [1.0, 14.0, -13.0]


def test_a_window_of_time_forgets_by_the_clock_and_one_of_rows_by_the_count() -> None:
    values = [float(number) for number in range(12)]
    seen = told(Rolling(1, (*minutes(1), *rows(3))), values, every_s=20.0)
    assert seen["min_1min"].tolist() == [0.0, 0.0, *range(10)]
    assert seen["max_1min"].tolist() == values
    assert np.array_equal(seen["mean_1min"], seen["mean_3rows"])
    assert seen["sd_3rows"][-1] == pytest.approx(np.std([9.0, 10.0, 11.0]))
    assert seen["lag_5"][-1] == 6.0
    assert seen["lag_10"][-1] == 1.0
    assert np.isnan(seen["lag_10"][9])


def test_a_spike_counts_as_long_as_its_window_holds_it() -> None:
    calm = [10.0, 10.1] * 10
    seen = told(Rolling(1, rows(20)), [*calm, 50.0, *calm])
    assert seen["spikes_20rows"][:20].tolist() == [0.0] * 20
    assert seen["spikes_20rows"][20:40].tolist() == [1.0] * 20
    assert seen["spikes_20rows"][40] == 0.0


def test_hours_and_weekdays_are_those_of_universal_time() -> None:
    seen = told(Rolling(1, rows(2)), [1.0] * 3, every_s=86_400.0 + 1_800.0, start_us=MONDAY_US)
    assert seen["weekday"].tolist() == [0.0, 1.0, 2.0]
    assert seen["hour"].tolist() == [0.0, 0.5, 1.0]


def test_a_missing_value_has_no_features_and_is_no_row() -> None:
    seen = told(Rolling(1, rows(2)), [1.0, np.nan, 3.0])
    assert np.isnan([seen[name][1] for name in seen]).all()
    assert seen["delta"][2] == 2.0
    assert seen["mean_2rows"][2] == 2.0


def test_pairs_of_channels_have_a_product_each() -> None:
    values, names = products(np.array([[2.0], [3.0], [5.0]]), ("flow", "pressure", "power"))
    assert names == ("flow*pressure", "flow*power", "pressure*power")
    assert values[:, 0].tolist() == [6.0, 10.0, 15.0]
