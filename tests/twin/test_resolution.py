"""Steps of sensors: 16 bits where they do, 24 where they do not, and the same value on every way."""

from __future__ import annotations

import numpy as np
import pytest

from twinstorm.scenarios.engine import memory
from twinstorm.twin.flow import Channel
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.resolution import OutOfRange, Scale
from twinstorm.twin.wire.layout import Layout

REGISTER = Channel("energy_kwh", "kWh", 0.0, 99_999.99, 0.01)
LONGITUDE = Channel("longitude_deg", "deg", -180.0, 180.0, 2e-5)
NARROW = Channel("load_kg", "kg", 0.0, 60.0, 0.01)
WIDE = Scale((REGISTER, LONGITUDE, NARROW))


def test_a_kind_is_wide_if_one_of_its_channels_needs_it() -> None:
    assert Scale((NARROW,)).dtype is np.int16
    assert WIDE.dtype is np.int32


def test_every_step_of_a_wide_channel_has_a_value_of_its_own_that_leads_back_to_it() -> None:
    for column, lowest, highest in ((0, 0, 9_999_999), (1, -9_000_000, 9_000_000), (2, 0, 6_000)):
        steps = np.unique(np.r_[lowest : highest + 1 : 997, highest - 500 : highest + 1]).astype(np.int32)
        values = WIDE.values_of(column, steps)
        assert (np.diff(values) > 0).all()
        assert np.array_equal(WIDE.steps_of(column, values), steps)
        told = np.zeros((3, len(steps)), np.float32)
        told[column] = values
        assert np.array_equal(WIDE.rounded(told)[column], steps)
        assert np.array_equal(told[column], values)


def test_a_wide_value_survives_the_wire_to_the_last_bit_in_digits_of_its_own() -> None:
    layout = Layout("tracker", (REGISTER, LONGITUDE, NARROW))
    row = WIDE.readings_of(np.array([[9_999_997, 8_740_001, 1]], np.int32))
    measurements, battery = layout.measurements(row[0].tolist())
    assert measurements == {"energy_kwh": 99_999.97, "longitude_deg": 174.80002, "load_kg": 0.01}
    back = layout.values(measurements, battery)
    assert isinstance(back, tuple)
    assert np.array_equal(layout.on_grid(np.array([back])), row)


def test_a_silent_channel_of_a_wide_kind_is_nan_and_no_legal_step() -> None:
    steps = WIDE.steps_of(0, np.array([np.nan, 0.0, -1e9, 1e9], np.float32))
    assert steps[0] == WIDE.silent
    assert abs(steps[1:].astype(np.int64)).max() < -WIDE.silent
    assert np.isnan(WIDE.values_of(0, steps)).tolist() == [True, False, False, False]
    assert np.isnan(WIDE.readings_of(steps[:1, None].repeat(3, axis=1))).all()
    assert not np.isnan(WIDE.values_of(0, np.array([-32_768], np.int32))).any()


def test_what_a_wide_channel_cannot_tell_is_refused_where_it_counts() -> None:
    values = np.array([[1.0, 100_001.0], [0.0, np.nan], [0.0, 0.0]], np.float32)
    with pytest.raises(OutOfRange):
        WIDE.rounded(values.copy())
    assert WIDE.rounded(values, np.array([True, False]))[0, 0] == 100


def test_the_estimate_of_memory_knows_the_wide_kinds() -> None:
    kinds = catalogue()
    assert {name for name in kinds if Scale(kinds[name].channels).wide} == memory.WIDE_KINDS
    widest = max(len(kinds[name].channels) for name in memory.WIDE_KINDS)
    assert 4 * widest <= memory.BYTES_PER_WIDE_BUFFERED
