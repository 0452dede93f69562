"""Burn alarms as a scenario writes them, as the rules that the core follows; and those that can never come."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.detectors.burn import Rule, Spend, as_tickets, rules_of, scaled
from twinstorm.detectors.catalogue import SLIS
from twinstorm.scenarios.language.model import Burn, Objective, Scenario
from twinstorm.scenarios.language.objectives import BURN_SUFFIX
from twinstorm.scenarios.language.values import show_duration
from twinstorm.twin.flow import SECOND_US, Severity


def judged_us(scenario: Scenario) -> int:
    """How much of a whole run is judged: the time after the warm-up."""
    return max(scenario.duration_us - scenario.warm_up_us, SECOND_US)


def burn_rules(objective: Objective, run_us: int) -> tuple[Rule, ...]:
    """Rules of an objective's burn alarms, the first ones first, with the severity that they have in effect: only
    objectives of the whole fleet page. None without `burn`.

    Args:
        run_us: what is judged of the run, the period of ``burn: run``.
    """
    if objective.burn is None:
        return ()
    rules = rules_of(period_of(objective.burn, run_us), burn_spends(objective.burn, run_us))
    return rules if objective.of is None else as_tickets(rules)


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
    """A line for each objective with burn alarms that can never come."""
    run_us = judged_us(scenario)
    told = (_note(objective, burn_rules(objective, run_us), run_us) for objective in scenario.objectives)
    return [note for note in told if note]


def _note(objective: Objective, rules: tuple[Rule, ...], run_us: int) -> str:
    most = fastest_burn(objective)
    never = [rule for rule in rules if rule.burn >= most]
    name = objective.name
    if never:
        alarms = ", ".join(f"{rule.burn:.3g} ({rule.severity}, within {show_duration(rule.long_us)})" for rule in never)
        whose = "its alarms" if len(never) == len(rules) else "those"
        return (
            f"objective `{name}` cannot burn faster than {most:.3g}, when everything counts against it: {whose} over "
            f"{alarms} never come. Write `burn` with alarms that spend less or look longer, or a stricter bound"
        )
    # Time before the run counts as clean, so that a long window cannot be full of errors in a short one.
    if rules and all(most * min(run_us / rule.long_us, 1.0) <= rule.burn for rule in rules):
        return (
            f"objective `{name}` raises no `{name}{BURN_SUFFIX}` in a run that is judged for {show_duration(run_us)}, "
            "whatever happens: its windows are too long for that. Write `burn: run`, or a shorter period"
        )
    return ""
