"""Burn alarms as alert rules for Prometheus, on the counters that `run --metrics` serves.

A rule of `detectors.burn` is two ratios of rates, over its long window and over its short one, that both lie above the
same share of errors: its threshold times the share that the objective allows. An alert ends a minute after its burn, as
our alarms do. Format: Prometheus 2.42, "Alerting rules".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from twinstorm.detectors.burn import CLEAR_US, Rule
from twinstorm.detectors.catalogue import SLIS
from twinstorm.scenarios.burning import burn_rules, fastest_burn, judged_us
from twinstorm.scenarios.language.model import Objective, Scenario
from twinstorm.scenarios.language.objectives import BURN_SUFFIX
from twinstorm.scenarios.language.writing import Written, dump, written
from twinstorm.twin.flow import SECOND_US, Severity

BAD = "twinstorm_objective_bad_total"
EVENTS = "twinstorm_objective_events_total"
SAMPLES = 4
"""A rate wants this many samples in its window, so that one that is lost does no harm."""

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_HEAD = """\
# Burn alarms of {name}, as Prometheus 2.42 and later takes them.
# They look at {bad} and {events}, by the clock on the
# wall; `twinstorm run --live --metrics` serves them. Scrape and evaluate every {every}, or more often.
"""


@dataclass(frozen=True)
class Alert:
    """The alert rule of one severity of an objective.

    Attributes:
        rules: any of them; none that the bound puts out of reach.
        allowed: share of all counts that may be bad.
    """

    objective: Objective
    severity: Severity
    rules: Sequence[Rule]
    allowed: Fraction

    @property
    def name(self) -> str:
        return self.objective.name + BURN_SUFFIX

    def limit(self, rule: Rule) -> Fraction:
        """Share of all counts above which a rule holds."""
        return Fraction(repr(rule.burn)) * self.allowed

    @property
    def annotations(self) -> dict[str, str]:
        told = {"summary": f"The error budget of {self.objective.name} burns too fast"}
        return told | ({"runbook_url": self.objective.runbook} if self.objective.runbook else {})


def alerts_of(scenario: Scenario) -> list[Alert]:
    """Every alert rule of a scenario, by objective, pages first."""
    found = []
    for objective in scenario.objectives:
        rules = burn_rules(objective, judged_us(scenario))
        within_reach = [rule for rule in rules if rule.burn < fastest_burn(objective)]
        for severity in (Severity.PAGE, Severity.TICKET):
            mine = [rule for rule in within_reach if rule.severity == severity]
            if mine:
                found.append(Alert(objective, severity, mine, allowed_share(objective)))
    return found


def allowed_share(objective: Objective) -> Fraction:
    """Share of all counts that may be bad."""
    if objective.at_most is not None:
        return Fraction(repr(objective.at_most)) / SLIS[objective.sli].scale
    assert objective.at_least is not None
    return 1 - Fraction(repr(objective.at_least))


def rules_text(scenario: Scenario, alerts: Sequence[Alert]) -> str:
    """The file of alert rules."""
    rules = [_rule(alert) for alert in alerts]
    groups: Written = {"groups": [{"name": f"twinstorm-{scenario.name}", "rules": rules}]}
    head = _HEAD.format(name=scenario.name, bad=BAD, events=EVENTS, every=seconds(scrape_us(alerts)))
    return head + dump(written(groups))


def scrape_us(alerts: Sequence[Alert]) -> int:
    """How often to scrape at least, so that the shortest window has enough samples."""
    return min(rule.short_us for alert in alerts for rule in alert.rules) // SAMPLES


def _rule(alert: Alert) -> dict[str, Written]:
    return {
        "alert": alert.name,
        "expr": " or ".join(f"({_holds(alert, rule)})" for rule in alert.rules),
        "keep_firing_for": seconds(CLEAR_US),
        "labels": {"severity": str(alert.severity)},
        "annotations": dict(alert.annotations),
    }


def _holds(alert: Alert, rule: Rule) -> str:
    """Both windows burn too fast, and the long one has seen enough to be believed."""
    objective = alert.objective
    events = f'{EVENTS}{{objective="{objective.name}"}}[{seconds(rule.long_us)}]'
    assert objective.burn is not None
    # A single bad event is no alarm yet: so many events that more than one may be bad.
    least = objective.burn.least or 1 / alert.limit(rule)
    return (
        f"{_ratio(objective.name, rule.long_us)} > {number(alert.limit(rule))}"
        f" and {_ratio(objective.name, rule.short_us)} > {number(alert.limit(rule))}"
        f" and increase({events}) >= {number(Fraction(least))}"
    )


def _ratio(name: str, window_us: int) -> str:
    of = f'{{objective="{name}"}}[{seconds(window_us)}]'
    return f"rate({BAD}{of}) / rate({EVENTS}{of})"


def number(value: Fraction) -> str:
    """As many digits as a float keeps."""
    return f"{Decimal(repr(float(value))):f}".removesuffix(".0")


def seconds(us: int) -> str:
    """A duration as Prometheus writes it: ``5m``, ``1h30m``, ``500ms``."""
    left, parts = divmod(us, SECOND_US)[0], []
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        parts += [f"{count}{unit}"] if count else []
    millis = us % SECOND_US // 1_000
    return "".join(parts + ([f"{millis}ms"] if millis or not parts else []))
