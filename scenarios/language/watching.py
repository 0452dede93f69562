"""Who watches: what stands under `detectors`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twinstorm.scenarios.language import catalogue
from twinstorm.scenarios.language.errors import Problems, closest, listed, quoted
from twinstorm.scenarios.language.fields import (
    ADDRESS,
    BAD,
    SELECTOR,
    Field,
    Key,
    Listing,
    Named,
    Raw,
    Record,
    Single,
    Table,
    Word,
    words,
    wrong,
)
from twinstorm.scenarios.language.model import Fleet
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.language.settings import settings_table

DETECTOR = Word("detector", catalogue.detectors, code="S104", all_at="all: twinstorm list detectors")


WATCHING = (
    Key("shadow", words("shadow", "true", "false"), "it scores and finds, and never raises an alarm", default="false"),
    Key("runbook", ADDRESS, "page that says what to do when it raises an alarm"),
    Key("on", SELECTOR, "whose values it looks at; by default those of all devices"),
    Key(
        "channels",
        Listing("a list of channels", Single("the name of a channel", str, "temperature_c")),
        "which; by default all but angles, counters and codes",
    ),
)
"""Settings of detectors that are none of their own: the first two of all, the others of those on values."""


class Detectors(Field):
    """A list of names, or a mapping from name to settings; read to a dict from name to the settings that are given."""

    def read(self, node: Node, problems: Problems) -> Any:
        if isinstance(node, ListNode):
            names = Listing("a list of detectors", DETECTOR).read(node, problems)
            return BAD if names is BAD else {name: {} for name in names}
        named = Named("a list or a mapping of detectors", Raw("the settings of a detector"), name_of=DETECTOR).read(
            node, problems
        )
        if named is BAD:
            return BAD
        return {name: self._settings(name, given, problems) for name, given in named.items()}

    @staticmethod
    def _settings(name: str, node: Node, problems: Problems) -> Mapping[str, Any]:
        nothing = (isinstance(node, ScalarNode) and node.is_absent) or (isinstance(node, MapNode) and not node.entries)
        if nothing or name not in catalogue.detectors():
            return {}
        # Only a scenario that changes a detector loads it: detectors come with numbers and models.
        own = settings_table(f"a mapping of settings of `{name}`", catalogue.detector_options(name))
        shared = WATCHING if catalogue.looks_at_values(name) else WATCHING[:2]
        record = Table(own.wanted, (*own.keys, *shared)).read(node, problems)
        return {} if record is BAD else dict(record.read)

    def json_schema(self) -> dict[str, Any]:
        known = list(catalogue.detectors())
        value = {"type": ["string", "number", "boolean", "array"], "items": {"type": "string"}}
        settings = {"type": ["object", "null"], "additionalProperties": value}
        return {
            "oneOf": [
                {"type": "array", "items": {"enum": known}},
                {"type": "object", "properties": dict.fromkeys(known, settings), "additionalProperties": False},
            ]
        }


def _chosen(scenario: Record) -> Iterator[tuple[str, Mapping[str, Any], Node]]:
    """Each detector with the settings that could be read, and the node of it."""
    chosen = scenario.own("detectors")
    node = scenario.at("detectors") if chosen else None
    if isinstance(node, MapNode):
        for name, settings in chosen.items():
            yield name, settings, node.entries[name]


def selectors_of(scenario: Record) -> Iterator[tuple[Selector, Node]]:
    """Whose values are looked at, and where that stands."""
    for _, settings, node in _chosen(scenario):
        # A key that is misspelt is read as what it means, and told where it was read.
        if settings.get("on") is not None and isinstance(node, MapNode) and "on" in node.entries:
            yield settings["on"], node.entries["on"]


def check_channels(scenario: Record, fleet: Fleet, problems: Problems) -> None:
    """Tell of channels that no machine of the fleet has. Loads the kinds where there is something to look at."""
    for _, settings, node in _chosen(scenario):
        if not settings.get("channels") or not isinstance(node, MapNode) or "channels" not in node.entries:
            continue
        kinds = catalogue.machines(sorted({segment.kind for segment in fleet.segments}))
        known = {channel.name for kind in kinds for channel in kind.channels}
        listing = node.entries["channels"]
        for item in listing.items if isinstance(listing, ListNode) else ():
            name = item.text.strip() if isinstance(item, ScalarNode) else ""
            if name and name not in known:
                close = closest(name, sorted(known))
                hint = f"did you mean {quoted(close)}?" if close else f"they have {listed(sorted(known))}"
                problems.add(wrong(item, "S309", f"no machine of the fleet has a channel {quoted(name)}", hint))
