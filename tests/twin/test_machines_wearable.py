"""The wearable: day and night, heart, breath, oxygen, skin, and what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US, Values
from twinstorm.twin.machines import wearable
from twinstorm.twin.machines.wearable import HOLD_US, PARTS, Wearable, steps_per_min
from twinstorm.twin.physics.blood_gas import arterial_mmhg, saturation_pct

DAY_US = 24 * HOUR_US
MONDAY_US = 6 * DAY_US
MIDDAY_US = MONDAY_US + 12 * HOUR_US


def worn(count: int, start_us: int = MIDDAY_US, noisy: bool = False, **drives: float) -> Machines:
    machines = Machines(Wearable(), some_keys(count), start_us=start_us, noisy=noisy)
    machines.drives = {name: np.full(count, value, np.float32) for name, value in drives.items()}
    return machines


def failing(mode: str, hours: int = 1, severity: float = 1.0, noisy: bool = False) -> tuple[Machines, Machines]:
    """By day, at rest."""
    well, ill = (worn(100, noisy=noisy, activity=0.0) for _ in range(2))
    ill.failures[mode] = np.full(100, severity, np.float32)
    for machines in (well, ill):
        machines.run(HOLD_US, 60 * hours)
    return well, ill


def floats(*values: float) -> Values:
    return np.array(values, np.float32)


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 120), (7 * SECOND_US, 100), (30 * SECOND_US, 150)])
def test_the_period_does_not_bend_the_trajectory(short_us: int, times: int) -> None:
    often, seldom = worn(200), worn(200)
    for machines in (often, seldom):
        machines.failures["fever"] = np.ones(200, np.float32)
        machines.failures["desaturation"] = np.full(200, 0.5, np.float32)
    for _ in range(2):
        often.run(short_us, times)
        seldom.step(short_us * times)
        for name in ("heart_bpm", "breath", "oxygen_mmhg", "skin_c", "fever_k"):
            assert often.state[name] == pytest.approx(seldom.state[name], abs=2e-3), name


def test_the_heart_rises_and_falls_with_its_own_time_constants() -> None:
    machines = worn(100, activity=0.5)
    start, goal = machines.state["heart_bpm"].copy(), None
    machines.step(30 * SECOND_US)
    goal = machines.state["heart_goal_bpm"]
    left = np.exp(-30 / machines.parameters["rising_s"])
    assert machines.channel("heart_rate_bpm") == pytest.approx(goal + (start - goal) * left, rel=1e-4)
    machines.run(HOLD_US, 30)
    start = machines.state["heart_bpm"].copy()
    machines.drives["activity"][:] = 0.0
    machines.step(30 * SECOND_US)  # from the middle of a minute: the effort goes on to its end
    start = machines.state["heart_bpm"].copy()
    machines.step(30 * SECOND_US)
    goal = machines.state["heart_goal_bpm"]
    left = np.exp(-30 / machines.parameters["falling_s"])
    assert (machines.channel("heart_rate_bpm") < start).all()
    assert machines.channel("heart_rate_bpm") == pytest.approx(goal + (start - goal) * left, rel=1e-4)


# --- the day ----------------------------------------------------------------------------------------------------------


def test_nights_are_calm() -> None:
    machines = worn(200, MONDAY_US)
    day = np.stack([machines.step(HOLD_US).copy() for _ in range(1_440)]).reshape(24, 60, 7, -1).mean(axis=1)
    heart, rmssd, oxygen, skin, breath, steps, _ = (day[:, row] for row in range(7))
    assert (heart[3] < heart[15] - 5).mean() > 0.95
    assert (rmssd[3] > rmssd[15]).mean() > 0.95
    assert (oxygen[3] < oxygen[15]).all()
    assert (skin[3] > skin[15]).mean() > 0.95
    assert (breath[3] < breath[15]).all()
    assert not steps[3].any()
    assert 2_000 < 60 * steps.sum(axis=0).mean() < 20_000


def test_some_do_sport_each_at_an_hour_of_their_own() -> None:
    machines = worn(300, MONDAY_US)
    activity = []
    for _ in range(288):
        machines.step(5 * HOLD_US)
        activity.append(machines.state["activity"].copy())
    hard = np.stack(activity)
    sporty = machines.parameters["sport_level"] > 0
    assert 0.4 < sporty.mean() < 0.6
    assert (hard.max(axis=0)[sporty] >= machines.parameters["sport_level"][sporty]).all()
    assert hard.max(axis=0)[~sporty].max() < 0.6
    begins = (hard >= machines.parameters["sport_level"])[:, sporty].argmax(axis=0)
    assert len(np.unique(begins)) > 40


def test_effort_moves_everything_the_right_way() -> None:
    told = []
    for activity in (0.0, 0.3, 0.7, 1.0):
        machines = worn(100, activity=activity)
        told.append(machines.run(HOLD_US, 60).copy())
    heart, rmssd, _, skin, breath, steps, contact = (np.stack([each[row] for each in told]) for row in range(7))
    for rising in (heart, skin, breath, steps):
        assert (np.diff(rising, axis=0) > 0).all()
    for falling in (rmssd, contact):
        assert (np.diff(falling, axis=0) < 0).all()
    assert not steps[0].any()
    assert heart[-1] == pytest.approx(machines.parameters["most_bpm"], rel=0.03)


@pytest.mark.parametrize(("activity", "low", "high"), [(0.05, 0, 0), (0.3, 95, 110), (0.7, 155, 175)])
def test_steps_follow_the_effort(activity: float, low: float, high: float) -> None:
    assert low <= float(steps_per_min(floats(activity))[0]) <= high


def test_variability_falls_with_the_cube_of_the_rate() -> None:
    machines = worn(100, activity=0.4)
    machines.run(HOLD_US, 10)
    rate = machines.channel("heart_rate_bpm")
    expected = machines.parameters["calm_rmssd_ms"] * (60.0 / rate.astype(np.float64)) ** 3
    assert machines.channel("rmssd_ms") == pytest.approx(expected, rel=1e-4)


# --- oxygen -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mmhg", "percent"), [(26.86, 50.0), (40.0, 74.7), (60.0, 90.6), (80.0, 95.5), (100.0, 97.5)])
def test_blood_binds_oxygen_as_published(mmhg: float, percent: float) -> None:
    """Standard human curve at 37 C and pH 7.4; P50 26.86 mmHg."""
    assert float(saturation_pct(floats(mmhg))[0]) == pytest.approx(percent, abs=0.6)


@pytest.mark.parametrize(("altitude_m", "low", "high"), [(0.0, 85, 96), (1_500.0, 66, 78), (2_500.0, 54, 66)])
def test_blood_gas_falls_with_altitude(altitude_m: float, low: float, high: float) -> None:
    """Of a person of forty."""
    assert low < float(arterial_mmhg(np.array([altitude_m]), np.array([40.0]))[0]) < high


def test_the_old_have_less() -> None:
    told = arterial_mmhg(np.zeros(2), np.array([20.0, 80.0]))
    assert told[0] - told[1] == pytest.approx(0.21 * 60, rel=0.02)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_racing_heart_has_no_steps_and_no_variability() -> None:
    well, ill = failing("tachycardia")
    assert ill.channel("heart_rate_bpm") == pytest.approx(np.full(100, wearable.TACHYCARDIA_BPM), abs=0.1)
    assert (ill.channel("rmssd_ms") < 0.2 * well.channel("rmssd_ms")).all()
    assert not ill.channel("steps_per_min").any()
    assert (ill.channel("skin_temperature_c") == well.channel("skin_temperature_c")).all()


def test_a_short_attack_is_over_within_minutes() -> None:
    _, ill = failing("tachycardia")
    ill.failures.clear()
    ill.run(HOLD_US, 15)
    assert (ill.channel("heart_rate_bpm") < 100).all()


def test_lack_of_oxygen_makes_heart_and_breath_work() -> None:
    well, half = failing("desaturation", severity=0.5)
    _, full = failing("desaturation")
    for machines, more in ((half, 2.0), (full, 12.0)):
        assert (machines.channel("spo2_pct") < well.channel("spo2_pct") - more).all()
    assert (full.channel("spo2_pct") < half.channel("spo2_pct")).all()
    assert (full.channel("respiration_per_min") > well.channel("respiration_per_min") + 4).all()
    assert (full.channel("heart_rate_bpm") > well.channel("heart_rate_bpm") + 10).all()


def test_fever_comes_within_hours_and_takes_the_heart_with_it() -> None:
    """Liebermeister: 8 to 10 beats a degree."""
    _, early = failing("fever", 1)
    well, late = failing("fever", 8)
    share = early.state["fever_k"] / wearable.FEVER_K
    assert share == pytest.approx(np.full(100, 1 - np.exp(-1)), abs=1e-3)
    rise = late.channel("heart_rate_bpm") - well.channel("heart_rate_bpm")
    assert (rise / late.state["fever_k"] > 8).all()
    assert (rise / late.state["fever_k"] < 10).all()
    assert (late.channel("skin_temperature_c") > well.channel("skin_temperature_c") + 1.2).all()
    assert (late.channel("respiration_per_min") > well.channel("respiration_per_min") + 5).all()


def test_a_loose_band_changes_what_is_told_and_not_the_wearer() -> None:
    well, ill = failing("poor-contact", noisy=True)
    for name in well.state.keys() - PARTS.initial(np.zeros(1)).keys():
        column = well.state[name]
        assert np.array_equal(column, ill.state[name]), name
    assert (ill.channel("contact_pct") < 35).all()
    assert (ill.channel("skin_temperature_c") < well.channel("skin_temperature_c") - 3).all()
    deviation = [(each.channel("heart_rate_bpm") - each.state["heart_bpm"]).std() for each in (well, ill)]
    assert deviation[1] > 8 * deviation[0]


def test_a_loose_band_takes_steps_for_the_pulse() -> None:
    machines = worn(100, activity=0.3)
    machines.failures["poor-contact"] = np.ones(100, np.float32)
    machines.run(HOLD_US, 10)
    steps = steps_per_min(machines.state["activity"])
    before, after = np.abs(machines.state["heart_bpm"] - steps), np.abs(machines.channel("heart_rate_bpm") - steps)
    assert after == pytest.approx(0.4 * before, abs=0.1)


def test_whoever_takes_it_off_lives_on() -> None:
    """Without power nothing is told; the wearer is the same."""
    on, off = worn(50), worn(50)
    on.run(HOLD_US, 30)
    off.run(HOLD_US, 30, np.zeros(50, np.bool_))
    assert np.array_equal(on.state["heart_bpm"], off.state["heart_bpm"])
