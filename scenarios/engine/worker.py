"""The live worker: the world and its paho fleet, in a process of their own, moved by the wall clock.

The engine sends orders through a pipe; the worker answers with totals once a second. Orders that are known before the
run (all steps with fixed targets) are sent ahead with their instant, so that they act exactly then and before the
readings of that instant, as in virtual time.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from multiprocessing.connection import Connection

import numpy as np

from twinstorm.broker.bad_links import BadLinks
from twinstorm.broker.ceiling import Ceiling
from twinstorm.broker.device_end import Connects, LiveDeviceEnd
from twinstorm.broker.pauses import spare_pauses
from twinstorm.broker.tls import ClientTls
from twinstorm.scenarios.engine.children import leave_signals
from twinstorm.scenarios.engine.wall_clock import WallClock
from twinstorm.scenarios.faults import base as calls
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.twin.eventlog import EventLog
from twinstorm.twin.fleet import FleetPlan
from twinstorm.twin.flow import MIRRORED, NEVER_US, SECOND_US, Device, DeviceEvent, FaultOrder, Int, Mask
from twinstorm.twin.health import KindHealth
from twinstorm.twin.maintenance import MaintenancePlan, Upkeep, Work
from twinstorm.twin.plugins import PluginError
from twinstorm.twin.stories import Stage, Story
from twinstorm.twin.traffic import SegmentTraffic
from twinstorm.twin.world import World

GATHER_TIMEOUT_S = 120.0
DRAIN_S = 10.0
_LONGEST_SLEEP_S = 0.005


@dataclass(frozen=True)
class Task:
    """What a worker is to play.

    Attributes:
        gather_per_s: connects per second before the run; the storm comes later.
    """

    plan: FleetPlan
    seed: int
    host: str
    port: int
    username: str | None
    passwords: tuple[str, ...] = field(repr=False)
    speed: Fraction
    year_us: int
    origin_us: int
    """Unix microseconds of simulated instant 0."""
    gather_per_s: float
    tls: Mapping[str, ClientTls] | ClientTls | None = None
    """Certificates by name, or how everybody trusts a broker that is not ours; None: no TLS."""
    path: str | None = None
    """MQTT over WebSocket, asked for by this path; None: MQTT over TCP."""
    bad_links: tuple[Int, ...] = ()
    """Devices that faults of links will meet together, a set each; none twice."""
    connects_per_s: int | None = None
    """More than this the fleet never asks of a broker in any second, whatever the scenario does; None: no ceiling."""


@dataclass(frozen=True)
class Go:
    """Simulated time begins at this instant of the monotonic clock, which all processes of a machine share."""

    at_s: float
    end_us: int
    """When it ends at the latest: nothing of that instant is sampled any more, however late `Finish` comes."""


@dataclass(frozen=True)
class Act:
    """Start (or end) a fault on these devices at this instant, or at once if it has passed."""

    at_us: int
    start: bool
    order: FaultOrder
    device: Device


@dataclass(frozen=True)
class Maintain:
    """Let crews look after these devices; comes before `Go`."""

    plan: MaintenancePlan
    device: Device


@dataclass(frozen=True)
class Ask:
    """Ask for a crew for each of these devices, now."""

    device: Device


@dataclass(frozen=True)
class Forget:
    """Drop what was sent ahead for this step: it was cancelled or ended by hand."""

    step: str
    starts: bool


@dataclass(frozen=True)
class Finish:
    """Stop sampling, wait until everything sent is acknowledged or `DRAIN_S` are over, tell the totals and leave.

    Attributes:
        at_once: close every connection first, and wait for nothing.
    """

    at_us: int
    at_once: bool = False


@dataclass(frozen=True)
class Gathered:
    """How many devices are online; `ready`: all of them; `gave_up`: they will not be, the worker leaves."""

    online: int
    ready: bool = False
    gave_up: bool = False


@dataclass(frozen=True)
class Totals:
    """What only the worker knows; `final` ones come last and carry a row a device."""

    at_us: int
    produced: int
    buffered: int
    unacknowledged: int
    lost: Mapping[str, int]
    codes: Mapping[int, int]
    evidence: Mapping[str, Mapping[str, int]]
    lag_s: float
    online: Mask
    upkeep: Upkeep | None = None
    final: bool = False
    produced_each: Int | None = None
    buffered_each: Int | None = None
    unacknowledged_each: Int | None = None
    """Sent and not acknowledged at the end: in flight, unless the core has them."""
    lost_each: Int | None = None
    """What `lost` holds in all."""
    unreadable: int = 0
    """Messages that nobody can read, repeats included."""
    overtaken: bool = False
    """Faults let messages overtake each other: the core may have taken some for repeats."""
    traffic: tuple[SegmentTraffic, ...] = ()
    health: tuple[KindHealth, ...] = ()
    """The truth about all machines, at the end."""
    works: tuple[Work, ...] = ()
    """What crews have repaired, at the end."""
    notes: tuple[str, ...] = ()
    """Of the world, at the end."""
    connects: Connects = field(default_factory=Connects)
    """Since the run began."""
    connects_held: int = 0
    """Of these, so many had to wait below the ceiling."""
    in_doubt_each: Int | None = None
    """Sent, but not acknowledged when their device lost its memory: delivered or lost, only the core knows."""


@dataclass(frozen=True)
class Broken:
    """A plug-in broke the world; the worker leaves."""

    error: PluginError


@dataclass
class _Script(Story):
    """Acts that wait for their instant, earliest first."""

    acts: list[Act] = field(default_factory=list)


class Worker:
    """Drives one world by the wall clock."""

    def __init__(self, task: Task, pipe: Connection) -> None:
        self._task, self._pipe = task, pipe
        self._clock = WallClock(task.speed)
        self._now_us = self._clock.now_us
        self._log = EventLog()
        self._bad_links = (
            BadLinks(task.host, task.port, task.bad_links, task.speed, task.seed) if task.bad_links else None
        )
        self._ceiling = None if task.connects_per_s is None else Ceiling(task.connects_per_s)
        self._end = LiveDeviceEnd(
            host=task.host,
            port=task.port,
            passwords=task.passwords,
            plan=task.plan,
            speed=task.speed,
            now_us=self._now_us,
            username=task.username,
            origin_us=task.origin_us,
            tls=task.tls,
            path=task.path,
            bad_links=self._bad_links,
            ceiling=self._ceiling,
        )
        self._world = World(
            task.plan,
            task.seed,
            self._end,
            self._log,
            year_us=task.year_us,
            foreseen=False,
            origin_us=task.origin_us,
            wire=self._end if task.bad_links else None,
        )
        if self._world.configurations is not None:
            self._end.configurations = self._world.configurations.had
        self._world.count_each()
        self._script = _Script("script", 0, NEVER_US)
        self._finish: Finish | None = None
        self._end_us = NEVER_US
        self._lag_s = 0.0

    # --- before the run -----------------------------------------------------------------------------------------------

    def gather(self) -> bool:
        """Bring every twin online at a gentle rate, as a fleet that has been running for long. False: in vain."""
        n, speaker = len(self._world.fleet), self._world.fleet.speaker
        is_twin = self._world.fleet.origin != MIRRORED
        clients = np.flatnonzero((speaker == np.arange(n)) & is_twin)
        online = np.zeros(n, np.bool_)
        tries = np.zeros(n, np.int64)
        asked, began, told = 0, time.monotonic(), 0.0
        retry_at = np.full(n, np.inf)
        while not online[clients].all():
            if self._told_to_leave():
                self._end.close()
                self._pipe.send(Gathered(0, gave_up=True))
                return False
            now = time.monotonic()
            if now - began > GATHER_TIMEOUT_S:
                self._pipe.send(Gathered(int(online[speaker].sum()), gave_up=True))
                self._end.close()
                return False
            target = min(len(clients), int((now - began) * self._task.gather_per_s) + 1)
            again = np.flatnonzero(retry_at <= now)
            retry_at[again] = np.inf
            fresh = clients[asked:target]
            asked = max(asked, target)
            device = np.concatenate([again, fresh]).astype(np.int32)
            if len(device):
                zeros = np.zeros(len(device), np.int64)
                self._end.offer(zeros, device, tries[device], zeros)
                self._end.commit(len(device))
            outcome = self._end.poll(0)
            came = outcome.what == DeviceEvent.CONNECTED
            online[outcome.device[came]] = True
            failed = outcome.device[~came]
            online[failed] = False
            retry_at[failed] = now + 1.0
            if now - told > 0.2:
                told = now
                self._pipe.send(Gathered(int(online[speaker].sum())))
            time.sleep(_LONGEST_SLEEP_S)
        device = np.flatnonzero(is_twin).astype(np.int32)
        self._end.announce(device, self._world.fleet.boot[device], np.zeros(len(device), np.int64))
        self._pipe.send(Gathered(len(device), ready=True))
        return True

    def _told_to_leave(self) -> bool:
        while self._pipe.poll():
            self._hear(self._pipe.recv())
        return self._finish is not None

    # --- the run ------------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Move with the clock until told to finish."""
        spare_pauses()
        message = self._await_go()
        if message is None:
            return
        self._clock.begin(message.at_s)
        self._end_us = message.end_us
        self._begin_to_count()
        world = self._world
        acts = {**world.acts, "script": self._act_script}
        world.output.story.rank = 1
        stage = Stage(acts, [self._script, *world.stories], 0)
        next_totals_us = SECOND_US
        while self._finish is None or self._now_us() < self._finish.at_us:
            self._read_orders(stage)
            now_us = min(self._now_us(), self._end_us)
            while (due_us := stage.next_us()) <= now_us and not self._over(due_us):
                world.advance_to(due_us)
                stage.step()
                self._lag_s = max(self._lag_s * 0.9, (self._now_us() - due_us) / SECOND_US)
            world.advance_to(now_us)
            world.life.hear(self._end.poll(now_us))
            world.settle(now_us)
            if now_us >= next_totals_us:
                self._log.seal(now_us)
                self._pipe.send(self._totals(now_us))
                next_totals_us = now_us // SECOND_US * SECOND_US + SECOND_US
            time.sleep(_LONGEST_SLEEP_S)
        self._drain()

    def _await_go(self) -> Go | None:
        """Keep the sessions alive until the engine says go; it first waits for the births. None: it says leave."""
        while self._finish is None:
            if not self._pipe.poll(_LONGEST_SLEEP_S):
                self._world.life.hear(self._end.poll(0))
                continue
            message = self._pipe.recv()
            if isinstance(message, Go):
                return message
            self._hear(message)
        self._end.close()
        self._pipe.send(Gathered(0, gave_up=True))
        return None

    def _begin_to_count(self) -> None:
        self._end.begin_to_count()
        if self._ceiling is not None:
            self._ceiling.held = 0

    def _over(self, due_us: int) -> bool:
        """Nothing of the last instant itself is sampled any more, as in virtual time."""
        return due_us >= self._end_us

    def _drain(self) -> None:
        assert self._finish is not None
        end_us = self._finish.at_us
        self._world.advance_to(end_us)
        self._world.payloads.let_go(NEVER_US)
        self._world.settle(end_us)
        until = time.monotonic() + DRAIN_S
        while not self._finish.at_once and self._end.unacknowledged() and time.monotonic() < until:
            # Nothing is asked of us any more but to be quicker, and an engine that has gone shows here.
            if self._pipe.poll() and isinstance(message := self._pipe.recv(), Finish):
                self._hear(message)
            self._end.poll(self._now_us())
            time.sleep(_LONGEST_SLEEP_S)
        self._log.seal(end_us + 1)
        self._pipe.send(self._totals(end_us, final=True))
        self._end.close()

    def _read_orders(self, stage: Stage) -> None:
        while self._pipe.poll():
            before = self._script.due_us
            self._hear(self._pipe.recv())
            if self._script.due_us != before:
                self._script.due_us = max(self._script.due_us, int(stage.env.now) + 1)
                stage.enter(self._script)

    def _hear(self, message: object) -> None:
        match message:
            case Act():
                self._script.acts.append(message)
                self._script.acts.sort(key=lambda act: act.at_us)
            case Forget(step=step, starts=starts):
                self._script.acts = [
                    act for act in self._script.acts if act.order.step != step or (act.start and not starts)
                ]
            case Maintain(plan=plan, device=device):
                self._world.maintain(plan, device)
            case Ask(device=device):
                if self._world.maintenance is not None:
                    self._world.maintenance.ask(device, self._now_us())
            case Finish():
                self._finish = message
                if message.at_once:
                    self._end.close()  # before anything else: what the world still has to say goes nowhere
                self._end_us = min(self._end_us, message.at_us)
        self._script.due_us = min((act.at_us for act in self._script.acts), default=NEVER_US)

    def _act_script(self, story: _Script, now_us: int) -> None:
        due = [act for act in story.acts if act.at_us <= now_us]
        story.acts = [act for act in story.acts if act.at_us > now_us]
        for act in due:
            self._act(act, now_us)
        story.due_us = min((act.at_us for act in story.acts), default=NEVER_US)

    def _act(self, act: Act, now_us: int) -> None:
        fault = catalogue()[act.order.fault]
        self._world.settle(now_us)
        (calls.start if act.start else calls.end)(fault, self._world, act.order, act.device, now_us)

    def _totals(self, at_us: int, final: bool = False) -> Totals:
        world = self._world
        waiting, buffered = self._end.unacknowledged_each(), world.buffers.depth - world.buffers.unacked
        if world.gateways is not None:
            waiting += world.gateways.in_flight_each()
            buffered = buffered + world.gateways.held_each()
        if world.trunks is not None:
            waiting += world.trunks.in_flight_each()
        lost = dict(world.lost)
        lost["evicted"] = lost.get("evicted", 0) + world.buffers.evicted
        each = final or None
        return Totals(
            at_us=at_us,
            produced=world.produced,
            buffered=world.held,
            unacknowledged=int(waiting.sum()),
            lost={str(cause): int(count) for cause, count in lost.items() if count},
            codes=dict(self._log.counts),
            evidence=self._evidence(),
            lag_s=self._lag_s,
            online=world.online(),
            upkeep=None if world.maintenance is None else world.maintenance.upkeep(at_us),
            final=final,
            produced_each=world.fleet.seq.copy() if each else None,
            buffered_each=buffered.astype(np.int64) if each else None,
            unacknowledged_each=waiting if each else None,
            lost_each=world.lost_each.copy() if each and world.lost_each is not None else None,
            unreadable=world.payloads.unreadable,
            overtaken=world.payloads.overtaken,
            in_doubt_each=self._end.in_doubt_each.copy() if each else None,
            connects=replace(self._end.connects),
            connects_held=0 if self._ceiling is None else self._ceiling.held,
            traffic=self._traffic() if each else (),
            health=world.sampler.health() if each else (),
            works=tuple(world.maintenance.done) if each and world.maintenance is not None else (),
            notes=tuple(world.notes()) if each else (),
        )

    def _traffic(self) -> tuple[SegmentTraffic, ...]:
        """What the world's devices sent, in the bytes that went to sockets."""
        return tuple(
            replace(row, payload_bytes=payload, wire_bytes=packets)
            for row, payload, packets in zip(
                self._world.traffic.by_segment(),
                self._end.payload_bytes,
                self._end.packet_bytes,
                strict=True,
            )
        )

    def _evidence(self) -> dict[str, dict[str, int]]:
        """By step, what happened in the world, and on links to it."""
        found = {step: Counter(self._world.evidence_of(step).counts) for step in list(self._world.evidence)}
        if self._bad_links is not None:
            for step, counts in self._bad_links.counts().items():
                found.setdefault(step, Counter()).update(counts)
        return {step: dict(counts) for step, counts in found.items()}

    def close(self) -> None:
        """Leave no socket that outlives the fleet."""
        if self._bad_links is not None:
            self._bad_links.close()


def work(task: Task, pipe: Connection) -> None:
    """Body of the worker process; ends when the pipe closes."""
    leave_signals()
    try:
        with closing(Worker(task, pipe)) as worker:
            if worker.gather():
                worker.play()
    except (EOFError, BrokenPipeError):
        return
    except PluginError as error:
        error.add_note("".join(traceback.format_exception(error)))  # A pipe carries no trace.
        pipe.send(Broken(error))
    finally:
        pipe.close()
