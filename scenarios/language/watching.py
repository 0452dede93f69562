"""Who watches: what stands under `detectors`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twinstorm.scenarios.language import catalogue, fields
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
    unknown,
    unusable,
    words,
    wrong,
)
from twinstorm.scenarios.language.model import Fleet
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode
from twinstorm.scenarios.language.objectives import BURN_SUFFIX
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.language.settings import settings_table
from twinstorm.scenarios.language.stored import MODEL, tells_conditions
from twinstorm.twin.residual_names import residual_name

PATTERN = "pattern"
"""The setting that makes a name one of a pattern of events."""
WORKER = "detector"
"""The setting that makes a name one more instance of an installed detector on values."""
DRIFT_SUFFIX = "-drift"
"""Behind the name of a stored model: the alarm that it is out of date."""

DETECTOR = Word("detector", catalogue.detectors, code="S104", all_at="all: twinstorm list detectors")
ON_VALUES = Word("detector on values", catalogue.value_detectors, code="S104", all_at="all: twinstorm list detectors")

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
"""Settings of detectors that are none of their own: the first two of all, the third of stored models as well, all of
those on values."""
SHARED = tuple(key.name for key in WATCHING)


def is_pattern(name: str, node: Node) -> bool:
    """Whether this is no installed detector, but a name for a pattern of events."""
    return name not in catalogue.detectors() and isinstance(node, MapNode) and PATTERN in node.entries


def is_model(name: str, node: Node) -> bool:
    """Whether this is no installed detector, but a name for a stored model."""
    return name not in catalogue.detectors() and isinstance(node, MapNode) and MODEL in node.entries


def is_instance(name: str, node: Node) -> bool:
    """Whether this is no installed detector, but a name for one more instance of a detector on values."""
    return name not in catalogue.detectors() and isinstance(node, MapNode) and WORKER in node.entries


def _worker(name: str, node: Node) -> str:
    """The installed detector that does the work of this name."""
    worker = node.entries[WORKER] if is_instance(name, node) and isinstance(node, MapNode) else None
    return worker.text.strip() if isinstance(worker, ScalarNode) else name


def _is_chosen(name: str, node: Node) -> bool:
    """Whether a file has chosen this name."""
    return is_pattern(name, node) or is_model(name, node) or is_instance(name, node)


def chosen_names_of(scenario: Record) -> tuple[str, ...]:
    """Names of patterns of events, of stored models and of further instances, also of those that could not be read."""
    node = scenario.at("detectors") if scenario.has("detectors") else None
    entries = node.entries if isinstance(node, MapNode) else {}
    return tuple(name for name, settings in entries.items() if _is_chosen(name, settings))


def drift_alarms_of(scenario: Record) -> tuple[str, ...]:
    """Alarms that models are out of date."""
    node = scenario.at("detectors") if scenario.has("detectors") else None
    entries = node.entries if isinstance(node, MapNode) else {}
    return tuple(
        name + DRIFT_SUFFIX
        for name, settings in entries.items()
        if is_model(name, settings) and not tells_conditions(settings)
    )


@dataclass(frozen=True)
class _DetectorName(Field):
    """A detector, or one of these names that a file has chosen for patterns, models and further instances."""

    chosen: tuple[str, ...]

    def read(self, node: Node, problems: Problems) -> Any:
        text = node.text if isinstance(node, ScalarNode) else ""
        if text not in self.chosen:
            return DETECTOR.read(node, problems)
        if text == "any" or text.endswith(BURN_SUFFIX):
            whose = "every alarm" if text == "any" else "alarms of objectives"
            problems.add(wrong(node, "S204", f"a detector cannot be called {quoted(text)}", f"so {whose} are called"))
            return BAD
        return fields.name("a name for the detector", "flapping-link").read(node, problems)

    def json_schema(self) -> dict[str, Any]:
        return DETECTOR.json_schema()


class Detectors(Field):
    """A list of names, or a mapping from name to settings; read to a dict from name to the settings that are given."""

    def read(self, node: Node, problems: Problems) -> Any:
        if isinstance(node, ListNode):
            names = Listing("a list of detectors", DETECTOR).read(node, problems)
            for item in node.items if names is not BAD else ():
                name = item.text.strip() if isinstance(item, ScalarNode) else ""
                if self._is_whole(name, item, problems):
                    self._settings(name, MapNode(item.path, item.place, item.key_place), problems)
            return BAD if names is BAD else {name: {} for name in names}
        entries = node.entries if isinstance(node, MapNode) else {}
        name_of = _DetectorName(tuple(name for name, settings in entries.items() if _is_chosen(name, settings)))
        named = Named("a list or a mapping of detectors", Raw("the settings of a detector"), name_of=name_of).read(
            node, problems
        )
        if named is BAD:
            return BAD
        whole = {name: self._is_whole(name, given, problems) for name, given in named.items()}
        return {name: self._settings(name, given, problems) if whole[name] else {} for name, given in named.items()}

    @staticmethod
    def _is_whole(name: str, node: Node, problems: Problems) -> bool:
        """Whether a detector can be used; tells of one that lacks what it needs as well."""
        worker = _worker(name, node)
        flaw = catalogue.detector_flaw(worker) if worker in catalogue.detectors() else None
        if flaw is not None:
            problems.add(unusable(node, flaw))
            return False
        command = catalogue.detector_missing(worker) if catalogue.looks_at_values(worker) else ""
        if command:
            message = f"the detector {quoted(name)} needs what is not installed"
            problems.add(wrong(node, "S115", message, f"install it: {command}", node.key_place))
        return True

    @staticmethod
    def _settings(name: str, node: Node, problems: Problems) -> Mapping[str, Any]:
        nothing = (isinstance(node, ScalarNode) and node.is_absent) or (isinstance(node, MapNode) and not node.entries)
        if nothing and catalogue.looks_at_values(name):
            # Its defaults may not go together.
            node = MapNode(node.path, node.place, node.key_place)
        elif nothing or (name not in catalogue.detectors() and not _is_chosen(name, node)):
            return {}
        # Only a scenario that changes a detector loads it: detectors come with numbers and models.
        shared: tuple[Key, ...]
        if is_pattern(name, node):
            options, shared = catalogue.pattern_options(), WATCHING[:2]
        elif is_model(name, node):
            options, shared = catalogue.model_options(conditions=tells_conditions(node)), WATCHING[:3]
        elif is_instance(name, node):
            worker = _worker(name, node)
            options = catalogue.detector_options(worker) if catalogue.looks_at_values(worker) else ()
            # Of a detector that nobody knows nobody knows the settings: what is told is that.
            given = node.entries if isinstance(node, MapNode) and not options else {}
            unread = (Key(key, Raw("a setting"), "") for key in given if key not in (WORKER, *SHARED))
            shared = (Key(WORKER, ON_VALUES, "that does the work"), *WATCHING, *unread)
        else:
            options = catalogue.detector_options(name)
            shared = WATCHING if catalogue.looks_at_values(name) else WATCHING[:2]
        own = settings_table(f"a mapping of settings of `{name}`", options)
        record = Table(own.wanted, (*own.keys, *shared)).read(node, problems)
        if record is BAD:
            return {}
        worker, values = _worker(name, node), {option.name: record.value(option.name) for option in options}
        if catalogue.looks_at_values(worker) and not any(value is None for value in values.values()):
            contradiction = catalogue.detector_contradiction(worker, values)
            if contradiction:
                problems.add(wrong(node, "S212", f"{quoted(name)}: {contradiction}", "", node.key_place))
        return dict(record.read)

    def json_schema(self) -> dict[str, Any]:
        known = list(catalogue.detectors())
        value = {"type": ["string", "number", "boolean", "array"], "items": {"type": "string"}}
        settings = {"type": ["object", "null"], "additionalProperties": value}
        return {
            "oneOf": [
                {"type": "array", "items": {"enum": known}},
                {
                    "type": "object",
                    "properties": dict.fromkeys(known, settings),
                    "additionalProperties": {
                        "type": "object",
                        "anyOf": [{"required": [key]} for key in (PATTERN, MODEL, WORKER)],
                        "additionalProperties": value,
                    },
                },
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


def check_alarms_of_patterns(
    scenario: Record, looking: tuple[str, ...], burns: tuple[str, ...], problems: Problems
) -> None:
    """Tell of patterns that wait for alarms that nothing raises.

    Args:
        looking: detectors that look.
        burns: alarms that objectives raise.
    """
    known = (*looking, *burns)
    for name, settings, node in _chosen(scenario):
        if not is_pattern(name, node) or not isinstance(node, MapNode) or settings.get(PATTERN) is None:
            continue
        written = node.entries[PATTERN]
        for alarm in settings[PATTERN].alarms:
            if alarm not in known:
                message = f"nothing raises {quoted(alarm)}, which the pattern {quoted(name)} waits for"
                meant = closest(alarm, known)
                problems.add(wrong(written, "S308", message, allowed=known, suggestion=meant))


def check_alarm_names(record: Record, chosen: tuple[str, ...], problems: Problems) -> None:
    """Tell of an expectation about an alarm of a name that no detector, pattern, model or objective can have.

    Args:
        chosen: names that the file has chosen.
    """
    for key in ("alarm", "no_alarm"):
        name = record.read.get(key)
        known = (*(["any"] if key == "no_alarm" else []), *catalogue.detectors(), *chosen)
        if name is not None and name not in known and not name.endswith(BURN_SUFFIX):
            at = "all: twinstorm list detectors" if key == "alarm" else "`any`, or one of twinstorm list detectors"
            problems.add(unknown(record.at(key), "alarm", name, known, "S104", at))


def check_channels(scenario: Record, fleet: Fleet, problems: Problems) -> None:
    """Tell of channels that no machine of the fleet has. Loads the kinds where there is something to look at."""
    for _, settings, node in _chosen(scenario):
        if not settings.get("channels") or not isinstance(node, MapNode) or "channels" not in node.entries:
            continue
        kinds = catalogue.machines(sorted({segment.kind for segment in fleet.segments}))
        mirrored = {segment.kind for segment in fleet.segments if segment.mirror is not None}
        known = {channel.name for kind in kinds for channel in kind.channels}
        known |= {residual_name(one.name) for kind in kinds if kind.name in mirrored for one in kind.channels}
        listing = node.entries["channels"]
        for item in listing.items if isinstance(listing, ListNode) else ():
            name = item.text.strip() if isinstance(item, ScalarNode) else ""
            if name and name not in known:
                close = closest(name, sorted(known))
                hint = f"did you mean {quoted(close)}?" if close else f"they have {listed(sorted(known))}"
                problems.add(wrong(item, "S309", f"no machine of the fleet has a channel {quoted(name)}", hint))
