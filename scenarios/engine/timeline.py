"""The timeline of a run: steps with their planned instants, and the stories that play them.

All instants of this version follow from the file alone, so they are worked out before the run. What really happened
(a fault ended early by hand, an abort) is written beside the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinstorm.scenarios.language.model import Instant, Scenario, Step
from twinstorm.twin.flow import NEVER_US, Device, FaultOrder
from twinstorm.twin.stories import Story

STEP, STEP_END, RAMP, PANE, END = "step", "step-end", "ramp", "pane", "end"

LAST_RANK = 1 << 30
"""Panes and the end of the run come after every step of the same instant."""

RAMP_PARTS = 100


@dataclass
class StepRun:
    """One step as it was planned and as it happened.

    Attributes:
        end_us: planned end of a fault; None: until ended by hand, by another step or by the end of the run.
        struck: `device`, and whoever is carried by gateways among them.
        reached: devices of the fault so far (a ramp takes them part by part), or that were serviced.
    """

    name: str
    action: str
    value: str
    target: str
    start_us: int
    end_us: int | None
    ramp_us: int = 0
    line: int = 0
    injected: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: Device = field(default_factory=lambda: np.zeros(0, np.int32))
    struck: Device = field(default_factory=lambda: np.zeros(0, np.int32))
    reached: int = 0
    order: FaultOrder | None = None
    started_us: int | None = None
    ended_us: int | None = None
    cancelled: bool = False

    @property
    def active(self) -> bool:
        return self.action == "fault" and self.started_us is not None and self.ended_us is None

    def start_instant_us(self) -> int:
        return self.start_us if self.started_us is None else self.started_us

    def end_instant_us(self) -> int | None:
        return self.end_us if self.ended_us is None else self.ended_us


@dataclass
class StepStory(Story):
    """Starts (STEP), widens (RAMP) or ends (STEP_END) the step of this index."""

    step: int = 0
    part: int = 0


@dataclass
class Steps:
    """All steps of a run, by index and by name."""

    runs: list[StepRun]

    def __getitem__(self, name: str) -> StepRun:
        for step in self.runs:
            if step.name == name:
                return step
        raise KeyError(name)

    def instant_us(self, instant: Instant, run_end_us: int) -> int | None:
        """When this is, by what happened or else by plan; None if its step has no end."""
        if instant.step is None:
            return (run_end_us if instant.edge == "end" else 0) + instant.offset_us
        step = self[instant.step]
        base = step.start_instant_us() if instant.edge == "start" else step.end_instant_us()
        return None if base is None else base + instant.offset_us

    def active(self) -> list[StepRun]:
        return [step for step in self.runs if step.active]


def planned(scenario: Scenario) -> Steps:
    """Instants of every step; the reader has made sure that references exist and form no circle."""
    written = {step.name: step for step in scenario.steps}
    ended_by = {step.value: step for step in scenario.steps if step.action == "end"}
    known: dict[str, int] = {}

    def start_us(step: Step) -> int:
        if step.name not in known:
            instant = step.at or step.after
            assert instant is not None, "a step has a trigger"
            known[step.name] = instant_us(instant)
        return known[step.name]

    def end_us(step: Step) -> int | None:
        if step.lasts_us is not None:
            return start_us(step) + step.lasts_us
        return start_us(ended_by[step.name]) if step.name in ended_by else None

    def instant_us(instant: Instant) -> int:
        if instant.step is None:
            return (scenario.duration_us if instant.edge == "end" else 0) + instant.offset_us
        step = written[instant.step]
        base = start_us(step) if instant.edge == "start" else end_us(step)
        assert base is not None, "the reader refuses the end of a step that has none"
        return base + instant.offset_us

    return Steps(
        [
            StepRun(
                name=step.name,
                action=step.action,
                value=step.value,
                target=step.target.text if step.target is not None else "",
                start_us=start_us(step),
                end_us=end_us(step) if step.action in ("fault", "suppress") else None,
                ramp_us=step.ramp_us,
                line=step.line,
                settings=step.settings,
            )
            for step in scenario.steps
        ]
    )


def stories_of(steps: Steps) -> list[StepStory]:
    """Two rows a step, in the order of the file: its start and its end."""
    stories = []
    for index, step in enumerate(steps.runs):
        stories.append(StepStory(STEP, 2 * index, step.start_us, index))
        # An end that another step brings about needs no story of its own.
        own_end = step.end_us is not None and not any(
            other.action == "end" and other.value == step.name for other in steps.runs
        )
        stories.append(StepStory(STEP_END, 2 * index + 1, step.end_us if own_end and step.end_us else NEVER_US, index))
    return stories
