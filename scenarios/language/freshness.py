"""Objectives of freshness that ask for younger readings than devices send: told as notes, for both may be meant.

A device is heard once a period, and not more often than the processor of its gateway passes readings on. One that
speaks when something happens may be quiet for all of its `every`. Where `within` is not longer, a device is stale
between two readings although nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from twinstorm.scenarios.language.model import Objective, Scenario, Segment
from twinstorm.scenarios.language.reach import is_about
from twinstorm.scenarios.language.values import show_duration


def freshness_notes(scenario: Scenario) -> list[str]:
    """A line for each objective of freshness that some segment cannot keep to between two readings."""
    segments = {segment.name: segment for segment in scenario.fleet.segments}
    told = (_note(objective, segments) for objective in scenario.objectives if objective.sli == "freshness")
    return [note for note in told if note]


def _note(objective: Objective, segments: Mapping[str, Segment]) -> str:
    within_us = objective.within_us
    if within_us is None:
        return ""
    slow = []
    for segment in segments.values():
        period_us, whose = _heard_us(segment, segments)
        if period_us >= within_us and _may_mean(objective, segment):
            slow.append((period_us, f"`{segment.name}` every {show_duration(period_us)}{whose}"))
    if not slow:
        return ""
    longest_us = max(period_us for period_us, _ in slow)
    return (
        f"objective `{objective.name}` asks for a reading within {show_duration(within_us)}, but segments are heard "
        f"more seldom: {', '.join(text for _, text in slow)}; between two readings their devices may count as stale. "
        f"Write a `within` of more than {show_duration(longest_us)}"
    )


def _heard_us(segment: Segment, segments: Mapping[str, Segment]) -> tuple[int, str]:
    """How often its devices are heard at least, and why if it is not for their `every`."""
    carrier = segments.get(segment.through)
    thinned_us = 0 if carrier is None or carrier.gateway is None else carrier.gateway.edge_every_us
    if thinned_us > segment.every_us:
        return thinned_us, f" (`processor` of `{segment.through}`)"
    return segment.every_us, ""


def _may_mean(objective: Objective, segment: Segment) -> bool:
    """Whether an objective may be about devices of a segment; for probes it must ask."""
    selector = objective.of
    if selector is None:
        return not segment.synthetic
    if segment.synthetic and all(term.key != "origin" for term in selector.terms):
        return False
    return is_about(selector, segment)
