"""The building: people, heat, air, the machine that keeps them, and what breaks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import building
from twinstorm.twin.machines.building import HOLD_US, Building
from twinstorm.twin.physics import register

DAY_US = 24 * HOUR_US
MINUTE_US = 60 * SECOND_US
MONDAY_US = 6 * DAY_US


def zones(count: int, start_us: int = MONDAY_US, **drives: float) -> Machines:
    machines = Machines(Building(), some_keys(count), start_us=start_us)
    machines.drives = {name: np.full(count, value, np.float32) for name, value in drives.items()}
    return machines


def quarter_hours(machines: Machines, count: int) -> NDArray[np.float64]:
    """Told values: (count, channels, n)."""
    return np.stack([machines.step(HOLD_US).astype(np.float64) for _ in range(count)])


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 100), (61 * SECOND_US, 50), (HOLD_US, 40)])
def test_the_period_does_not_bend_the_trajectory(short_us: int, times: int) -> None:
    often, seldom = zones(200), zones(200)
    for _ in range(3):
        often.run(short_us, times)
        seldom.step(short_us * times)
        assert often.state["room_c"] == pytest.approx(seldom.state["room_c"], abs=1e-3)
        assert often.state["co2_ppm"] == pytest.approx(seldom.state["co2_ppm"], abs=0.02)
        assert often.values[3] == pytest.approx(seldom.values[3], rel=1e-3, abs=0.5)
        turned_kwh = (often.values[4].astype(np.float64) - seldom.values[4] + 50) % (register.FULL_WH / 1_000) - 50
        assert np.abs(turned_kwh).max() < 0.012


def test_energy_is_the_integral_of_the_power_told() -> None:
    machines = zones(100)
    before = machines.state["energy_wh"].astype(np.float64)
    told_wh = quarter_hours(machines, 40)[:, 3].sum(axis=0) / 4
    counted = (
        machines.state["energy_wh"] + machines.state["energy_rest_wh"].astype(np.float64) - before
    ) % register.FULL_WH
    assert counted == pytest.approx(told_wh, rel=1e-3, abs=0.5)


# --- people and air ---------------------------------------------------------------------------------------------------


def test_people_come_on_workdays_and_stay_away_at_night_and_on_sundays() -> None:
    machines = zones(300)
    people = quarter_hours(machines, 7 * 96)[:, 0].reshape(7, 24, 4, -1).mean(axis=2) / machines.parameters["seats"]
    assert people[:5, 9:16].mean() > 0.7
    assert people[:5, 1:5].mean() < 0.01
    assert people[6].mean() < 0.05
    assert people.max() < 1.6
    noon = people[:5].mean(axis=(0, 2))
    assert noon[12] < noon[10]


def test_zones_begin_their_days_apart() -> None:
    people = quarter_hours(zones(300), 96)[:, 0]
    first = (people > 0.5 * people.max(axis=0)).argmax(axis=0)
    assert len(np.unique(first)) >= 7


def test_carbon_dioxide_settles_where_people_and_air_balance() -> None:
    """18 l/h into 36 m3/h a seat: 500 ppm above the outside with all seats taken, a little less through cracks."""
    machines = zones(100)
    machines.drives["people"] = machines.parameters["seats"].copy()
    machines.run(HOUR_US, 24)
    rise = machines.channel("co2_ppm") - building.OUTSIDE_PPM
    cracks_m3_h = machines.parameters["floor_m2"] * building.HEIGHT_M * building.LEAKS_PER_H
    people = machines.parameters["seats"]
    assert rise == pytest.approx(people * 18e3 / (people * 36.0 + cracks_m3_h), rel=1e-3)


def test_stale_air_leaves_as_an_exponential() -> None:
    machines = zones(50, people=0.0, start_us=MONDAY_US + 1 * HOUR_US)
    machines.state["co2_ppm"][:] = 1_425.0
    machines.step(HOUR_US // 2)
    p = machines.parameters
    fresh_m3_h = p["seats"] * 36.0 * building.RESTING_FAN
    changes = fresh_m3_h / (p["floor_m2"] * building.HEIGHT_M) + building.LEAKS_PER_H
    assert machines.channel("co2_ppm") == pytest.approx(425.0 + 1_000.0 * np.exp(-changes / 2), rel=2e-3)


# --- heat -------------------------------------------------------------------------------------------------------------


def test_the_room_reaches_its_set_point_and_is_let_down_at_night() -> None:
    machines = zones(200)
    mild = machines.parameters["mean_c"] - np.abs(machines.parameters["year_k"]) > 0.0
    room = quarter_hours(machines, 96 * 2)[96:, 1].reshape(24, 4, -1).mean(axis=1)
    set_point = machines.parameters["set_point_c"]
    away_k = room[13] - set_point
    assert (away_k[mild] > -1.0).all()
    assert (away_k[mild] < building.COOLING_ABOVE_K + 1.0).all()
    assert room[5].mean() < room[13].mean()


def test_a_set_point_from_outside_is_kept_day_and_night() -> None:
    machines = zones(200, set_point_c=18.0)
    machines.parameters["mean_c"][:] = 8.0
    machines.parameters["year_k"][:] = 0.0
    room = quarter_hours(machines, 96)[48:, 1]
    assert (room > 17.5).all()
    assert (room < 18.0 + building.COOLING_ABOVE_K + 0.7).all()


def test_an_empty_room_without_power_cools_with_its_time_constant() -> None:
    """At night in steady frost, against the closed solution, without fan."""
    machines = zones(50, people=0.0, start_us=MONDAY_US)
    for name in ("year_k", "day_cos_k", "day_sin_k", "front_cos", "front_sin", "window_share"):
        machines.parameters[name][:] = 0.0
    machines.parameters["mean_c"][:] = -5.0
    p = {name: column.astype(np.float64) for name, column in machines.parameters.items()}
    off = np.zeros(50, np.bool_)
    machines.run(HOUR_US, 10, off)
    loss = p["loss_w_k_m2"] + building.HEIGHT_M * building.LEAKS_PER_H / 3600 * building.AIR_J_K_M3
    end_c = -5.0 + 0.1 * building.DEVICES_W_M2 / loss
    left = np.exp(-36_000 * loss / p["heat_j_k_m2"])
    assert machines.state["room_c"] == pytest.approx(end_c + (p["set_point_c"] - end_c) * left, abs=0.01)
    assert not machines.channel("hvac_power_w").any()


def test_heat_balances_when_nothing_changes() -> None:
    """What goes in by machine, people and devices goes out through envelope and ventilation."""
    machines = zones(50, set_point_c=21.0, start_us=0)
    machines.drives["people"] = machines.parameters["seats"].copy()
    for name in ("year_k", "day_cos_k", "day_sin_k", "front_cos", "front_sin", "window_share"):
        machines.parameters[name][:] = 0.0
    machines.parameters["mean_c"][:] = -8.0
    machines.run(HOUR_US, 200)
    p, room = machines.parameters, machines.state["room_c"].astype(np.float64)
    air = p["seats"] * 36.0 / 3600 * (1 - building.RECOVERED)
    air += p["floor_m2"] * building.HEIGHT_M * building.LEAKS_PER_H / 3600
    lost_w = (air * building.AIR_J_K_M3 + p["loss_w_k_m2"] * p["floor_m2"]) * (room + 8.0)
    gained_w = p["seats"] * building.PERSON_W + building.DEVICES_W_M2 * p["floor_m2"] + machines.state["thermal_w"]
    assert gained_w == pytest.approx(lost_w, rel=1e-3)
    fan_w = p["seats"] * 36.0 * building.FAN_W_M3_H
    assert machines.channel("hvac_power_w") == pytest.approx(
        np.abs(machines.state["thermal_w"]) / p["performance"] + fan_w, rel=1e-4
    )


# --- failures ---------------------------------------------------------------------------------------------------------


def failing(mode: str, hours: int = 14) -> tuple[Machines, Machines]:
    """A cold Monday, up to 14:00."""
    well, ill = (zones(200) for _ in range(2))
    for machines in (well, ill):
        machines.parameters["mean_c"][:] = 2.0
        machines.parameters["year_k"][:] = 0.0
    ill.failures[mode] = np.ones(200, np.float32)
    for machines in (well, ill):
        machines.run(HOUR_US, hours)
    return well, ill


def test_without_its_machine_the_room_grows_cold_and_stale() -> None:
    well, ill = failing("hvac-off", 9)
    assert not ill.channel("hvac_power_w").any()
    assert (ill.channel("room_temperature_c") < well.channel("room_temperature_c")).mean() > 0.95
    _, later = failing("hvac-off", 14)
    assert (later.channel("co2_ppm") > 1_200).mean() > 0.9


def test_an_open_window_freshens_the_air_and_costs_power() -> None:
    well, ill = failing("window-open")
    assert (ill.channel("co2_ppm") < well.channel("co2_ppm") - 50).all()
    assert (ill.channel("hvac_power_w") > well.channel("hvac_power_w") + 100).all()
    assert ill.channel("room_temperature_c").mean() < well.channel("room_temperature_c").mean()


def test_a_clogged_filter_makes_stale_air_at_more_fan_power() -> None:
    well, ill = failing("filter-clogged")
    assert (ill.channel("co2_ppm") > well.channel("co2_ppm") + 150).all()
    empty, clogged = (zones(50, people=0.0, start_us=MONDAY_US + 2 * HOUR_US) for _ in range(2))
    clogged.failures["filter-clogged"] = np.ones(50, np.float32)
    for machines in (empty, clogged):
        machines.parameters["mean_c"][:] = 21.0
        machines.parameters["year_k"][:] = 0.0
        machines.step(MINUTE_US)
    resting = ~(empty.state["thermal_w"].astype(np.bool_) | clogged.state["thermal_w"].astype(np.bool_))
    assert resting.sum() > 20
    ratio = clogged.channel("hvac_power_w")[resting] / empty.channel("hvac_power_w")[resting]
    assert ratio == pytest.approx(np.full(resting.sum(), 1 + building.CLOGGED_FAN), rel=1e-4)
