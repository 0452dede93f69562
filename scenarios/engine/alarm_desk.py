"""What people do with alarms and incidents while a run goes on, by hand or by a step of the scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinstorm.scenarios.engine.errors import Refused

if TYPE_CHECKING:
    from twinstorm.detectors.panes import Pane
    from twinstorm.scenarios.engine.engine import Engine
    from twinstorm.scenarios.engine.timeline import StepRun
    from twinstorm.twin.flow import Alarm

ACTIONS = ("acknowledge", "wrong", "suppress", "serviced", "certified")
"""Steps that this module carries out."""


def acknowledge(engine: Engine, number: int = 0) -> str:
    """Take an incident; 0: the newest open one, those with a page first. Returns what to say.

    Raises:
        Refused: it is not open.
    """
    waiting = [each for each in engine.core.incidents if each.state == "open"]
    if not number and not waiting:
        raise Refused("no incident is open")
    if not number:
        number = max(waiting, key=lambda each: (each.paged_us is not None, each.number)).number
    try:
        incident = engine.core.acknowledge(number, engine.now_us)
    except ValueError as error:
        raise Refused(str(error)) from error
    engine.tell_of(incident, "acknowledged")
    engine.tell_changed({number})
    return f"acknowledged INC-{number}"


def mark_wrong(engine: Engine, number: int) -> str:
    """Say that there was nothing behind an alarm; its limits learn from it. Returns what to say.

    Raises:
        Refused: there is no such alarm, or it was marked before.
    """
    try:
        alarm = engine.core.mark_wrong(number, engine.now_us)
    except ValueError as error:
        raise Refused(str(error)) from error
    engine.tell_mark("alarm", alarm.name, f"{alarm.group}  alarm {number} was wrong", alarm.severity)
    engine.tell_changed({alarm.incident})
    return f"alarm {number} ({alarm.name} {alarm.group}) is marked wrong"


def act(engine: Engine, step: StepRun) -> None:
    """Carry a step out. What it speaks of may not be there, as it depends on what was found: then it says so."""
    if step.action == "suppress":
        mask = engine.selector.mask(engine.parse_selector(step.target))
        engine.core.begin_window(step.name, mask)
        engine.tell_mark("mark", step.name, f"maintenance window  {step.target}  {int(mask.sum()):,} devices")
        return
    if step.action in ("serviced", "certified"):
        device = np.flatnonzero(engine.selector.mask(engine.parse_selector(step.target))).astype(np.int32)
        if step.action == "serviced":
            engine.core.serviced(device, engine.now_us)
        else:
            engine.core.certified(device)
        step.reached = len(device)
        engine.tell_mark("mark", step.name, f"{step.action}  {step.target}  {len(device):,} devices")
        return
    alarm = _newest(engine, step.value)
    try:
        if alarm is None:
            raise Refused(f"no alarm {step.value} is open")
        acknowledge(engine, alarm.incident) if step.action == "acknowledge" else mark_wrong(engine, alarm.number)
    except Refused as refused:
        engine.tell_mark("mark", step.name, f"nothing to do: {refused}")


def end(engine: Engine, step: StepRun) -> None:
    """A maintenance window is over."""
    engine.core.end_window(step.name)
    engine.tell_mark("mark", step.name, f"end of the maintenance window  {step.target}")


def tell(engine: Engine, pane: Pane) -> None:
    """What a pane brought beside new alarms and incidents."""
    for alarm in pane.flapping_alarms:
        engine.tell_mark("alarm", alarm.name, f"{alarm.group}  flaps, opened {alarm.openings} times", alarm.severity)
    for incident in pane.escalated:
        engine.tell_of(incident, "escalated: nobody has acknowledged it")


def _newest(engine: Engine, name: str) -> Alarm | None:
    """The newest open alarm of this name."""
    found = [alarm for alarm in engine.core.alarms if alarm.name == name and alarm.resolved_us is None]
    return found[-1] if found else None
