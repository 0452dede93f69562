"""What the machines of a small event-driven group will tell for a while, worked out at one call.

Nothing reaches most machines most of the time, and then their future is a function of their state. A call for thirty
machines costs nearly as much as one for a thousand, so it is better made every few minutes than at every instant at
which something happens in one of them. If something does reach them after all, the foresight is given up: machines live
anew, from where they were, to their last instant that is over (`Foresight.settle`). No result depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.event_groups import EventGroup, Spoken
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Int, Values
from twinstorm.twin.machines import checked
from twinstorm.twin.machines.kind import EventKind, Inputs
from twinstorm.twin.resolution import Steps

MACHINE_SECONDS: Final = 8_192
"""How far one call sees: about four thousand events in thirty busy machines."""
SHORTEST_US: Final = 32 * SECOND_US
"""Of larger groups so many machines are due at once that there is nothing to gain."""
LONGEST_US: Final = 5 * MINUTE_US
"""A machine may not live longer at a step event by event (`MEMORY_US` of kinds)."""
CLOCK: Final = "clock_us"

Columns = Mapping[str, NDArray[Any]]
Measure = Callable[[Int, Int, Int, Columns], tuple[Values, Steps]]
"""Of machines (rows of the group), instants, numbers among the readings to come of each (from 0) and states: values and
steps, (channels, rows)."""


def horizon_us(machines: int) -> int:
    """How far it is worth seeing for so many; 0: not at all."""
    far_us = min(MACHINE_SECONDS * SECOND_US // machines, LONGEST_US)
    return far_us if far_us >= SHORTEST_US else 0


@dataclass
class Foresight:
    """From the instants to which machines were stepped up to `until_us`.

    Attributes:
        due_us, due: int64 (d,), instants and machines in which something happens, or that have been quiet for long
            enough, by (instant, machine).
        told_us, told: int64 (m,), likewise: those of them at which the machine speaks.
        values, steps: float32 and int16 (channels, m), what it says.
        ahead: columns of the state at the end.
        instants: of `due_us`, each once, those to come last.
        done_us: the newest of them that is over.
    """

    until_us: int
    due_us: Int
    due: Int
    told_us: Int
    told: Int
    values: Values
    steps: Steps
    ahead: dict[str, NDArray[Any]]
    instants: list[int]
    done_us: int = -1

    def next_us(self) -> int | None:
        """The next instant at which somebody is due; None: there is none up to `until_us`."""
        return self.instants[-1] if self.instants else None

    def at(self, now_us: int) -> Spoken:
        """What is told at the next instant, by which machines; it is over then."""
        while self.instants and self.instants[-1] <= now_us:
            self.instants.pop()
        self.done_us = now_us
        first, last = np.searchsorted(self.told_us, [now_us, now_us + 1]).tolist()
        return Spoken(self.told[first:last], self.values[:, first:last], self.steps[:, first:last])

    def before(self, end_us: int) -> tuple[Int, Spoken]:
        """What is told at the instants to come before `end_us`, and when; they are over then."""
        first = int(np.searchsorted(self.told_us, self.done_us, side="right"))
        last = int(np.searchsorted(self.told_us, end_us))
        while self.instants and self.instants[-1] < end_us:
            self.done_us = self.instants.pop()
        spoken = Spoken(self.told[first:last], self.values[:, first:last], self.steps[:, first:last])
        return self.told_us[first:last], spoken

    def _last_us(self, before: Int, at_us: Int, rows: Int) -> Int:
        """Of each machine the last of these instants that is over."""
        last_us = before.copy()
        over = int(np.searchsorted(at_us, self.done_us, side="right"))
        last_us[rows[:over]] = at_us[:over]  # ascending, so that the last one stays
        return last_us

    def settle(self, group: EventGroup, kind: EventKind, state: Columns, parameters: Columns) -> None:
        """Bring machines, in place, to where they would be had nobody seen ahead."""
        lived_us = self._last_us(group.stepped_us, self.due_us, self.due) - group.stepped_us
        clock_us = state[CLOCK] + lived_us
        if self.instants:
            checked.foresee(kind, state, parameters, _quiet(self.done_us, lived_us), len(lived_us))
        else:
            for name, column in state.items():
                np.copyto(column, self.ahead[name])
        np.copyto(state[CLOCK], clock_us)
        group.stepped_us += lived_us
        group.told_us = self._last_us(group.told_us, self.told_us, self.told)
        group.look_ahead(checked.ahead_us(kind, state, len(lived_us)))


def foresee(
    group: EventGroup,
    kind: EventKind,
    state: Columns,
    parameters: Columns,
    until_us: int,
    measure: Measure,
) -> Foresight:
    """See ahead in all machines of a group, which all work and are not disturbed; their state stays as it is."""
    n = len(group.stepped_us)
    ahead = {name: column.copy() for name, column in state.items()}
    course = checked.foresee(kind, ahead, parameters, _quiet(until_us, until_us - group.stepped_us), n)
    order = np.argsort(course.row, kind="stable")
    row = course.row[order]
    at_us = group.on_grid(course.at_us[order] - state[CLOCK][row] + group.stepped_us[row])

    # Machine and instant in one number. Of several events that are told together the last one shows.
    start_us = int(min(group.stepped_us.min(), group.told_us.min()))
    span_us = until_us + 1 - start_us
    event = row * span_us + (at_us - start_us)
    ends = np.flatnonzero(np.append(event[1:] != event[:-1], True)) if len(event) else np.empty(0, np.int64)
    news = course.news[order]
    if len(ends):
        news = np.logical_or.reduceat(news, np.append(0, ends[:-1] + 1))
    event, last = event[ends], order[ends]

    spoke = event[news]
    tell = np.sort(np.concatenate([spoke, _unprompted(group, spoke, start_us, span_us, until_us)]))
    told = tell // span_us
    nth = np.arange(len(tell)) - np.searchsorted(told, np.arange(n))[told]
    since = np.searchsorted(event, tell, side="right") - 1
    happened = (since >= 0) & (event[since] >= told * span_us) if len(event) else np.zeros(len(tell), np.bool_)
    source = np.where(happened, n + last[since] if len(event) else 0, told)
    columns = {name: np.concatenate([state[name], column])[source] for name, column in course.state.items()}
    told_us = tell - told * span_us + start_us
    values, steps = measure(told, told_us, nth, columns)

    due = np.unique(np.concatenate([event, tell]))
    due_us, due = due % span_us + start_us, due // span_us
    by_instant, spoken = np.argsort(due_us, kind="stable"), np.argsort(told_us, kind="stable")
    return Foresight(
        until_us,
        due_us[by_instant],
        due[by_instant],
        told_us[spoken],
        told[spoken],
        values.take(spoken, axis=1),
        steps.take(spoken, axis=1),
        ahead,
        np.unique(due_us)[::-1].tolist(),
    )


def _unprompted(group: EventGroup, spoke: Int, start_us: int, span_us: int, until_us: int) -> Int:
    """When machines speak because they have been quiet for so long, as `spoke`: machine and instant in one number."""
    n = len(group.told_us)
    before = np.concatenate([np.arange(n) * span_us + (group.told_us - start_us), spoke])
    before.sort()
    machine = before // span_us
    from_us = before - machine * span_us + start_us
    first_us = group.on_grid(from_us + group.every_us)
    next_us = np.full(len(before), until_us + 1, np.int64)
    same = machine[1:] == machine[:-1]
    next_us[:-1][same] = from_us[1:][same]
    period_us = -(-group.every_us // group.grid_us) * group.grid_us
    times = np.maximum((next_us - 1 - first_us) // period_us + 1, 0)
    nth = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(machine * span_us + (first_us - start_us), times) + nth * period_us


def _quiet(now_us: int, lived_us: Int) -> Inputs:
    return Inputs(now_us, LONGEST_US, lived_us=lived_us)
