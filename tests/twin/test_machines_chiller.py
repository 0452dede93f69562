"""The chiller: thermostat, heat balance, weather, what drives it and how it fails."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US, Values
from twinstorm.twin.machines import checked, chiller
from twinstorm.twin.machines.chiller import CYCLE_US, Chiller
from twinstorm.twin.physics import refrigerant

MINUTE_US = 60 * SECOND_US
N = 100
JULY_US = 196 * 24 * HOUR_US


def chillers(noisy: bool = False, at_h: int = 0, **drives: float) -> Machines:
    machines = Machines(Chiller(), some_keys(N), noisy=noisy, start_us=JULY_US + at_h * HOUR_US)
    machines.drives = {name: np.full(N, value, np.float32) for name, value in drives.items()}
    return machines


def failing(mode: str, severity: float = 1.0, **drives: float) -> Machines:
    machines = chillers()
    machines.drives = {name: np.full(N, value, np.float32) for name, value in drives.items()}
    machines.failures = {mode: np.full(N, severity, np.float32)}
    return machines


def record(machines: Machines, times: int, dt_us: int = CYCLE_US) -> Values:
    """float32 (times, channels, n)."""
    return np.stack([machines.step(dt_us).copy() for _ in range(times)])


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 600), (3_333_333, 540), (CYCLE_US, 540), (MINUTE_US, 90)])
def test_the_period_does_not_bend_the_trajectory(short_us: int, times: int) -> None:
    """Many short steps arrive where one long step does, compressor and all: the controller decides at its own time."""
    often, seldom = chillers(), chillers()
    often.run(short_us, times)
    seldom.step(short_us * times)
    assert np.array_equal(often.state["on"], seldom.state["on"])
    for name in ("water_c", "evaporating_c", "condensing_c", "starts_per_h"):
        assert np.abs(often.state[name] - seldom.state[name]).max() < 5e-3, name


def test_resting_water_warms_as_an_exponential() -> None:
    """Against the closed solution; without power nothing cools."""
    machines = chillers(load_share=0.5)
    off = np.zeros(N, np.bool_)
    start = machines.state["water_c"].astype(np.float64)
    machines.run(MINUTE_US, 40, off)
    tau_s = machines.parameters["water_l_kw"].astype(np.float64) * chiller.GLYCOL_KJ_L_K * 19.0 / 0.5
    wanted = 26.0 + (start - 26.0) * np.exp(-2400.0 / tau_s)
    assert machines.state["water_c"] == pytest.approx(wanted, abs=2e-3)
    assert (machines.channel("power_kw") == np.float32(chiller.CONTROL_KW)).all()


def test_heat_taken_from_the_water_is_the_capacity() -> None:
    """A running compressor: water falls by capacity less load, over its heat capacity."""
    machines = chillers(load_share=0.3, ambient_c=32.0, set_point_c=-5.0)
    machines.parameters["evaporator"][:] = machines.parameters["condenser"][:] = 1.0
    machines.state["water_c"][:] = 7.0
    machines.step(SECOND_US)
    fall = (7.0 - machines.state["water_c"]) * machines.parameters["water_l_kw"] * chiller.GLYCOL_KJ_L_K
    assert fall == pytest.approx(1.0 - 0.3, rel=2e-2)


def test_a_step_of_days_is_as_long_for_water_without_power() -> None:
    machines = chillers(load_share=0.1)
    machines.step(11 * 24 * HOUR_US, np.zeros(N, np.bool_))
    assert machines.state["water_c"] == pytest.approx(26.0, abs=0.01)


# --- thermostat -------------------------------------------------------------------------------------------------------


def test_water_stays_within_the_differential() -> None:
    """Past its ends by no more than what one look of the controller lets through."""
    machines = chillers(load_share=0.5, ambient_c=25.0)
    values = record(machines, 720)
    water = values[:, 0] - machines.parameters["set_point_c"]
    half = machines.parameters["differential_k"] / 2
    assert (water.max(axis=0) < half + 0.15).all()
    assert (water.min(axis=0) > -half - 0.15).all()
    assert (water.max(axis=0) > half - 0.05).all()
    assert (water.min(axis=0) < -half + 0.05).all()


def test_starts_are_those_of_filling_and_emptying_the_tank() -> None:
    """Rest plus run: what the differential holds over the load, and over capacity less load."""
    machines = chillers(load_share=0.5, ambient_c=32.0)
    running = record(machines, 1_440)[:, 4] > 1.0
    starts = (running[1:] & ~running[:-1]).sum(axis=0)
    p = machines.parameters
    kj_kw = p["differential_k"] * p["water_l_kw"] * chiller.GLYCOL_KJ_L_K
    wanted = 4 * 3600 / (kj_kw / 0.5 + kj_kw / 0.5)
    assert starts.mean() == pytest.approx(wanted.mean(), rel=0.06)
    assert np.abs(starts - wanted).max() < 2.5


def test_starts_per_hour_settle_at_the_rate_of_the_starts() -> None:
    machines = chillers(load_share=0.6, ambient_c=28.0)
    record(machines, 72, MINUTE_US * 5)
    values = record(machines, 720)
    running = values[:, 4] > 1.0
    starts = (running[1:] & ~running[:-1]).sum() / N / 2.0
    assert values[:, 5].mean() == pytest.approx(starts, rel=0.05)


def test_no_compressor_of_the_fleet_waits_for_another() -> None:
    machines = chillers()
    running = record(machines, 360)[:, 4] > 1.0
    assert 0.1 < running.mean() < 0.8
    assert (running[1:] & ~running[:-1]).mean(axis=1).max() < 0.1


def test_a_full_load_never_lets_the_compressor_rest() -> None:
    machines = chillers(load_share=1.3, ambient_c=38.0)
    machines.run(MINUTE_US, 60)
    values = record(machines, 60)
    assert (values[:, 4] > 1.0).all()
    assert (values[:, 0] > machines.parameters["set_point_c"]).all()


def test_after_an_outage_the_water_comes_down_again() -> None:
    machines = chillers(load_share=0.4, ambient_c=25.0)
    machines.run(HOUR_US, 4, np.zeros(N, np.bool_))
    assert (machines.channel("water_temperature_c") > 12.0).all()
    machines.run(MINUTE_US, 150)
    assert (machines.channel("water_temperature_c") < machines.parameters["set_point_c"] + 2.2).all()


# --- weather ----------------------------------------------------------------------------------------------------------


def test_work_follows_day_and_weather() -> None:
    """More power in the afternoon than at night; in January less than in July (north)."""
    machines = chillers()
    power = record(machines, 24 * 60, MINUTE_US)[:, 4].reshape(24, 60, N).mean(axis=(1, 2))
    assert power[12:16].mean() > 1.8 * power[1:5].mean()
    winter, summer = chillers(at_h=12), chillers(at_h=12)
    winter.start_us -= 182 * 24 * HOUR_US
    north = winter.parameters["year_k"] > 4.0
    means = [record(each, 180, MINUTE_US)[:, 4][:, north].mean() for each in (winter, summer)]
    assert means[0] < 0.85 * means[1]


def test_neighbours_stand_in_the_same_air() -> None:
    machines = chillers()
    machines.step(MINUTE_US)
    assert len(np.unique(machines.state["outside_c"])) <= N // 10
    assert len(np.unique(machines.state["load"])) > N // 2


# --- what is measured -------------------------------------------------------------------------------------------------


def test_pressures_are_those_of_saturated_refrigerant() -> None:
    machines = chillers(load_share=1.2, ambient_c=32.0)
    machines.run(MINUTE_US, 60)
    for name, state in (("suction_pressure_bar", "evaporating_c"), ("discharge_pressure_bar", "condensing_c")):
        wanted = refrigerant.saturation_bar(machines.state[state].astype(np.float64))
        assert machines.channel(name) == pytest.approx(wanted, rel=2e-4)
    assert machines.channel("suction_pressure_bar").mean() == pytest.approx(3.2, abs=0.35)
    assert machines.channel("discharge_pressure_bar").mean() == pytest.approx(11.6, abs=1.0)


def test_pressures_even_out_while_the_compressor_rests() -> None:
    """The evaporator takes the temperature of the water, the condenser that of the air."""
    machines = chillers(load_share=0.1, ambient_c=20.0)
    machines.run(CYCLE_US, 60, np.zeros(N, np.bool_))
    assert machines.state["evaporating_c"] == pytest.approx(machines.state["water_c"], abs=0.1)
    assert machines.state["condensing_c"] == pytest.approx(20.0, abs=0.1)


def test_a_set_point_from_outside_moves_the_water_of_those_that_have_one() -> None:
    machines, plain = chillers(ambient_c=25.0), chillers(ambient_c=25.0)
    machines.drives["set_point_c"] = np.where(np.arange(N) < 40, 12.0, np.nan).astype(np.float32)
    machines.run(MINUTE_US, 120)
    plain.run(MINUTE_US, 120)
    assert np.array_equal(machines.values[:, 40:], plain.values[:, 40:])
    assert machines.channel("water_temperature_c")[:40] == pytest.approx(12.0, abs=2.2)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_lost_refrigerant_starves_the_evaporator() -> None:
    """Running at the same load: both pressures and power lower, superheat higher, and at last warm water."""
    before = None
    for severity in (0.0, 0.4, 0.7, 1.0):
        machines = failing("refrigerant-loss", severity, load_share=0.9, ambient_c=30.0)
        machines.run(MINUTE_US, 10)
        values = record(machines, 240)
        running = values[:, 4] > 1.0
        means = [float(values[:, row][running].mean()) for row in (1, 2, 3, 4)]
        if before is not None:
            assert means[0] < before[0]
            assert means[1] < before[1]
            assert means[2] > before[2] + 1
            assert means[3] < before[3]
        before = means
    assert before is not None
    assert before[0] < 2.2
    assert before[2] > 20
    assert (values[-1, 0] > machines.parameters["set_point_c"] + 3).all()


def test_a_narrowed_thermostat_starts_the_compressor_too_often() -> None:
    well, ill = chillers(load_share=0.5), failing("short-cycling", load_share=0.5)
    values = record(ill, 720)
    record(well, 720)
    assert (ill.channel("starts_per_h") > 3.0 * well.channel("starts_per_h")).all()
    assert float(ill.channel("starts_per_h").mean()) > 12  # more than makers allow
    band = np.ptp(values[360:, 0], axis=0)
    assert (band < 0.5 * ill.parameters["differential_k"]).all()


def test_an_oversized_machine_with_little_water_cycles_by_itself() -> None:
    machines = chillers(load_share=0.5)
    machines.parameters["water_l_kw"][:] = 4.0
    usual = chillers(load_share=0.5)
    record(machines, 720)
    record(usual, 720)
    assert (machines.channel("starts_per_h") > 2.5 * usual.channel("starts_per_h")).all()


def test_a_fouled_condenser_presses_harder_for_less() -> None:
    well, ill = (failing("fouled-condenser", severity, load_share=0.6, ambient_c=28.0) for severity in (0.0, 0.8))
    a, b = (record(machines, 360) for machines in (well, ill))
    on_well, on_ill = a[:, 4] > 1.0, b[:, 4] > 1.0
    assert b[:, 2].max(axis=0).min() > a[:, 2].max(axis=0).max() + 2
    assert b[:, 4][on_ill].mean() > 1.2 * a[:, 4][on_well].mean()
    assert on_ill.mean() > on_well.mean()  # runs longer for the same cold


def test_a_pressure_switch_saves_a_fouled_condenser_on_a_hot_day() -> None:
    machines = failing("fouled-condenser", load_share=0.8, ambient_c=44.0)
    values = record(machines, 720)
    limit = float(refrigerant.saturation_bar(np.array([chiller.SWITCH_OFF_C]))[0])
    assert float(values[:, 2].max()) < limit * 1.08
    assert (values[-1, 0] > machines.parameters["set_point_c"] + 1.5).mean() > 0.9  # it cannot keep up
    assert (machines.channel("starts_per_h") > 8).mean() > 0.9


def test_what_has_leaked_does_not_come_back_by_itself() -> None:
    leaked, whole = failing("refrigerant-loss", load_share=0.6, ambient_c=30.0), chillers()
    whole.drives = leaked.drives
    record(leaked, 60)
    leaked.failures = {}
    record(leaked, 60)
    record(whole, 120)
    assert (leaked.channel("superheat_k") > whole.channel("superheat_k") + 3.0).all()
    checked.renew(leaked.kind, leaked.state, leaked.parameters, np.arange(len(leaked.keys)))
    record(leaked, 360)
    assert (leaked.channel("superheat_k") < whole.channel("superheat_k") + 3.0).mean() > 0.8


def test_a_contactor_has_done_as_many_operations_as_the_compressor_has_started() -> None:
    machines = failing("short-cycling")
    before = machines.state["contactor_harm"].copy()
    starts, was = np.zeros(len(machines.keys)), machines.state["on"].copy()
    for _ in range(400):
        machines.step(chiller.CYCLE_US)
        starts += machines.state["on"] > was
        was = machines.state["on"].copy()
    assert starts.min() > 3
    done = (machines.state["contactor_harm"].astype(np.float64) - before) * machines.parameters["contactor_operations"]
    assert done == pytest.approx(starts, rel=0.02)
