"""The pump: its day, its laws, what drives it and how it fails."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US, Values
from twinstorm.twin.machines import pump
from twinstorm.twin.machines.pump import CYCLE_US, Pump
from twinstorm.twin.physics import bearing
from twinstorm.twin.physics.pump_curves import EFFICIENCY

MINUTE_US = 60 * SECOND_US
N = 120


def pumps(noisy: bool = False, at_h: int = 10, **drives: float) -> Machines:
    """Pumps that begin in the middle of a morning."""
    machines = Machines(Pump(), some_keys(N), noisy=noisy, start_us=at_h * HOUR_US)
    machines.drives = {name: np.full(N, value, np.float32) for name, value in drives.items()}
    return machines


def failing(mode: str, severity: float = 1.0, machines: Machines | None = None) -> Machines:
    machines = machines or pumps()
    machines.failures = {mode: np.full(N, severity, np.float32)}
    return machines


def ratio(ill: Machines, well: Machines, name: str) -> Values:
    return ill.channel(name) / well.channel(name)


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 600), (7 * SECOND_US + 1, 90), (CYCLE_US, 25)])
def test_the_period_does_not_bend_the_trajectory(short_us: int, times: int) -> None:
    """Many short steps arrive where one long step does, over changes of demand; temperatures to 4 mK."""
    often, seldom = pumps(), pumps()
    often.failures = seldom.failures = {"dry-running": np.linspace(0, 0.6, N, dtype=np.float32)}
    often.run(short_us, times)
    seldom.step(short_us * times)
    assert np.array_equal(often.state["demand"], seldom.state["demand"])
    for name in ("casing_c", "bearing_c"):
        assert np.abs(often.state[name] - seldom.state[name]).max() < 4e-3, name
    assert often.values[:4] == pytest.approx(seldom.values[:4], abs=1e-4)
    assert often.state["wear"] == pytest.approx(seldom.state["wear"], rel=1e-6)


def test_a_step_of_days_ends_where_short_ones_do() -> None:
    often, seldom = pumps(), pumps()
    often.run(10 * MINUTE_US, 6 * 36)
    seldom.step(36 * HOUR_US)
    assert often.values == pytest.approx(seldom.values, abs=0.02)


def test_temperatures_follow_the_heat_balance() -> None:
    """Against a plain integration of both balances in steps of a quarter of a second, a dry seal included."""
    machines = failing("dry-running", 0.4, pumps(demand_share=0.8))
    p = {name: column.astype(np.float64) for name, column in machines.parameters.items()}
    casing, bearings = (machines.state[name].astype(np.float64) for name in ("casing_c", "bearing_c"))
    machines.run(MINUTE_US, 20)
    flow = machines.channel("flow_m3_h") / p["rated_m3_h"]
    lifted_bar = machines.channel("discharge_pressure_bar") - machines.channel("suction_pressure_bar")
    speed = p["lowest_speed_share"] + 0.8 * (1 - p["lowest_speed_share"])
    rated_kw = p["rated_m3_h"] / 3600 * p["rated_head_m"] * pump.BAR_PER_M * 100 / EFFICIENCY
    churned_kw = 0.6 * rated_kw * speed**2 * (0.41 * speed + 0.55 * flow)
    useful_kw = machines.channel("flow_m3_h") / 3600 * lifted_bar * 100
    kept = 0.001 / (flow + 0.001)
    heat_w = 1000 * (churned_kw - useful_kw) * kept + speed * (60.0 + 0.4 * 1500.0)
    for _ in range(20 * 60 * 4):
        away = 0.6 * 120.0 * (1 - kept) * (casing - p["liquid_c"]) + 25.0 * (casing - p["ambient_c"])
        casing += 0.25 * (heat_w - away) / (14e3 + 0.6 * 42e3)
        friction = 1 + 1.6 * machines.state["wear"].astype(np.float64) ** 4
        bearings += 0.25 / 1200.0 * (p["ambient_c"] + 28.0 * friction * p["bearing_rise"] * speed - bearings)
    assert machines.state["casing_c"] == pytest.approx(casing, abs=0.03)
    assert machines.state["bearing_c"] == pytest.approx(bearings, abs=0.03)


# --- the day ----------------------------------------------------------------------------------------------------------


def test_a_day_has_its_peaks_and_its_night() -> None:
    machines = pumps(at_h=0)
    flows = np.array([machines.step(HOUR_US)[0].mean() for _ in range(24)])
    night, morning, noon, evening = flows[1:4].mean(), flows[6:8].max(), flows[13:15].mean(), flows[17:20].max()
    assert morning > 1.7 * night
    assert noon < 0.92 * morning
    assert evening > 1.05 * noon


def test_neighbours_share_their_habits_and_not_their_consumers() -> None:
    machines = pumps(at_h=0)
    site = machines.parameters["site_phase"]
    assert len(np.unique(site)) <= N // 10
    machines.step(CYCLE_US)
    changes = []
    for _ in range(30):
        before = machines.state["demand"].copy()
        machines.step(CYCLE_US)
        changes.append(np.abs(machines.state["demand"] / before - 1) > 0.02)
    assert max(np.mean(jumped) for jumped in changes) < 0.3  # nothing jumps in the whole fleet together


def test_the_fleet_starts_warmed_up() -> None:
    machines = pumps()
    machines.step(SECOND_US)
    start = machines.values[4:6].mean(axis=1)
    machines.run(5 * MINUTE_US, 24)
    assert machines.values[4:6].mean(axis=1) == pytest.approx(start, abs=1.5)


# --- laws -------------------------------------------------------------------------------------------------------------


def test_electric_power_covers_what_the_water_gets() -> None:
    """Flow times pressure rise over electric power: at the best point the product of both efficiencies, never above."""
    efficiencies = []
    for demand in (0.1, 0.3, 0.6, 1.0, 1.2):
        machines = pumps(demand_share=demand, speed_share=1.0)
        flow, suction, discharge, power = machines.step(SECOND_US)[:4].astype(np.float64)
        efficiencies.append(float(np.mean(flow * (discharge - suction) / 36 / power)))
    assert max(efficiencies) == efficiencies[3]
    assert efficiencies[3] == pytest.approx(EFFICIENCY * pump.MOTOR_EFFICIENCY, rel=0.02)
    assert efficiencies[0] < 0.2


def test_speed_moves_flow_pressure_and_power() -> None:
    slow, fast = pumps(demand_share=0.8, speed_share=0.8), pumps(demand_share=0.8, speed_share=1.0)
    slow.step(SECOND_US)
    fast.step(SECOND_US)
    assert (ratio(slow, fast, "flow_m3_h") < 0.8).all()  # static lift takes more than the affinity law
    assert (ratio(slow, fast, "power_kw") < 0.64).all()
    assert (slow.channel("discharge_pressure_bar") < fast.channel("discharge_pressure_bar") - 0.5).all()


def test_demand_drives_flow_and_silence_leaves_the_rule() -> None:
    machines, plain = pumps(), pumps()
    machines.drives = {"demand_share": np.where(np.arange(N) < 50, 0.3, np.nan).astype(np.float32)}
    machines.step(SECOND_US)
    plain.step(SECOND_US)
    assert np.array_equal(machines.values[:, 50:], plain.values[:, 50:])
    assert (machines.channel("flow_m3_h")[:50] < plain.channel("flow_m3_h")[:50]).all()


def test_a_pump_without_power_stands_still_and_cools() -> None:
    machines = pumps()
    off = np.zeros(N, np.bool_)
    flow, suction, discharge, power, _, bearings, vibration = machines.step(MINUTE_US, off)
    assert not flow.any()
    assert not power.any()
    assert not vibration.any()
    assert np.array_equal(suction, discharge)
    machines.run(HOUR_US, 5, off)
    assert bearings == pytest.approx(machines.parameters["ambient_c"], abs=0.1)
    assert machines.channel("casing_temperature_c") == pytest.approx(machines.parameters["ambient_c"], abs=0.1)


# --- wear -------------------------------------------------------------------------------------------------------------


def test_a_bearing_wears_with_its_hours_of_work() -> None:
    machines = pumps()
    running = np.arange(N) % 2 == 0
    before = machines.state["wear"].astype(np.float64)
    for _ in range(200):
        machines.step(SECOND_US, running)
    grown = machines.state["wear"] + machines.state["wear_rest"].astype(np.float64) - before
    assert grown == pytest.approx(200 * machines.parameters["life_rate_per_s"] * running, rel=2e-2, abs=1e-12)


def test_damage_by_a_failing_bearing_stays_and_shortens_its_life() -> None:
    ill, well = failing("bearing-wear", 0.6), pumps()
    for machines in (ill, well):
        machines.run(6 * HOUR_US, 12)
    ill.failures = {}
    ill.step(HOUR_US)
    well.step(HOUR_US)
    assert ill.state["wear"] - well.state["wear"] == pytest.approx(0.6 * 3 / 14, rel=1e-3)
    ill_truth, well_truth = (machines.kind.truth(machines.state, machines.parameters) for machines in (ill, well))
    assert (ill_truth.health < well_truth.health).all()
    assert (ill_truth.remaining_s < well_truth.remaining_s).all()


def test_a_bearing_at_its_end_is_hot_and_in_zone_d() -> None:
    ill, well = failing("bearing-wear", 1.0, pumps(demand_share=1.0)), pumps(demand_share=1.0)
    ill.run(5 * MINUTE_US, 24)
    well.run(5 * MINUTE_US, 24)
    assert (ill.channel("bearing_temperature_c") > well.channel("bearing_temperature_c") + 20).all()
    zones = [bearing.zone(value) for value in ill.channel("vibration_mm_s").tolist()]
    assert set(zones) <= {"C", "D"}
    assert {bearing.zone(value) for value in well.channel("vibration_mm_s").tolist()} <= {"A", "B"}
    assert np.array_equal(ill.values[:4], well.values[:4])


# --- failures ---------------------------------------------------------------------------------------------------------


def test_cavitation_starves_the_suction_and_rattles() -> None:
    ill, well = failing("cavitation"), pumps()
    ill.step(SECOND_US)
    well.step(SECOND_US)
    assert (ratio(ill, well, "flow_m3_h") < 0.5).all()
    assert (ill.channel("suction_pressure_bar") < 0.2).all()
    assert (ill.channel("suction_pressure_bar") > ill.parameters["vapour_pressure_bar"]).all()
    assert (ill.channel("discharge_pressure_bar") < well.channel("discharge_pressure_bar")).all()
    assert (ill.channel("vibration_mm_s") > 4 * well.channel("vibration_mm_s")).all()


def test_a_cavitating_pump_surges() -> None:
    spreads = []
    ill, well = pumps(noisy=True, demand_share=0.8), pumps(noisy=True, demand_share=0.8)
    for machines in (failing("cavitation", 1.0, ill), well):
        values = np.array([machines.step(SECOND_US)[[0, 2]] for _ in range(60)])
        spreads.append(values.std(axis=0).mean(axis=1))
    assert (spreads[0] > 10 * spreads[1]).all()


def test_a_worse_strainer_never_helps() -> None:
    flows = []
    for severity in np.linspace(0, 1, 11):
        machines = failing("cavitation", float(severity))
        flows.append(machines.step(SECOND_US)[0].copy())
    assert (np.diff(flows, axis=0) <= 1e-3).all()


def test_hot_water_and_a_low_vessel_cavitate_without_any_failure() -> None:
    """It is the margin over the vapour pressure that counts, whoever takes it away."""
    hot, cold = pumps(demand_share=1.0), pumps(demand_share=1.0)
    hot.parameters["vapour_pressure_bar"][:] = 1.1
    low = pumps(demand_share=1.0, suction_pressure_bar=0.3)
    for machines in (hot, cold, low):
        machines.step(SECOND_US)
    assert (ratio(hot, cold, "vibration_mm_s") > 3).mean() > 0.9
    assert (ratio(low, cold, "vibration_mm_s") > 3).all()


def test_a_seal_leak_costs_flow_pressure_and_power() -> None:
    well = pumps()
    well.step(SECOND_US)
    before = well
    for severity in (0.3, 0.6, 1.0):
        ill = failing("seal-leak", severity)
        ill.step(SECOND_US)
        assert (ill.channel("flow_m3_h") < before.channel("flow_m3_h")).all()
        assert (ill.channel("discharge_pressure_bar") < before.channel("discharge_pressure_bar")).all()
        assert (ill.channel("power_kw") > before.channel("power_kw")).all()
        before = ill
    assert (ratio(before, well, "flow_m3_h") < 0.97).all()


def test_a_dry_pump_moves_nothing_and_runs_hot() -> None:
    ill, well = failing("dry-running"), pumps()
    ill.run(MINUTE_US, 30)
    well.run(MINUTE_US, 30)
    assert not ill.channel("flow_m3_h").any()
    assert np.array_equal(ill.channel("discharge_pressure_bar"), ill.channel("suction_pressure_bar"))
    assert (ratio(ill, well, "power_kw") < 0.4).all()
    assert (ill.channel("casing_temperature_c") > well.channel("casing_temperature_c") + 25).all()


def test_without_flow_the_power_of_the_impeller_stays_in_the_casing() -> None:
    """Too slow for the static lift: nothing carries the heat away but the air."""
    machines = pumps(speed_share=0.42, demand_share=1.0)
    machines.run(10 * MINUTE_US, 18)
    assert not machines.channel("flow_m3_h").any()
    p = machines.parameters
    churned_w = 1000 * p["rated_m3_h"] / 3600 * p["rated_head_m"] * pump.BAR_PER_M * 100 / EFFICIENCY * 0.41 * 0.42**3
    rise = (churned_w + 60.0 * 0.42) / 25.0
    assert machines.channel("casing_temperature_c") == pytest.approx(p["ambient_c"] + rise, abs=0.3)
