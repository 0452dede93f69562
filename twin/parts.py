"""What a world consists of besides lives and links: batteries, gateways, wrong clocks, crews, whatever comes next.

The world tells its parts what happens, at *moments*: the methods of `Part`. A part is told of those that it overrides
and of no others, so that what a fleet does not have, or a run does not need yet, costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from twinstorm.twin.flow import SECOND_US, Int, Mask, Readings, SessionEvents
from twinstorm.twin.rows import Rows
from twinstorm.twin.stories import Story

P = ParamSpec("P")
R = TypeVar("R")


class Part:
    """Base of all parts; at one moment they are told in the order in which they joined.

    Attributes:
        story: when it acts by itself; None: never.
        held: readings that wait in it. in_flight: readings on their way to it.
    """

    story: Story | None = None

    @property
    def held(self) -> int:
        return 0

    @property
    def in_flight(self) -> int:
        return 0

    @property
    def is_idle(self) -> bool:
        """Until somebody acts on the world it does nothing once a second, and readings that are sampled and sent are
        all one to it, one by one or many at a call."""
        return False

    def act(self, story: Any, now_us: int) -> None:
        """Its story is due, and must be given a later instant."""

    def catch_up(self, now_us: int) -> None:
        """Somebody must know where readings are: let everything happen to them that lies before `now_us`."""

    def connected(self, device: Int, at_us: Int) -> None:
        """Sessions began, and what these devices held has been sent."""

    def lost(self, device: Int, at_us: Int) -> None:
        """These devices noticed that their session is gone."""

    def power_switches(self, device: Int, at_us: int) -> None:
        """The power of these devices is about to be cut or given back."""

    def power_failed(self, device: Int, at_us: int) -> None:
        """These had power until now."""

    def booted(self, device: Int, at_us: int) -> None:
        """These have power again, and begin to boot."""

    def cut(self, device: Int, at_us: int, up: bool) -> None:
        """Links of these devices are cut; up: so that nothing they send gets through."""

    def healed(self, device: Int, heard: Int, at_us: int) -> None:
        """A cut of these devices is over; heard: those of them whose packets reach a broker that knows them."""

    def count_sent(self, device: Rows, messages: Int | Mask | int) -> None:
        """These devices send so many messages with readings."""

    def count_repeated(self, device: Int, times: Int, slower_us: Int) -> None:
        """Messages of these devices, one each, are repeated so often beyond what is usual, and are so much longer on
        air than their links take."""

    def reached(self) -> Mask:
        """bool, one a device: nothing in this part stops what it sends."""
        raise NotImplementedError

    def told(self, events: SessionEvents, now_us: int) -> SessionEvents:
        """What the core hears of sessions up to `now_us`, of what the world would let it hear."""
        raise NotImplementedError

    def take_back(self, readings: Readings, rows: Mask) -> Mask:
        """The broker died before these rows had reached it. Returns those that this part had sent, and has again."""
        raise NotImplementedError

    def count_evidence(self, step: str) -> None:
        """Count (`Exhibits.bit`) what a step did in this part and was not counted yet."""

    def note(self) -> str:
        """A line about this part at the end of a run."""
        raise NotImplementedError


class EverySecond(Part):
    """One story for all who look once a simulated second whether there is something to do, in this order."""

    def __init__(self, looks: Sequence[Callable[[int], None]]) -> None:
        self._looks = tuple(looks)
        self.story: Story = Story("seconds", rank=2, due_us=SECOND_US)

    @property
    def is_idle(self) -> bool:
        return True  # who looks is a part

    def act(self, story: Story, now_us: int) -> None:
        story.due_us = now_us + SECOND_US
        for look in self._looks:
            look(now_us)


class Parts:
    """The parts of one world, and of each moment those that it concerns: tuples of methods, made when a part joins."""

    def __init__(self) -> None:
        self._all: list[Part] = []
        self._listen()

    def join(self, part: Part) -> None:
        self._all.append(part)
        self._listen()

    def __iter__(self) -> Iterator[Part]:
        return iter(self._all)

    def _listen(self) -> None:
        self.catch_up = self._concerned(Part.catch_up)
        self.connected = self._concerned(Part.connected)
        self.lost = self._concerned(Part.lost)
        self.power_switches = self._concerned(Part.power_switches)
        self.power_failed = self._concerned(Part.power_failed)
        self.booted = self._concerned(Part.booted)
        self.cut = self._concerned(Part.cut)
        self.healed = self._concerned(Part.healed)
        self.count_sent = self._concerned(Part.count_sent)
        self.count_repeated = self._concerned(Part.count_repeated)
        self.reached = self._concerned(Part.reached)
        self.told = self._concerned(Part.told)
        self.take_back = self._concerned(Part.take_back)
        self.count_evidence = self._concerned(Part.count_evidence)
        self.note = self._concerned(Part.note)

    def _concerned(self, moment: Callable[Concatenate[Part, P], R]) -> tuple[Callable[P, R], ...]:
        name = moment.__name__
        return tuple(getattr(part, name) for part in self._all if getattr(type(part), name) is not moment)

    def __getstate__(self) -> list[Part]:
        return self._all

    def __setstate__(self, state: list[Part]) -> None:
        self._all = state
        self._listen()
