"""Objectives as OpenSLO v1 documents, for whoever keeps service level objectives in that language.

An objective becomes an `SLO` whose indicator is a ratio of counts with a metric source of type ``twinstorm``; its burn
alarms become alert policies. OpenSLO counts time in minutes and has one window an alert; what of `burn` it cannot say
stands in an annotation that `openslo_reading` understands. Format: OpenSLO specification, version v1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from twinstorm.detectors.burn import rules_of
from twinstorm.scenarios.burning import burn_spends, period_of
from twinstorm.scenarios.language.catalogue import SLIS
from twinstorm.scenarios.language.model import Burn, Objective, Scenario
from twinstorm.scenarios.language.objectives import BURN_SUFFIX, RUN
from twinstorm.scenarios.language.values import US, show_duration
from twinstorm.scenarios.language.writing import Written, dump, written
from twinstorm.twin.flow import Severity

API_VERSION = "openslo/v1"
SOURCE = "twinstorm"
"""Type of the metric sources that are SLIs of ours."""
BURN = "twinstorm/burn"
"""Annotation: `burn` of an objective, as a scenario has it, where OpenSLO has no words for all of it."""
RUNBOOK = "twinstorm/runbook"
"""Annotation: `runbook` of an objective."""

_SHORTHAND = {"w": US["w"], "d": US["d"], "h": US["h"], "m": US["min"]}
_EXACT = Context(prec=28)
_HEAD = """\
# OpenSLO v1: the objectives of {name}.
# An alert of ours looks at two windows, the one that stands here and the last twelfth of it; OpenSLO has one.
"""


@dataclass(frozen=True)
class Exported:
    """Objectives as OpenSLO.

    Attributes:
        text: the documents; empty if nothing can be said in OpenSLO.
        notes: what they do not say, or say to twinstorm alone; one sentence each.
    """

    text: str
    notes: tuple[str, ...]


def export(scenario: Scenario) -> Exported:
    """All objectives of a scenario, one document each, in the order of the file."""
    documents, notes = [], []
    for objective in scenario.objectives:
        if _target(objective) is None:
            notes.append(
                f"objective `{objective.name}` is left out: a target of OpenSLO is at least 0 % and less than 100 %"
            )
            continue
        if objective.burn is not None and not says_all(objective):
            notes.append(
                f"objective `{objective.name}`: OpenSLO has no words for all of its `burn`; the annotation `{BURN}` "
                "tells it to twinstorm alone"
            )
        documents.append(dump(written(document(objective, scenario))))
    return Exported(_HEAD.format(name=scenario.name) + "---\n".join(documents) if documents else "", tuple(notes))


def document(objective: Objective, scenario: Scenario) -> dict[str, Written]:
    """The SLO of an objective that has a target between 0 and 100 %."""
    sli, percent = SLIS[objective.sli], _target(objective)
    assert percent is not None
    metadata: dict[str, Written] = {"name": objective.name}
    annotations: dict[str, Written] = {RUNBOOK: objective.runbook} if objective.runbook else {}
    if objective.burn is not None and not says_all(objective):
        annotations[BURN] = burn_text(objective.burn)
    if annotations:
        metadata["annotations"] = annotations
    counted = "good" if objective.at_most is None else "bad"
    spec: dict[str, Written] = {
        "description": sli.summary.replace("`", ""),
        "service": scenario.name,
        "indicator": {
            "metadata": {"name": sli.name.replace("_", "-")},
            "spec": {
                "ratioMetric": {
                    "counter": True,
                    counted: {"metricSource": _source(objective, counted)},
                    "total": {"metricSource": _source(objective, "total")},
                }
            },
        },
        "budgetingMethod": "Occurrences",
        "objectives": [{"targetPercent": decimal(percent)}],
    }
    if has_native_burn(objective):
        burn = objective.burn
        assert burn is not None
        assert burn.period_us is not None
        alerts = native_alerts(burn, burn.period_us, pages=objective.of is None)
        spec["timeWindow"] = [{"duration": shorthand(burn.period_us), "isRolling": True}]
        spec["alertPolicies"] = [
            _policy(f"{objective.name}{BURN_SUFFIX}-{number}", alert) for number, alert in enumerate(alerts, 1)
        ]
    return {"apiVersion": API_VERSION, "kind": "SLO", "metadata": metadata, "spec": spec}


# --- targets and sources ----------------------------------------------------------------------------------------------


def _target(objective: Objective) -> Fraction | None:
    """In per cent; None: OpenSLO has none like it."""
    if objective.at_most is not None:
        percent = 100 * (1 - exactly(objective.at_most))
    else:
        assert objective.at_least is not None
        percent = 100 * exactly(objective.at_least)
    return percent if 0 <= percent < 100 else None


def _source(objective: Objective, counts: str) -> Written:
    spec: dict[str, Written] = {"sli": objective.sli, "counts": counts}
    if objective.within_us is not None:
        spec["within"] = show_duration(objective.within_us)
    if objective.of is not None:
        spec["of"] = objective.of.text
    return {"type": SOURCE, "spec": spec}


# --- burn alarms ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alert:
    """A burn alarm as OpenSLO says it.

    Attributes:
        threshold: of the burn.
        long_us: the window that it looks back at.
    """

    threshold: Decimal
    long_us: int
    severity: str


def has_native_burn(objective: Objective) -> bool:
    """Its period and its windows are whole minutes."""
    burn = objective.burn
    if burn is None or burn.period_us is None:
        return False
    windows = [alert.long_us for alert in native_alerts(burn, burn.period_us, pages=True)]
    return all(us % US["min"] == 0 for us in (burn.period_us, *windows))


def says_all(objective: Objective) -> bool:
    """OpenSLO has words for all of its `burn`."""
    return objective.burn is not None and objective.burn.least is None and has_native_burn(objective)


def native_alerts(burn: Burn, run_us: int, *, pages: bool) -> Sequence[Alert]:
    """Burn alarms, each with the severity that it has in effect.

    Args:
        run_us: what is judged of the run.
        pages: they are of the whole fleet; else all are tickets.
    """
    period_us, spends = period_of(burn, run_us), burn_spends(burn, run_us)
    return [
        Alert(
            decimal(exactly(spend.share) * period_us / rule.long_us),
            rule.long_us,
            str(rule.severity if pages else Severity.TICKET),
        )
        for spend, rule in zip(spends, rules_of(period_us, spends), strict=True)
    ]


def _policy(name: str, alert: Alert) -> Written:
    return {
        "kind": "AlertPolicy",
        "metadata": {"name": name},
        "spec": {
            "alertWhenNoData": False,
            "alertWhenResolved": True,
            "alertWhenBreaching": True,
            "conditions": [
                {
                    "kind": "AlertCondition",
                    "metadata": {"name": name},
                    "spec": {
                        "severity": alert.severity,
                        "condition": {
                            "kind": "burnrate",
                            "op": "gt",
                            "threshold": alert.threshold,
                            "lookbackWindow": shorthand(alert.long_us),
                            "alertAfter": "0m",
                        },
                    },
                }
            ],
            "notificationTargets": [],
        },
    }


def burn_text(burn: Burn) -> str:
    """`burn` as a scenario writes it on one line."""
    parts = [f"period: {RUN if burn.period_us is None else show_duration(burn.period_us)}"]
    if burn.least is not None:
        parts.append(f"least: {burn.least}")
    if burn.alarms:
        alarms = (
            f"{{spends: {decimal(100 * exactly(each.share)):f} %, within: {show_duration(each.within_us)}, "
            f"severity: {each.severity}}}"
            for each in burn.alarms
        )
        parts.append(f"alarms: [{', '.join(alarms)}]")
    return f"{{{', '.join(parts)}}}"


# --- numbers ----------------------------------------------------------------------------------------------------------


def exactly(value: float) -> Fraction:
    """The decimal number that was written."""
    return Fraction(repr(value))


def decimal(value: Fraction) -> Decimal:
    """Exact as far as 28 digits go, without zeros that say nothing."""
    found = _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    return found.normalize(_EXACT)


def shorthand(us: int) -> str:
    """Whole minutes as OpenSLO writes them, in the largest unit that fits: ``90m``, ``2h``, ``30d``."""
    unit = next(unit for unit, unit_us in _SHORTHAND.items() if us % unit_us == 0)
    return f"{us // _SHORTHAND[unit]}{unit}"
