"""`run --dry-run`: what would happen when, and to how many devices. Plays nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from twinstorm.scenarios.engine.timeline import StepRun, planned
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.language.reach import Reach
from twinstorm.scenarios.reports.words import clock
from twinstorm.tui.cli.cases import Case
from twinstorm.tui.cli.printed import heading
from twinstorm.tui.cli.talk import Talk

PLAN_SCHEMA = "twinstorm/plan/1"


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a plan.

    Attributes:
        value: the fault, the step that is ended, or the text of a mark.
        to_s: planned end of a fault; None: until the run ends.
        devices: that the target names; None if the action has none, or if it is decided when the step starts.
        plays: False if `--until` comes first.
    """

    name: str
    at_s: float
    to_s: float | None
    action: str
    value: str
    target: str
    devices: int | None
    plays: bool


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    scenario: str
    seed: int
    devices: int
    ends_s: float
    repeat: str
    steps: list[PlannedStep]


class Plans(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `run --dry-run --json`."""

    schema: str = PLAN_SCHEMA
    plans: list[Plan]


def plan_of(case: Case, until_us: int | None) -> Plan:
    """Instants and reach of every step, from the file alone."""
    scenario = case.scenario
    end_us = scenario.duration_us if until_us is None else min(until_us, scenario.duration_us)
    reach = Reach(scenario.fleet)
    steps = planned(scenario).runs
    order = sorted(range(len(steps)), key=lambda index: (steps[index].start_us, index))
    targets = {step.name: step.target for step in scenario.steps}

    def devices(step: StepRun) -> int | None:
        target = targets[step.name]
        if step.action != "fault" or not catalogue()[step.value].needs_target or target is None or not target.is_fixed:
            return None
        return reach.count(target)

    return Plan(
        scenario=scenario.name,
        seed=case.seed,
        devices=scenario.fleet.devices,
        ends_s=end_us / 1e6,
        repeat=case.repeat,
        steps=[
            PlannedStep(
                name=step.name,
                at_s=step.start_us / 1e6,
                to_s=None if step.end_us is None else step.end_us / 1e6,
                action=step.action,
                value=step.value,
                target=step.target,
                devices=devices(step),
                plays=step.start_us <= end_us,
            )
            for step in (steps[index] for index in order)
        ],
    )


def show_plans(talk: Talk, cases: Sequence[Case], until_us: int | None, json: bool) -> int:
    """Print the plan of every case."""
    if json:
        document = Plans(plans=[plan_of(case, until_us) for case in cases])
        talk.data(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        return 0
    for case in cases:
        plan = plan_of(case, until_us)
        varied = "".join(f"  {path}={value}" for path, value in case.varied)
        talk.data(heading(case.scenario, case.seed, until_us, live=False, speed=0.0) + varied)
        for step in plan.steps:
            talk.data(step_line(step, plan.ends_s))
        if not plan.steps:
            talk.data("  no steps: nothing goes wrong on purpose")
    return 0


def step_line(step: PlannedStep, ends_s: float) -> str:
    """One line of a plan, in the manner of a run's timeline."""
    parts = [step.name]
    if step.action == "fault":
        reach = "decided then" if step.target and step.devices is None else None
        reach = f"{step.devices:,} devices" if step.devices is not None else reach
        end = f"until {clock(ends_s if step.to_s is None else min(step.to_s, ends_s))}"
        parts += [step.value, *([step.target] if step.target else []), *([reach] if reach else []), end]
    elif step.value:
        parts.append(step.value)
    note = "" if step.plays else "  (after the end of this run)"
    return f"  {clock(step.at_s)}  {step.action.ljust(7)} {'  '.join(map(printable, parts))}{note}"
