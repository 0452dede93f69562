"""The environmental sensor: year, day, weather, vapour, battery, and what makes it read wrong."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.chance import Words, stream, words
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import environment
from twinstorm.twin.machines.air_quality import AirQuality
from twinstorm.twin.machines.environment import CELL_J, Environment
from twinstorm.twin.machines.kind import Inputs, Place
from twinstorm.twin.physics import air, climate

EVERY_US = 30 * SECOND_US


def sensors(count: int, noisy: bool = False) -> Machines:
    return Machines(Environment(), some_keys(count), noisy=noisy)


def at_one_site(count: int, latitude_deg: float = 50.0, altitude_m: float = 100.0) -> Machines:
    """Neighbours."""

    def of_site(number: int) -> Words:
        return words(stream(5, number), np.zeros(count, np.uint64), 0)

    def everywhere(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.full(count, value)

    place = Place(everywhere(latitude_deg), everywhere(8.0), everywhere(altitude_m), of_site)
    return Machines(Environment(), some_keys(count), place=place)


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
    assert swing.max() < 2.1 * climate.DAY_SWING_K[1] * environment.EXPOSURE_SWING[1]


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


def test_pressure_is_that_of_the_altitude() -> None:
    """ISO 2533: 954.6 hPa at 500 m, 795.0 hPa at 2,000 m; a floor of up to 30 m more takes at most 3.6."""
    for altitude_m, standard_hpa in ((0.0, 1013.25), (500.0, 954.6), (2_000.0, 795.0)):
        station_hpa = at_one_site(50, altitude_m=altitude_m).parameters["station_hpa"]
        assert float(station_hpa.max()) <= standard_hpa + 0.1
        assert float(station_hpa.min()) >= standard_hpa - 3.7


def test_weather_is_the_same_wave_for_neighbours_but_not_the_same_instant() -> None:
    values = hourly(at_one_site(40), 30 * 24)[:, 2]
    assert 0.95 < np.corrcoef(values.T).min() < 0.9999
    elsewhere = hourly(sensors(40), 30 * 24)[:, 2]
    assert np.corrcoef(elsewhere.T).min() < 0.0


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


# --- moisture ---------------------------------------------------------------------------------------------------------


def monthly_pct(machines: Machines) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Mean humidity of twelve parts of a year: (12, n)."""
    values = np.stack([machines.step(6 * HOUR_US + HOUR_US // 2)[1].astype(np.float64) for _ in range(1_344)])
    return values.reshape(12, 112, -1).mean(axis=1)


def test_winters_are_damper_than_summers_on_both_halves_of_the_globe() -> None:
    north, south = monthly_pct(at_one_site(10, 50.0)), monthly_pct(at_one_site(10, -34.0))
    assert (north[0] > north[6] + 8.0).all()
    assert (south[6] > south[0] + 4.0).all()


def test_nights_are_damper_than_afternoons() -> None:
    day = hourly(sensors(200), 24 * 10)[:, 1].reshape(10, 24, -1).mean(axis=0)
    assert (day[2:5].mean(axis=0) > day[13:16].mean(axis=0) + 5.0).all()


@pytest.mark.parametrize(
    ("latitude_deg", "altitude_m", "dryness_k", "january_pct", "july_pct"),
    [(50.0, 111.0, 4.75, 83.0, 67.0), (60.3, 55.0, 4.0, 87.0, 70.0), (40.5, 609.0, 9.5, 74.0, 38.0)],
    ids=["frankfurt", "helsinki", "madrid"],
)
def test_the_seasons_of_humidity_are_those_of_known_cities(
    latitude_deg: float, altitude_m: float, dryness_k: float, january_pct: float, july_pct: float
) -> None:
    """Rounded climate means, to what the fit claims, without day and weather."""
    machines = at_one_site(1, latitude_deg, altitude_m)
    machines.parameters["dryness_k"][:] = dryness_k
    for day, published_pct in ((15, january_pct), (196, july_pct)):
        inputs = Inputs(now_us=0, dt_us=1, year_us=day * 24 * HOUR_US)
        season_c = machines.parameters["mean_c"] + machines.parameters["year_k"] * np.float32(
            climate.moment(inputs).year
        )
        dew_c = season_c.copy()
        climate.to_dew_point(dew_c, machines.parameters, climate.moment(inputs))
        assert float(air.humidity_pct(climate.vapour_hpa(dew_c), season_c)[0]) == pytest.approx(published_pct, abs=5.0)


def test_neighbours_of_whatever_kind_breathe_equally_dry_air_and_sites_differ() -> None:
    ours = at_one_site(60)
    alike = ours.parameters["dryness_k"]
    assert ours.place is not None
    station = AirQuality().parameters(lambda number: words(stream(1, number), ours.keys, 0), ours.place)
    assert np.unique(alike).size == 1
    assert np.array_equal(station["dryness_k"], alike)
    some = sensors(2_000).parameters["dryness_k"]
    assert np.unique(some).size == 2_000 // 10  # sites of ten
    assert climate.DRYNESS_K[0] <= some.min() < some.max() <= climate.DRYNESS_K[1]


# --- climate of the place ---------------------------------------------------------------------------------------------


def monthly_c(machines: Machines) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Mean temperature of twelve parts of a year, from readings every six hours and a half: (12, n)."""
    values = np.stack([machines.step(6 * HOUR_US + HOUR_US // 2)[0].astype(np.float64) for _ in range(1_344)])
    return values.reshape(12, 112, -1).mean(axis=1)


def test_summer_is_in_july_in_the_north_and_in_january_in_the_south() -> None:
    north, south = monthly_c(at_one_site(20, 50.0)), monthly_c(at_one_site(20, -34.0))
    assert set(north.argmax(axis=0)) == {6}
    assert set(north.argmin(axis=0)) == {0}
    assert set(south.argmax(axis=0)) == {0}
    assert set(south.argmin(axis=0)) == {6}


@pytest.mark.parametrize(
    ("latitude_deg", "altitude_m", "mean_c", "half_year_k"),
    [
        (1.4, 7, 27.5, 1.0),
        (50.0, 111, 10.6, 9.3),
        (60.3, 55, 5.5, 11.5),
        (40.5, 609, 14.5, 10.0),
        (-34.0, 6, 17.8, 5.3),
        (40.6, 4, 12.9, 12.3),
    ],
    ids=["singapore", "frankfurt", "helsinki", "madrid", "sydney", "new-york"],
)
def test_the_climate_is_that_of_known_cities(
    latitude_deg: float, altitude_m: float, mean_c: float, half_year_k: float
) -> None:
    """Rounded climate means, to what the fit claims."""
    mean, year = climate.mean_and_year(np.array([latitude_deg]), np.array([float(altitude_m)]))
    assert float(mean[0]) == pytest.approx(mean_c, abs=4.0)
    assert abs(float(year[0])) == pytest.approx(half_year_k, abs=5.0)


def test_neighbours_differ_by_their_exposure_alone() -> None:
    values = hourly(at_one_site(60), 24 * 10)[:, 0]
    assert 0.1 < values.mean(axis=0).std() < environment.EXPOSURE_K
    assert np.corrcoef(values.T).min() > 0.85


def test_air_is_never_beyond_its_sensor() -> None:
    machines = at_one_site(20, latitude_deg=65.0, altitude_m=4_000.0)
    assert (hourly(machines, 24 * 30)[:, 0] >= -40.0).all()


# --- drives and failures ----------------------------------------------------------------------------------------------


def test_a_recorded_temperature_is_told_and_humidity_follows_it() -> None:
    own, driven = sensors(10), sensors(10)
    warmer = own.step(12 * HOUR_US)[0].copy() + 5.0
    driven.drives["air_c"] = np.where(np.arange(10) < 5, warmer, np.nan).astype(np.float32)
    driven.step(12 * HOUR_US)
    assert driven.values[0, :5] == pytest.approx(warmer[:5], abs=1e-4)
    assert (driven.values[1, :5] < own.values[1, :5]).all()
    assert np.array_equal(driven.values[:, 5:], own.values[:, 5:])


def test_a_wet_sensor_reads_near_full_humidity_and_nothing_else() -> None:
    well, wet = sensors(50), sensors(50)
    wet.failures["condensation"] = np.ones(50, np.float32)
    told, true = hourly(wet, 24), hourly(well, 24)
    assert told[:, 1].min() >= environment.WET_PCT - 0.01
    assert np.array_equal(told[:, [0, 2, 3]], true[:, [0, 2, 3]])


def test_a_broken_shield_reads_warm_and_dry_by_day_and_right_at_night() -> None:
    well, ill = at_one_site(30), at_one_site(30)
    well.start_us = ill.start_us = 171 * 24 * HOUR_US
    ill.failures["radiation-error"] = np.ones(30, np.float32)
    error = hourly(ill, 48) - hourly(well, 48)
    night, noon = [0, 1, 22, 23, 24, 25, 46], [10, 11, 12, 34, 35, 36]
    assert not error[night].any()
    assert (error[noon, 0] > 0.5).all()
    assert (error[noon, 1] < -0.3).all()
    assert error[:, 0].max() < environment.SUN_ERROR_K


@pytest.mark.parametrize("every_s", [1, 10, 30, 900])
def test_the_remaining_life_is_what_the_cell_lasts_at_the_period_of_the_segment(every_s: int) -> None:
    machines = sensors(50)
    machines.step(every_s * SECOND_US)
    told_s = machines.kind.truth(machines.state, machines.parameters).remaining_s
    spent_j = machines.state["spent_j"].astype(np.float64)
    machines.run(every_s * SECOND_US, 500)
    drain_w = (machines.state["spent_j"] - spent_j) / (500 * every_s)
    assert told_s == pytest.approx((CELL_J - spent_j) / drain_w, rel=0.02)


def test_a_stop_does_not_lengthen_the_remaining_life() -> None:
    machines = sensors(50)
    machines.run(EVERY_US, 2)
    before = machines.kind.truth(machines.state, machines.parameters).remaining_s
    machines.step(6 * HOUR_US, np.zeros(50, np.bool_))
    after = machines.kind.truth(machines.state, machines.parameters).remaining_s
    assert (after < before).all()
