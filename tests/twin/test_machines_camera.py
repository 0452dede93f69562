"""The quality camera: pictures, the wear behind the defects, and what spoils a picture."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import camera
from twinstorm.twin.machines.camera import Camera

SCORE, DEFECTS, LATENCY, FOCUS, EXPOSURE, PICTURES = range(6)
MINUTE_US = 60 * SECOND_US


def cameras(count: int, noisy: bool = False, **parameters: float) -> Machines:
    machines = Machines(Camera(), some_keys(count), noisy=noisy)
    for name, value in parameters.items():
        machines.parameters[name][:] = value
    machines.state = {**Camera().initial(machines.parameters)}
    return machines


def test_a_picture_a_part_and_a_part_a_minute() -> None:
    machines = cameras(400, part_every_s=60.0)
    machines.run(10 * MINUTE_US, 60)
    assert machines.state["pictures"].mean() == pytest.approx(600, rel=0.01)
    gaps_us = []
    for _ in range(60):
        ahead_us = Camera().ahead_us(machines.state)
        gaps_us.append(ahead_us)
        machines.step(61 * SECOND_US)
    assert np.concatenate(gaps_us).min() > 0


def test_no_two_parts_come_closer_than_the_conveyor_lets_them() -> None:
    machines = cameras(50, part_every_s=60.0)
    last_us = machines.state["next_us"].copy()
    for _ in range(600):
        machines.step(SECOND_US)
        moved = machines.state["next_us"] != last_us
        gap_us = machines.state["next_us"] - last_us
        assert (gap_us[moved] >= camera.CLEARANCE * 60 * SECOND_US).all()
        last_us = machines.state["next_us"].copy()


@pytest.mark.parametrize(("worn", "pct"), [(0.0, 1.0), (0.5, 1.0 + 25.0 * camera.WORN_DEFECTS), (0.9, 12.34)])
def test_defects_follow_the_square_of_the_wear(worn: float, pct: float) -> None:
    machines = cameras(2_000, worn_at_start=worn, defect_pct=1.0, service_every_h=1e5, part_every_s=1.0)
    found = 0
    for _ in range(40):
        machines.step(2 * SECOND_US)
        found += int(machines.state["defective"].sum())
    assert 100.0 * found / (40 * 2_000) == pytest.approx(pct, rel=0.08)


def test_maintenance_makes_it_new() -> None:
    machines = cameras(100, worn_at_start=0.95, service_every_h=100.0)
    assert Camera().truth(machines.state, machines.parameters).health.max() < 0.06
    machines.run(HOUR_US, 6)
    health = Camera().truth(machines.state, machines.parameters).health
    assert health.min() > 0.98
    assert machines.values[FOCUS].mean() == pytest.approx(machines.parameters["focus_pct"].mean(), rel=0.01)


def test_the_share_of_defects_told_is_that_of_the_last_pictures() -> None:
    machines = cameras(1_000, worn_at_start=0.0, defect_pct=2.0, service_every_h=1e5, part_every_s=1.0)
    machines.run(100 * SECOND_US, 20)
    assert machines.values[DEFECTS].mean() == pytest.approx(2.0, rel=0.15)


def failing(mode: str, severity: float) -> Machines:
    machines = cameras(300, part_every_s=60.0)
    machines.failures = {mode: np.full(300, severity, np.float32)}
    machines.run(MINUTE_US, 30)
    return machines


def test_dirt_takes_focus_and_light_and_certainty() -> None:
    clean, half, dirty = (failing("dirty-lens", severity) for severity in (0.0, 0.5, 1.0))
    for channel, direction in ((FOCUS, -1), (EXPOSURE, 1)):
        told = [direction * machines.values[channel].mean() for machines in (clean, half, dirty)]
        assert told[0] < told[1] < told[2]
    good, bad = (clean.state["defective"] == flag for flag in (0, 1))
    assert bad.any()
    apart = [float(each.values[SCORE][bad].mean() - each.values[SCORE][good].mean()) for each in (clean, half, dirty)]
    assert apart[0] > apart[1] > apart[2] > 0.0
    assert np.array_equal(clean.state["pictures"], dirty.state["pictures"]), "dirt stops no part"


def test_a_dim_lamp_is_made_up_for_with_time_alone() -> None:
    bright, dim = failing("lamp-failure", 0.0), failing("lamp-failure", 1.0)
    ratio = dim.values[EXPOSURE] / bright.values[EXPOSURE]
    assert ratio.mean() == pytest.approx(1.0 / (1.0 - camera.DARK), rel=0.01)
    assert np.array_equal(dim.values[FOCUS], bright.values[FOCUS])


def test_a_hot_processor_is_late() -> None:
    cool, hot = failing("throttling", 0.0), failing("throttling", 1.0)
    beyond = [each.values[LATENCY] - each.values[EXPOSURE] for each in (cool, hot)]
    assert (beyond[1] / beyond[0]).mean() == pytest.approx(camera.THROTTLED, rel=0.01)
    assert np.array_equal(cool.values[SCORE], hot.values[SCORE])


def test_mean_latency_is_what_was_set() -> None:
    machines = cameras(4_000, latency_ms=80.0, exposure_ms=2.0)
    machines.run(MINUTE_US, 3)
    assert (machines.values[LATENCY] - machines.values[EXPOSURE]).mean() == pytest.approx(80.0, rel=0.02)


def test_without_power_no_part_passes() -> None:
    machines = cameras(30)
    machines.run(MINUTE_US, 5)
    before = {name: column.copy() for name, column in machines.state.items() if name != "news"}
    machines.step(HOUR_US, np.zeros(30, np.bool_))
    assert all(np.array_equal(column, machines.state[name]) for name, column in before.items())
