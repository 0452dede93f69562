"""The air quality station: the air of a city, the sensors in it, and what breaks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US, Values
from twinstorm.twin.machines import air_quality
from twinstorm.twin.machines.air_quality import AirQuality, growth
from twinstorm.twin.physics import city_air
from twinstorm.twin.physics.city_air import HOLD_US

DAY_US = 24 * HOUR_US
MINUTE_US = 60 * SECOND_US
MONDAY_US = 6 * DAY_US
NAMES = [channel.name for channel in AirQuality.channels]


def stations(count: int, start_us: int = MONDAY_US, **drives: float) -> Machines:
    machines = Machines(AirQuality(), some_keys(count), start_us=start_us)
    machines.drives = {name: np.full(count, value, np.float32) for name, value in drives.items()}
    return machines


def dry(machines: Machines) -> Machines:
    """Sensors that see dust as it is."""
    for name, value in (("hygroscopicity", 0.0), ("gain", 1.0)):
        machines.parameters[name][:] = value
    machines.state["fouled"][:] = 0.0
    machines.parameters["dose_ug_h_m3"][:] = 1e12
    return machines


def days(machines: Machines, count: int) -> np.ndarray:
    """Hourly means: (days, 24, channels, n)."""
    told = np.stack([machines.step(HOLD_US).copy() for _ in range(288 * count)])
    return told.reshape(count, 24, 12, len(NAMES), -1).mean(axis=2)


def floats(*values: float) -> Values:
    return np.array(values, np.float32)


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 100), (61 * SECOND_US, 60), (HOLD_US, 40)])
def test_the_period_does_not_bend_the_trajectory(short_us: int, times: int) -> None:
    often, seldom = stations(200), stations(200)
    for _ in range(3):
        often.run(short_us, times)
        seldom.step(short_us * times)
        for name in (*(f"{each}_sensed" for each in air_quality.SENSED), "mixing_m"):
            assert often.state[name] == pytest.approx(seldom.state[name], rel=1e-4, abs=1e-3), name
        for name in ("fine_held", "carbon_held"):
            assert np.array_equal(often.state[name], seldom.state[name]), name


def test_a_sensor_follows_as_an_exponential() -> None:
    machines = stations(100)
    machines.step(HOLD_US)
    machines.state["no2_ppb_sensed"][:] = 100.0
    machines.step(MINUTE_US)  # the box moves at its beginning
    outside = machines.state["no2_ppb_outside"].astype(np.float64)
    left = np.exp(-60.0 / machines.parameters["cell_s"])
    assert machines.channel("no2_ppb") == pytest.approx(outside + (100.0 - outside) * left, rel=1e-3)


# --- the city ---------------------------------------------------------------------------------------------------------


def test_the_box_settles_where_source_and_wind_balance() -> None:
    """Mass over the ground q L / u; in the air q L / (u h), seen by exposure, on top of the background."""
    machines = dry(stations(100, traffic=1.0, background_ug_m3=10.0, mixing_m=400.0))
    for name, value in (("mean_c", 30.0), ("year_k", 0.0), ("day_cos_k", 0.0), ("day_sin_k", 0.0)):
        machines.parameters[name][:] = value
    machines.run(HOLD_US, 600)
    p, state = machines.parameters, machines.state
    wind = machines.parameters["wind_m_s"]
    own = (state["fine_outside"] - 10.0) / p["exposure"] * 400.0
    expected = p["fine_ug_m2_s"] * (1.0 + city_air.HOMES) * city_air.BOX_M / wind
    assert own == pytest.approx(state["fine_held"], rel=1e-3)
    assert np.median(own / expected) == pytest.approx(1.0, abs=0.25)
    co2 = (state["co2_ppm_outside"] - city_air.BACKGROUND_CO2_PPM) / city_air.PPM_MG_M3
    assert co2 / own == pytest.approx(p["carbon_mg_m2_s"] / p["fine_ug_m2_s"] * p["exposure"] / 400.0, rel=1e-3)


def test_a_layer_that_shrinks_thickens_nothing_and_one_that_grows_thins() -> None:
    machines = stations(100, traffic=0.0, mixing_m=1_000.0)
    machines.parameters["wind_m_s"][:] = 1e-4  # nothing leaves
    machines.state["fine_held"][:] = 20_000.0
    machines.state["mixing_m"][:] = 1_000.0
    machines.parameters["fine_ug_m2_s"][:] = 0.0
    machines.drives["background_ug_m3"] = np.zeros(100, np.float32)
    machines.step(HOLD_US)
    high = machines.state["fine_outside"].copy()
    machines.drives["mixing_m"][:] = 200.0
    machines.step(HOLD_US)
    assert machines.state["fine_outside"] == pytest.approx(high, rel=1e-3)
    machines.drives["mixing_m"][:] = 2_000.0
    machines.step(HOLD_US)
    assert machines.state["fine_outside"] == pytest.approx(high / 10.0, rel=1e-3)


def test_rush_hours_and_washed_out_afternoons() -> None:
    day = days(dry(stations(200)), 5).mean(axis=0)
    no2 = day[:, NAMES.index("no2_ppb")].mean(axis=1)
    assert no2[8] > 1.5 * no2[13]
    assert no2[8] > no2[3]
    assert no2[18:21].max() > 1.3 * no2[13]
    co2 = day[:, NAMES.index("co2_ppm")].mean(axis=1)
    assert co2[8] > co2[13] > city_air.BACKGROUND_CO2_PPM


@pytest.mark.parametrize("month", [0, 3, 6, 9])
def test_fine_dust_is_told_with_two_peaks_a_day_and_a_clean_noon_in_every_season(month: int) -> None:
    """Two peaks on working days, with the morning's at rush hour, the evening's once the layer comes down."""
    told = days(stations(100, start_us=(6 + 28 * month * 13 // 12) * DAY_US), 2).mean(axis=0)
    fine = told[:, NAMES.index("pm2_5_ug_m3")].mean(axis=1)
    morning, evening = fine[6:10].max(), fine[17:24].max()
    assert int(fine.argmax()) in (7, 8)
    assert 12 + int(fine[12:].argmax()) in range(19, 24)
    assert 11 <= int(fine.argmin()) <= 16
    assert morning > 1.2 * fine[2:5].mean()
    assert evening > 1.04 * fine[2:5].mean()
    assert evening > 1.2 * fine[12:15].mean()


def test_damp_air_inflates_dust_less_the_warmer_the_box_of_the_counter() -> None:
    cold, warm = stations(100), stations(100)
    cold.parameters["warmer_k"][:] = 0.0
    warm.parameters["warmer_k"][:] = 5.0
    for machines in (cold, warm):
        machines.run(HOLD_US, 40)
    assert np.array_equal(cold.channel("humidity_pct"), warm.channel("humidity_pct"))
    assert (cold.channel("pm2_5_ug_m3") > warm.channel("pm2_5_ug_m3")).all()


def test_sundays_have_no_morning_rush() -> None:
    week = days(stations(100), 7)[:, :, NAMES.index("no2_ppb")].mean(axis=2)
    assert week[6, 7:9].mean() < 0.6 * week[:5, 7:9].mean()


def test_neighbours_breathe_the_same_air() -> None:
    machines = stations(100)
    no2 = days(machines, 2)[:, :, NAMES.index("no2_ppb")].reshape(48, -1)
    site = machines.keys % np.uint64(10)
    alike = np.corrcoef(no2.T)[0, 1:]
    assert (alike[site[1:] == site[0]] > 0.999).all()
    assert np.median(alike[site[1:] != site[0]]) < 0.97


def test_warm_air_of_a_day_is_dry_air() -> None:
    day = days(stations(100), 1)[0]
    temperature, humidity = day[:, 4], day[:, 5]
    assert (temperature[14] > temperature[4]).mean() > 0.9
    alike = [np.corrcoef(temperature[:, i], humidity[:, i])[0, 1] for i in range(100)]
    assert np.median(alike) < -0.8


# --- drives -----------------------------------------------------------------------------------------------------------


def test_wildfire_smoke_is_fine_dust_and_no_traffic() -> None:
    clear, smoke = stations(100), stations(100, background_ug_m3=300.0)
    for machines in (clear, smoke):
        machines.run(HOLD_US, 24)
    fine, coarse = (smoke.channel(name) - clear.channel(name) for name in ("pm2_5_ug_m3", "pm10_ug_m3"))
    assert (fine > 200).all()
    assert (coarse > fine).all()
    assert np.array_equal(smoke.channel("no2_ppb"), clear.channel("no2_ppb"))


def test_an_inversion_gathers_what_is_emitted() -> None:
    """By day, when the air would have mixed."""
    clear, capped = stations(100), stations(100)
    for machines in (clear, capped):
        machines.run(HOLD_US, 12 * 12)
        if machines is capped:
            machines.drives["mixing_m"] = np.full(100, 60.0, np.float32)
        machines.run(HOLD_US, 24)
    for name in ("pm2_5_ug_m3", "no2_ppb", "co2_ppm"):
        assert (capped.channel(name) > clear.channel(name)).mean() > 0.95, name


# --- sensors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("humidity", "kappa", "factor"), [(0.0, 0.4, 1.0), (50.0, 0.4, 1.2424), (80.0, 0.62, 2.503)])
def test_wet_dust_looks_bigger(humidity: float, kappa: float, factor: float) -> None:
    """Crilley et al. (2018), equation 3 with C = 1 + (kappa / 1.65) / (1 / a - 1)."""
    assert float(growth(floats(humidity), floats(kappa))[0]) == pytest.approx(factor, rel=1e-3)


def test_humidity_moves_the_dust_sensor_and_not_the_dust() -> None:
    damp, arid = stations(100), stations(100)
    damp.parameters["dryness_k"][:] = 1.0
    arid.parameters["dryness_k"][:] = 20.0
    for machines in (damp, arid):
        machines.run(HOLD_US, 100)
    assert np.array_equal(damp.state["fine_sensed"], arid.state["fine_sensed"])
    assert (damp.channel("pm2_5_ug_m3") > 1.1 * arid.channel("pm2_5_ug_m3")).all()


def test_optics_get_dirty_with_the_dose() -> None:
    machines = stations(100, background_ug_m3=50.0, traffic=0.0)
    before = machines.kind.truth(machines.state, machines.parameters)
    machines.run(HOUR_US, 24 * 5)
    after = machines.kind.truth(machines.state, machines.parameters)
    lost = (before.health - after.health) * machines.parameters["dose_ug_h_m3"]
    assert (lost > 50 * 24 * 5 * 0.95).all()
    assert (lost < 50 * 24 * 5 * 1.6).all()
    assert (after.remaining_s > 0).all()


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_film_reads_high_in_clean_air() -> None:
    told = []
    for severity in (0.0, 0.5, 1.0):
        machines = dry(stations(50, background_ug_m3=2.0, traffic=0.0, mixing_m=2_000.0))
        machines.failures["pm-fouling"] = np.full(50, severity, np.float32)
        told.append(machines.run(HOLD_US, 24)[0].copy())
    assert told[1] - told[0] == pytest.approx(np.full(50, 15.0), abs=1.5)
    assert told[2] - told[0] == pytest.approx(np.full(50, 30.0), abs=3.0)


def test_without_fan_dust_reads_low_and_late() -> None:
    well, ill = (dry(stations(100, background_ug_m3=20.0)) for _ in range(2))
    ill.failures["fan-failure"] = np.ones(100, np.float32)
    for machines in (well, ill):
        machines.run(HOLD_US, 48)
    assert (ill.channel("pm2_5_ug_m3") < 0.4 * well.channel("pm2_5_ug_m3")).all()
    ratio = [machines.channel("pm10_ug_m3") / machines.channel("pm2_5_ug_m3") for machines in (well, ill)]
    assert (ratio[1] < ratio[0]).all()
    for machines in (well, ill):
        machines.drives["background_ug_m3"][:] = 200.0
        machines.step(HOLD_US)
    rise = [machines.state["fine_sensed"] / machines.state["fine_outside"] for machines in (well, ill)]
    assert (rise[0] > 0.95).all()
    assert (rise[1] < 0.12).all()
    assert np.array_equal(well.channel("no2_ppb"), ill.channel("no2_ppb"))


def test_the_mean_dust_of_a_year_is_what_the_remaining_life_reckons_with() -> None:
    machines = stations(200)
    machines.step(DAY_US)
    fouled, weeks = machines.state["fouled"].astype(np.float64), []
    for _ in range(13):
        machines.run(HOUR_US, 7 * 24)
        weeks.append(machines.state["fouled"] - fouled)
        machines.now_us += 21 * DAY_US
        machines.step(DAY_US)
        fouled = machines.state["fouled"].astype(np.float64)
    fine_ug_m3 = np.mean(weeks, axis=0) * machines.parameters["dose_ug_h_m3"] / (7 * 24)
    ratio = fine_ug_m3 / city_air.mean_fine_ug_m3(machines.parameters)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    assert 0.8 < ratio.min() <= ratio.max() < 1.25
