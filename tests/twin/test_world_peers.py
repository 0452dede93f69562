"""What the benchmarks compare with does the same: the peer's motor is our motor, one at a time in Python."""

from __future__ import annotations

import random

import numpy as np
import pytest
import simpy

from benchmarks import world_peers
from benchmarks.world_peers import Bearing, Core, Desk, Station
from twinstorm.twin.cells import PowerPlan
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines.kind import Inputs
from twinstorm.twin.machines.motor import Motor
from twinstorm.twin.network import LINKS


def test_the_motor_of_the_peer_follows_ours() -> None:
    chance, every_us, steps = random.Random(3), 10 * SECOND_US, 200
    bearings = [Bearing.drawn(chance) for _ in range(8)]
    names = [name for name in Motor().parameters(lambda _: np.zeros(1, np.uint64), None) if name != "wear_at_start"]  # type: ignore[arg-type]
    parameters = {name: np.array([getattr(one, name) for one in bearings], np.float32) for name in names}
    parameters["wear_at_start"] = np.array([one.wear for one in bearings], np.float32)
    ours = Motor()
    state = ours.initial(parameters)
    state["winding_c"][:], state["case_c"][:] = 60.0, 50.0

    told: list[list[list[float]]] = []
    for one in bearings:
        env = simpy.Environment()
        station = Station(0, "motor", LINKS["ethernet"], chance, None, None)
        mine: list[list[float]] = []
        station.tell = lambda _, values, mine=mine: mine.append(values)  # type: ignore[method-assign, misc]
        env.process(world_peers.motor(env, station, one, every_us, noise=False))
        env.run(until=steps * every_us + 1)
        told.append(mine)

    for nth in range(steps):
        out = np.empty((6, len(bearings)), np.float32)
        inputs = Inputs((nth + 1) * every_us, every_us, None, 0, 0)
        ours.step(state, parameters, inputs, np.zeros((6, len(bearings)), np.float32), out)
        theirs = np.array([mine[nth] for mine in told]).T
        assert theirs == pytest.approx(out, abs=0.06), f"step {nth}"


def test_the_peers_messages_are_late_lost_and_cost_charge() -> None:
    core, chance = Core(), random.Random(1)
    station = Station(0, "motor", LINKS["lte-m"], chance, core, PowerPlan(full_j=1_000.0))
    assert station.battery is not None
    for second in range(1, 1_001):
        station.tell(second * SECOND_US, [60.0, 1.0, 1.0, 1.0, 20.0, 1_480.0])
    assert core.accepted == 1_000
    assert core.arrived_us[0] >= 1_000 * SECOND_US + LINKS["lte-m"].base_us
    link = LINKS["lte-m"]
    spent_j = 1_000 * (0.005 + link.message_j(link.reading_bytes(6)))
    assert station.battery.full_j - station.battery.left_j == pytest.approx(spent_j, rel=0.01)
    core.take(0, 7, 0, [60.0, 1.0, 1.0, 1.0, 20.0, 1_480.0], "motor")
    core.take(0, 1_001, 0, [600.0, 1.0, 1.0, 1.0, 20.0, 1_480.0], "motor")
    assert (core.accepted, core.refused) == (1_000, 2)


def test_at_the_peers_door_the_rate_holds_and_who_is_refused_comes_again() -> None:
    _, attempts = world_peers.storm_s(300, telemetry=False)
    assert attempts > 2 * 300
    env = simpy.Environment()
    desk = Desk(env, simpy.Resource(env), 10, SECOND_US / 5, SECOND_US)
    answers: list[tuple[int, bool]] = []

    def ask() -> world_peers.Life:
        answers.append((int((yield from desk.connect())), env.now > 0))

    for _ in range(20):
        env.process(ask())
    env.run()
    assert sum(admitted for admitted, _ in answers) == 6, "one at once, and those who need not wait more than a second"
    assert desk.attempts == 20
