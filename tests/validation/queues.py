"""Queues and repair crews: formulas, and the same by simulation."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from tests.validation import crews
from tests.validation.case import Case, Subject
from tests.validation.machine_shop import PRINTED, parts_made
from twinstorm.twin.chance import stream, words
from twinstorm.twin.flow import SECOND_US, Int
from twinstorm.twin.physics.spread import weibull
from twinstorm.twin.queues import gcra
from twinstorm.twin.repairs import Repairs, Scatter, simulate
from twinstorm.twin.serving import begin_us
from twinstorm.twin.waiting import Queue, Repairable, erlang_b

TEXTBOOK = "queueing theory"
ERLANG = "Erlang C, 200 calls an hour of 3 min, 14 agents"
MATLOFF = "Matloff, notes on simulation"
FINITE = "M/M/1 with a finite source, N 5, up 20 h, repair 2 h"
SIMPY = "SimPy documents, machine shop, seed 42"
BRONSON = "Bronson, Operations Research (1982)"
FELLER = "Feller, An Introduction to Probability Theory, volume 1, XVII.7"
ERLANG_B = "Erlang B, traffic tables in use"
POLLACZEK = "Pollaczek and Khinchine"

MM1 = Queue(8.0, 10.0)
MD1 = Queue(8.0, 10.0, variation=0.0)
CALLS = Queue(10.0 / 180.0, 1.0 / 180.0, servers=14)
ONE_CREW, TWO_CREWS = Repairable(2, 1, 1.0, 0.5), Repairable(2, 2, 1.0, 0.5)
PLANT = Repairable(5, 1, 20.0, 2.0)
YEARLY = Queue(300.0, 182.5, servers=3)
SIX = Repairable(6, 1, 10.0, 1.0)
TWENTY = Repairable(20, 3, 10.0, 1.0)
HOUR_US = 3_600 * SECOND_US
TWO_STAGES = Queue(8.0, 10.0, variation=0.5)
RAGGED = Queue(8.0, 10.0, variation=2.125)
"""Half of the services take a quarter of what the others do, on average: 1/16 or 1/4 of 0.64 s, each by chance."""


def offered(channels: int, blocked: float) -> float:
    """Erlangs of which so many are lost, searched for."""
    low, high = 0.0, 2.0 * channels
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if erlang_b(middle, channels) < blocked else (low, middle)
    return low


# --- simulated --------------------------------------------------------------------------------------------------------


def lasting_us(purpose: int, count: int, mean_us: float) -> Int:
    """Exponential durations."""
    drawn = weibull(words(stream(42, purpose), np.arange(count, dtype=np.uint64), 0), mean_us, 1.0)
    return np.rint(drawn).astype(np.int64)


def arrivals_us(queue: Queue, count: int) -> Int:
    return np.cumsum(lasting_us(5, count, SECOND_US / queue.arrivals_per_s))


@cache
def waits_us(queue: Queue, count: int) -> Int:
    """Of customers in a line with services by chance."""
    come_us = arrivals_us(queue, count)
    return begin_us(come_us, lasting_us(6, count, SECOND_US / queue.served_per_s), queue.servers) - come_us


@cache
def constant_waits_us(queue: Queue, count: int) -> Int:
    """Through the batch recurrence of the broker's queues."""
    come_us = arrivals_us(queue, count)
    service_us = round(SECOND_US / queue.served_per_s)
    waited: Int = gcra(0, come_us, service_us, 1 << 60).tat - service_us - come_us
    return waited


@cache
def stage_waits_us(queue: Queue, count: int) -> Int:
    """Of customers of whom each is served in two stages by chance, or by one of two servers' tempers."""
    come_us = arrivals_us(queue, count)
    if queue is TWO_STAGES:
        mean_us = SECOND_US / queue.served_per_s / 2.0
        service_us = lasting_us(61, count, mean_us) + lasting_us(62, count, mean_us)
    else:
        slow = words(stream(42, 63), np.arange(count, dtype=np.uint64), 0) >> np.uint64(63) == 0
        service_us = np.where(slow, lasting_us(61, count, 0.175 * SECOND_US), lasting_us(62, count, 0.025 * SECOND_US))
    return begin_us(come_us, service_us, queue.servers) - come_us


def loss_of_crews(plant: Repairable) -> float:
    """Share of their time in which crews have nothing to do."""
    return sum(max(plant.crews - down, 0) * share for down, share in enumerate(plant.shares)) / plant.crews


def mean_s(waits: Int) -> float:
    return int(waits.sum()) / len(waits) / SECOND_US


def present(queue: Queue, count: int) -> float:
    """Mean number in the system, from the time that each spends in it."""
    services_us = lasting_us(6, count, SECOND_US / queue.served_per_s)
    span_us = int(arrivals_us(queue, count)[-1])
    return (int(waits_us(queue, count).sum()) + int(services_us.sum())) / span_us


@cache
def repaired(machines: int, crews: int, up_us: int, repair_us: int, until_us: int) -> Repairs:
    keys = np.arange(machines, dtype=np.uint64)
    return simulate(stream(42, 7), keys, crews, Scatter(up_us), Scatter(repair_us), until_us)


def pair(crews: int) -> Repairs:
    return repaired(2, crews, SECOND_US, SECOND_US // 2, 30_000 * SECOND_US)


def plant() -> Repairs:
    return repaired(5, 1, 20 * HOUR_US, 2 * HOUR_US, 400_000 * HOUR_US)


def parts_of(machine: int) -> float:
    return float(parts_made()[machine])


MANY = 600_000

SUBJECT = Subject(
    "Queues and repair crews",
    "`twin/waiting.py`; simulated: `twin/serving.py`, `queues.py`, `repairs.py`, `maintenance.py`",
    (
        Case("M/M/1, 8/s into 10/s: present", TEXTBOOK, 4.0, 1e-6, lambda: MM1.present),
        Case("M/M/1: waiting", TEXTBOOK, 3.2, 1e-6, lambda: MM1.waiting),
        Case("M/M/1: stay, s", TEXTBOOK, 0.5, 1e-6, lambda: MM1.stay_s),
        Case("M/M/1: wait, s", TEXTBOOK, 0.4, 1e-6, lambda: MM1.wait_s),
        Case("M/M/1 simulated: wait, s", TEXTBOOK, 0.4, 0.05, lambda: mean_s(waits_us(MM1, MANY)), relative=True),
        Case("M/M/1 simulated: present", TEXTBOOK, 4.0, 0.05, partial(present, MM1, MANY), relative=True),
        Case("M/D/1, 8/s into 10/s: wait, s", TEXTBOOK, 0.2, 1e-6, lambda: MD1.wait_s),
        Case(
            "M/D/1 simulated: wait, s", TEXTBOOK, 0.2, 0.04, lambda: mean_s(constant_waits_us(MD1, MANY)), relative=True
        ),
        Case("share of callers who wait", ERLANG, 0.1741, 5e-5, lambda: CALLS.waits_share),
        Case("mean wait, s", ERLANG, 7.84, 5e-3, lambda: CALLS.wait_s),
        Case("answered within 20 s, %", ERLANG, 88.8, 0.05, lambda: 100.0 * (1.0 - CALLS.late_share(20.0))),
        Case(
            "share of callers who wait, simulated",
            ERLANG,
            0.1741,
            0.03,
            lambda: float((waits_us(CALLS, MANY // 2) > 0).mean()),
            relative=True,
        ),
        Case("mean wait, simulated, s", ERLANG, 7.84, 0.1, lambda: mean_s(waits_us(CALLS, MANY // 2)), relative=True),
        Case(
            "answered within 20 s, simulated, %",
            ERLANG,
            88.8,
            0.5,
            lambda: 100.0 * float((waits_us(CALLS, MANY // 2) <= 20 * SECOND_US).mean()),
        ),
        *(
            Case(
                f"{channels} channels, {lost * 100:g} % lost: offered, erlang",
                ERLANG_B,
                load,
                0.006,
                partial(offered, channels, lost),
            )
            for channels, lost, load in (
                (5, 0.01, 1.36),
                (5, 0.02, 1.66),
                (10, 0.01, 4.46),
                (10, 0.02, 5.08),
                (20, 0.01, 12.03),
                (20, 0.02, 13.18),
            )
        ),
        Case("15 channels, 1 % lost: offered, erlang", "erlang.com, example", 8.108, 6e-4, partial(offered, 15, 0.01)),
        Case("50 channels, 1 % lost: offered, erlang", ERLANG_B, 37.9, 0.05, partial(offered, 50, 0.01)),
        Case("100 channels, 2 % lost: offered, erlang", ERLANG_B, 88.0, 0.05, partial(offered, 100, 0.02)),
        Case("24/h into 30/h: present", BRONSON + " 23.3", 4.0, 1e-6, lambda: Queue(24.0, 30.0).present),
        Case("24/h into 30/h: stay, h", BRONSON + " 23.3", 1 / 6, 1e-6, lambda: Queue(24.0, 30.0).stay_s),
        Case("30/h, 1.5 min each: waiting", BRONSON + " 23.14", 2.25, 1e-6, lambda: Queue(30.0, 40.0).waiting),
        Case("30/h, 1.5 min each: wait, min", BRONSON + " 23.14", 4.5, 1e-6, lambda: 60.0 * Queue(30.0, 40.0).wait_s),
        Case("1/min, 45 s each: wait, min", BRONSON + " 23.16", 2.25, 1e-6, lambda: Queue(1.0, 4.0 / 3.0).wait_s),
        Case("300 a year, 2 days each, 3 servers: waiting", BRONSON + " 24.6", 0.352, 5e-4, lambda: YEARLY.waiting),
        Case("300 a year, 2 days each, 3 servers: present", BRONSON + " 24.6", 1.996, 5e-4, lambda: YEARLY.present),
        Case(
            "300 a year, 2 days each, 3 servers: wait, years", BRONSON + " 24.6", 0.001175, 5e-7, lambda: YEARLY.wait_s
        ),
        Case("M/E2/1, 8/s into 10/s: wait, s", POLLACZEK, 0.3, 1e-6, lambda: TWO_STAGES.wait_s),
        Case(
            "M/E2/1 simulated: wait, s",
            POLLACZEK,
            0.3,
            0.04,
            lambda: mean_s(stage_waits_us(TWO_STAGES, MANY)),
            relative=True,
        ),
        Case("M/G/1, variation 2.125: wait, s", POLLACZEK, 0.625, 1e-6, lambda: RAGGED.wait_s),
        Case(
            "M/G/1 simulated, services of two tempers: wait, s",
            POLLACZEK,
            0.625,
            0.06,
            lambda: mean_s(stage_waits_us(RAGGED, MANY)),
            relative=True,
        ),
        *(
            Case(
                f"6 machines, 1 repairman, 0.1: share of the time with {down} down",
                FELLER,
                share,
                1.1e-4,
                partial(SIX.shares.__getitem__, down),
            )
            for down, share in enumerate((0.4845, 0.2907, 0.1454, 0.0582, 0.0175, 0.0035))
        ),
        Case("6 machines, 1 repairman: loss of machines", FELLER, 0.0549, 5e-5, lambda: SIX.waiting / 6),
        Case("6 machines, 1 repairman: loss of repairmen", FELLER, 0.4845, 5e-5, lambda: loss_of_crews(SIX)),
        Case("20 machines, 3 repairmen: all up", FELLER, 0.13625, 5e-6, lambda: TWENTY.shares[0]),
        Case("20 machines, 3 repairmen: loss of machines", FELLER, 0.01694, 5e-6, lambda: TWENTY.waiting / 20),
        Case("20 machines, 3 repairmen: loss of repairmen", FELLER, 0.4042, 5e-5, lambda: loss_of_crews(TWENTY)),
        Case("2 machines, up 1, repair 0.5, 1 crew: availability", MATLOFF, 0.6, 1e-6, lambda: ONE_CREW.availability),
        Case("the same with 2 crews: availability", MATLOFF, 0.667, 5e-4, lambda: TWO_CREWS.availability),
        Case("1 crew, simulated: availability", MATLOFF, 0.6, 0.01, lambda: pair(1).availability, relative=True),
        Case("2 crews, simulated: availability", MATLOFF, 0.667, 0.01, lambda: pair(2).availability, relative=True),
        Case("plant: share of the time with all up", FINITE, 0.564, 5e-4, lambda: PLANT.shares[0]),
        Case("plant: down", FINITE, 0.640, 5e-4, lambda: PLANT.down),
        Case("plant: waiting for the crew", FINITE, 0.203, 5e-4, lambda: PLANT.waiting),
        Case("plant: time down, h", FINITE, 2.93, 6e-3, lambda: PLANT.down_s),
        Case(
            "plant, simulated: time down, h", FINITE, 2.93, 0.03, lambda: plant().mean_down_us / HOUR_US, relative=True
        ),
        Case("plant, simulated: down", FINITE, 0.640, 0.03, lambda: 5.0 * (1.0 - plant().availability), relative=True),
        Case("plant, by the crews of the world: time down, h", FINITE, 2.93, 0.03, crews.down_h, relative=True),
        Case("plant, by the crews of the world: down", FINITE, 0.640, 0.03, crews.down, relative=True),
        Case(
            "plant with 5 crews: availability by the crews of the world",
            "20 h over 22 h: nobody waits",
            20.0 / 22.0,
            0.005,
            lambda: 1.0 - crews.kept(crews=5).down_us / (5 * crews.HOURS * HOUR_US),
            relative=True,
        ),
        *(
            Case(f"machine shop: parts of machine {machine}", SIMPY, float(parts), 0.0, partial(parts_of, machine))
            for machine, parts in enumerate(PRINTED)
        ),
    ),
)
