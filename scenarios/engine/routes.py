"""From the routes of a scenario to the router of the core, and what became of it."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinstorm.broker.topic_index import TopicIndex
from twinstorm.detectors.routing import Change, Condition, Routed, Router, Rule, Target
from twinstorm.scenarios.engine.plan import fleet_plan
from twinstorm.scenarios.language.model import Route, Scenario
from twinstorm.scenarios.result import RoutedExample, RoutedRow, RouteResult
from twinstorm.twin.flow import SECOND_US, Mask, Registry
from twinstorm.twin.wire.codecs import Sender

EVERYTHING: Final = "#"
MOST_EXAMPLES: Final = 3
"""Newest messages of a rule that a result tells."""


def router_of(scenario: Scenario, registry: Registry) -> Router | None:
    """What sends readings on; None: the scenario has no routes."""
    if not scenario.routes:
        return None
    where = _devices_of(scenario, registry)
    return Router(registry, [_rule(route, where[route.topic]) for route in scenario.routes])


def _rule(route: Route, where: Mask | None) -> Rule:
    return Rule(
        name=route.name,
        to=Target(route.to),
        where=where,
        when=tuple(Condition(each.channel, each.compare, each.limit) for each in route.when),
        changes=tuple(Change(each.channel, each.becomes, each.factor, each.offset) for each in route.changes),
        keep=route.keep,
        takes=route.takes_per_s,
        tries=route.tries,
        wait_us=route.wait_us,
    )


def _devices_of(scenario: Scenario, registry: Registry) -> dict[str, Mask | None]:
    """Filter to the devices whose readings go out on such topics; None: all. Each topic is looked at once."""
    filters = sorted({route.topic for route in scenario.routes})
    everybody: dict[str, Mask | None] = {EVERYTHING: None}
    masks = {each: np.zeros(len(registry), np.bool_) for each in filters if each not in everybody}
    if masks:
        index = TopicIndex(masks)
        parts = {part.name: part for part in fleet_plan(scenario).segments}
        of_code = [parts[name] for name in registry.segments]
        for device, code in enumerate(registry.segment.tolist()):
            part = of_code[code]
            sender = Sender(registry.names[device], part.kind, part.name, part.firmware)
            for mask in index.matching(part.speaks.telemetry_topic(sender)):
                mask[device] = True
    return everybody | masks


def deaf_rules(router: Router | None) -> list[str]:
    """Names of rules on whose topics no device speaks."""
    rules = () if router is None else router.rules
    return [rule.name for rule in rules if rule.where is not None and not rule.where.any()]


def routed_rows(router: Router, registry: Registry, noted: int) -> list[RoutedRow]:
    """What was delivered since so many were noted, as far as it is kept."""
    return [
        RoutedRow(
            at_s=each.at_us / SECOND_US,
            rule=each.rule,
            target=str(each.to),
            device=registry.names[each.device],
            told=dict(each.told),
        )
        for each in router.after(noted)
    ]


def route_results(router: Router | None, registry: Registry) -> list[RouteResult]:
    """One a rule, in their order."""
    if router is None:
        return []
    waiting = router.waiting_by_rule()
    return [
        RouteResult(
            name=rule.name,
            to=str(rule.to),
            taken=router.counts[rule.name].taken,
            delivered=router.counts[rule.name].delivered,
            retried=router.counts[rule.name].retried,
            dead=router.counts[rule.name].dead,
            waiting=waiting.get(rule.name, 0),
            newest=[_example(each, registry) for each in _newest_of(router, rule.name)],
        )
        for rule in router.rules
    ]


def _newest_of(router: Router, rule: str) -> list[Routed]:
    return [each for each in router.kept if each.rule == rule][-MOST_EXAMPLES:]


def _example(routed: Routed, registry: Registry) -> RoutedExample:
    return RoutedExample(at_s=routed.at_us / SECOND_US, device=registry.names[routed.device], told=dict(routed.told))
