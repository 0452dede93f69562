"""The irrigation node: water balance, the edge's decisions, the line, and what breaks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.twin.machine_runs import Machines, some_keys, somewhere
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import irrigation
from twinstorm.twin.machines.irrigation import WAKE_US, Irrigation, evaporation_mm_s

DAY_US = 24 * HOUR_US
MINUTE_US = 60 * SECOND_US


def nodes(count: int, start_us: int = 150 * DAY_US, **drives: float) -> Machines:
    machines = Machines(Irrigation(), some_keys(count), start_us=start_us)
    machines.drives = {name: np.full(count, value, np.float32) for name, value in drives.items()}
    return machines


def water_mm(machines: Machines) -> NDArray[np.float64]:
    return machines.state["water_mm"].astype(np.float64) + machines.state["water_rest_mm"]


def share(machines: Machines) -> NDArray[np.float64]:
    """Available water over what field capacity holds."""
    p = machines.parameters
    moisture_pct = 100 * water_mm(machines) / p["roots_mm"]
    return (moisture_pct - p["wilting_pct"]) / p["available_pct"]


def set_share(machines: Machines, value: float) -> None:
    p = machines.parameters
    machines.state["water_mm"][:] = (p["wilting_pct"] + value * p["available_pct"]) * p["roots_mm"] / 100


# --- time and balance -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 100), (61 * SECOND_US, 50), (WAKE_US, 40)])
def test_the_period_does_not_bend_the_balance(short_us: int, times: int) -> None:
    often, seldom = nodes(300), nodes(300)
    for _ in range(3):
        often.run(short_us, times)
        seldom.step(short_us * times)
        assert water_mm(often) == pytest.approx(water_mm(seldom), abs=1e-3)
        assert np.array_equal(often.values[1:], seldom.values[1:])


def test_rain_fills_the_root_zone_up_to_its_pores_and_not_further() -> None:
    """At night in the cold nothing evaporates; 6 mm/h for two hours are 12 mm until the soil is full."""
    machines = nodes(100, start_us=0, rain_mm_h=6.0, valve_pct=0.0)
    machines.parameters["year_k"][:] = 30.0  # deep frost on New Year's night
    set_share(machines, 0.5)
    before = water_mm(machines)
    machines.step(2 * HOUR_US)
    assert water_mm(machines) - before == pytest.approx(12.0, abs=0.01)
    p = machines.parameters
    full = (p["wilting_pct"] + p["available_pct"] + irrigation.PORES_PCT) * p["roots_mm"] / 100
    machines.drives["rain_mm_h"][:] = 120.0
    machines.step(5 * HOUR_US)
    assert water_mm(machines) == pytest.approx(full, rel=1e-5)


def test_what_is_above_field_capacity_drains_as_an_exponential() -> None:
    machines = nodes(100, start_us=0, rain_mm_h=0.0, valve_pct=0.0)
    machines.parameters["crop"][:] = 0.0
    set_share(machines, 1.3)
    start = share(machines) - 1
    machines.step(DAY_US)
    left = (1 - machines.parameters["drains_per_s"].astype(np.float64) * 900) ** 96
    assert (share(machines) - 1) / start == pytest.approx(left, rel=2e-3)
    assert np.exp(-1.0) - 0.01 < left.min() < left.max() < np.exp(-1 / 2.5) + 0.01
    machines.step(9 * DAY_US)
    assert (share(machines) >= 1.0 - 1e-5).all()


def test_a_dry_field_stops_drying_at_the_wilting_point() -> None:
    machines = nodes(100, rain_mm_h=0.0, valve_pct=0.0)
    shares = [share(machines)]
    for _ in range(20):
        machines.step(3 * DAY_US)
        shares.append(share(machines))
    assert (np.diff(np.stack(shares), axis=0) <= 1e-6).all()
    assert (shares[-1] > -1e-3).all()


def test_evaporation_is_that_of_a_summer_day() -> None:
    """25 MJ/m2 in 14 hours at 20 C: 5 mm, as tables of FAO 56 give for a warm dry climate; nothing in frost."""
    light = np.full(1, 25e6 / (14 * 3600), np.float32)
    day_mm = evaporation_mm_s(light.copy(), np.array([20.0], np.float32)) * 14 * 3600
    assert day_mm == pytest.approx([5.4], abs=0.4)
    assert not evaporation_mm_s(light.copy(), np.array([-5.0], np.float32)).any()
    assert evaporation_mm_s(light.copy(), np.array([30.0], np.float32)) > evaporation_mm_s(
        light, np.array([10.0], np.float32)
    )


def test_soil_dries_by_day_and_rests_at_night() -> None:
    machines = nodes(100, rain_mm_h=0.0, valve_pct=0.0)
    gentle = np.abs(machines.parameters["sin_latitude"]) < 0.7
    set_share(machines, 0.9)
    lost = []
    for _ in range(8):
        before = water_mm(machines)
        machines.step(3 * HOUR_US)
        lost.append((before - water_mm(machines))[gentle].mean())
    assert lost[0] < 0.01
    assert 0.3 < lost[4] < 3.0


def test_neighbours_have_the_same_rain() -> None:
    keys = some_keys(100)
    machines = Machines(Irrigation(), keys, place=somewhere(keys))
    machines.parameters["crop"][:] = 0.0
    machines.parameters["drains_per_s"][:] = 0.0
    site = keys % np.uint64(10)
    rain = []
    for _ in range(400):
        machines.step(HOUR_US)
        rain.append(machines.state["nature_mm_s"].copy())
    fallen = np.stack(rain)
    assert (fallen >= 0).all()
    for number in range(10):
        here = fallen[:, site == number]
        assert (here == here[:, :1]).all()
    assert 0.01 < (fallen > 0).mean() < 0.2
    assert len(np.unique(fallen.sum(axis=0))) == 10


# --- edge -------------------------------------------------------------------------------------------------------------


def test_the_node_opens_when_dry_and_shuts_when_wet_enough() -> None:
    machines = nodes(200, rain_mm_h=0.0)
    set_share(machines, 0.3)
    machines.step(MINUTE_US)
    assert (machines.values[1] == 100.0).all()
    p, shut = machines.parameters, np.zeros(200, np.bool_)
    for _ in range(4 * 48):
        machines.step(WAKE_US)
        closing = ~shut & (machines.values[1] == 0.0)
        assert (share(machines)[closing] > p["shut_share"][closing] - 0.03).all()
        shut |= closing
    assert shut.mean() > 0.95


def test_in_a_dry_month_moisture_stays_between_the_thresholds() -> None:
    machines = nodes(100, rain_mm_h=0.0)
    p = machines.parameters
    machines.run(WAKE_US, 96)
    lowest, highest = share(machines), share(machines)
    for _ in range(96 * 12):
        machines.step(WAKE_US)
        lowest, highest = np.minimum(lowest, share(machines)), np.maximum(highest, share(machines))
    assert (lowest > p["open_share"] - 0.02).all()
    assert (highest[lowest < p["open_share"] + 0.01] < 1.15).all()


def test_the_line_is_flushed_once_a_day_at_an_hour_of_its_own() -> None:
    machines = nodes(200, start_us=0, rain_mm_h=0.0)
    machines.parameters["crop"][:] = 0.0  # so that nothing dries
    set_share(machines, 1.0)
    opened = np.stack([machines.step(WAKE_US)[1] > 0 for _ in range(96 * 2)])
    assert (opened.sum(axis=0) == 2).all()
    assert (opened.argmax(axis=0) == machines.parameters["flush_wake"]).all()
    assert len(np.unique(opened.argmax(axis=0))) > 40


def test_a_command_from_outside_beats_the_nodes_own() -> None:
    machines = nodes(20, valve_pct=50.0)
    set_share(machines, 1.0)
    machines.run(MINUTE_US, 3)
    assert machines.values[1] == pytest.approx([50.0] * 20)
    assert (machines.values[2] > 5).all()


def test_without_power_the_valve_falls_shut_and_the_field_dries_on() -> None:
    machines = nodes(50, rain_mm_h=0.0)
    set_share(machines, 0.3)
    machines.step(MINUTE_US)
    before = water_mm(machines)
    machines.step(2 * DAY_US, np.zeros(50, np.bool_))
    assert (water_mm(machines) <= before).all()
    assert not machines.values.any()
    machines.step(MINUTE_US)
    assert (machines.values[2] > 5).all()


# --- line -------------------------------------------------------------------------------------------------------------


def test_flow_and_pressure_obey_emitters_and_pipe() -> None:
    machines = nodes(200, valve_pct=100.0)
    machines.step(MINUTE_US)
    p = machines.parameters
    flow, pressure = machines.values[2].astype(np.float64), machines.values[3].astype(np.float64)
    assert flow == pytest.approx(p["emitters"] * np.sqrt(pressure), rel=1e-5)
    assert pressure == pytest.approx(machines.state["supply_kpa"] - p["pipe"] * flow**2, rel=1e-4)
    assert (flow >= 0.9 * irrigation.DESIGN_L_MIN[0]).all()


def test_what_flows_reaches_the_field() -> None:
    machines = nodes(100, start_us=0, valve_pct=100.0, rain_mm_h=0.0)
    machines.parameters["crop"][:] = 0.0
    set_share(machines, 0.2)
    machines.step(WAKE_US)
    before, flow = water_mm(machines), machines.values[2].astype(np.float64)
    machines.step(WAKE_US)
    assert water_mm(machines) - before == pytest.approx(flow * 15 / machines.parameters["field_m2"], rel=0.02)


def failing(mode: str, valve_pct: float) -> tuple[Machines, Machines]:
    well, ill = (nodes(200, valve_pct=valve_pct) for _ in range(2))
    ill.failures[mode] = np.ones(200, np.float32)
    well.run(MINUTE_US, 2)
    ill.run(MINUTE_US, 2)
    return well, ill


def test_a_stuck_valve_ignores_its_command() -> None:
    _, told_shut = failing("valve-stuck", 0.0)
    well, told_open = failing("valve-stuck", 100.0)
    assert told_shut.values[2] == pytest.approx(told_open.values[2], rel=1e-6)
    stays_open = told_shut.parameters["stuck_at"] > 0.1
    assert 0.35 < stays_open.mean() < 0.65
    assert (told_shut.values[2][stays_open] > 5).all()
    assert (told_open.values[2][~stays_open] < 0.1 * well.values[2][~stays_open]).all()
    assert (told_shut.values[1] == 0).all()


def test_a_leak_flows_at_all_times_and_costs_pressure() -> None:
    for valve_pct in (0.0, 100.0):
        well, ill = failing("pipe-leak", valve_pct)
        assert (ill.values[2] > well.values[2] + 3).all()
        assert (ill.values[3] < well.values[3] - 5).all()


def test_clogged_emitters_pass_less_at_more_pressure() -> None:
    well, ill = failing("clogged-emitter", 100.0)
    assert (ill.values[2] < 0.25 * well.values[2]).all()
    assert (ill.values[3] > well.values[3] + 10).all()
