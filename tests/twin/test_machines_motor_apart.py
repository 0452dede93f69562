"""Motors that fail, or whose load and surroundings are given from outside."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, MINUTE_US, SECOND_US, Values
from twinstorm.twin.machines import motor
from twinstorm.twin.machines.motor import Motor
from twinstorm.twin.physics import bearing, motor_apart
from twinstorm.twin.physics.motor_body import RATED_W, WORN_OUT_FACTOR

N = 60
VIBRATION = ("vibration_x_mm_s", "vibration_y_mm_s", "vibration_z_mm_s")


def motors(
    drives: dict[str, float] | None = None, failures: dict[str, float] | None = None, noisy: bool = False
) -> Machines:
    machines = Machines(Motor(), some_keys(N), noisy=noisy)
    machines.drives = {name: every(value) for name, value in (drives or {}).items()}
    machines.failures = {name: every(value) for name, value in (failures or {}).items()}
    return machines


def every(value: float) -> Values:
    return np.full(N, value, np.float32)


def exact(column: Values) -> NDArray[np.float64]:
    return column.astype(np.float64)


def worn(machines: Machines) -> NDArray[np.float64]:
    return exact(machines.state["wear"]) - machines.parameters["wear_at_start"] + machines.state["wear_rest"]


def test_healthy_motors_measure_what_they_always_did() -> None:
    """Every recorded digest hangs on these bits."""
    machines = Machines(Motor(), some_keys(500), noisy=True)
    found = 0
    for dt_us in (SECOND_US, 30 * SECOND_US, 300 * SECOND_US, SECOND_US):
        found = zlib.crc32(np.ascontiguousarray(machines.step(dt_us, np.arange(500) % 7 != 3)).tobytes(), found)
    assert found == 0x17765844


# --- one rule, two ways to compute it ---------------------------------------------------------------------------------


def test_a_motor_looked_at_alone_follows_the_rule_of_the_fleet() -> None:
    """A failure of nearly no severity, over many changes of level and a stop."""
    plain, alone = motors(), motors(failures={"imbalance": 1e-6})
    for dt_us, running in ((SECOND_US, True), (300 * SECOND_US, True), (HOUR_US, False), (3 * HOUR_US, True)):
        for machines in (plain, alone):
            machines.run(dt_us, 3, np.full(N, running))
        assert alone.values == pytest.approx(plain.values, rel=1e-5, abs=3e-3)
        for name, tolerance in (("load", 0.0), ("winding_c", 3e-3), ("case_c", 3e-3), ("wear", 1e-7)):
            assert np.abs(alone.state[name] - plain.state[name]).max() <= tolerance, name


TROUBLES = [
    ({}, {"overheating": 0.7}),
    ({}, {"lubrication-loss": 0.4, "bearing-spall": 0.2}),
    ({"load_share": 1.2}, {"overheating": 1.0, "imbalance": 0.5}),
    ({"ambient_c": -10.0}, {}),
]


@pytest.mark.parametrize(("drives", "failures"), TROUBLES)
def test_the_period_does_not_bend_the_trajectory(drives: dict[str, float], failures: dict[str, float]) -> None:
    often, twice, seldom = (motors(drives, failures) for _ in range(3))
    for _ in range(3):
        often.run(5 * SECOND_US, 120)
        twice.run(5 * MINUTE_US, 2)
        seldom.step(10 * MINUTE_US)
        for name, tolerance in (("load", 0.0), ("winding_c", 5e-3), ("case_c", 5e-3), ("wear", 1e-6)):
            assert np.abs(often.state[name] - seldom.state[name]).max() <= tolerance, name
            assert np.abs(twice.state[name] - seldom.state[name]).max() <= tolerance, name


def test_temperatures_follow_the_heat_balance_with_blocked_air_and_friction() -> None:
    """Against a plain integration of both differential equations in steps of 0.25 s."""
    machines = motors({"load_share": 0.9, "ambient_c": 25.0}, {"overheating": 0.5, "lubrication-loss": 0.6})
    rise, node = exact(machines.parameters["rise"]), motor.RUNNING
    winding, case = exact(machines.state["winding_c"]), exact(machines.state["case_c"])
    friction_w = 0.6 * motor_apart.DRY_FRICTION_W
    shaft, air_k_w, dt = 0.9 + friction_w / RATED_W, node.case_air_k_w * 2.0, 0.25
    for _ in range(1_200 * 4):
        across = (winding - case) / (node.winding_case_k_w * rise)
        away = (case - 25.0) / (air_k_w * rise)
        winding = winding + dt * (motor.COPPER_W * shaft * shaft - across) * rise / node.winding_j_k
        case = case + dt * (motor.CONSTANT_W + friction_w + across - away) * rise / node.case_j_k
    machines.run(10 * SECOND_US, 120)
    assert machines.state["winding_c"] == pytest.approx(winding, abs=0.05)
    assert machines.state["case_c"] == pytest.approx(case, abs=0.05)


# --- drives -----------------------------------------------------------------------------------------------------------


def test_a_given_load_and_ambient_end_in_the_textbook_temperatures() -> None:
    machines = motors({"load_share": 1.0, "ambient_c": 40.0})
    machines.run(HOUR_US, 12)
    rise = exact(machines.parameters["rise"])
    case = 40.0 + rise * (motor.COPPER_W + motor.CONSTANT_W) * motor.RUNNING.case_air_k_w
    assert machines.state["case_c"] == pytest.approx(case, abs=0.01)
    assert machines.channel("winding_temperature_c") == pytest.approx(
        case + rise * motor.COPPER_W * motor.RUNNING.winding_case_k_w, abs=0.01
    )
    assert machines.channel("current_a") == pytest.approx(motor.RATED_A, rel=1e-5)
    assert machines.channel("speed_rpm") == pytest.approx(motor.SYNCHRONOUS_RPM - motor.RATED_SLIP_RPM, abs=1e-3)


def test_a_motor_that_is_driven_no_more_is_where_its_profile_is() -> None:
    driven, own = motors({"load_share": 0.1}), motors()
    for machines in (driven, own):
        machines.run(77 * SECOND_US, 9)
    assert (driven.state["load"] == np.float32(0.1)).all()
    driven.drives = {}
    for machines in (driven, own):
        machines.step(1)
    assert np.array_equal(driven.state["load"], own.state["load"])
    assert not driven.state["apart"].any()
    driven.run(HOUR_US, 4), own.run(HOUR_US, 4)
    assert driven.state["winding_c"] == pytest.approx(own.state["winding_c"], abs=0.02)


def test_rows_of_a_recording_without_a_value_keep_their_own_rule() -> None:
    mixed, own = motors(), motors()
    given = every(0.2)
    given[::2] = np.nan
    mixed.drives = {"load_share": given}
    for machines in (mixed, own):
        machines.run(60 * SECOND_US, 20)
    assert np.array_equal(mixed.values[:, ::2], own.values[:, ::2])
    assert (mixed.channel("current_a")[1::2] != own.channel("current_a")[1::2]).all()


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_spall_shakes_like_a_worn_out_bearing_and_warms_a_little() -> None:
    ill, well = motors(failures={"bearing-spall": 1.0}), motors()
    for machines in (ill, well):
        machines.run(MINUTE_US, 240)
    assert {bearing.zone(v) for v in ill.channel(VIBRATION[0]).tolist()} <= {"C", "D"}
    warmer = ill.channel("winding_temperature_c") - well.channel("winding_temperature_c")
    expected = motor_apart.SPALL_FRICTION_W * motor.RUNNING.case_air_k_w * ill.parameters["rise"]
    assert (warmer > expected).all()  # the motor has to bring the friction up as well
    assert (warmer < 1.5 * expected).all()
    assert not Motor().truth(ill.state, ill.parameters).health.any()


def test_the_damage_of_a_spall_outlives_its_cause_and_its_motor_stays_in_sight() -> None:
    machines = motors(failures={"bearing-spall": 0.5})
    machines.run(SECOND_US, 3)
    broken = machines.channel(VIBRATION[0]).copy()
    half = 1.0 + 0.5 * WORN_OUT_FACTOR
    assert (broken >= half * machines.parameters["smooth_mm_s"] * machines.parameters["x_share"] * 0.999).all()
    machines.failures = {}
    machines.run(SECOND_US, 3)
    assert machines.channel(VIBRATION[0]) == pytest.approx(broken, rel=1e-4)
    assert (machines.state["apart"] == 1.0).all()


def test_a_bearing_that_stands_still_does_not_break_out() -> None:
    machines = motors(failures={"bearing-spall": 1.0})
    machines.step(SECOND_US, np.zeros(N, np.bool_))
    assert np.array_equal(machines.state["wear"], machines.parameters["wear_at_start"])
    machines.step(SECOND_US)
    assert (machines.state["wear"] >= 1.0).all()


def test_imbalance_is_radial_and_grows_with_the_square_of_the_speed() -> None:
    parts = {}
    for load in (0.0, 1.5):
        ill, well = motors({"load_share": load}, {"imbalance": 1.0}), motors({"load_share": load})
        ill.step(SECOND_US), well.step(SECOND_US)
        assert ill.channel(VIBRATION[2]) == pytest.approx(well.channel(VIBRATION[2]), rel=1e-6)
        x, y = (np.sqrt(exact(ill.channel(n)) ** 2 - exact(well.channel(n)) ** 2) for n in VIBRATION[:2])
        assert x / ill.parameters["x_share"] == pytest.approx(y / ill.parameters["y_share"], rel=1e-4)
        parts[load] = x, exact(well.channel("speed_rpm"))
    slow, fast = parts[1.5], parts[0.0]
    assert slow[0] / fast[0] == pytest.approx((slow[1] / fast[1]) ** 2, rel=1e-4)
    assert (fast[0] > bearing.ISO_10816_1_MM_S["II"][1]).all()


def test_imbalance_loads_the_bearing() -> None:
    ill, well = motors({"load_share": 1.0}, {"imbalance": 1.0}), motors({"load_share": 1.0})
    ill.run(HOUR_US, 24), well.run(HOUR_US, 24)
    assert worn(ill) / worn(well) == pytest.approx((1.0 + motor_apart.IMBALANCE_LOAD) ** 3, rel=1e-2)


def test_blocked_air_heats_in_proportion_to_the_resistance() -> None:
    rises = []
    for severity in (0.0, 0.25, 0.5, 1.0):
        machines = motors({"load_share": 0.6, "ambient_c": 20.0}, {"overheating": severity})
        machines.run(HOUR_US, 24)
        rises.append(exact(machines.state["case_c"]) - 20.0)
    for severity, risen in zip((0.25, 0.5, 1.0), rises[1:], strict=True):
        assert risen / rises[0] == pytest.approx(1.0 + motor_apart.BLOCKED * severity, rel=1e-4)


def test_an_overheated_motor_that_is_mended_cools_to_where_it_was() -> None:
    machines = motors({"load_share": 0.8})
    machines.run(HOUR_US, 12)
    before = machines.channel("winding_temperature_c").copy()
    machines.failures = {"overheating": every(1.0)}
    machines.run(HOUR_US, 2)
    assert (machines.channel("winding_temperature_c") > before + 30).all()
    machines.failures = {}
    machines.run(HOUR_US, 12)
    assert machines.channel("winding_temperature_c") == pytest.approx(before, abs=0.01)


def test_a_dry_bearing_heats_shakes_drags_and_wears_out_within_weeks() -> None:
    ill, well = motors({"load_share": 0.7}, {"lubrication-loss": 1.0}), motors({"load_share": 0.7})
    ill.step(MINUTE_US), well.step(MINUTE_US)
    for name in VIBRATION:
        assert ill.channel(name) == pytest.approx((1 + motor_apart.DRY_VIBRATION) * well.channel(name), rel=5e-3)
    assert (ill.channel("current_a") > well.channel("current_a") + 0.1).all()
    assert (ill.channel("speed_rpm") < well.channel("speed_rpm")).all()
    assert worn(ill) / worn(well) == pytest.approx(motor_apart.DRY_WEAR, rel=1e-2)
    kind = Motor()
    lives = [kind.truth(m.state, m.parameters).remaining_s.astype(np.float64) for m in (ill, well)]
    assert lives[1] / lives[0] == pytest.approx(motor_apart.DRY_WEAR, rel=1e-2)
    ill.run(HOUR_US, 12), well.run(HOUR_US, 12)
    warmer = exact(ill.state["case_c"]) - well.state["case_c"]
    given_w = motor_apart.DRY_FRICTION_W + motor.COPPER_W * ((0.7 + motor_apart.DRY_FRICTION_W / RATED_W) ** 2 - 0.7**2)
    assert warmer == pytest.approx(given_w * motor.RUNNING.case_air_k_w * ill.parameters["rise"], rel=1e-3)


def test_evidence_grows_with_severity() -> None:
    for mode, name in (
        ("bearing-spall", VIBRATION[0]),
        ("imbalance", VIBRATION[1]),
        ("overheating", "winding_temperature_c"),
        ("lubrication-loss", VIBRATION[2]),
    ):
        told = []
        for severity in (0.0, 0.3, 0.6, 1.0):
            machines = motors(failures={mode: severity})
            machines.run(MINUTE_US, 30)
            told.append(machines.channel(name).copy())
        assert all((b >= a).all() for a, b in itertools.pairwise(told)), mode
        assert (told[-1] > told[0]).all(), mode


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["lowest", "highest"])
def test_settings_at_the_ends_of_their_ranges_stay_physical(end: str) -> None:
    machines = motors(noisy=True)
    for one in Motor.settable:
        machines.parameters[one.name][:] = getattr(one, end)
    machines.state = Motor().initial(machines.parameters)
    for dt_us in (SECOND_US, MINUTE_US, HOUR_US, 24 * HOUR_US):
        values = machines.run(dt_us, 5)
        for channel, row in zip(Motor.channels, values, strict=True):
            assert (row >= channel.lowest).all(), channel.name
            assert (row <= channel.highest).all(), channel.name


def test_the_remaining_life_of_a_driven_motor_is_that_at_its_load() -> None:
    kind = Motor()
    for load in (0.3, 1.0):
        machines = motors({"load_share": load})
        machines.step(MINUTE_US)
        machines.state["ageing_per_s"][:] = 0.0  # windings are another matter
        told_s = exact(kind.truth(machines.state, machines.parameters).remaining_s)
        wear = exact(machines.state["wear"])
        machines.run(HOUR_US, 24)
        actual_s = (1.0 - wear) / (exact(machines.state["wear"]) - wear) * 86_400.0
        assert told_s == pytest.approx(actual_s, rel=0.02)
