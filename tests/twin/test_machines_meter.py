"""The meter: demand over the week, electricity, the register, sags and theft."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.twin.machine_runs import Machines, some_keys, somewhere
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import meter
from twinstorm.twin.machines.meter import FUSE_W, Meter
from twinstorm.twin.physics import register

DAY_US = 24 * HOUR_US
MINUTE_US = 60 * SECOND_US


def meters(count: int, noisy: bool = False) -> Machines:
    return Machines(Meter(), some_keys(count), noisy=noisy)


def counted_wh(machines: Machines, before: NDArray[np.float32]) -> NDArray[np.float64]:
    """Energy since `before`, over at most one roll-over."""
    state = machines.state
    after = state["energy_wh"].astype(np.float64) + state["energy_rest_wh"]
    return (after - before) % register.FULL_WH


# --- energy -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 60), (37 * SECOND_US, 40), (10 * MINUTE_US, 12)])
def test_the_period_does_not_bend_the_energy(short_us: int, times: int) -> None:
    often, seldom = meters(500), meters(500)
    for _ in range(3):
        often.run(short_us, times)
        seldom.step(short_us * times)
        assert np.array_equal(np.delete(often.values, 4, axis=0), np.delete(seldom.values, 4, axis=0))
    start = often.parameters["start_wh"]
    assert counted_wh(often, start) == pytest.approx(counted_wh(seldom, start), rel=2e-4, abs=0.02)


def test_the_register_is_the_integral_of_the_power_told() -> None:
    """Riemann sum over told power every second: each change of power is caught to a second."""
    machines = meters(60)
    before = machines.state["energy_wh"].copy()
    told_j = sum(machines.step(SECOND_US)[2].astype(np.float64) for _ in range(1_500))
    swings_w = 2 * (machines.parameters["usage_w"] * 5 + 500)
    assert (np.abs(counted_wh(machines, before) * 3600 - told_j) < swings_w * 8).all()
    assert counted_wh(machines, before) == pytest.approx(told_j / 3600, rel=0.02)


def test_a_driven_load_is_counted_exactly_and_the_register_rolls_over_as_a_display_of_five_digits_and_two() -> None:
    machines = meters(4)
    machines.state["energy_wh"][:] = [5.0, 99_990_000.0, 99_500_000.0, 0.0]
    machines.drives["load_w"] = np.array([0.0, 1_000.0, 20_000.0, np.nan], np.float32)
    before = machines.state["energy_wh"].copy()
    machines.run(MINUTE_US, 120)
    assert counted_wh(machines, before)[:3] == pytest.approx([0.0, 2_000.0, 40_000.0], abs=0.05)
    assert machines.values[2, :3] == pytest.approx([0.0, 1_000.0, 20_000.0], rel=1e-5)
    assert machines.values[2, 3] > 0
    assert machines.channel("energy_kwh")[1] == pytest.approx(99_992.0, abs=0.011)
    told = np.stack([machines.step(HOUR_US)[4].astype(np.float64) for _ in range(40)])
    assert told.min() >= 0.0
    assert told.max() <= np.float32(register.LAST_KWH)
    assert told[-1, 1:3] == pytest.approx([32.0, 340.0], abs=0.011)
    assert (np.diff(told, axis=0) < 0).sum(axis=0).tolist() == [0, 1, 1, 0]


def test_a_register_has_the_digits_that_the_directive_asks_for() -> None:
    """4,000 hours at full load do not come back to the same figure."""
    assert 4_000.0 * FUSE_W < register.FULL_WH


def test_without_supply_nothing_flows_and_nothing_is_counted() -> None:
    machines = meters(10, noisy=True)
    before = machines.state["energy_wh"].copy()
    machines.run(MINUTE_US, 30, np.arange(10) < 5)
    assert not machines.values[:4, 5:].any()
    assert np.array_equal(machines.state["energy_wh"][5:], before[5:])
    assert (machines.values[2, :5] > 0).all()


# --- demand -----------------------------------------------------------------------------------------------------------


def hourly_w(machines: Machines, days: int) -> NDArray[np.float64]:
    """Told power: (days, 24, n)."""
    told = [machines.step(HOUR_US // 4)[2].astype(np.float64) for _ in range(days * 96)]
    return np.stack(told).reshape(days, 24, 4, -1).mean(axis=2)


def test_homes_peak_in_the_evening_and_shops_while_they_are_open() -> None:
    machines = meters(600)
    machines.start_us = 6 * DAY_US  # a Monday
    power = hourly_w(machines, 7)
    shop = machines.parameters["shop_share"] > 0.5
    assert 0.12 < shop.mean() < 0.28
    home_day, shop_day = power[:5, :, ~shop].mean(axis=(0, 2)), power[:5, :, shop].mean(axis=(0, 2))
    assert 17 <= home_day.argmax() <= 21
    assert home_day[19] > 2 * home_day[3]
    assert 8 <= shop_day.argmax() <= 17
    assert power[6, 9:17, shop].mean() < 0.4 * power[0, 9:17, shop].mean()
    assert power[6, 9:13, ~shop].mean() > power[0, 9:13, ~shop].mean()


def test_the_mean_is_standby_and_usage() -> None:
    machines = meters(600)
    power = hourly_w(machines, 7).mean()
    expected = machines.parameters["standby_w"] + machines.parameters["usage_w"]
    assert power == pytest.approx(float(expected.mean()), rel=0.06)


def test_demand_changes_at_instants_of_each_customers_own() -> None:
    machines = meters(1_000)
    changes = []
    for _ in range(64):
        before = machines.step(2 * SECOND_US)[2].copy()
        machines.step(2 * SECOND_US)
        changes.append(int((machines.values[2] != before).sum()))
    assert 0 < max(changes) < 40


# --- electricity ------------------------------------------------------------------------------------------------------


def test_power_is_voltage_times_current_times_factor() -> None:
    machines = meters(500)
    voltage, current, power, factor, _, _ = machines.run(HOUR_US, 19).astype(np.float64)
    assert voltage * current * factor == pytest.approx(power, rel=1e-5)
    assert (factor >= machines.parameters["standby_factor"] - 1e-6).all()


def test_voltage_falls_with_the_customers_own_load() -> None:
    """By the resistance of the service line times the current."""
    idle, loaded = meters(100), meters(100)
    idle.drives["load_w"] = np.zeros(100, np.float32)
    loaded.drives["load_w"] = np.full(100, 10_000.0, np.float32)
    idle.step(MINUTE_US)
    loaded.step(MINUTE_US)
    lost_v = idle.values[0] - loaded.values[0]
    assert lost_v == pytest.approx(loaded.parameters["line_ohm"] * loaded.values[1], rel=0.12)


def test_neighbours_share_the_feeder() -> None:
    keys = some_keys(400)
    machines = Machines(Meter(), keys, place=somewhere(keys))
    machines.drives["load_w"] = np.zeros(400, np.float32)
    told = np.stack([machines.step(5 * MINUTE_US)[0].copy() for _ in range(200)])
    site = keys % np.uint64(40)
    same = np.corrcoef(told[:, site == 3].T)
    others = np.corrcoef(np.stack([told[:, site == number][:, 0] for number in range(40)]))
    assert same.min() > 0.9
    assert others.min() < 0.8


def test_frequency_is_that_of_the_continent() -> None:
    told = meters(400).step(MINUTE_US)[5]
    assert (np.minimum(np.abs(told - 50.0), np.abs(told - 60.0)) < 0.1).all()
    assert 0.05 < (told > 55.0).mean() < 0.5


def test_noise_has_the_stated_size() -> None:
    quiet, noisy = meters(5_000), meters(5_000, noisy=True)
    quiet.step(MINUTE_US)
    noisy.step(MINUTE_US)
    errors = noisy.values.astype(np.float64) - quiet.values
    assert errors[0].std() == pytest.approx(meter.VOLTAGE_NOISE_V, rel=0.05)
    assert (errors[2] / quiet.values[2]).std() == pytest.approx(meter.POWER_NOISE, rel=0.05)
    assert errors[5].std() == pytest.approx(meter.FREQUENCY_NOISE_HZ, rel=0.05)
    assert not errors[4].any()


# --- failures ---------------------------------------------------------------------------------------------------------


def failing(mode: str, severity: float) -> tuple[Machines, Machines]:
    well, ill = meters(200), meters(200)
    ill.failures[mode] = np.full(200, severity, np.float32)
    for machines in (well, ill):
        machines.run(MINUTE_US, 300)
    return well, ill


def test_a_sag_lowers_voltage_and_power_and_raises_current() -> None:
    well, ill = failing("undervoltage", 1.0)
    assert ill.values[0] == pytest.approx(0.8 * well.values[0], rel=0.02)
    expected = 1 - meter.HEATING_SHARE * (1 - 0.8**2)
    assert ill.values[2] == pytest.approx(expected * well.values[2], rel=1e-5)
    assert (ill.values[1] > well.values[1]).all()


def test_theft_hides_power_current_and_energy_but_not_the_voltage_it_costs() -> None:
    well, ill = failing("theft-bypass", 0.5)
    left = 1 - 0.5 * meter.BYPASSED_SHARE
    assert ill.values[2] == pytest.approx(left * well.values[2], rel=1e-5)
    assert ill.values[1] == pytest.approx(left * well.values[1], rel=1e-5)
    assert np.array_equal(ill.values[0], well.values[0])
    start = well.parameters["start_wh"]
    assert counted_wh(ill, start) == pytest.approx(left * counted_wh(well, start), rel=1e-3, abs=0.05)
