"""The environmental sensor: day, weather, vapour and battery."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import air, environment
from twinstorm.twin.machines.environment import CELL_J, Environment
from twinstorm.twin.machines.kind import Inputs

EVERY_US = 30 * SECOND_US


def sensors(count: int, noisy: bool = False) -> Machines:
    return Machines(Environment(), some_keys(count), noisy=noisy)


def hourly(machines: Machines, hours: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """Values at each full hour: (hours, channels, n)."""
    return np.stack([machines.step(HOUR_US).astype(np.float64) for _ in range(hours)])


def test_the_air_has_no_memory_of_the_period() -> None:
    often, seldom = sensors(200), sensors(200)
    often.run(EVERY_US, 10)
    seldom.step(10 * EVERY_US)
    assert np.array_equal(often.values[:3], seldom.values[:3])


def test_each_message_costs_its_energy_and_time_costs_the_rest() -> None:
    often, seldom = sensors(200), sensors(200)
    often.run(EVERY_US, 10)
    seldom.step(10 * EVERY_US)
    nine_messages = often.state["spent_j"].astype(np.float64) - seldom.state["spent_j"]
    assert nine_messages == pytest.approx(9 * often.parameters["message_j"], abs=0.02)


def test_days_are_warm_after_noon_and_cool_in_the_morning() -> None:
    """Averaged over a month, so that the weather drops out."""
    values = hourly(sensors(300), 24 * 30)[:, 0]
    day = values.reshape(30, 24, -1).mean(axis=0)
    warmest, coolest = day.argmax(axis=0) + 1, day.argmin(axis=0) + 1
    assert warmest.min() >= 13
    assert warmest.max() <= 17
    assert coolest.min() >= 1
    assert coolest.max() <= 5
    swing = day.max(axis=0) - day.min(axis=0)
    assert swing.min() > 2.5
    assert swing.max() < 10.5


def test_the_calendar_decides_about_noon_not_the_start_of_the_run() -> None:
    """Runs that start at 15:00 are warm at once."""
    machines = sensors(200)
    temperature = {}
    for hour in (3, 15):
        calendar = Machines(Environment(), machines.keys)
        inputs = Inputs(now_us=0, dt_us=EVERY_US, calendar_us=hour * HOUR_US)
        calendar.kind.step(calendar.state, calendar.parameters, inputs, np.zeros((4, 200), np.float32), calendar.values)
        temperature[hour] = calendar.channel("temperature_c").copy()
    assert (temperature[15] > temperature[3] + 1).all()


def test_humidity_falls_when_the_air_warms() -> None:
    values = hourly(sensors(100), 24)
    for temperature, humidity in zip(values[:, 0].T, values[:, 1].T, strict=True):
        assert np.corrcoef(temperature, humidity)[0, 1] < -0.8


def test_the_vapour_hardly_changes_over_a_day() -> None:
    """Recomputed from temperature and humidity as a weather station would."""
    values = hourly(sensors(100), 24)
    vapour = values[:, 1] / 100 * air.saturation_hpa(values[:, 0])
    assert (vapour.max(axis=0) / vapour.min(axis=0)).max() < 1.2


def test_pressure_varies_slowly_around_the_mean_of_the_altitude() -> None:
    machines = sensors(200)
    values = hourly(machines, 30 * 24)[:, 2]
    assert np.abs(np.diff(values, axis=0)).max() < 2.0
    assert values.mean(axis=0) == pytest.approx(machines.parameters["station_hpa"], abs=2.5)
    assert (values.max(axis=0) - values.min(axis=0)).min() > 8.0
    assert float(machines.parameters["station_hpa"].min()) > 940.0
    assert float(machines.parameters["station_hpa"].max()) < 1013.5


def test_weather_is_the_same_wave_for_neighbours_but_not_the_same_instant() -> None:
    values = hourly(sensors(40), 30 * 24)[:, 2]
    assert 0.5 < np.corrcoef(values.T).min() < 0.99


def test_battery_counts_every_message_over_months() -> None:
    """100,000 messages of some 0.15 J out of 99,792 J: none may drown in the last bit."""
    machines = sensors(20)
    start = machines.state["spent_j"].astype(np.float64)
    machines.run(EVERY_US, 20_000)
    per_step_j = machines.parameters["message_j"] + (environment.SLEEP_W + environment.SELF_DISCHARGE_W) * 30
    spent = machines.state["spent_j"] + machines.state["spent_rest_j"].astype(np.float64) - start
    assert spent == pytest.approx(20_000 * per_step_j.astype(np.float64), rel=1e-4)
    share = machines.state["spent_j"].astype(np.float64) / CELL_J
    assert machines.channel("battery_pct") == pytest.approx(100 * (1 - share), abs=1e-3)


def test_battery_never_rises_and_ends_at_zero() -> None:
    machines = sensors(10, noisy=True)
    machines.state["spent_j"][:] = CELL_J - 1.0
    left = [machines.step(EVERY_US)[3].copy() for _ in range(12)]
    assert (np.diff(np.stack(left), axis=0) <= 0).all()
    assert not left[-1].any()


def test_a_sensor_that_is_off_only_sleeps() -> None:
    machines = sensors(10)
    before = machines.state["spent_j"].astype(np.float64)
    machines.run(HOUR_US, 10, np.zeros(10, np.bool_))
    spent = machines.state["spent_j"] + machines.state["spent_rest_j"].astype(np.float64) - before
    expected = (environment.SLEEP_W + environment.SELF_DISCHARGE_W) * 36_000
    assert spent == pytest.approx(np.full(10, expected), rel=1e-3)


def test_noise_has_the_stated_size_and_leaves_the_battery_alone() -> None:
    quiet, noisy = sensors(20_000), sensors(20_000, noisy=True)
    quiet.step(15 * HOUR_US)
    noisy.step(15 * HOUR_US)
    errors = noisy.values.astype(np.float64) - quiet.values
    sizes = [environment.TEMPERATURE_NOISE_K, environment.HUMIDITY_NOISE_PCT, environment.PRESSURE_NOISE_HPA]
    assert errors[:3].std(axis=1) == pytest.approx(sizes, rel=0.03)
    assert not errors[3].any()
