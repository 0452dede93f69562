"""Stories: things that act at their own instants (timeline, sampling, panes), as rows of data and one SimPy stepper.

A story is a dataclass with its next absolute `due_us`, its `rank` and fields of its own. The stepper waits until due,
calls the story's function, which does the work and writes the next due, and waits again. Nothing lives in a generator
frame, so rows can be saved between any two resumes and run on in another process.

SimPy orders equal times by insertion number; here they are ordered by the stored rank, through the event priority.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import simpy

from twinstorm.twin.flow import NEVER_US

_FIRST_PRIORITY = 2
"""SimPy uses 0 and 1 for its own events."""


@dataclass
class Story:
    """Base of every story row.

    Attributes:
        kind: which function acts for it.
        rank: order among stories that are due at one instant; unique within an environment.
        due_us: next instant; `NEVER_US`: it is over.
    """

    kind: str
    rank: int
    due_us: int


Act = Callable[[Any, int], None]
"""Called with the story row and the instant; must write a later `due_us`."""


class Stage:
    """One SimPy environment in microseconds and the stories that run in it. Rebuilt, never saved."""

    def __init__(self, acts: Mapping[str, Act], stories: Iterable[Story], now_us: int) -> None:
        self.env = simpy.Environment(initial_time=now_us)
        self._acts = acts
        for story in sorted(stories, key=lambda row: row.rank):
            self.enter(story)

    def enter(self, story: Story) -> None:
        """Let a story begin, also while others run."""
        if story.due_us != NEVER_US:
            self.env.process(self._step(story))

    def next_us(self) -> int:
        """Instant of the next resume; `NEVER_US` if every story is over. Runs SimPy's own start events."""
        queue = self.env._queue
        while queue and queue[0][1] < _FIRST_PRIORITY and queue[0][0] == self.env.now:
            self.env.step()
        return int(queue[0][0]) if queue else NEVER_US

    def step(self) -> None:
        """Let the next story act."""
        self.env.step()

    def _at(self, due_us: int, rank: int) -> simpy.Event:
        event = simpy.Event(self.env)
        event._ok = True
        event._value = None
        self.env.schedule(event, priority=_FIRST_PRIORITY + rank, delay=int(due_us) - self.env.now)  # type: ignore[arg-type]
        return event

    def _step(self, story: Story) -> Generator[simpy.Event, None, None]:
        act = self._acts[story.kind]
        while story.due_us != NEVER_US:
            waited_for = story.due_us
            yield self._at(waited_for, story.rank)
            if story.due_us != waited_for:
                return  # moved or ended from outside while it waited; whoever moves a story enters it again
            act(story, waited_for)
            if story.due_us <= waited_for:
                raise RuntimeError(f"story {story.kind} at {waited_for} us did not move its due instant forward")
