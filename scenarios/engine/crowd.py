"""The crowd behind a real broker: most of a fleet stays modelled, and the few on the wire meet its storm at the door.

A scenario with `fleet.cohort` is played live by so many twins. All others are a virtual run of the same scenario in a
process of its own, moved by the wall clock. At each CONNECT the embedded broker asks its modelled broker: the arrival
takes its place in the queue of the crowd, and is let in, made to wait, or refused as one of them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from multiprocessing.connection import Connection, wait

from twinstorm.broker.pauses import spare_pauses
from twinstorm.scenarios.engine.children import leave_signals, start_child
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.placement import apportion
from twinstorm.twin.flow import SECOND_US

READY_TIMEOUT_S = 120.0
STEP_US = 50_000
"""A crowd that is late catches up in pieces of this length, and answers in between."""
LOOK_S = 0.005
LATE_S = 0.5
_SMALLER = "Take a smaller fleet: --devices"


def split(scenario: Scenario) -> tuple[Scenario, Scenario | None]:
    """The part of a scenario that is on the wire, and the crowd, each segment in its share; None: there is none."""
    fleet = scenario.fleet
    if fleet.cohort is None:
        return scenario, None
    wire = apportion(fleet.cohort, [Fraction(part.devices, fleet.devices) for part in fleet.segments])
    rest = tuple(part.devices - taken for part, taken in zip(fleet.segments, wire, strict=True))
    return _sized(scenario, wire), _sized(scenario, rest)


def _sized(scenario: Scenario, devices: tuple[int, ...]) -> Scenario:
    parts = zip(scenario.fleet.segments, devices, strict=True)
    segments = tuple(replace(part, devices=count) for part, count in parts if count)
    return replace(scenario, fleet=replace(scenario.fleet, devices=sum(devices), segments=segments, cohort=None))


@dataclass(frozen=True)
class _Task:
    scenario: Scenario
    seed: int
    speed: Fraction


@dataclass(frozen=True)
class _Go:
    at_s: float


@dataclass(frozen=True)
class _Counts:
    """What became of the crowd's own connects, and by how many wall seconds it was late at most."""

    connects: Mapping[str, int]
    late_s: float


class Crowd:
    """The engine's end; implements `broker.front.Front`.

    Raises:
        Unavailable: this machine has no room for it.
    """

    guests_too = True

    def __init__(self, scenario: Scenario, seed: int, speed: Fraction) -> None:
        self.devices = scenario.fleet.devices
        self.answers: Counter[str] = Counter()
        """Real arrivals: admitted, of which some waited; refused."""
        self.longest_us = 0
        self._broken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: dict[int, asyncio.Future[int | None]] = {}
        self._number = 0
        context = multiprocessing.get_context("spawn")
        self._door, door = context.Pipe()
        self._pipe, pipe = context.Pipe()
        task = _Task(scenario, seed, speed)
        self._process = context.Process(target=stand, args=(task, pipe, door), name="twinstorm-crowd", daemon=True)
        try:
            start_child(self._process, "the crowd's process")
        finally:
            pipe.close()
            door.close()

    def ready(self) -> None:
        """Wait until it stands.

        Raises:
            Unavailable: it does not, and why.
        """
        try:
            if not self._pipe.poll(READY_TIMEOUT_S):
                raise Unavailable("the crowd's process", f"it is not ready after {READY_TIMEOUT_S:.0f} s", _SMALLER)
            trouble = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise Unavailable("the crowd's process", "it ended before the run", _SMALLER) from error
        if isinstance(trouble, Unavailable):
            raise trouble

    def go(self, at_s: float) -> None:
        """Let its time begin at this instant of the monotonic clock."""
        self._pipe.send(_Go(at_s))

    @property
    def failed(self) -> bool:
        """It has ended by itself."""
        return self._broken or not self._process.is_alive()

    # --- the door, in the loop of the broker --------------------------------------------------------------------------

    async def offer(self, now_us: int) -> int | None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._door.fileno(), self._hear)
        self._number += 1
        answer: asyncio.Future[int | None] = self._loop.create_future()
        self._asked[self._number] = answer
        try:
            self._door.send((self._number, now_us))
        except OSError:
            self._broken = True  # `listen` of the run ends it
            return None
        start_us = await answer
        if start_us is None:
            self.answers["refused"] += 1
            return None
        self.answers["admitted"] += 1
        self.answers["waited"] += start_us > now_us
        self.longest_us = max(self.longest_us, start_us - now_us)
        return start_us

    def reset(self) -> None:
        """The modelled broker begins anew by its own timeline."""

    def _hear(self) -> None:
        try:
            while self._door.poll():
                number, start_us = self._door.recv()
                answer = self._asked.pop(number)
                if not answer.done():
                    answer.set_result(start_us)
        except (EOFError, ConnectionError):
            self._broken = True
            assert self._loop is not None
            self._loop.remove_reader(self._door.fileno())
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_result(None)

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def notes(self, cohort: int) -> list[str]:
        """How many were which, and what became of them."""
        told = self._counts()
        told_of = "" if told is None else ", " + ", ".join(f"{count:,} {name}" for name, count in told.connects.items())
        real = self.answers["admitted"] + self.answers["refused"]
        notes = [
            f"crowd: {self.devices:,} devices modelled{told_of}",
            (
                f"on the wire: {cohort:,} twins, and guests; {real:,} connects met the crowd's queue, "
                f"{self.answers['refused']:,} were refused, {self.answers['waited']:,} waited, "
                f"{self.longest_us / SECOND_US:.1f} s at most"
            ),
        ]
        if told is not None and told.late_s > LATE_S:
            notes.append(f"the crowd was late by up to {told.late_s:.1f} s: this machine has no time for such a one")
        return notes

    def _counts(self) -> _Counts | None:
        try:
            self._pipe.send(None)
            if self._pipe.poll(READY_TIMEOUT_S):
                found = self._pipe.recv()
                return found if isinstance(found, _Counts) else None
        except (EOFError, OSError):
            pass
        return None

    def close(self) -> None:
        """End it; a second call does nothing."""
        self._pipe.close()
        self._process.join(timeout=5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(timeout=5.0)


def stand(task: _Task, pipe: Connection, door: Connection) -> None:
    """Body of the crowd's process; ends when `pipe` closes."""
    leave_signals()
    try:
        try:
            standing = _Standing(task, door)
        except Unavailable as error:
            pipe.send(error)
            return
        pipe.send(None)
        standing.play(pipe)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    finally:
        pipe.close()
        door.close()


class _Standing:
    def __init__(self, task: _Task, door: Connection) -> None:
        self._engine: Engine = build(task.scenario, RunOptions(seed=task.seed))
        assert isinstance(self._engine.wiring, ModelledWiring)
        self._wiring = self._engine.wiring
        self._speed, self._door = task.speed, door
        self._at_s = float("inf")
        self._late_s = 0.0

    def play(self, pipe: Connection) -> None:
        spare_pauses()
        while True:
            behind = self._move()
            for ready in wait([pipe, self._door], 0.0 if behind else LOOK_S):
                if ready is pipe:
                    message = pipe.recv()
                    if isinstance(message, _Go):
                        self._at_s = message.at_s
                    else:
                        pipe.send(_Counts(dict(self._wiring.connects(self._engine.now_us)), self._late_s))
                else:
                    self._answer()

    def _now_us(self) -> int:
        elapsed = time.monotonic() - self._at_s
        return int(elapsed * SECOND_US * self._speed) if elapsed > 0 else 0

    def _move(self) -> bool:
        """A piece of the way to now; is there more?"""
        engine, now_us = self._engine, self._now_us()
        if engine.ended:
            return False
        behind_us = now_us - engine.now_us
        self._late_s = max(self._late_s, behind_us / SECOND_US / float(self._speed))
        if behind_us > 0:
            engine.advance(min(engine.now_us + STEP_US, now_us))
        return behind_us > STEP_US

    def _answer(self) -> None:
        number, at_us = self._door.recv()
        engine = self._engine
        if not engine.ended and at_us > engine.now_us:
            # Whoever came before has to have come: a crowd that is late says so afterwards.
            engine.advance(at_us)
        self._door.send((number, self._wiring.broker.arrive(max(at_us, engine.now_us))))
