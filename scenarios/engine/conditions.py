"""What models of conditions said of machines, for the document of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinstorm.scenarios.language.stored import models_of
from twinstorm.scenarios.result import ConditionResult, DeviceConditionResult, ModelResult
from twinstorm.twin.flow import HOUR_US, SECOND_US

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.engine import Engine

MOST: Final = 1_000
"""Devices of a detector that are in the document."""


def used(engine: Engine) -> list[ModelResult]:
    """Models of conditions that looked. They know of no drift."""
    stored = models_of(engine.scenario.detectors)
    return [
        ModelResult(
            detector=each.name,
            model=str(each.version),
            parameters=stored[each.name].manifest.parameters,
            kind=each.version.kind,
            learnt_by=stored[each.name].manifest.detector,
            shadow=each.policy.shadow,
            devices=each.devices,
            drift=0.0,
            drift_feature="",
            drift_limit=0.0,
        )
        for each in engine.core.wears
    ]


def conditions(engine: Engine) -> list[ConditionResult]:
    """The newest of each device, those first that are expected to fail first."""
    told = []
    for each in engine.core.wears:
        known = each.conditions()
        told.append(
            ConditionResult(
                detector=each.name,
                model=str(each.version),
                horizon_s=each.horizon_h * HOUR_US / SECOND_US,
                devices=each.devices,
                judged=len(known),
                failing=sum(one.hours <= each.horizon_h for one in known),
                first=[
                    DeviceConditionResult(
                        device=engine.registry.names[one.device],
                        at_s=one.at_us / SECOND_US,
                        failure=one.failure,
                        health=round(one.health, 1),
                        remaining_h=round(one.hours, 3),
                        least_h=round(one.least, 3),
                        most_h=round(one.most, 3),
                    )
                    for one in known[:MOST]
                ],
            )
        )
    return told
