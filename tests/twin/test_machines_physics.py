"""Physics helpers against published cases and against independent integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.chance import words
from twinstorm.twin.physics import air, battery, bearing, spread, thermal
from twinstorm.twin.physics.counting import add_to

# --- heat -------------------------------------------------------------------------------------------------------------


def test_a_small_sphere_cools_as_in_the_textbook() -> None:
    """Cengel, example 4-1: a thermocouple junction of 1 mm reaches 99 % of a change after 10 s (9.94 s unrounded)."""
    tau_s = thermal.sphere_tau_s(1e-3, 8500.0, 320.0, 210.0, 35.0)
    assert 1 / tau_s == pytest.approx(0.4632, abs=1e-3)
    assert tau_s == pytest.approx(2.159, abs=1e-3)
    assert thermal.relaxed_c(100.0, 0.0, tau_s, 9.94) == pytest.approx(1.0, abs=2e-3)


def test_a_large_sphere_is_no_lumped_body() -> None:
    with pytest.raises(ValueError, match="Biot"):
        thermal.sphere_tau_s(0.5, 8500.0, 320.0, 210.0, 35.0)


NODES = st.builds(
    thermal.TwoNode,
    st.floats(100.0, 1e5),
    st.floats(100.0, 1e6),
    st.floats(1e-3, 1.0),
    st.floats(1e-3, 1.0),
    st.just(300.0),
)


def euler(node: thermal.TwoNode, winding_k: float, case_k: float, seconds: float, parts: int) -> tuple[float, float]:
    """Midpoint integration of the two heat balances, without losses."""
    dt = seconds / parts

    def slopes(winding: float, case: float) -> tuple[float, float]:
        across = (winding - case) / node.winding_case_k_w
        return -across / node.winding_j_k, (across - case / node.case_air_k_w) / node.case_j_k

    for _ in range(parts):
        a, b = slopes(winding_k, case_k)
        a, b = slopes(winding_k + a * dt / 2, case_k + b * dt / 2)
        winding_k, case_k = winding_k + a * dt, case_k + b * dt
    return winding_k, case_k


def test_two_nodes_follow_their_differential_equations() -> None:
    node = thermal.TwoNode(6_000.0, 43_000.0, 0.05, 0.031)
    a, b, c, d = node.transition(120.0)
    winding, case = euler(node, 50.0, 10.0, 120.0, 4_000)
    assert (a * 50.0 + b * 10.0, c * 50.0 + d * 10.0) == pytest.approx((winding, case), rel=1e-6)


@given(NODES, st.floats(0.0, 150.0), st.floats(0.0, 150.0))
def test_two_steps_are_one_long_step(node: thermal.TwoNode, first_s: float, second_s: float) -> None:
    p, q = (np.array(node.transition(s)).reshape(2, 2) for s in (first_s, second_s))
    whole = np.array(node.transition(first_s + second_s)).reshape(2, 2)
    assert np.allclose(q @ p, whole, rtol=1e-9, atol=1e-12)


@given(NODES, st.floats(0.0, 300.0))
def test_heat_only_flows_downhill(node: thermal.TwoNode, seconds: float) -> None:
    a, b, c, d = node.transition(seconds)
    assert min(a, b, c, d) >= -1e-12
    assert a + b <= 1.0 + 1e-12
    assert c + d <= 1.0 + 1e-12


def test_nothing_changes_in_no_time() -> None:
    assert thermal.TwoNode(6_000.0, 43_000.0, 0.05, 0.031).transition(0.0) == pytest.approx((1.0, 0.0, 0.0, 1.0))


def test_final_rises_carry_all_heat_through_the_resistances() -> None:
    node = thermal.TwoNode(6_000.0, 43_000.0, 0.05, 0.03)
    winding_k, case_k = node.final_rises_k(800.0, 480.0)
    assert case_k == pytest.approx(1280.0 * 0.03)
    assert winding_k - case_k == pytest.approx(800.0 * 0.05)


@pytest.mark.parametrize(
    "node", [thermal.TwoNode(6_000.0, 43_000.0, 0.05, 0.031, 300.0), thermal.TwoNode(300.0, 400.0, 0.4, 0.9, 300.0)]
)
def test_the_table_of_transitions_agrees_with_single_ones(node: thermal.TwoNode) -> None:
    times = np.array([0.0, 1e-6, 0.37, 12.0, 100.01, 299.9, 300.0])
    found = np.array(node.transitions(times)).T
    wanted = np.array([node.transition(t) for t in times.tolist()])
    assert np.abs(found - wanted).max() < 2e-6


# --- bearings ---------------------------------------------------------------------------------------------------------


def test_rating_life_of_a_6309_as_catalogue_and_calculator_give_it() -> None:
    assert bearing.rating_life_mrev(55.3, 10.0) == pytest.approx(169.0, abs=0.5)
    assert bearing.rating_life_hours(55.3, 10.0, 3000.0) == pytest.approx(940.0, abs=1.0)
    assert bearing.rating_life_hours(55.3, 4.0, 1800.0) == pytest.approx(24_500.0, rel=2e-3)


def test_rollers_live_longer_than_balls_under_light_load() -> None:
    assert bearing.rating_life_mrev(40.0, 4.0, bearing.ROLLER) == pytest.approx(10 ** (10 / 3))
    assert bearing.rating_life_mrev(40.0, 4.0) == pytest.approx(1000.0)


@pytest.mark.parametrize("wrong", [{"capacity_kn": 0.0}, {"load_kn": -1.0}, {"speed_rpm": 0.0}, {"load_kn": math.nan}])
def test_rating_life_names_the_argument_that_is_not_positive(wrong: dict[str, float]) -> None:
    good = {"capacity_kn": 55.3, "load_kn": 4.0, "speed_rpm": 1500.0}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        bearing.rating_life_hours(**(good | wrong))


def test_nine_of_ten_survive_the_rating_life_and_one_of_e_the_scale() -> None:
    scale = bearing.weibull_scale(1000.0, 1.5)
    assert bearing.survival(1000.0, scale, 1.5) == pytest.approx(0.9)
    assert bearing.survival(scale, scale, 1.5) == pytest.approx(math.exp(-1))
    assert scale == pytest.approx(1000.0 / (-math.log(0.9)) ** (1 / 1.5))


def test_drawn_lives_follow_weibull() -> None:
    scale = bearing.weibull_scale(1000.0, 1.5)
    lives = spread.weibull(words(3, np.arange(40_000, dtype=np.uint64), 0), scale, 1.5)
    for age in (200.0, 1000.0, scale, 10_000.0):
        assert (lives > age).mean() == pytest.approx(bearing.survival(age, scale, 1.5), abs=0.01)


def test_zones_of_iso_10816() -> None:
    assert bearing.zone(3.2, "II") == "C"
    assert [bearing.zone(v, "II") for v in (0.5, 1.12, 1.13, 2.8, 7.1, 7.2)] == ["A", "A", "B", "B", "C", "D"]
    assert [bearing.zone(3.2, name) for name in ("I", "III", "IV")] == ["C", "B", "B"]
    with pytest.raises(KeyError):
        bearing.zone(1.0, "V")


# --- batteries --------------------------------------------------------------------------------------------------------


def test_five_watt_hours_last_38_years_asleep_and_10_hours_sending() -> None:
    """Assumptions of 3GPP TR 45.820."""
    asleep = battery.EnergyBudget(5 * 3600.0, 0.0, 60.0, 0.015e-3)
    assert asleep.life_s() / battery.YEAR_S == pytest.approx(38.0, abs=0.1)
    sending = battery.EnergyBudget(5 * 3600.0, 0.5, 1.0, 0.0)
    assert sending.life_s() / 3600.0 == pytest.approx(10.0)


def test_energy_budget_says_where_the_energy_goes() -> None:
    budget = battery.EnergyBudget(battery.cell_j(7.7, 3.6), 0.15, 30.0, 0.015e-3, 0.01)
    shares = budget.shares()
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["messages"] > 0.98
    assert budget.powers_w()["messages"] == pytest.approx(0.005)
    assert budget.powers_w()["self_discharge"] * battery.YEAR_S == pytest.approx(0.01 * 99_792.0)


def test_both_forms_of_peukert() -> None:
    assert battery.peukert_hours(100.0, 5.0, 1.2) == pytest.approx(14.5, abs=0.05)
    assert battery.peukert_rated_hours(100.0, 20.0, 5.0, 1.2) == pytest.approx(20.0)
    assert battery.peukert_rated_hours(100.0, 20.0, 10.0, 1.2) == pytest.approx(20.0 / 2**1.2)


def test_a_burst_sags_a_weak_cell() -> None:
    assert battery.loaded_v(3.6, 0.1, 5.0) == pytest.approx(3.1)


@given(st.lists(st.floats(2.0**-30, 2.0**-10, width=32), min_size=1, max_size=200), st.floats(0.125, 1e4, width=32))
def test_tiny_parts_are_not_lost_in_a_large_sum(parts: list[float], start: float) -> None:
    total, rest = np.array([start], np.float32), np.zeros(1, np.float32)
    for part in parts:
        add_to(total, rest, np.array([part], np.float32))
    exact = math.fsum([start, *parts])
    assert float(total[0]) + float(rest[0]) == pytest.approx(exact, rel=0, abs=2e-5 * sum(parts) + 1e-12 * start)


# --- air --------------------------------------------------------------------------------------------------------------


def test_pressure_over_altitude_of_the_standard_atmosphere() -> None:
    found = air.station_hpa(np.array([0.0, 500.0, 1000.0, 2000.0]))
    assert found == pytest.approx([1013.25, 954.61, 898.75, 794.95], abs=0.05)


def test_vapour_pressure_at_known_temperatures() -> None:
    assert air.saturation_hpa(np.array([0.0, 20.0, 30.0])) == pytest.approx([6.112, 23.39, 42.45], rel=4e-3)


@given(st.floats(-40.0, 85.0), st.floats(0.01, 1.0))
def test_humidity_by_table_agrees_with_the_formula(temperature_c: float, share: float) -> None:
    full = float(air.saturation_hpa(np.array([temperature_c]))[0])
    found = air.humidity_pct(np.array([share * full], np.float32), np.array([temperature_c], np.float32))
    assert float(found[0]) == pytest.approx(100 * share, rel=2e-4)


@pytest.mark.parametrize("outside_c", [-60.0, 120.0])
def test_humidity_outside_of_the_table_counts_as_its_end(outside_c: float) -> None:
    end = max(air.LOWEST_C, min(air.HIGHEST_C, outside_c))
    vapour = np.array([1.0], np.float32)
    found = air.humidity_pct(vapour, np.array([outside_c], np.float32))
    assert np.array_equal(found, air.humidity_pct(vapour, np.array([end], np.float32)))


def test_a_lagged_day_solves_its_differential_equation() -> None:
    tau_s, around = np.array([900.0]), (np.array([3.0]), np.array([-2.0]))
    cosine, sine = air.lagged(*around, tau_s)
    turn = air.TURN / air.DAY_S
    for hour in range(24):
        angle = turn * hour * 3600.0
        inside = cosine * math.cos(angle) + sine * math.sin(angle)
        slope = turn * (sine * math.cos(angle) - cosine * math.sin(angle))
        outside = around[0] * math.cos(angle) + around[1] * math.sin(angle)
        assert float((tau_s * slope + inside)[0]) == pytest.approx(float(outside[0]), abs=1e-9)


def test_the_tide_of_the_air_peaks_at_ten_twice_a_day() -> None:
    hours = [air.tide_hpa(hour * 3_600_000_000) for hour in range(24)]
    assert max(hours) == hours[10] == pytest.approx(hours[22])
    assert min(hours) == pytest.approx(hours[4])
