"""The chilled shelf: customers, goods, door, cold, and what breaks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines import shelf
from twinstorm.twin.machines.shelf import HOLD_US, Shelf
from twinstorm.twin.physics import arrivals

DAY_US = 24 * HOUR_US
MONDAY_US = 6 * DAY_US
OPEN_US = MONDAY_US + 10 * HOUR_US
ITEMS, WEIGHT, DOOR, OPENED, INSIDE, POWER = range(6)


def shelves(count: int, start_us: int = OPEN_US, noisy: bool = False, **drives: float) -> Machines:
    machines = Machines(Shelf(), some_keys(count), start_us=start_us, noisy=noisy)
    machines.drives = {name: np.full(count, value, np.float32) for name, value in drives.items()}
    return machines


def minutes(machines: Machines, count: int) -> np.ndarray:
    """Told values: (count, channels, n)."""
    return np.stack([machines.step(HOLD_US).copy() for _ in range(count)])


def failing(mode: str, hours: int = 6, severity: float = 1.0) -> tuple[Machines, Machines]:
    well, ill = (shelves(100) for _ in range(2))
    ill.failures[mode] = np.full(100, severity, np.float32)
    for machines in (well, ill):
        machines.run(HOLD_US, 60 * hours)
    return well, ill


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short_us", "times"), [(SECOND_US, 600), (7 * SECOND_US, 100), (HOLD_US, 120)])
def test_the_period_changes_no_count_and_bends_no_trajectory(short_us: int, times: int) -> None:
    often, seldom = shelves(200), shelves(200)
    often.run(short_us, times)
    seldom.step(short_us * times)
    for name in ("items", "opened", "place", "waited_s", "open_due_s"):
        assert np.array_equal(often.state[name], seldom.state[name]), name
    alike = often.state["cooling"] == seldom.state["cooling"]
    assert alike.mean() > 0.99  # who stands on the threshold may switch a minute apart
    assert often.state["inside_c"][alike] == pytest.approx(seldom.state["inside_c"][alike], abs=0.02)


def test_days_in_one_step_bring_as_many_customers() -> None:
    """Another path, the same statistics: a week by the minute, and in one."""
    often, seldom = shelves(100, MONDAY_US), shelves(100, MONDAY_US)
    often.run(10 * HOLD_US, 7 * 144)
    seldom.step(7 * DAY_US)
    ratio = seldom.state["opened"] / often.state["opened"]
    assert ratio.mean() == pytest.approx(1.0, abs=0.04)
    assert ((seldom.state["items"] >= 0) & (seldom.state["items"] <= seldom.parameters["full"])).all()
    assert np.abs(seldom.state["inside_c"] - seldom.parameters["set_point_c"]).max() < 2.5


# --- customers and goods ----------------------------------------------------------------------------------------------


def test_customers_come_by_the_day_and_not_at_night_nor_on_sundays() -> None:
    machines = shelves(200, MONDAY_US)
    opened = minutes(machines, 1_440)[:, OPENED]
    hourly = np.diff(opened[::60], axis=0, prepend=0).mean(axis=1)
    assert not opened[5 * 60].any()
    assert hourly[18] > 2 * hourly[9]
    assert opened[-1] == pytest.approx(opened[22 * 60 + 5])
    sunday = shelves(100, MONDAY_US + 6 * DAY_US)
    sunday.run(HOUR_US, 24)
    assert not sunday.channel("door_openings").any()


def test_customers_are_poisson() -> None:
    told = minutes(shelves(500, customers_per_h=30.0), 300)[:, OPENED]
    each = np.diff(told, axis=0, prepend=0)
    assert each.mean() == pytest.approx(0.5, rel=0.03)
    assert each.var() == pytest.approx(0.5, rel=0.05)


def test_each_customer_takes_what_customers_take() -> None:
    machines = shelves(300, customers_per_h=30.0)
    before = machines.state["items"].copy()
    machines.parameters["full"][:] = before[:] = machines.state["items"][:] = 500.0
    machines.parameters["low"][:] = 0.0
    machines.run(HOLD_US, 300)
    taken = (before - machines.channel("items")).sum() / machines.channel("door_openings").sum()
    assert taken == pytest.approx(sum(n * share for n, share in enumerate(shelf.TAKEN, 1)), rel=0.03)


def test_a_low_shelf_is_filled_after_the_delay_and_not_at_night() -> None:
    machines = shelves(200, MONDAY_US)
    items = minutes(machines, 1_440)[:, ITEMS]
    filled = np.diff(items, axis=0) > 0
    assert filled.any(axis=0).mean() > 0.7
    assert not filled[: 5 * 60].any()
    low = machines.parameters["low"]
    for i in np.flatnonzero(filled.any(axis=0))[:50]:
        at = int(filled[:, i].argmax())
        first_low = int((items[:, i] <= low[i]).argmax())
        open_from = max(first_low, 5 * 60)
        assert (at + 1 - open_from) * 60 == pytest.approx(float(machines.parameters["restock_s"][i]), abs=180)
        assert items[at + 1, i] == machines.parameters["full"][i]


def test_nobody_takes_from_an_empty_shelf() -> None:
    machines = shelves(100, customers_per_h=200.0)
    machines.parameters["restock_s"][:] = 86_400.0
    told = minutes(machines, 180)
    assert (told[:, ITEMS] >= 0).all()
    assert not told[-1, ITEMS].any()
    assert not told[-1, WEIGHT].any()


def test_the_scale_weighs_the_items() -> None:
    machines = shelves(100)
    machines.run(HOLD_US, 60)
    assert machines.channel("weight_kg") == pytest.approx(machines.channel("items") * machines.parameters["unit_kg"])


def test_shelves_of_a_shop_share_its_crowd() -> None:
    machines = shelves(100)
    site = machines.keys % np.uint64(10)
    crowd = machines.parameters["crowd_phase"]
    assert all(len(np.unique(crowd[site == one])) == 1 for one in np.unique(site))
    assert len(np.unique(crowd)) == 10


# --- door and cold ----------------------------------------------------------------------------------------------------


def test_the_door_is_open_for_as_long_as_customers_hold_it() -> None:
    machines = shelves(200, customers_per_h=40.0)
    told = minutes(machines, 240)
    open_s = told[:, DOOR].sum(axis=0) * 0.6
    assert open_s + machines.state["open_due_s"] == pytest.approx(
        told[-1, OPENED] * machines.parameters["open_s"], rel=1e-3
    )


def test_the_compressor_cycles_about_the_set_point() -> None:
    machines = shelves(200, customers_per_h=0.0)
    told = minutes(machines, 360)[60:]
    away_k = told[:, INSIDE] - machines.parameters["set_point_c"]
    assert (np.abs(away_k) < shelf.HYSTERESIS_K + 0.6).all()
    runs = told[:, POWER] > 100
    starts = (np.diff(runs.astype(np.int8), axis=0) == 1).sum(axis=0)
    assert (starts >= 4).all()
    assert (starts <= 20).all()
    p = machines.parameters
    needed_w = p["walls_w_k"] * (p["shop_c"] - p["set_point_c"]) + shelf.FANS_W + shelf.LIGHT_W
    gives_w = p["cooling_w"] * (1 - shelf.WORN_LOSES * machines.state["worn"] ** 2)
    assert runs.mean(axis=0) == pytest.approx(needed_w / gives_w, abs=0.06)


def test_without_power_it_warms_as_an_exponential() -> None:
    machines = shelves(100, start_us=MONDAY_US)
    start = machines.state["inside_c"].astype(np.float64)
    off = np.zeros(100, np.bool_)
    machines.run(HOLD_US, 120, off)
    p = machines.parameters
    left = np.exp(-7_200 * p["walls_w_k"].astype(np.float64) / p["heat_j_k"])
    assert machines.channel("temperature_c") == pytest.approx(p["shop_c"] + (start - p["shop_c"]) * left, abs=0.01)


def test_customers_cost_power() -> None:
    quiet, busy = shelves(100, customers_per_h=0.0), shelves(100, customers_per_h=120.0)
    power = [minutes(machines, 360)[:, POWER].mean(axis=0) for machines in (quiet, busy)]
    assert (power[1] > power[0] + 10).all()


def test_a_set_point_from_outside_is_kept() -> None:
    machines = shelves(100, set_point_c=8.0, customers_per_h=0.0)
    told = minutes(machines, 400)[200:, INSIDE]
    assert told.mean(axis=0) == pytest.approx(np.full(100, 8.0), abs=0.4)


def test_the_compressor_wears_with_its_running() -> None:
    machines = shelves(100, customers_per_h=0.0)
    before = machines.kind.truth(machines.state, machines.parameters)
    told = minutes(machines, 720)
    after = machines.kind.truth(machines.state, machines.parameters)
    ran_s = (told[:, POWER] > 100).sum(axis=0) * 60.0
    assert before.health - after.health == pytest.approx(ran_s * machines.parameters["wear_per_s"], rel=0.05, abs=1e-6)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_door_ajar_warms_and_keeps_the_compressor_running() -> None:
    well, ill = failing("door-ajar")
    assert ill.channel("door_open_pct") == pytest.approx(np.full(100, 100.0))
    assert (ill.channel("temperature_c") > well.channel("temperature_c") + 1).mean() > 0.9
    assert (ill.channel("power_w") > 200).all()
    assert np.array_equal(ill.channel("door_openings"), well.channel("door_openings"))
    _, half = failing("door-ajar", severity=0.4)
    assert half.channel("temperature_c").mean() < ill.channel("temperature_c").mean()


def test_a_weak_compressor_runs_longer_and_a_dead_one_not_at_all() -> None:
    duty = []
    for severity in (0.0, 0.4):
        machines = shelves(100)
        machines.failures["compressor-failure"] = np.full(100, severity, np.float32)
        duty.append((minutes(machines, 360)[:, POWER] > 100).mean())
    assert duty[1] > 1.3 * duty[0]
    _, dead = failing("compressor-failure")
    assert dead.channel("power_w") == pytest.approx(np.full(100, shelf.FANS_W + shelf.LIGHT_W), abs=0.1)
    assert (dead.channel("temperature_c") > 15).mean() > 0.9
    assert np.array_equal(dead.channel("items"), failing("scale-drift")[1].channel("items"))


def test_a_creeping_scale_leaves_what_the_items_weigh() -> None:
    well, ill = failing("scale-drift")
    expected = well.channel("weight_kg") * (1 + shelf.SPAN) + shelf.ZERO_KG
    assert ill.channel("weight_kg") == pytest.approx(expected, rel=1e-5)
    for name in ("items", "temperature_c", "door_open_pct"):
        assert np.array_equal(ill.channel(name), well.channel(name))


def test_counters_begin_again_after_their_last_figure() -> None:
    machines = shelves(50, customers_per_h=300.0)
    machines.state["opened"][:] = shelf.COUNTED - 3.0
    told = minutes(machines, 10)[:, OPENED]
    assert (told < shelf.COUNTED).all()
    assert (told[-1] < 200).all()
    assert arrivals.events()[-1] == arrivals.PATH
