"""Unit tests for `alert_rules`, as `promtool test rules` plays them.

Each case is a course of the share of errors; what must fire at its end follows from the rules, not from the text of the
expressions: so promtool compares the two. Format: Prometheus 2.42, "Unit testing for rules".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from twinstorm.detectors.burn import CLEAR_US, Rule
from twinstorm.scenarios.alert_rules import BAD, EVENTS, Alert, number, seconds
from twinstorm.scenarios.language.writing import Written, dump, written
from twinstorm.twin.flow import Severity

EVENTS_A_STEP = Fraction(10**9)
MARGIN = Fraction(1, 20)
"""So far above or below a limit is what tries it."""
APART = 20
"""Objectives of one file may want to be evaluated so many times as often as each other."""
SHORT = 12
"""Steps of a case in which nothing changes: its share of errors is that of every window, however long."""
_HEAD = """\
# Unit tests of {rules}: promtool test rules THIS_FILE
"""


@dataclass(frozen=True)
class Spell:
    """So many steps with this share of errors, 0..1."""

    steps: int
    bad: Fraction


@dataclass(frozen=True)
class Check:
    """What fires after so many steps."""

    steps: int
    fires: frozenset[Severity]


@dataclass(frozen=True)
class Case:
    """One test of all alerts of an objective."""

    name: str
    spells: tuple[Spell, ...]
    checks: tuple[Check, ...]
    events: Fraction = EVENTS_A_STEP
    """A step."""


def unit_tests(alerts: Sequence[Alert], rules_file: str) -> tuple[str, ...]:
    """The files of tests. All rules of a file are evaluated at one interval: days at that of a window of seconds would
    take promtool hours, so objectives with much longer windows have another file.

    Args:
        rules_file: that of the rules, as seen from those of the tests.
    """
    by_objective = [list(same) for _, same in groupby(alerts, key=lambda alert: alert.objective.name)]
    files: list[list[list[Alert]]] = []
    for of in sorted(by_objective, key=_step_us):
        if not files or _step_us(of) > APART * _step_us(files[-1][0]):
            files.append([])
        files[-1].append(of)
    return tuple(_file(file, rules_file) for file in files)


def _step_us(of: Sequence[Alert]) -> int:
    """How often rules of an objective must be looked at."""
    return min(rule.short_us for alert in of for rule in alert.rules) // 2


def _file(by_objective: Sequence[Sequence[Alert]], rules_file: str) -> str:
    step_us = min(_step_us(of) for of in by_objective)
    tests = [_test(of[0].objective.name, of, case, step_us) for of in by_objective for case in cases_of(of, step_us)]
    document: Written = {"rule_files": [rules_file], "evaluation_interval": seconds(step_us), "tests": tests}
    return _HEAD.format(rules=rules_file) + dump(written(document))


def cases_of(alerts: Sequence[Alert], step_us: int) -> Iterator[Case]:
    """Cases of one objective: nothing wrong, just below and just above each threshold, few events, an outage that ends,
    and a burst after a time in which nothing was wrong."""
    rules = [rule for alert in alerts for rule in alert.rules]
    limits = sorted({alert.limit(rule) for alert in alerts for rule in alert.rules})
    yield _steady("nothing is wrong", alerts, Fraction(0))
    for limit in limits:
        shown = f"{float(limit):.6g}"
        yield _steady(f"just below {shown}", alerts, limit * (1 - MARGIN))
        # A rule that is nearly out of reach is tried with everything bad.
        yield _steady(f"just above {shown}", alerts, min(limit * (1 + MARGIN), Fraction(1)))
    everything = Fraction(1)
    yield Case(
        "too few events to be believed",
        (Spell(SHORT, everything),),
        (Check(SHORT, frozenset()),),
        _few(alerts, step_us),
    )
    over = max(rule.short_us for rule in rules) // step_us + -(-CLEAR_US // step_us) + 3
    yield Case(
        "an outage, and what comes after it",
        (Spell(SHORT, everything), Spell(over, Fraction(0))),
        (Check(SHORT, _firing(alerts, everything)), Check(SHORT + over, frozenset())),
    )
    # Windows of a second or two are rounded: what fills the short one may fill the long one as well.
    if all(rule.long_us >= 6 * rule.short_us for rule in rules):
        yield _burst(alerts, step_us)


def _steady(name: str, alerts: Sequence[Alert], bad: Fraction) -> Case:
    return Case(name, (Spell(SHORT, bad),), (Check(SHORT, _firing(alerts, bad)),))


def _firing(alerts: Sequence[Alert], bad: Fraction) -> frozenset[Severity]:
    """What fires while every window has this share of errors."""
    return frozenset(alert.severity for alert in alerts if any(bad > alert.limit(rule) for rule in alert.rules))


def _few(alerts: Sequence[Alert], step_us: int) -> Fraction:
    """Events a step of which no long window is believed."""

    def enough(alert: Alert, rule: Rule) -> Fraction:
        assert alert.objective.burn is not None
        return Fraction(alert.objective.burn.least or 1 / alert.limit(rule)) * step_us / rule.long_us

    return min(enough(alert, rule) for alert in alerts for rule in alert.rules) / 2


def _burst(alerts: Sequence[Alert], step_us: int) -> Case:
    """Errors above its limit fill the shortest window, and no long one: before them was as long without errors as that
    takes."""
    limits = [(alert.limit(rule), rule) for alert in alerts for rule in alert.rules]
    limit, first = min(limits, key=lambda each: each[1].short_us)
    bad, steps = min(3 * limit, Fraction(1)), max(first.short_us // step_us, 1)
    spoilt_us = bad * (steps + 1) * step_us
    longest_us = max(spoilt_us / limit * (1 + 5 * MARGIN) for limit, _ in limits)
    past = int(max(Fraction(first.long_us), longest_us) / step_us) + 1
    return Case(
        "a burst after a time without errors",
        (Spell(past, Fraction(0)), Spell(steps, bad)),
        (Check(past + steps, frozenset()),),
    )


def _test(name: str, alerts: Sequence[Alert], case: Case, step_us: int) -> dict[str, Written]:
    labels = f'{{objective="{name}"}}'
    steps = sum(spell.steps for spell in case.spells)
    return {
        "name": f"{name}: {case.name}",
        "interval": seconds(step_us),
        "input_series": [
            {
                "series": BAD + labels,
                "values": _counter((spell.steps, spell.bad * case.events) for spell in case.spells),
            },
            {"series": EVENTS + labels, "values": _counter([(steps, case.events)])},
        ],
        "alert_rule_test": [
            {
                "eval_time": seconds(check.steps * step_us),
                "alertname": alerts[0].name,
                "exp_alerts": [
                    {
                        "exp_labels": {"objective": name, "severity": str(alert.severity)},
                        "exp_annotations": dict(alert.annotations),
                    }
                    for alert in alerts
                    if alert.severity in check.fires
                ],
            }
            for check in case.checks
        ],
    }


def _counter(spells: Iterator[tuple[int, Fraction]] | Sequence[tuple[int, Fraction]]) -> str:
    """A counter that begins at 0 and grows by so much a step, in the notation of promtool."""
    at, parts = Fraction(0), ["0"]
    for steps, each in spells:
        # The first number stands at the first step of the spell.
        parts.append(f"{number(at + each)}+{number(each)}x{steps - 1}")
        at += steps * each
    return " ".join(parts)
