"""When certificates end: what segments of one batch say, and who looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.errors import Problems, quoted
from twinstorm.scenarios.language.fields import Record, wrong
from twinstorm.scenarios.language.model import NO_BATCH, Fleet
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode
from twinstorm.scenarios.language.quantities import Range

KEY: Final = "certificate_expires"
WATCH: Final = "expiring-certificates"
"""The detector. Where nobody says when certificates end it looks only if it is named, and that is an error."""


def are_dated(scenario: Record) -> bool:
    """Whether the fleet or a segment says when certificates end, readable or not."""
    fleet = scenario.own("fleet")
    if not isinstance(fleet, Record):
        return False
    segments: Mapping[str, Record] = fleet.own("segments") or {}
    return fleet.has(KEY) or any(own.has(KEY) for own in segments.values())


def check_batches(fleet: Fleet, segments: Mapping[str, Record], problems: Problems) -> None:
    """Tell of certificates that were issued together and do not end together."""
    first: dict[str, tuple[str, Range | None]] = {}
    for segment in fleet.segments:
        batch, expires_us = segment.certificate_batch, segment.certificate_expires_us
        if batch == NO_BATCH:
            continue
        other, said_us = first.setdefault(batch, (segment.name, expires_us))
        if expires_us == said_us:
            continue
        message = (
            f"certificates of batch {quoted(batch)} end at two times: by segment {quoted(other)} {_shown(said_us)}, "
            f"by segment {quoted(segment.name)} {_shown(expires_us)}"
        )
        hint = f"write one `{KEY}` for all of them, or name another batch"
        problems.add(wrong(_where(segments[segment.name]), "S212", message, hint))


def check_watch(scenario: Record, problems: Problems) -> None:
    """Tell of a look at certificates of which nobody says when they end."""
    if not scenario.has("detectors") or are_dated(scenario):
        return
    node = scenario.at("detectors")
    named: list[Node] = []
    if isinstance(node, MapNode) and WATCH in node.entries:
        named = [node.entries[WATCH]]
    elif isinstance(node, ListNode):
        named = [item for item in node.items if isinstance(item, ScalarNode) and item.text.strip() == WATCH]
    if named:
        message = f"`{WATCH}` has nothing to look at: no segment says when its certificates end"
        hint = f"say so of the fleet or a segment: `{KEY}: 20 d`"
        problems.add(wrong(named[0], "S309", message, hint, named[0].key_place))


def _where(own: Record) -> Node:
    key = next((key for key in (KEY, "certificate_batch") if own.has(key)), None)
    if key is not None:
        return own.at(key)
    assert own.node is not None
    return own.node


def _shown(expires_us: Range | None) -> str:
    if expires_us is None:
        return "nobody knows when"
    low, high = map(values.show_duration, (expires_us.low, expires_us.high))
    return f"in {low}" + (f" to {high}" if high != low else "")
