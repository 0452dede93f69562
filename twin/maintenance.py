"""Crews that look after machines: who asks for one, who comes when, with which part, and what it leaves.

A machine *stops* when its hidden health is used up, or breaks down by chance; then it stands still until it has been
repaired. A machine for which a crew was asked before it stopped (by condition, by plan) works on until the crew begins.
Whoever stands still measures what a stopped machine measures; its device stays powered and connected. A repair ends the
machine's failures and renews what wears (`twin.machines.kind.renew`).

One story for all: jobs are rows with the instants at which they go on, crews and machines are columns. Requests are
served in order of asking, at one instant in the order of devices; a job waits until a crew of its pool is free and a
part is in stock, and takes both along. Parts are ordered one for one as they are taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from twinstorm.twin.chance import Purpose, Words, below, stream, words
from twinstorm.twin.eventlog import Code
from twinstorm.twin.flow import MINUTE_US, NEVER_US, SECOND_US, Device, Int, Mask
from twinstorm.twin.parts import Part
from twinstorm.twin.places import distance_km
from twinstorm.twin.repairs import Scatter, lasting_us
from twinstorm.twin.stories import Story

if TYPE_CHECKING:
    from twinstorm.twin.world import World

MAINTENANCE: Final = "maintenance"
LOOK_US: Final = MINUTE_US
"""How often hidden health is looked at: a worn machine stops on the next full minute."""
HOUR_US_PER_KM_H: Final = 3_600_000_000
BREAKDOWN, CONDITION, PLAN = "breakdown", "condition", "plan"
"""Why a crew was asked for: the machine stopped, what was heard of it, or its time had come."""
UP, REPAIR = 0, 1
"""Sorts of durations, as `twin.repairs.simulate` numbers them."""


@dataclass(frozen=True)
class MaintenancePlan:
    """Who looks after machines, and how.

    Attributes:
        crews: how many each pool has, >= 1. pool: of each site, which crews serve it.
        travel_us: shortest and longest way to a machine, one draw a job; with `speed_km_h` the way between sites
            counts instead, and a crew stays where it last worked; it starts at its pool's first site.
        repair_us: shortest and longest repair, one draw a job. exponential: instead, by chance around their middle.
        breakdown_us: mean running time to a breakdown by chance, exponential; None: machines stop by wear alone.
        spares: parts in stock at the start; None: without end. lead_us: from an order to its arrival, > 0.
        interval_us: > 0, each machine is renewed so long after the last time, at first spread evenly; None: never.
        asked: requests may come from outside (`Maintenance.ask`), and are answered within a second.
    """

    crews: tuple[int, ...] = (1,)
    pool: tuple[int, ...] = (0,)
    travel_us: tuple[int, int] = (0, 0)
    speed_km_h: float | None = None
    repair_us: tuple[int, int] = (SECOND_US, SECOND_US)
    exponential: bool = False
    breakdown_us: int | None = None
    spares: int | None = None
    lead_us: int = SECOND_US
    interval_us: int | None = None
    asked: bool = False


@dataclass
class Job:
    """One request: asked for, under way from `left_us`, at work from `begins_us`, done at `ends_us`; see `Work`."""

    device: int
    asked_us: int
    why: str
    crew: int = -1
    begins_us: int = NEVER_US
    ends_us: int = NEVER_US


@dataclass(frozen=True, slots=True)
class Work:
    """A repair that is done: what wears in the machine is new, and it takes a part.

    Attributes:
        why: somebody asked: `BREAKDOWN`, `CONDITION` or `PLAN`.
        crew: which, from 0. stopped_us: since when the machine stood still.
    """

    device: int
    why: str
    crew: int
    asked_us: int
    stopped_us: int
    begun_us: int
    ended_us: int


@dataclass(frozen=True)
class Upkeep:
    """What came of it, so far.

    Attributes:
        machines: looked after. stops: machines that stopped before anybody renewed them.
        asked: requests, stops included. repairs: done. spares: parts taken.
        down_us: time of all machines standing still, waiting and under repair.
        begun: jobs at which a crew has begun; waited_us: their time from asking to then.
        busy: bool (n,), devices with a job. renewed_us: int64 (n,), end of the last repair, or -1.
    """

    machines: int
    stops: int
    asked: int
    repairs: int
    spares: int
    down_us: int
    begun: int
    waited_us: int
    busy: Mask
    renewed_us: Int


@dataclass
class Crews:
    """Columns with one row a crew: its pool, the site where it is, and whether it is free."""

    pool: list[int]
    site: list[int]
    free: list[bool]

    @classmethod
    def of(cls, plan: MaintenancePlan) -> Crews:
        """All at the first site of their pool."""
        pool = [number for number, crews in enumerate(plan.crews) for _ in range(crews)]
        return cls(pool, [plan.pool.index(number) for number in pool], [True] * len(pool))


@dataclass
class Stock:
    """Parts: in stock (None: without end), and when those on order arrive, the earliest first."""

    parts: int | None
    lead_us: int
    on_order_us: list[int] = field(default_factory=list)
    taken: int = 0

    @property
    def next_us(self) -> int:
        return self.on_order_us[0] if self.on_order_us else NEVER_US

    def arrive(self, now_us: int) -> None:
        while self.next_us <= now_us:
            assert self.parts is not None
            self.parts += 1
            del self.on_order_us[0]

    def take(self, now_us: int) -> None:
        """Take one and order another."""
        self.taken += 1
        if self.parts is not None:
            self.parts -= 1
            self.on_order_us.append(now_us + self.lead_us)


class Maintenance(Part):
    """Crews, parts and requests of one world, and the story that moves them.

    Args:
        world: whose machines.
        device: int32, ascending, whom the crews look after.
        look_us: see `LOOK_US`.
    """

    def __init__(
        self, world: World, plan: MaintenancePlan, device: Device, now_us: int = 0, look_us: int = LOOK_US
    ) -> None:
        fleet = world.fleet
        self._world, self.plan, self._look_us = world, plan, look_us
        self.device = device.astype(np.int64)
        self._streams = {purpose: stream(world.seed, purpose) for purpose in (Purpose.UPKEEP, Purpose.CREW)}
        self.jobs: list[Job] = []
        """Open ones, in order of asking."""
        self.done: list[Work] = []
        """In the order in which they ended."""
        self.crews = Crews.of(plan)
        self.stock = Stock(plan.spares, plan.lead_us)
        n = len(fleet)
        self.looked_after: Mask = np.zeros(n, np.bool_)
        self.looked_after[self.device] = True
        self.busy: Mask = np.zeros(n, np.bool_)
        self.stopped_us: Int = np.full(n, NEVER_US, np.int64)
        """Since when each stands still."""
        self.repairs: Int = np.zeros(n, np.int64)
        self.renewed_us: Int = np.full(n, -1, np.int64)
        self.breaks_us: Int = np.full(n, NEVER_US, np.int64)
        self.planned_us: Int = np.full(n, NEVER_US, np.int64)
        self._stops = self._asked = self._begun = self._waited_us = self._down_us = 0
        self._ways_us: dict[tuple[int, int], int] = {}
        self._break_later(self.device, now_us)
        if plan.interval_us is not None:
            draws = words(self._streams[Purpose.CREW], fleet.key[self.device], 0)
            self.planned_us[self.device] = (
                now_us
                + 1
                + (draws >> np.uint64(32)).astype(np.int64) * (plan.interval_us // SECOND_US) // (1 << 32) * SECOND_US
            )
        self.story: Story = Story(MAINTENANCE, rank=6, due_us=NEVER_US)
        self._wait(now_us)

    # --- requests -----------------------------------------------------------------------------------------------------

    def ask(self, device: Device, at_us: int, why: str = CONDITION) -> int:
        """Ask for a crew for these devices (ascending); they work on until it begins. Returns how many had none yet."""
        new = device[self.looked_after[device] & ~self.busy[device]].tolist()
        self.jobs += [Job(each, at_us, why) for each in new]
        self.busy[new] = True
        self._asked += len(new)
        return len(new)

    def upkeep(self, now_us: int) -> Upkeep:
        still = self.stopped_us[self.stopped_us < now_us]
        return Upkeep(
            machines=len(self.device),
            stops=self._stops,
            asked=self._asked,
            repairs=int(self.repairs.sum()),
            spares=self.stock.taken,
            down_us=self._down_us + int((now_us - still).sum()),
            begun=self._begun,
            waited_us=self._waited_us,
            busy=self.busy.copy(),
            renewed_us=self.renewed_us.copy(),
        )

    # --- the story ----------------------------------------------------------------------------------------------------

    def act(self, story: Story, now_us: int) -> None:  # noqa: ARG002 - its own
        """Let everything happen that is due, and find the next instant."""
        self._world.advance_to(now_us)
        self.stock.arrive(now_us)
        for job in [one for one in self.jobs if one.ends_us <= now_us]:
            self._end(job, now_us)
        for job in [one for one in self.jobs if one.begins_us <= now_us and one.ends_us == NEVER_US]:
            self._begin(job, now_us)
        self._stop(np.flatnonzero(self.breaks_us <= now_us), now_us)
        if now_us % self._look_us == 0:
            self._stop(self._world.sampler.worn_out(self.looked_after & (self.stopped_us == NEVER_US)), now_us)
        self.ask(np.flatnonzero(self.planned_us <= now_us).astype(np.int32), now_us, PLAN)
        self.planned_us[self.planned_us <= now_us] = NEVER_US
        self._dispatch(now_us)
        self._wait(now_us)

    def _wait(self, now_us: int) -> None:
        """Write when the story acts next."""
        grid_us = SECOND_US if self.plan.asked else self._look_us
        due_us = now_us // grid_us * grid_us + grid_us
        for job in self.jobs:
            due_us = min(due_us, job.begins_us if job.ends_us == NEVER_US else job.ends_us)
        rows = (self.breaks_us, self.planned_us)
        self.story.due_us = min(due_us, self.stock.next_us, *(int(column.min(initial=NEVER_US)) for column in rows))

    def _stop(self, device: Int, now_us: int) -> None:
        """These stop before anybody renewed them, and ask for a crew if they have not yet."""
        self._stops += len(device)
        self._stand_still(device, now_us, Code.MACHINE_STOPPED)
        self.ask(device.astype(np.int32), now_us, BREAKDOWN)

    def _stand_still(self, device: Int, now_us: int, why: Code) -> None:
        self.stopped_us[device] = np.minimum(self.stopped_us[device], now_us)
        self.breaks_us[device] = NEVER_US
        self._world.sampler.halt(device, True)
        for each in device.tolist():
            self._world.log.tell(now_us, why, each)

    def _dispatch(self, now_us: int) -> None:
        """Send crews, with a part each, to those who have waited longest."""
        for job in self.jobs:
            if self.stock.parts == 0 or not any(self.crews.free):
                return
            if job.crew < 0:
                self._send(job, now_us)

    def _send(self, job: Job, now_us: int) -> None:
        site = int(self._world.fleet.site[job.device])
        pool = self.plan.pool[site]
        crews = self.crews
        able = [row for row, free in enumerate(crews.free) if free and crews.pool[row] == pool]
        if not able:
            return
        if self.plan.speed_km_h is None:
            way_us, job.crew = self._drawn_us(self.plan.travel_us, job.device, 0), able[0]
        else:
            way_us, job.crew = min((self._way_us(crews.site[row], site), row) for row in able)
        crews.free[job.crew] = False
        crews.site[job.crew] = site
        self.stock.take(now_us)
        job.begins_us = now_us + way_us
        if not way_us:
            self._begin(job, now_us)

    def _begin(self, job: Job, now_us: int) -> None:
        self._begun += 1
        self._waited_us += now_us - job.asked_us
        self._stand_still(np.array([job.device]), now_us, Code.REPAIR_BEGUN)
        if self.plan.exponential:
            low_us, high_us = self.plan.repair_us
            lasts_us = self._by_chance_us(np.array([job.device]), REPAIR, (low_us + high_us) / 2).tolist()[0]
        else:
            lasts_us = max(self._drawn_us(self.plan.repair_us, job.device, 1), 1)
        job.ends_us = now_us + lasts_us

    def _end(self, job: Job, now_us: int) -> None:
        device = np.array([job.device])
        self.jobs = [one for one in self.jobs if one is not job]
        self.crews.free[job.crew] = True
        stopped_us = int(self.stopped_us[job.device])
        self._down_us += now_us - stopped_us
        self.done.append(Work(job.device, job.why, job.crew, job.asked_us, stopped_us, job.begins_us, now_us))
        self.stopped_us[device] = NEVER_US
        self.busy[device] = False
        self.repairs[device] += 1
        self.renewed_us[device] = now_us
        self._world.sampler.renew(device.astype(np.int32))
        self._world.sampler.halt(device, False)
        self._world.log.tell(now_us, Code.REPAIRED, job.device)
        self._break_later(device, now_us)
        if self.plan.interval_us is not None:
            self.planned_us[device] = now_us + self.plan.interval_us

    # --- how long -----------------------------------------------------------------------------------------------------

    def _break_later(self, device: Int, now_us: int) -> None:
        if self.plan.breakdown_us is not None:
            self.breaks_us[device] = now_us + self._by_chance_us(device, UP, float(self.plan.breakdown_us))

    def _keys(self, device: Int) -> Words:
        return self._world.fleet.key[device]

    def _by_chance_us(self, device: Int, sort: int, mean_us: float) -> Int:
        key = self._streams[Purpose.UPKEEP]
        return lasting_us(key, self._keys(device), self.repairs[device], sort, Scatter(mean_us))

    def _drawn_us(self, ends_us: tuple[int, int], device: int, sort: int) -> int:
        """Between two ends; in milliseconds, so that a month fits 32 bits."""
        low_us, high_us = ends_us
        number = 1 + 2 * int(self.repairs[device]) + sort
        draws = words(self._streams[Purpose.CREW], self._keys(np.array([device])), number)
        return low_us + int(below(draws, (high_us - low_us) // 1_000 + 1)[0]) * 1_000

    def _way_us(self, start: int, end: int) -> int:
        if (start, end) not in self._ways_us:
            assert self.plan.speed_km_h is not None
            names = [name for name, _ in self._world.fleet.plan.sites]
            way_us = distance_km(names[start], names[end]) / self.plan.speed_km_h * HOUR_US_PER_KM_H
            self._ways_us[start, end] = round(way_us)
        return self._ways_us[start, end]
