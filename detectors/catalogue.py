"""Every indicator by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from twinstorm.detectors.events import (
    AnomalyRate,
    AuthErrors,
    BatteryDrain,
    CommandLatency,
    Completeness,
    IngressErrors,
    LatencyToAct,
    LatencyToActEdge,
    ProcessedInTime,
    UpdateSuccess,
)
from twinstorm.detectors.slis import (
    Availability,
    Backlog,
    BacklogDrain,
    Connectivity,
    Freshness,
    RebootRate,
    Sli,
)

ALWAYS = ("backlog", "connectivity", "freshness", "reboot_rate")
"""Followed whether or not somebody asks."""

SLIS: Mapping[str, type[Sli]] = {
    each.name: each
    for each in (
        AnomalyRate,
        AuthErrors,
        Availability,
        Backlog,
        BacklogDrain,
        BatteryDrain,
        CommandLatency,
        Completeness,
        Connectivity,
        Freshness,
        IngressErrors,
        LatencyToAct,
        LatencyToActEdge,
        ProcessedInTime,
        RebootRate,
        UpdateSuccess,
    )
}


def make(name: str, settings: Mapping[str, Any]) -> Sli:
    """An indicator with these settings.

    Raises:
        ValueError: unknown name or setting; the text says what is allowed.
    """
    if name not in SLIS:
        raise ValueError(f"unknown SLI `{name}`; allowed: {', '.join(SLIS)}")
    made: Any = SLIS[name]
    allowed = [field.name for field in fields(made)]
    for setting in settings:
        if setting not in allowed:
            # People write `within: 60 s`; the unit stands in the name only here.
            written = ", ".join(each.removesuffix("_us") for each in allowed)
            raise ValueError(
                f"SLI `{name}` has no setting `{setting.removesuffix('_us')}`; allowed: {written or 'none'}"
            )
    sli: Sli = made(**settings)
    return sli
