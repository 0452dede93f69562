"""The production cell: throughput and queues beside closed forms, its crew, and what fails."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines.controller import Controller
from twinstorm.twin.machines.kind import Inputs
from twinstorm.twin.physics import production
from twinstorm.twin.physics.production import CHANGES, COUNTED, MENDS, STOPS, WORKS
from twinstorm.twin.waiting import Queue

CHANNELS = [channel.name for channel in Controller.channels]
LONG_US = 200 * SECOND_US
AT_ONCE_S = 0.001
NEVER_S = 1e9


def cells(count: int, **parameters: float) -> Machines:
    machines = Machines(Controller(), some_keys(count))
    for name, value in parameters.items():
        machines.parameters[name][:] = value
    machines.state = {**Controller().initial(machines.parameters)}
    return machines


def bare(count: int, **parameters: float) -> Machines:
    """Stations of one second without stops, changeovers and scatter, unless something else is said."""
    usual = {"process_1_s": 1.0, "process_2_s": 1.0, "process_3_s": 1.0, "scatter": 0.0, "places": 1000.0}
    usual |= {"lot": 1.0, "order_every_s": 10.0, "changeover_s": 0.0, "stop_every_s": NEVER_S, "worn_at_start": 0.0}
    return cells(count, other_product=0.0, **(usual | parameters))


def throughput_per_s(machines: Machines, warm_up: int = 1, times: int = 4) -> float:
    """Parts of the last station, of a cell."""
    machines.run(LONG_US, warm_up)
    before = int(machines.state["taken_3"].sum())
    machines.run(LONG_US, times)
    return (int(machines.state["taken_3"].sum()) - before) / (len(machines.keys) * times * LONG_US / SECOND_US)


def mean_queue(machines: Machines, times: int = 15) -> float:
    """Parts that wait before station 1, at instants that know nothing of them."""
    machines.run(LONG_US, 1)
    total = 0
    for _ in range(times):
        machines.step(37 * SECOND_US)
        total += int(machines.state["queue"].sum())
    return total / (times * len(machines.keys))


# --- closed forms -----------------------------------------------------------------------------------------------------

SATURATED = {"lot": 10_000.0, "order_every_s": 1_000.0}


@pytest.mark.parametrize("places", [0, 1, 3, 8])
def test_two_exponential_stations_and_a_buffer_make_what_their_markov_chain_says(places: int) -> None:
    """Equal rates, blocking after service: (b + 2) / (b + 3) of one station's rate."""
    line = bare(1_000, scatter=1.0, places=places, process_3_s=AT_ONCE_S, **SATURATED)
    assert throughput_per_s(line) == pytest.approx((places + 2) / (places + 3), rel=0.01)


def test_three_exponential_stations_without_buffers_make_what_hunt_published() -> None:
    """Hunt, Sequential arrays of waiting lines (1956): 0.5641 = 22/39 of one station's rate."""
    assert throughput_per_s(bare(1_000, scatter=1.0, places=0.0, **SATURATED)) == pytest.approx(22 / 39, rel=0.01)


def test_stations_that_never_scatter_work_in_step() -> None:
    assert throughput_per_s(bare(5, places=0.0, **SATURATED)) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("scatter", [0.0, 0.6, 1.0])
def test_parts_queue_as_pollaczek_and_khinchine_say(scatter: float) -> None:
    """M/D/1 without scatter, M/M/1 with all of it, M/G/1 between, at 0.8 of what station 1 can do."""
    line = bare(2_000, order_every_s=1.25, scatter=scatter, process_2_s=AT_ONCE_S, process_3_s=AT_ONCE_S)
    theory = Queue(arrivals_per_s=0.8, served_per_s=1.0, variation=scatter * scatter)
    assert mean_queue(line) == pytest.approx(theory.waiting, rel=0.06)


def test_stops_cost_what_they_last() -> None:
    """One station of three in doubt: a second of work costs repair / stop_every of standing still."""
    line = bare(500, process_2_s=AT_ONCE_S, process_3_s=AT_ONCE_S, stop_every_s=50.0, repair_s=20.0, **SATURATED)
    assert throughput_per_s(line) == pytest.approx(1.0 / (1.0 + 20.0 / 50.0), rel=0.02)


def test_changeovers_cost_what_they_last() -> None:
    """An order of 20 parts, always of another product: 20 s of work, 10 s of changeover."""
    line = bare(5, scatter=0.0, places=50.0, lot=20.0, order_every_s=1.0, changeover_s=10.0)
    line.parameters["other_product"][:] = 1.0
    assert throughput_per_s(line) == pytest.approx(20.0 / 30.0, rel=0.01)


# --- the crew ---------------------------------------------------------------------------------------------------------


def test_the_crew_mends_one_station_at_a_time_and_never_rests_while_one_waits() -> None:
    line = cells(200, stop_every_s=60.0, repair_s=40.0)
    waited = 0
    for _ in range(400):
        line.step(SECOND_US)
        does = np.stack([line.state[f"does_{s}"] for s in (1, 2, 3)])
        mending, waiting = (does == MENDS).sum(axis=0), (does == STOPS).sum(axis=0)
        assert mending.max() <= 1
        assert (mending[waiting > 0] == 1).all()
        waited += int(waiting.sum())
    assert waited > 1_000


def test_the_crew_goes_to_who_called_first() -> None:
    line = cells(300, stop_every_s=40.0, repair_s=60.0)
    calls = np.stack([line.state[f"called_{s}_us"] for s in (1, 2, 3)])
    chosen = 0
    for _ in range(300):
        line.step(SECOND_US)
        does = np.stack([line.state[f"does_{s}"] for s in (1, 2, 3)])
        now = np.stack([line.state[f"called_{s}_us"] for s in (1, 2, 3)])
        began = (does == MENDS) & (calls < 1 << 60) & (now >= 1 << 60)
        others = np.where(began, 1 << 61, calls)
        cells_served = began.any(axis=0)
        served_us = np.where(began, calls, 0).max(axis=0)
        assert (served_us[cells_served] <= others.min(axis=0)[cells_served]).all()
        chosen += int((cells_served & (others.min(axis=0) < 1 << 60)).sum())
        calls = now
    assert chosen > 50, "nobody ever had a choice"


# --- what is told -----------------------------------------------------------------------------------------------------


def test_parts_are_kept() -> None:
    """What was ordered waits, is being worked on, lies in a buffer, or has left."""
    line = cells(100)
    line.run(7 * SECOND_US, 200)
    state, parameters = line.state, line.parameters
    ordered = state["orders"] * np.rint(parameters["lot"]).astype(np.int64)
    has_one = sum((state[f"does_{s}"] > 0).astype(np.int64) for s in (1, 2, 3))
    inside = state["queue"] + state["after_1"] + state["after_2"] + has_one
    assert np.array_equal(ordered, inside + state["parts"] + state["scrap"])
    assert (state["after_1"] <= np.rint(parameters["places"]) + 1).all()


def test_a_blocked_station_keeps_its_part_and_says_so() -> None:
    line = bare(10, process_2_s=1e6, places=3.0, **SATURATED)
    line.run(10 * SECOND_US, 3)
    assert (line.state["taken_1"] == 5).all(), "one in work, three in the buffer, one that blocks"
    assert (line.values[CHANNELS.index("blocked_stations")] == 1).all()


def test_the_state_told_is_that_of_the_station_in_the_worst() -> None:
    line = cells(300, stop_every_s=60.0)
    seen = set()
    for _ in range(200):
        line.step(3 * SECOND_US)
        does = np.stack([line.state[f"does_{s}"] for s in (1, 2, 3)])
        assert np.array_equal(line.values[0], does.max(axis=0))
        assert np.array_equal(line.values[CHANNELS.index("stopped_stations")], (does >= MENDS).sum(axis=0))
        seen |= set(np.unique(line.values[0]).tolist())
    assert seen == {0, WORKS, CHANGES, MENDS, STOPS}


def test_there_is_news_when_something_is_finished_stops_or_goes_on() -> None:
    line = cells(200)
    for _ in range(200):
        before = {name: column.copy() for name, column in line.state.items()}
        line.step(SECOND_US)
        finished = line.state["finished_us"] != before["finished_us"]
        stopped = sum(line.state[f"stops_{s}"] - before[f"stops_{s}"] for s in (1, 2, 3)) > 0
        assert Controller().has_news(line.state)[finished | stopped].all()
    assert not Controller().has_news(line.state).all()


def test_without_power_everything_stays_where_it_is() -> None:
    line = cells(50)
    line.run(10 * SECOND_US, 30)
    before = {name: column.copy() for name, column in line.state.items() if name != "news"}
    line.step(100 * SECOND_US, np.zeros(50, np.bool_))
    assert all(np.array_equal(column, line.state[name]) for name, column in before.items())


# --- what fails -------------------------------------------------------------------------------------------------------


def failing(mode: str) -> tuple[Machines, Machines]:
    well, ill = cells(150), cells(150)
    ill.failures = {mode: np.ones(150, np.float32)}
    for machines in (well, ill):
        machines.run(30 * SECOND_US, 100)
    return well, ill


def test_a_blunt_tool_slows_the_second_station_and_spoils_parts() -> None:
    well, ill = failing("worn-tool")
    assert ill.state["scrap"].sum() > 5 * well.state["scrap"].sum()
    assert ill.state["parts"].sum() < 0.9 * well.state["parts"].sum()
    assert ill.state["after_1"].mean() > 2 * well.state["after_1"].mean(), "the buffer before it does not fill"


def test_jams_stop_the_second_station() -> None:
    well, ill = failing("jamming")
    assert ill.state["stops_2"].sum() > 5 * well.state["stops_2"].sum()
    assert ill.state["stops_3"].sum() < 2 * well.state["stops_3"].sum()
    assert ill.state["parts"].sum() < well.state["parts"].sum()


def test_a_crew_that_is_needed_elsewhere_lets_stations_stand_and_orders_wait() -> None:
    well, ill = failing("crew-short")
    standing = [np.stack([each.state[f"does_{s}"] for s in (1, 2, 3)]) >= MENDS for each in (well, ill)]
    assert standing[1].sum() > 3 * standing[0].sum()
    assert ill.state["queue"].sum() > 1.5 * well.state["queue"].sum()


def test_worn_tools_make_more_scrap_and_stops() -> None:
    young, old = cells(300, worn_at_start=0.0), cells(300, worn_at_start=1.0)
    for machines in (young, old):
        machines.run(30 * SECOND_US, 60)
    assert old.state["scrap"].sum() > 2 * young.state["scrap"].sum()
    truth = Controller().truth(old.state, old.parameters)
    assert (truth.health == 0).all()
    assert (truth.remaining_s == 0).all()


def test_demand_brings_orders() -> None:
    usual, busy = cells(200), cells(200)
    busy.drives = {"demand": np.full(200, 4.0, np.float32)}
    for machines in (usual, busy):
        machines.run(30 * SECOND_US, 100)
    assert busy.state["orders"].sum() == pytest.approx(4 * usual.state["orders"].sum(), rel=0.15)


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_how_many_parts_are_drawn_ahead_changes_nothing(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(ahead: int) -> tuple[list[list[int]], dict[str, list[float]]]:
        monkeypatch.setattr(production, "PARTS_AHEAD", ahead)
        machines = cells(5, process_2_s=1.5, stop_every_s=30.0)
        course = Controller().foresee(machines.state, machines.parameters, Inputs(LONG_US, LONG_US))
        columns = [course.row, course.at_us, *(course.state[name] for name in sorted(course.state))]
        return [column.tolist() for column in columns], {name: each.tolist() for name, each in machines.state.items()}

    assert seen(parts) == seen(1_000)
    machines = cells(5, process_2_s=1.5, stop_every_s=30.0)
    machines.step(LONG_US)
    stepped = {name: each.tolist() for name, each in machines.state.items()}
    of_the_last_event = {"news"}
    told = seen(parts)[1]
    assert all(told[name] == stepped[name] for name in stepped.keys() - of_the_last_event), "drawn one by one"


def test_counters_begin_again_within_their_range() -> None:
    line = cells(20)
    line.state["parts"][:] = COUNTED - 1
    line.run(30 * SECOND_US, 20)
    assert (line.state["parts"] < 100).all()
