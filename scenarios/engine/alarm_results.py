"""Alarms and incidents as people and other programs are told of them, while a run goes on and when it is over."""

from __future__ import annotations

from collections.abc import Mapping

from twinstorm.detectors.scoring import names_the_cause
from twinstorm.scenarios.result import AlarmResult, ExampleResult, IncidentResult, SeenResult
from twinstorm.twin.flow import SECOND_US, Alarm, Example, Incident, Registry, TruthLabel


def alarm_result(
    alarm: Alarm, registry: Registry, runbooks: Mapping[str, str], label: TruthLabel | None = None
) -> AlarmResult:
    """An alarm as it is now.

    Args:
        runbooks: page by name of the alarm.
        label: the fault that it belongs to; None: none, or nobody has asked yet.
    """
    return AlarmResult(
        name=alarm.name,
        at_s=alarm.at_us / SECOND_US,
        severity=str(alarm.severity),
        group=alarm.group,
        cause=alarm.cause,
        fault=None if label is None else label.step,
        delay_s=None if label is None else (alarm.at_us - label.from_us) / SECOND_US,
        incident=alarm.incident,
        number=alarm.number,
        devices=len(alarm.device),
        known=0 if alarm.members is None else alarm.known,
        score=alarm.score,
        limit=round(alarm.limit, 3),
        resolved_s=_seconds(alarm.resolved_us),
        right=None if label is None else names_the_cause(alarm, label, len(registry)),
        suppressed=alarm.suppressed,
        openings=alarm.openings,
        wrong=alarm.wrong,
        says=alarm.says,
        runbook=runbooks.get(alarm.name, ""),
        examples=[example_result(each, registry) for each in alarm.examples],
    )


def example_result(example: Example, registry: Registry) -> ExampleResult:
    """What the core knew of a device."""
    return ExampleResult(
        device=registry.names[example.device],
        last_s=None if example.last_us < 0 else example.last_us / SECOND_US,
        seq=example.seq,
        boot=example.boot,
        session=example.session,
        seen=[
            SeenResult(
                at_s=one.at_us / SECOND_US,
                channel=one.channel,
                unit=one.unit,
                value=_digits(one.value),
                score=one.score,
                lowest=None if one.lowest is None else _digits(one.lowest),
                highest=None if one.highest is None else _digits(one.highest),
            )
            for one in example.seen
        ],
    )


def incident_result(incident: Incident) -> IncidentResult:
    """An incident as it is now."""
    return IncidentResult(
        number=incident.number,
        title=incident.title,
        opened_s=incident.opened_us / SECOND_US,
        resolved_s=_seconds(incident.resolved_us),
        severity=str(incident.severity),
        alarms=list(incident.alarms),
        state=incident.state,
        acknowledged_s=_seconds(incident.acknowledged_us),
        escalated_s=_seconds(incident.escalated_us),
    )


def _digits(value: float) -> float:
    """As many as a reading has, so that a float32 looks like what it is."""
    return float(f"{value:.6g}")


def _seconds(at_us: int | None) -> float | None:
    return None if at_us is None else at_us / SECOND_US
