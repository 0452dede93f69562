"""The gateway: traffic, queue, memory, disk, heat, and what breaks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import gateway
from twinstorm.twin.machines.gateway import HOLD_US, Gateway
from twinstorm.twin.physics import gateway_storage as storage

DAY_US = 24 * HOUR_US
MONDAY_US = 6 * DAY_US
NOON_US = MONDAY_US + 10 * HOUR_US


def gateways(count: int, start_us: int = MONDAY_US, noisy: bool = False, **drives: float) -> Machines:
    machines = Machines(Gateway(), some_keys(count), start_us=start_us, noisy=noisy)
    machines.drives = {name: np.full(count, value, np.float32) for name, value in drives.items()}
    return machines


def loaded(count: int, load: float, noisy: bool = False, start_us: int = MONDAY_US) -> Machines:
    """At a constant offered load of what the system leaves."""
    machines = gateways(count, start_us, noisy)
    per_s = (1.0 - gateway.SYSTEM_LOAD) * 1000.0 / machines.parameters["message_ms"]
    machines.drives["traffic_per_s"] = (per_s * load).astype(np.float32)
    machines.parameters["ambient_c"][:] = 10.0
    return machines


def failing(mode: str, hours: int, start_us: int = NOON_US, count: int = 100) -> tuple[Machines, Machines]:
    well, ill = (gateways(count, start_us) for _ in range(2))
    ill.failures[mode] = np.ones(count, np.float32)
    for machines in (well, ill):
        machines.run(HOLD_US, 60 * hours)
    return well, ill


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 120), (7 * SECOND_US, 100), (30 * SECOND_US, 100)])
def test_the_period_does_not_bend_the_trajectory(short_us: int, times: int) -> None:
    often, seldom = (gateways(200, NOON_US) for _ in range(2))
    for machines in (often, seldom):
        machines.parameters["traffic_per_s"] *= np.float32(1.5)  # so that backlogs come and go
    for _ in range(3):
        often.run(short_us, times)
        seldom.step(short_us * times)
        assert often.state["cpu_c"] == pytest.approx(seldom.state["cpu_c"], abs=4e-3)
        assert often.state["backlog"] == pytest.approx(seldom.state["backlog"], abs=0.5)
        apart = np.abs(often.state["garbage"] - seldom.state["garbage"])
        assert (np.minimum(apart, 1 - apart) < 1e-4).all()
        assert often.state["log"] == pytest.approx(seldom.state["log"], rel=1e-4, abs=1e-8)
        assert often.state["worn"] + often.state["worn_rest"].astype(np.float64) == pytest.approx(
            seldom.state["worn"] + seldom.state["worn_rest"].astype(np.float64), abs=1e-7
        )


# --- traffic and queue ------------------------------------------------------------------------------------------------


def test_load_follows_the_working_day() -> None:
    machines = gateways(200)
    cpu = np.stack([machines.step(HOLD_US)[0].copy() for _ in range(1_440)]).reshape(24, 60, -1).mean(axis=1)
    assert (cpu[10] > 2 * cpu[2]).all()
    assert (cpu[10] > cpu[18]).mean() > 0.9


def test_sundays_are_quiet() -> None:
    workday, sunday = gateways(100, NOON_US), gateways(100, NOON_US + 6 * DAY_US)
    for machines in (workday, sunday):
        machines.run(HOLD_US, 60)
    assert sunday.channel("cpu_pct").mean() < 0.6 * workday.channel("cpu_pct").mean()


def test_gateways_of_a_site_see_the_same_bursts() -> None:
    machines = gateways(100, NOON_US)
    share = []
    for _ in range(120):
        machines.step(HOLD_US)
        share.append(machines.state["traffic_per_s"] / machines.parameters["traffic_per_s"])
    site = machines.keys % np.uint64(10)
    alike = np.corrcoef(np.stack(share).T)[0, 1:]
    neighbours = site[1:] == site[0]
    assert neighbours.sum() >= 2
    assert (alike[neighbours] > 0.999).all()
    assert (alike[~neighbours] < 0.95).all()


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_waiting_is_that_of_m_m_1(load: float) -> None:
    """Mean depth rho / (1 - rho); mean delay 1 / (mu - lambda), over many probes."""
    machines = loaded(1_000, load, noisy=True)
    depth, wait_s = [], []
    for _ in range(20):
        values = machines.step(HOLD_US)
        depth.append(values[3].copy())
        way_ms = machines.state["uplink_ms"] * np.float32(1.0 + gateway.JITTER)
        wait_s.append((values[4] - way_ms) / 1000.0)
    served = (1.0 - gateway.SYSTEM_LOAD) * 1000.0 / machines.parameters["message_ms"]
    assert np.mean(depth) == pytest.approx(load / (1 - load), rel=0.05)
    assert np.mean(np.stack(wait_s) * served) == pytest.approx(1 / (1 - load), rel=0.05)


def test_what_cannot_be_served_piles_up_at_the_difference_of_the_rates() -> None:
    machines = loaded(100, 1.25)
    machines.step(10 * SECOND_US)
    served = (1.0 - gateway.SYSTEM_LOAD) * 1000.0 / machines.parameters["message_ms"]
    assert machines.state["backlog"] == pytest.approx(0.25 * served * 10, rel=1e-4)
    assert machines.channel("cpu_pct") == pytest.approx(np.full(100, 100.0), abs=0.01)
    machines.run(HOLD_US, 60)
    assert machines.channel("queue_depth") == pytest.approx(np.full(100, gateway.PLACES))


def test_a_backlog_is_worked_off_at_the_difference_of_the_rates() -> None:
    machines = loaded(100, 0.5)
    machines.state["backlog"][:] = 1_000.0
    machines.step(10 * SECOND_US)
    served = (1.0 - gateway.SYSTEM_LOAD) * 1000.0 / machines.parameters["message_ms"]
    assert machines.state["backlog"] == pytest.approx(np.maximum(1_000.0 - 5.0 * served, 0.0), rel=1e-4, abs=1e-2)


# --- memory, disk, heat -----------------------------------------------------------------------------------------------


def test_memory_creeps_and_falls_back() -> None:
    machines = gateways(100, NOON_US)
    memory = np.stack([machines.step(10 * SECOND_US)[1].copy() for _ in range(720)])
    rises = np.diff(memory, axis=0)
    assert (rises.min(axis=0) < -4.0).mean() > 0.9
    assert (rises >= 0.0).mean() > 0.9
    low = 100 * machines.parameters["live_share"]
    assert (memory >= low - 1e-3).all()
    assert (memory <= low + 100 * machines.parameters["garbage_share"] + 1e-3).all()


def test_logs_grow_all_day_and_are_packed_once() -> None:
    machines = gateways(100)
    machines.run(10 * HOLD_US, 144)
    disk = np.stack([machines.values[2].copy()] + [machines.step(10 * HOLD_US)[2].copy() for _ in range(144)])
    assert ((np.diff(disk, axis=0) < 0).sum(axis=0) == 1).all()
    grown = (disk[-1] - disk[:60].min(axis=0)) / 100 / machines.parameters["log_per_day"]
    assert (grown > 0.3).all()
    assert (grown < 0.8).all()


def test_the_processor_warms_to_its_balance() -> None:
    """Power through the resistance of the case, above the cabinet."""
    machines = loaded(100, 0.5)
    machines.run(HOUR_US, 2)
    cabinet_c = machines.state["cabinet_c"].copy()
    machines.step(HOLD_US)
    busy = gateway.SYSTEM_LOAD + (1 - gateway.SYSTEM_LOAD) * 0.5
    rise_k = machines.parameters["rise_k_w"] * (gateway.IDLE_W + gateway.BUSY_W * busy)
    assert machines.channel("cpu_temperature_c") == pytest.approx(cabinet_c + rise_k, abs=0.1)


def test_without_power_it_cools_and_forgets() -> None:
    machines = loaded(50, 1.5)
    machines.failures["memory-leak"] = np.ones(50, np.float32)
    machines.run(HOLD_US, 30)
    assert (machines.state["leaked"] > 0.1).all()
    start_k = machines.state["cpu_c"] - machines.state["cabinet_c"]
    machines.step(HOLD_US, np.zeros(50, np.bool_))
    assert not machines.state["leaked"].any()
    assert not machines.state["backlog"].any()
    left = np.exp(-60 / machines.parameters["settling_s"])
    assert machines.state["cpu_c"] - machines.state["cabinet_c"] == pytest.approx(start_k * left, abs=0.1)


def test_flash_wears_with_what_is_written() -> None:
    machines = loaded(50, 0.5)
    machines.drives["traffic_per_s"] = machines.parameters["traffic_per_s"].copy()
    before = machines.kind.truth(machines.state, machines.parameters)
    machines.run(HOUR_US, 48)
    after = machines.kind.truth(machines.state, machines.parameters)
    p = machines.parameters
    worn = 2 * (1 + storage.IDLE_LOG) * p["log_per_day"] * storage.WRITES_PER_LOG / p["endurance"]
    assert before.health - after.health == pytest.approx(worn, rel=0.01)
    usual = worn * (gateway.MEAN_DEMAND + storage.IDLE_LOG) / (1 + storage.IDLE_LOG)
    assert after.remaining_s == pytest.approx(after.health / usual * 2 * 86_400, rel=0.01)
    assert (after.remaining_s > 150 * 86_400).all()


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_leak_takes_the_memory_then_the_processor() -> None:
    early_well, early = failing("memory-leak", 1)
    grown = early_well.channel("memory_pct") + 100 * storage.LEAK_PER_H
    assert early.channel("memory_pct") == pytest.approx(np.minimum(grown, 100.0), abs=0.1)
    room = early.state["paging"] == 0.0
    assert room.sum() > 30
    assert early.channel("cpu_pct")[room] == pytest.approx(early_well.channel("cpu_pct")[room])
    well, late = failing("memory-leak", 3)
    assert (late.channel("memory_pct") > 90).all()
    assert (late.channel("cpu_pct") > 99).all()
    assert (well.channel("cpu_pct") < 99).mean() > 0.9
    assert (late.channel("round_trip_ms") > 3 * well.channel("round_trip_ms")).mean() > 0.8


def test_a_full_disk_costs_time() -> None:
    well, ill = failing("disk-full", 3)
    assert (ill.channel("disk_pct") > 99.9).all()
    assert (ill.channel("cpu_pct") > well.channel("cpu_pct") + 5).all()
    assert (ill.channel("round_trip_ms") > well.channel("round_trip_ms")).all()
    assert (ill.state["worn"] > well.state["worn"]).all()


def test_a_forgotten_log_is_freed_at_the_rotation_after_it_is_closed() -> None:
    _, ill = failing("disk-full", 2)
    ill.failures.clear()
    ill.run(HOUR_US, 6)
    assert (ill.channel("disk_pct") > 80).all()
    ill.run(HOUR_US, 18)
    assert (ill.channel("disk_pct") < 70).all()


def test_a_runaway_process_by_day_piles_messages_up() -> None:
    well, ill = failing("cpu-hog", 1)
    assert (ill.channel("cpu_pct") > 99).mean() > 0.8
    assert (ill.channel("queue_depth") > well.channel("queue_depth") + 100).mean() > 0.8
    assert (ill.channel("cpu_temperature_c") > well.channel("cpu_temperature_c") + 5).mean() > 0.8


def test_a_hot_processor_is_slowed_down() -> None:
    well, ill = failing("overheating", 3)
    assert (ill.channel("cpu_temperature_c") > well.channel("cpu_temperature_c") + 15).all()
    slow = ill.state["clock"] < 0.95
    assert slow.mean() > 0.3
    assert (ill.channel("cpu_pct")[slow] > well.channel("cpu_pct")[slow]).all()
    assert (ill.channel("cpu_temperature_c") < 105).all()
