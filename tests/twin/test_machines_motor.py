"""The motor: heat, duty, wear and what the sensors make of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines import motor
from twinstorm.twin.machines.motor import LEVEL_S, LEVEL_US, PROFILE, Motor
from twinstorm.twin.physics import bearing

HOUR_US = 3600 * SECOND_US


def motors(count: int, noisy: bool = False) -> Machines:
    return Machines(Motor(), some_keys(count), noisy=noisy)


def expected_load(machines: Machines) -> NDArray[np.float64]:
    """The duty profile, one motor at a time."""
    loads = []
    for level, phase_s, duty in zip(*(machines.parameters[n] for n in ("phase_level", "phase_s", "duty")), strict=True):
        levels = int(level) + int((machines.now_us / SECOND_US + float(phase_s)) // LEVEL_S)
        loads.append(float(PROFILE[levels % len(PROFILE)] * duty))
    return np.array(loads)


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 10), (SECOND_US // 10, 100), (60 * SECOND_US, 20)])
def test_the_period_does_not_bend_the_trajectory(short_us: int, times: int) -> None:
    """Ten steps of 1 s are one of 10 s, also over changes of load; float32 may cost 4 uK a step, half its last bit."""
    often, seldom = motors(2_000), motors(2_000)
    for _ in range(6):
        often.run(short_us, times)
        seldom.step(short_us * times)
        for name, tolerance in (("load", 0.0), ("winding_c", 4e-3), ("case_c", 4e-3), ("wear", 1e-7)):
            assert np.abs(often.state[name] - seldom.state[name]).max() <= tolerance, name
    assert np.abs(often.values - seldom.values).max() < 4e-3


def test_an_hour_at_once_passes_through_every_level() -> None:
    often, seldom = motors(300), motors(300)
    often.run(40 * SECOND_US, 90)
    seldom.step(HOUR_US)
    assert np.array_equal(often.state["load"], seldom.state["load"])
    assert np.abs(often.state["winding_c"] - seldom.state["winding_c"]).max() < 2e-3


def test_load_follows_the_duty_profile_of_each_motor() -> None:
    machines = motors(400)
    for dt_us in (1, SECOND_US, 7_777_777, LEVEL_US, 10 * LEVEL_US + 3, 33 * LEVEL_US, SECOND_US):
        machines.step(dt_us)
        assert machines.state["load"] == pytest.approx(expected_load(machines), rel=1e-6)


def test_a_change_within_a_microsecond_of_the_sampling_heats_nothing_yet() -> None:
    """The comparison in float32 counts it as now, not as 256 s ago."""
    machines = motors(200)
    machines.parameters["phase_s"][:] = 155.5
    machines.step(100_499_000)
    before, load = machines.state["winding_c"].copy(), machines.state["load"].copy()
    machines.step(999)
    assert (machines.state["load"] != load).any()
    assert machines.state["winding_c"] == pytest.approx(before, abs=1e-3)


def test_levels_change_at_instants_of_their_own() -> None:
    """Nothing in the fleet may jump together without a cause."""
    machines = motors(1_000)
    changes = []
    for _ in range(64):
        before = machines.state["load"].copy()
        machines.step(4 * SECOND_US)
        changes.append(int((machines.state["load"] != before).sum()))
    assert max(changes) < 40  # 15.6 of 1,000 on average


# --- heat -------------------------------------------------------------------------------------------------------------


def test_temperatures_follow_the_heat_balance() -> None:
    """Against a plain integration of both differential equations in steps of 0.25 s."""
    machines = motors(20)
    rise = machines.parameters["rise"].astype(np.float64)
    ambient = machines.parameters["ambient_c"].astype(np.float64)
    winding = machines.state["winding_c"].astype(np.float64)
    case = machines.state["case_c"].astype(np.float64)
    node, dt = motor.RUNNING, 0.25
    loads = Machines(Motor(), some_keys(20))
    for _ in range(20 * 60 * 4):
        load = loads.state["load"].astype(np.float64)
        across = (winding - case) / (node.winding_case_k_w * rise)
        heat = motor.COPPER_W * load * load
        away = (case - ambient) / (node.case_air_k_w * rise)
        winding = winding + dt * (heat - across) * rise / node.winding_j_k
        case = case + dt * (motor.CONSTANT_W + across - away) * rise / node.case_j_k
        loads.step(SECOND_US // 4)
    machines.run(10 * SECOND_US, 120)
    assert machines.state["winding_c"] == pytest.approx(winding, abs=0.05)
    assert machines.state["case_c"] == pytest.approx(case, abs=0.05)


def test_the_fleet_starts_warmed_up() -> None:
    machines = motors(2_000)
    start = float(machines.state["winding_c"].mean())
    machines.run(HOUR_US // 4, 40)
    assert float(machines.state["winding_c"].mean()) == pytest.approx(start, abs=2.5)


def test_a_motor_without_power_cools_to_the_surroundings_and_warms_again() -> None:
    machines = motors(50)
    ambient = machines.parameters["ambient_c"]
    off = np.zeros(50, np.bool_)
    machines.step(10 * SECOND_US, off)
    first = machines.state["winding_c"].copy()
    machines.run(60 * SECOND_US, 10, off)
    assert (machines.state["winding_c"] < first - 3).all()
    machines.run(HOUR_US, 12, off)
    assert machines.state["winding_c"] == pytest.approx(ambient, abs=0.1)
    assert machines.state["case_c"] == pytest.approx(ambient, abs=0.1)
    machines.run(60 * SECOND_US, 60)
    assert (machines.state["winding_c"] > ambient + 15).all()


def test_a_stopped_motor_keeps_its_heat_longer_than_a_running_one_loses_it() -> None:
    assert motor.STOPPED.rates_per_s[0] < 0.5 * motor.RUNNING.rates_per_s[0]


# --- wear -------------------------------------------------------------------------------------------------------------


def test_wear_adds_up_the_cube_of_the_bearing_load() -> None:
    """Miner's sum over whole cycles of the profile, against each motor's own life."""
    machines = motors(50)
    before = machines.state["wear"].astype(np.float64)
    cycle_s = LEVEL_S * len(PROFILE)
    machines.run(cycle_s * SECOND_US, 3)
    duty = machines.parameters["duty"].astype(np.float64)
    share = motor.BELT_SHARE + (1 - motor.BELT_SHARE) * PROFILE.astype(np.float64)[:, None] * duty
    expected = 3 * cycle_s * (share**3).mean(axis=0) * machines.parameters["life_rate_per_s"]
    grown = machines.state["wear"] + machines.state["wear_rest"].astype(np.float64) - before
    assert grown == pytest.approx(expected, rel=1e-3)


def test_a_second_of_wear_is_not_lost_in_the_last_bit() -> None:
    """One second is 1e-9 of a life, far below the resolution of float32 next to 0.5."""
    often, seldom = motors(200), motors(200)
    often.run(SECOND_US, 1_500)
    seldom.step(1_500 * SECOND_US)
    grown, wanted = (m.state["wear_rest"] + (m.state["wear"] - m.parameters["wear_at_start"]) for m in (often, seldom))
    assert (wanted > 0).all()
    assert grown == pytest.approx(wanted, rel=2e-2)


def test_no_wear_without_power() -> None:
    machines = motors(50)
    before = machines.state["wear"].copy()
    machines.run(HOUR_US, 5, np.zeros(50, np.bool_))
    assert np.array_equal(machines.state["wear"], before)
    assert not machines.state["wear_rest"].any()


def test_one_of_ten_bearings_would_not_reach_the_rating_life() -> None:
    machines = motors(20_000)
    life_h = 1 / machines.parameters["life_rate_per_s"] / 3600
    speed_rpm = motor.SYNCHRONOUS_RPM - motor.RATED_SLIP_RPM
    rating_h = bearing.rating_life_hours(motor.CAPACITY_KN, motor.RATED_LOAD_KN, speed_rpm)
    assert (life_h < rating_h).mean() == pytest.approx(0.1, abs=0.01)


def test_vibration_tells_wear_late_and_then_plainly() -> None:
    machines = motors(500)
    wear = machines.state["wear"]
    zones = {}
    for level in (0.1, 0.5, 0.8, 1.0):
        wear[:] = level
        machines.step(1)
        zones[level] = [bearing.zone(v) for v in machines.channel("vibration_x_mm_s").tolist()]
    assert set(zones[0.1]) == {"A"}
    assert set(zones[0.5]) == {"A"}
    assert set(zones[0.8]) == {"A", "B"}
    assert set(zones[1.0]) == {"C", "D"}


def test_no_motor_starts_in_a_zone_that_maintenance_would_not_accept() -> None:
    machines = motors(5_000, noisy=True)
    machines.step(SECOND_US)
    assert float(machines.channel("vibration_x_mm_s").max()) < bearing.ISO_10816_1_MM_S["II"][1] * 1.1


# --- what is measured -------------------------------------------------------------------------------------------------


def test_current_and_speed_follow_the_load() -> None:
    machines = motors(300)
    machines.step(SECOND_US)
    order = np.argsort(machines.state["load"])
    assert (np.diff(machines.channel("current_a")[order]) >= 0).all()
    assert (np.diff(machines.channel("speed_rpm")[order]) <= 0).all()
    assert float(machines.channel("current_a").max()) <= motor.RATED_A
    assert float(machines.channel("current_a").min()) >= motor.RATED_A * motor.MAGNETISING_SHARE
    slip = motor.SYNCHRONOUS_RPM - machines.channel("speed_rpm")
    assert slip == pytest.approx(motor.RATED_SLIP_RPM * machines.state["load"], abs=1e-3)


def test_noise_has_the_stated_size_and_no_bias() -> None:
    quiet, noisy = motors(20_000), motors(20_000, noisy=True)
    quiet.step(SECOND_US)
    noisy.step(SECOND_US)
    errors = noisy.values.astype(np.float64) - quiet.values
    errors[1:4] /= quiet.values[1:4]
    sizes = [motor.TEMPERATURE_NOISE_K, *[motor.VIBRATION_NOISE] * 3, motor.CURRENT_NOISE_A, motor.SPEED_NOISE_RPM]
    assert errors.std(axis=1) == pytest.approx(sizes, rel=0.03)
    assert np.abs(errors.mean(axis=1) / sizes).max() < 0.03
    assert np.abs(np.corrcoef(errors) - np.eye(6)).max() < 0.04


def test_a_motor_without_power_measures_no_motion() -> None:
    machines = motors(10, noisy=True)
    running = np.arange(10) < 5
    machines.step(SECOND_US, running)
    assert not machines.values[1:, 5:].any()
    assert (machines.values[1:, :5] > 0).all()


# --- truth ------------------------------------------------------------------------------------------------------------


def test_the_remaining_life_does_not_follow_the_load_of_the_instant() -> None:
    machines = motors(50)
    machines.step(HOUR_US)
    before_s = machines.kind.truth(machines.state, machines.parameters).remaining_s.astype(np.float64)
    for _ in range(12):
        machines.step(HOUR_US)
        told_s = machines.kind.truth(machines.state, machines.parameters).remaining_s.astype(np.float64)
        # A round of the duty profile is 2.3 h: within it, wear is ahead of its mean or behind.
        assert before_s - told_s == pytest.approx(np.full(50, 3600.0), abs=3 * 3600.0)
        before_s = told_s
