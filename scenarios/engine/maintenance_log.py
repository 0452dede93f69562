"""What was done to machines in a run: repairs by crews, and what a step says or its end stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinstorm.scenarios.result import MaintenanceEntry
from twinstorm.twin.flow import SECOND_US

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.engine import Engine
    from twinstorm.scenarios.engine.timeline import StepRun

MOST: Final = 10_000
"""Lines that are kept."""


def maintenance_log(engine: Engine) -> list[MaintenanceEntry]:
    """In the order in which it ended; the first `MOST`."""
    names = engine.registry.names
    log = [
        MaintenanceEntry(
            work="repair",
            target=names[work.device],
            devices=1,
            why=work.why,
            asked_s=work.asked_us / SECOND_US,
            begun_s=work.begun_us / SECOND_US,
            ended_s=work.ended_us / SECOND_US,
            still_s=(work.ended_us - work.stopped_us) / SECOND_US,
            crew=work.crew,
        )
        for work in engine.wiring.works()
    ]
    for step in engine.steps.runs:
        work, ended_us = ("service", step.started_us) if step.action == "serviced" else (ends_as(step), step.ended_us)
        if work and ended_us is not None:
            log.append(
                MaintenanceEntry(
                    work=work,
                    target=step.target,
                    devices=step.reached,
                    why=step.name,
                    asked_s=None,
                    begun_s=None,
                    ended_s=ended_us / SECOND_US,
                    still_s=None,
                    crew=None,
                )
            )
    return sorted(log, key=lambda each: each.ended_s)[:MOST]


def ends_as(step: StepRun) -> str:
    """What somebody has done when this step ends; empty: nothing."""
    if step.action != "fault" or step.started_us is None or not step.reached:
        return ""
    if step.value == "sensor-calibration":
        return "calibration"
    return "batteries" if step.value == "battery-drain" and step.settings.get("swap") == "yes" else ""
