"""Channels to fields of the document and back, without losing a bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.flow import Channel
from twinstorm.twin.machines.environment import Environment
from twinstorm.twin.machines.motor import Motor
from twinstorm.twin.wire.layout import Layout, layouts

MOTOR = Layout("motor", Motor.channels)
ENVIRONMENT = Layout("environment", Environment.channels)
PRESSURE = Layout("barometer", (Channel("pressure_hpa", "hPa", 300.0, 1100.0, 0.02, 700.0),))


def as_the_world_quantises(steps: np.ndarray[tuple[int], np.dtype[np.int16]], channel: Channel) -> np.ndarray:
    values = steps.astype(np.float32)
    values *= np.float32(channel.step)
    if channel.offset:
        values += np.float32(channel.offset)
    return values


def test_vibration_has_three_axes_and_others_keep_their_name() -> None:
    told, battery = MOTOR.measurements([61.2, 0.78, 0.68, 0.4, 21.03, 1480.5])
    assert told == {
        "winding_temperature_c": 61.2,
        "vibration": {"x": 0.78, "y": 0.68, "z": 0.4},
        "current_a": 21.03,
        "speed_rpm": 1480.5,
    }
    assert battery is None


def test_the_battery_is_metadata() -> None:
    told, battery = ENVIRONMENT.measurements([21.5, 40.25, 1001.02, 87.5])
    assert told == {"temperature_c": 21.5, "humidity_pct": 40.25, "pressure_hpa": 1001.02}
    assert battery == 87.5
    assert ENVIRONMENT.values(told, battery) == (21.5, 40.25, 1001.02, 87.5)


def test_a_silent_channel_is_null_and_comes_back_as_nan() -> None:
    told, battery = ENVIRONMENT.measurements([math.nan, 40.0, math.inf, math.nan])
    assert told == {"temperature_c": None, "humidity_pct": 40.0, "pressure_hpa": None}
    assert battery is None
    back = ENVIRONMENT.values(told, battery)
    assert isinstance(back, tuple)
    assert np.isnan(back).tolist() == [True, False, True, True]


def test_what_is_missing_is_silent() -> None:
    back = MOTOR.values({"vibration": {"y": 1.5}}, None)
    assert isinstance(back, tuple)
    assert np.isnan(back).tolist() == [True, True, False, True, True, True]
    assert MOTOR.values({"vibration": None}, None) == pytest.approx([math.nan] * 6, nan_ok=True)


def test_a_machine_without_battery_channel_may_tell_one() -> None:
    assert isinstance(MOTOR.values({}, 55.0), tuple)


@pytest.mark.parametrize(
    ("measurements", "battery", "reason"),
    [
        ({"torque_nm": 5.0}, None, "motor has no such measurement: 'torque_nm'"),
        ({"vibration": {"w": 1.0}}, None, "motor has no such measurement: 'vibration.w'"),
        ({"vibration": 1.0}, None, "motor has no such measurement: 'vibration'"),
        ({"current_a": {"x": 1.0}}, None, "motor has no such measurement: 'current_a.x'"),
        ({"current_a": math.inf}, None, "'current_a' is not finite"),
        ({"current_a": math.nan}, None, "'current_a' is not finite"),
        ({"\x1b[2J" + "x" * 99: 1.0}, None, r"motor has no such measurement: '\x1b[2J" + "x" * 36 + "'"),
    ],
)
def test_what_is_wrong_is_named_and_safe_to_print(
    measurements: dict[str, float | dict[str, float | None] | None], battery: float | None, reason: str
) -> None:
    assert MOTOR.values(measurements, battery) == reason


def test_an_infinite_battery_is_wrong() -> None:
    assert ENVIRONMENT.values({}, math.inf) == "battery_level is not finite"


@pytest.mark.parametrize("layout", [MOTOR, ENVIRONMENT, PRESSURE], ids=lambda layout: layout.kind)
def test_every_step_of_every_sensor_survives_the_wire_to_the_last_bit(layout: Layout) -> None:
    """What decoding makes of the decimal notation must equal what the model works with, so that live runs agree."""
    steps = np.arange(-32_768, 32_768, dtype=np.int64).astype(np.int16)
    grid = np.stack([as_the_world_quantises(steps, channel) for channel in layout.channels], axis=1)
    sample = np.r_[:200, 32_700:33_000, 65_300:65_536, 300:65_536:97]
    rows = []
    for row in grid[sample].tolist():
        back = layout.values(*layout.measurements(row))
        assert isinstance(back, tuple)
        rows.append(back)
    found = layout.on_grid(np.array(rows))
    assert found.dtype == np.float32
    assert found.flags.f_contiguous
    assert np.array_equal(found, grid[sample])


def test_numbers_on_the_wire_are_as_short_as_the_sensor_is_coarse() -> None:
    steps = np.arange(0, 2_000, 7, dtype=np.int16)
    for row in as_the_world_quantises(steps, Motor.channels[0]).tolist():
        told = MOTOR.measurements([row] + [0.0] * 5)[0]["winding_temperature_c"]
        assert len(str(told).split(".")[1]) == 1


@given(st.lists(st.floats(width=64), min_size=1, max_size=5))
def test_values_between_the_steps_stay_and_nothing_warns(numbers: list[float]) -> None:
    found = PRESSURE.on_grid(np.array([numbers]).T)[:, 0]
    with np.errstate(over="ignore"):
        plain = np.array(numbers).astype(np.float32)
    assert np.isclose(found, plain, rtol=2e-7, atol=3e-5, equal_nan=True).all()


def test_a_finer_sensor_keeps_its_digits() -> None:
    assert PRESSURE.on_grid(np.array([[1001.0137]]))[0, 0] == np.float32(1001.0137)


def test_layouts_of_a_registry() -> None:
    found = layouts({"motor": Motor.channels, "environment": Environment.channels})
    assert list(found) == ["motor", "environment"]
    assert found["motor"] == MOTOR
