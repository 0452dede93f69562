"""The inverter: sun and clouds, panels, the grid's limits, set-points and the heat sink."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.twin.machine_runs import Machines, some_keys, somewhere
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import inverter
from twinstorm.twin.machines.inverter import CONTROL_US, Inverter

DAY_US = 24 * HOUR_US
MINUTE_US = 60 * SECOND_US
SUMMER_US = 171 * DAY_US


def inverters(count: int, start_us: int = SUMMER_US, **drives: float) -> Machines:
    machines = Machines(Inverter(), some_keys(count), start_us=start_us)
    machines.drives = {name: np.full(count, value, np.float32) for name, value in drives.items()}
    return machines


def settled(machines: Machines) -> Machines:
    machines.run(20 * MINUTE_US, 18)
    return machines


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 90), (7 * SECOND_US, 60), (MINUTE_US, 60)])
def test_the_period_does_not_bend_the_trajectory(short_us: int, times: int) -> None:
    often, seldom = (inverters(100, SUMMER_US + 11 * HOUR_US, set_point_pct=40.0) for _ in range(2))
    for machines in (often, seldom):
        machines.failures["fan-failure"] = np.ones(100, np.float32)
    for _ in range(3):
        often.run(short_us, times)
        seldom.step(short_us * times)
        assert often.state["sink_c"] == pytest.approx(seldom.state["sink_c"], abs=2e-3)
        assert often.state["set_point_pct"] == pytest.approx(seldom.state["set_point_pct"], abs=2e-3)
        assert often.values == pytest.approx(seldom.values, rel=1e-3, abs=0.05)


def test_what_lies_before_the_memory_of_the_heat_sink_does_not_matter() -> None:
    one, other = inverters(50), inverters(50)
    other.state["sink_c"] += 40.0
    for machines in (one, other):
        machines.step(2 * DAY_US + 11 * HOUR_US)
    assert one.values == pytest.approx(other.values, rel=1e-4, abs=1e-2)


# --- sun --------------------------------------------------------------------------------------------------------------


def day(machines: Machines) -> NDArray[np.float64]:
    """Told values at each half hour: (48, channels, n)."""
    return np.stack([machines.step(30 * MINUTE_US).astype(np.float64) for _ in range(48)])


def test_power_follows_the_sun_and_is_nothing_at_night() -> None:
    machines = inverters(200)
    told = day(machines)[:, 2]
    low = np.abs(np.degrees(np.arcsin(machines.parameters["sin_latitude"].astype(np.float64)))) < 50
    assert not told[[0, 1, 2, 43, 44, 45, 46, 47]][:, low].any()
    share = (told / machines.parameters["rated_w"])[:, low].mean(axis=1)
    assert 21 <= share.argmax() <= 26
    assert 0.4 < share.max() <= 1.0


def test_a_year_gives_as_many_full_hours_as_roofs_do() -> None:
    """Some 700 to 2,100 hours at the panels' power, by latitude and clouds."""
    keys = some_keys(300)
    machines = Machines(Inverter(), keys, place=somewhere(keys))
    energy_wh = np.zeros(300)
    for _ in range(365 * 24 // 5):
        machines.now_us += 5 * HOUR_US - MINUTE_US  # only the last minute is stepped: heat hardly limits anything
        energy_wh += 5 * machines.step(MINUTE_US)[2].astype(np.float64)
    hours = energy_wh / (machines.parameters["rated_w"] * machines.parameters["oversize"])
    assert 600 < hours.min() < hours.max() < 2_500
    steep = np.abs(machines.parameters["sin_latitude"]) > 0.8
    gentle = np.abs(machines.parameters["sin_latitude"]) < 0.5
    assert hours[steep].mean() < hours[gentle].mean()


def test_clouds_pass_over_neighbours_together() -> None:
    keys = some_keys(100)
    machines = Machines(Inverter(), keys, place=somewhere(keys), start_us=SUMMER_US)
    told = np.stack([machines.step(15 * MINUTE_US)[2].astype(np.float64) for _ in range(96 * 3)])
    site = keys % np.uint64(10)
    for number in range(10):
        assert np.corrcoef(told[:, site == number].T).min() > 0.9


# --- panels -----------------------------------------------------------------------------------------------------------


def test_standard_conditions_give_the_power_of_the_data_sheet() -> None:
    """1 kW/m2 with cells at 25 C, that is air at -6.25 C; panels smaller than the inverter."""
    machines = inverters(50, irradiance_w_m2=1_000.0, air_c=25.0 - 1_000.0 * inverter.CELLS_K_PER_W_M2)
    machines.parameters["oversize"][:] = 0.8
    voltage, current, ac_w, *_ = settled(machines).values.astype(np.float64)
    rated_w = machines.parameters["rated_w"].astype(np.float64)
    assert voltage == pytest.approx(machines.parameters["best_v"], rel=1e-4)
    assert voltage * current == pytest.approx(0.8 * rated_w, rel=1e-4)
    lost = inverter.OWN_W + inverter.SQUARE_LOSS * 0.64 * rated_w
    assert ac_w == pytest.approx(0.8 * rated_w - lost, rel=1e-4)


def test_hot_panels_give_less_power_at_less_voltage() -> None:
    cool, hot = (settled(inverters(50, irradiance_w_m2=600.0, air_c=air_c)) for air_c in (5.0, 30.0))
    assert hot.values[2] == pytest.approx(cool.values[2] * (1 - 25 * 0.0036 / (1 + 0.0036 * 1.25)), rel=0.01)
    assert hot.values[0] == pytest.approx(cool.values[0] * (1 - 25 * 0.0030), rel=0.01)


def test_efficiency_is_that_of_an_inverter() -> None:
    for light, low, high in ((100.0, 0.92, 0.99), (500.0, 0.965, 0.99), (800.0, 0.96, 0.985)):
        machines = settled(inverters(50, irradiance_w_m2=light, air_c=10.0))
        efficiency = machines.values[2] / (machines.values[0] * machines.values[1])
        assert low < float(efficiency.min())
        assert float(efficiency.max()) < high


# --- set-point --------------------------------------------------------------------------------------------------------


def test_a_set_point_is_taken_up_by_a_ramp_acknowledged_and_kept() -> None:
    machines = inverters(20, irradiance_w_m2=900.0, air_c=10.0)
    settled(machines)
    before = machines.channel("dc_voltage_v").copy()
    machines.drives["set_point_pct"] = np.where(np.arange(20) < 10, 30.0, np.nan).astype(np.float32)
    machines.step(MINUTE_US)
    in_force = machines.channel("set_point_in_force_pct")
    assert in_force[:10] == pytest.approx([100.0 - 60 * inverter.RAMP_PCT_S] * 10)
    assert in_force[10:] == pytest.approx([100.0] * 10)
    machines.run(MINUTE_US, 5)
    assert machines.channel("set_point_in_force_pct")[:10] == pytest.approx([30.0] * 10)
    share = machines.channel("ac_power_w") / machines.parameters["rated_w"]
    assert share[:10] == pytest.approx([0.3] * 10, rel=1e-4)
    assert (share[10:] > 0.7).all()
    assert (machines.channel("dc_voltage_v")[:10] > before[:10] * 1.05).all()
    del machines.drives["set_point_pct"]
    machines.run(MINUTE_US, 5)
    assert machines.channel("set_point_in_force_pct") == pytest.approx([100.0] * 20)


def test_a_set_point_of_nothing_opens_the_panels() -> None:
    machines = settled(inverters(20, irradiance_w_m2=900.0, air_c=10.0, set_point_pct=0.0))
    free = settled(inverters(20, irradiance_w_m2=900.0, air_c=10.0))
    assert machines.channel("ac_power_w").max() < 0.5
    assert machines.channel("dc_current_a").max() < 0.1
    opened = machines.channel("dc_voltage_v") / free.channel("dc_voltage_v")
    assert 1.1 < float(opened.min()) < float(opened.max()) < 1 + inverter.OPEN_SHARE + 1e-3


# --- heat -------------------------------------------------------------------------------------------------------------


def test_the_heat_sink_follows_an_exponential() -> None:
    machines = inverters(50, irradiance_w_m2=500.0, air_c=20.0)
    settled(machines)
    end = machines.state["sink_c"].astype(np.float64)
    machines.state["sink_c"][:] = 20.0
    assert machines.now_us % CONTROL_US == 0
    machines.run(MINUTE_US, 10)
    left = np.exp(-600.0 / machines.parameters["sink_tau_s"].astype(np.float64))
    assert machines.state["sink_c"] == pytest.approx(20.0 + (end - 20.0) * (1 - left), abs=0.02)


def test_a_healthy_inverter_rarely_derates_and_one_without_fan_does() -> None:
    well, ill = (inverters(100, irradiance_w_m2=950.0, air_c=25.0) for _ in range(2))
    ill.failures["fan-failure"] = np.ones(100, np.float32)
    settled(well)
    settled(ill)
    assert (well.state["thermal_limit"] > 0.9).all()
    assert (ill.values[4] > well.values[4] + 4).all()
    assert (ill.values[2] < well.values[2] - 50).mean() > 0.6
    assert (ill.values[4] < inverter.STOPS_C).all()


def test_without_power_it_gives_nothing_and_cools_to_the_air() -> None:
    machines = inverters(20, irradiance_w_m2=900.0, air_c=10.0)
    settled(machines)
    assert (machines.values[4] > 25).all()
    machines.run(HOUR_US, 6, np.zeros(20, np.bool_))
    assert not machines.values[:4].any()
    assert machines.values[4] == pytest.approx([10.0] * 20, abs=0.2)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_lost_string_takes_a_third_of_the_current_and_no_voltage() -> None:
    well, ill = (inverters(50, irradiance_w_m2=500.0, air_c=10.0) for _ in range(2))
    ill.failures["string-fault"] = np.ones(50, np.float32)
    settled(well)
    settled(ill)
    assert ill.values[1] == pytest.approx(well.values[1] * 2 / 3, rel=1e-4)
    assert ill.values[0] == pytest.approx(well.values[0], rel=1e-4)


def test_a_high_grid_voltage_takes_power_back_and_then_trips() -> None:
    power, voltage = [], []
    for severity in (0.0, 0.3, 0.5, 0.7, 1.0):
        machines = inverters(50, irradiance_w_m2=800.0, air_c=10.0)
        machines.failures["grid-overvoltage"] = np.full(50, severity, np.float32)
        settled(machines)
        power.append(machines.values[2].copy())
        voltage.append(machines.values[3] / machines.parameters["nominal_v"])
    assert (np.diff(np.stack(power), axis=0) <= 0.01).all()
    assert (power[0] > 1_000).all()
    assert power[-1].max() < 0.5
    assert (voltage[-1] > inverter.TRIPS_PU).all()
    assert (voltage[0] < inverter.LIMITS_PU).all()
