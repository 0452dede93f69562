"""SimPy's machine shop: the kernel under the world must still do what its own documents print.

Ten machines make parts around the clock, each part takes about ten minutes. Machines break down; one repairman repairs
them in order and drops whatever else he is doing for it. Events of one instant, resources with priorities and
interrupts all have a say in the numbers.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from random import Random
from typing import Any, Final

import simpy

PRINTED: Final = (3251, 3273, 3242, 3343, 3387, 3244, 3269, 3185, 3302, 3279)
"""Parts by machine in SimPy's documents, seed 42."""

MACHINES: Final = len(PRINTED)
PART_MIN, PART_SCATTER_MIN = 10.0, 2.0
UP_MIN, REPAIR_MIN, SIDE_JOB_MIN = 300.0, 30.0, 30.0
MINUTES: Final = 4 * 7 * 24 * 60
URGENT, BESIDES = 1, 2

Steps = Generator[simpy.Event, Any, None]


class Shop:
    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.env = simpy.Environment()
        self.repairman = simpy.PreemptiveResource(self.env, capacity=1)
        self.parts = [0] * MACHINES
        self.broken = [False] * MACHINES
        # The order of first draws, and so the result, is that in which processes are made.
        for machine in range(MACHINES):
            at_work = self.env.process(self.work(machine))
            self.env.process(self.wear(machine, at_work))
        self.env.process(self.side_jobs())

    def work(self, machine: int) -> Steps:
        while True:
            left_min = self.chance.normalvariate(PART_MIN, PART_SCATTER_MIN)
            while left_min:
                since_min = self.env.now
                try:
                    yield self.env.timeout(left_min)
                    left_min = 0.0
                except simpy.Interrupt:
                    left_min -= self.env.now - since_min
                    self.broken[machine] = True
                    with self.repairman.request(priority=URGENT) as turn:
                        yield turn
                        yield self.env.timeout(REPAIR_MIN)
                    self.broken[machine] = False
            self.parts[machine] += 1

    def wear(self, machine: int, at_work: simpy.Process) -> Steps:
        """What is broken does not break."""
        while True:
            yield self.env.timeout(self.chance.expovariate(1.0 / UP_MIN))
            if not self.broken[machine]:
                at_work.interrupt()

    def side_jobs(self) -> Steps:
        while True:
            left_min = SIDE_JOB_MIN
            while left_min:
                with self.repairman.request(priority=BESIDES) as turn:
                    yield turn
                    since_min = self.env.now
                    try:
                        yield self.env.timeout(left_min)
                        left_min = 0.0
                    except simpy.Interrupt:
                        left_min -= self.env.now - since_min


@cache
def parts_made(seed: int = 42) -> tuple[int, ...]:
    shop = Shop(seed)
    shop.env.run(until=MINUTES)
    return tuple(shop.parts)
