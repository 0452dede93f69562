"""Burn alarms as a scenario writes them, as the rules that the core follows; and those that can never come."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.detectors.burn import Rule, Spend, as_tickets, rules_of, scaled
from twinstorm.detectors.catalogue import SLIS
from twinstorm.scenarios.language.model import NO_TENANT, Burn, Objective, Scenario
from twinstorm.scenarios.language.objectives import BURN_SUFFIX
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.language.values import show_duration
from twinstorm.twin.flow import SECOND_US, Severity


def judged_us(scenario: Scenario) -> int:
    """How much of a whole run is judged: the time after the warm-up."""
    return max(scenario.duration_us - scenario.warm_up_us, SECOND_US)


def burn_rules(objective: Objective, run_us: int) -> tuple[Rule, ...]:
    """Rules of an objective's burn alarms, the first ones first, with the severity that they have in effect: only
    objectives of the whole fleet, or of a tenant, page. None without `burn`.

    Args:
        run_us: what is judged of the run, the period of ``burn: run``.
    """
    if objective.burn is None:
        return ()
    rules = rules_of(period_of(objective.burn, run_us), burn_spends(objective.burn, run_us))
    return rules if objective.of is None or _is_of_a_tenant(objective.of) else as_tickets(rules)


def _is_of_a_tenant(of: Selector) -> bool:
    """All devices of one of them."""
    if len(of.terms) != 1 or of.share is not None or of.first is not None:
        return False
    (term,) = of.terms
    names_one = len(term.values) == 1 and "*" not in term.values[0] and term.values[0] != NO_TENANT
    return term.key == "tenant" and term.op == "=" and names_one


def period_of(burn: Burn, run_us: int) -> int:
    """The time that the budget is for."""
    return run_us if burn.period_us is None else burn.period_us


def burn_spends(burn: Burn, run_us: int) -> Sequence[Spend]:
    """The catalogue of its rules: as it is written, or the workbook's in windows that fit the period."""
    spends = [Spend(each.share, each.within_us, Severity(each.severity)) for each in burn.alarms]
    return spends or scaled(period_of(burn, run_us))


def fastest_burn(objective: Objective) -> float:
    """How fast the budget of an objective goes while everything counts against it; infinite without a budget."""
    if objective.at_most is not None:
        scale = SLIS[objective.sli].scale
        return scale / objective.at_most if objective.at_most > 0 else float("inf")
    assert objective.at_least is not None
    return 1.0 / (1.0 - objective.at_least) if objective.at_least < 1 else float("inf")


def burn_notes(scenario: Scenario) -> list[str]:
    """A line for each objective with burn alarms that can never come, or with none that can come in this run."""
    run_us = judged_us(scenario)
    notes = out_of_reach_notes(scenario)
    for objective in scenario.objectives:
        rules, most = burn_rules(objective, run_us), fastest_burn(objective)
        # Time before the run counts as clean, so that a long window cannot be full of errors in a short one.
        if rules and all(most * min(run_us / rule.long_us, 1.0) <= rule.burn < most for rule in rules):
            name = objective.name
            notes.append(
                f"objective `{name}` raises no `{name}{BURN_SUFFIX}` in a run that is judged for "
                f"{show_duration(run_us)}, whatever happens: its windows are too long for that. Write `burn: run`, or "
                "a shorter period"
            )
    return notes


def out_of_reach_notes(scenario: Scenario) -> list[str]:
    """A line for each objective with burn alarms that its bound puts out of reach."""
    notes = []
    for objective in scenario.objectives:
        rules, most = burn_rules(objective, judged_us(scenario)), fastest_burn(objective)
        never = [rule for rule in rules if rule.burn >= most]
        if never:
            alarms = ", ".join(
                f"{rule.burn:.3g} ({rule.severity}, within {show_duration(rule.long_us)})" for rule in never
            )
            whose = "its alarms" if len(never) == len(rules) else "those"
            notes.append(
                f"objective `{objective.name}` cannot burn faster than {most:.3g}, when everything counts against it: "
                f"{whose} over {alarms} never come. Write `burn` with alarms that spend less or look longer, or a "
                "stricter bound"
            )
    return notes
