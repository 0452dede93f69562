"""`routes`: where readings are sent on to, by the topic and the values of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.errors import Problems, Refused, closest, listed, quoted
from twinstorm.scenarios.language.fields import (
    Key,
    Listing,
    Named,
    Record,
    Single,
    Table,
    duration,
    rate,
    whole,
    words,
    wrong,
)
from twinstorm.scenarios.language.model import Change, Condition, Fleet, Route
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode
from twinstorm.scenarios.language.objectives import BURN_SUFFIX
from twinstorm.scenarios.language.quantities import Rate
from twinstorm.twin.units import UnitError, line_to, value_in

TARGETS: Final = ("store", "alarm", "command", "dead-letter")
ALARM: Final = "alarm"
PASSING: Final = ("store", "command")
"""Targets to which something is passed on."""

_CHANNEL = r"[a-z][a-z0-9_]*"
_LEVEL = r"(?:\+|[^+#/\s]*)"
_FILTER = rf"(?:{_LEVEL}/)*(?:#|{_LEVEL})"
_CONDITION = re.compile(rf"({_CHANNEL})\s*(<=|>=|!=|<|>|=)\s*(-?{values.NUMBER})\s*({values.UNIT})?")


@dataclass(frozen=True)
class Written:
    """A condition as written; `unit` is empty where the channel's own is meant."""

    channel: str
    compare: str
    limit: float
    unit: str


def _conditions(text: str) -> tuple[Written, ...]:
    found = []
    offset = 0
    for part in re.split(r"\band\b", text):
        match = _CONDITION.fullmatch(part.strip())
        if not match:
            raise Refused(
                "S215",
                f"{quoted(part.strip())} is not a condition of a channel",
                "write `winding_temperature_c > 80 C`, several with `and`",
                offset=offset + len(part) - len(part.lstrip()),
                length=len(part.strip()),
            )
        channel, compare, limit, unit = match.groups()
        found.append(Written(channel, compare, float(Fraction(limit)), unit or ""))
        offset += len(part) + len("and")
    return tuple(found)


def _topic_filter(text: str) -> str:
    if not re.fullmatch(_FILTER, text):
        hint = "write levels between `/`; `+` stands for one, `#` at the end for all that follow"
        raise Refused("S219", f"{quoted(text)} is no topic filter", hint)
    return text


def _channel_name(text: str) -> str:
    if not re.fullmatch(_CHANNEL, text):
        raise Refused("S218", f"{quoted(text)} is no name of a channel", "write small letters, digits and `_`")
    return text


CHANNEL = Single("the name of a channel", _channel_name, "winding_temperature_c", _CHANNEL)

CHANGE = Table(
    "what a channel becomes",
    (
        Key("name", CHANNEL, "what it is called from there on", required=True),
        Key("unit", Single("a unit", str, "F", values.UNIT), "what it is told in from there on; by default its own"),
    ),
)

ROUTE = Table(
    "a route",
    (
        Key("topic", Single("a topic filter", _topic_filter, "fleet/#", _FILTER), "on which topics", default="#"),
        Key("when", Single("conditions", _conditions, "winding_temperature_c > 80"), "which values; by default any"),
        Key("to", words("target", *TARGETS), "where they go", required=True),
        Key("keep", Listing("a list of channels", CHANNEL, 50), "what is passed on, by its new name; by default all"),
        Key("becomes", Named("a mapping of channels", CHANGE, 50, CHANNEL), "channels that are passed on otherwise"),
        Key("takes", rate("1/d", "1000000/s", "100/s"), "what the target takes in a time; by default all"),
        Key("tries", whole("1", "20", "3"), "how often what found no place is tried in all", default="3"),
        Key("wait", duration("1 s", "1 d", "1 s"), "before the second try; doubles with each", default="1 s"),
    ),
)


def read_routes(records: Mapping[str, Record], fleet: Fleet, taken: Sequence[str], problems: Problems) -> list[Route]:
    """Rules in their order; those that make no sense are told and left out. Loads the kinds.

    Args:
        taken: names of what raises alarms otherwise.
    """
    if not records:
        return []
    kinds = catalogue.machines(sorted({segment.kind for segment in fleet.segments}))
    found = (_route(name, record, fleet, kinds, taken, problems) for name, record in records.items())
    return [route for route in found if route is not None]


def _route(
    name: str, record: Record, fleet: Fleet, kinds: Sequence[Any], taken: Sequence[str], problems: Problems
) -> Route | None:
    before = len(problems.found)
    to = record.own("to")
    _check_target(name, record, taken, problems)
    when = _when(record, kinds, problems)
    names = {condition.channel for condition in when}
    fitting = [kind for kind in kinds if names <= {channel.name for channel in kind.channels}]
    if not fitting and len(problems.found) == before:
        message = "no kind of machine of the fleet has all of these channels: no reading fits"
        problems.add(wrong(record.at("when"), "S309", message, "make a route for each kind"))
    changes = _changes(record, fitting, problems)
    keep = _keep(record, fitting, changes, problems)
    takes: Rate | None = record.own("takes")
    if to is None or len(problems.found) > before:
        return None
    return Route(
        name=name,
        topic=record.value("topic"),
        to=to,
        when=tuple(when),
        changes=tuple(changes),
        keep=tuple(keep),
        takes_per_s=None if takes is None else takes.for_fleet(fleet.devices),
        tries=record.value("tries"),
        wait_us=record.value("wait"),
    )


def _check_target(name: str, record: Record, taken: Sequence[str], problems: Problems) -> None:
    to = record.own("to")
    if to is None:
        return
    for key in ("keep", "becomes", "takes") if to not in PASSING else ():
        if record.has(key):
            message = f"nothing is passed on to `{to}`: {quoted(key)} would change nothing"
            problems.add(wrong(record.at(key), "S212", message, f"leave {quoted(key)} out", record.at(key).key_place))
    for key in ("tries", "wait") if not record.has("takes") else ():
        if record.has(key):
            message = f"`{to}` takes any number, so that nothing is tried again"
            problems.add(wrong(record.at(key), "S212", message, "add `takes: 100/s`", record.at(key).key_place))
    if to == ALARM and (name in taken or name == "any" or name.endswith(BURN_SUFFIX)):
        whose = {"any": "every alarm"}.get(name, "alarms of somebody else")
        assert record.node is not None
        message = f"a route that raises alarms cannot be called {quoted(name)}"
        problems.add(wrong(record.node, "S204", message, f"so {whose} are called", record.node.key_place))


def _when(record: Record, kinds: Sequence[Any], problems: Problems) -> list[Condition]:
    """Conditions in the units of their channels."""
    known = {channel.name: channel for kind in kinds for channel in kind.channels}
    found = []
    for one in record.own("when") or ():
        node = record.at("when")
        channel = known.get(one.channel)
        if channel is None:
            _tell_channel(one.channel, tuple(known), node, problems)
            continue
        try:
            limit = value_in(channel, one.limit, one.unit or channel.unit)
        except UnitError:
            message = f"`{channel.name}` is in {channel.unit}, not in {one.unit}"
            problems.add(wrong(node, "S208", message, f"write `{one.limit:g} {channel.unit}`"))
            continue
        found.append(Condition(channel.name, one.compare, limit))
    return found


def _changes(record: Record, kinds: Sequence[Any], problems: Problems) -> list[Change]:
    known = {channel.name: channel for kind in kinds for channel in kind.channels}
    found = []
    written: Mapping[str, Record] = record.own("becomes") or {}
    for name, change in written.items():
        node = change.node
        assert node is not None
        if name not in known:
            _tell_channel(name, tuple(known), node, problems)
            continue
        try:
            factor, offset = line_to(known[name], change.own("unit") or known[name].unit)
        except UnitError as error:
            problems.add(wrong(change.at("unit"), "S208", str(error), f"`{name}` is in {known[name].unit}"))
            continue
        if change.own("name") is not None:
            found.append(Change(name, change.own("name"), factor, offset))
    _check_names(written, found, tuple(known), problems)
    return found


def _check_names(
    written: Mapping[str, Record], changes: Sequence[Change], channels: Sequence[str], problems: Problems
) -> None:
    """Tell of channels that would be passed on under one name."""
    renamed = {change.channel for change in changes}
    taken = {name: name for name in channels if name not in renamed}
    for change in changes:
        other = taken.setdefault(change.becomes, change.channel)
        if other != change.channel:
            message = (
                f"{quoted(change.channel)} and {quoted(other)} would both be passed on as {quoted(change.becomes)}"
            )
            node = written[change.channel].at("name")
            problems.add(wrong(node, "S212", message, "give it a name that no other channel has"))


def _keep(record: Record, kinds: Sequence[Any], changes: Sequence[Change], problems: Problems) -> list[str]:
    if not record.has("keep") or not kinds:
        return []
    becomes = {change.channel: change.becomes for change in changes}
    known = tuple(dict.fromkeys(becomes.get(each.name, each.name) for kind in kinds for each in kind.channels))
    node = record.at("keep")
    items = node.items if isinstance(node, ListNode) else []
    for item in items:
        name = item.text.strip() if isinstance(item, ScalarNode) else ""
        if name and name not in known:
            _tell_channel(name, known, item, problems)
    if not items:
        problems.add(wrong(node, "S212", "nothing at all would be passed on", "name a channel", node.key_place))
    return record.own("keep") or []


def _tell_channel(name: str, known: tuple[str, ...], node: Node, problems: Problems) -> None:
    message = f"no machine that fits has a channel {quoted(name)}"
    place = node.key_place
    if isinstance(node, ScalarNode):
        place = node.part(max(node.text.find(name), 0), len(name))
    hint = f"they have {listed(sorted(known), len(known))}"
    problems.add(wrong(node, "S309", message, hint, place, allowed=known, suggestion=closest(name, known)))


def alarms_of_routes(scenario: Record) -> tuple[str, ...]:
    """Names of the alarms that routes raise, also of those that could not be read."""
    node = scenario.at("routes") if scenario.has("routes") else None
    found = []
    for name, written in node.entries.items() if isinstance(node, MapNode) else ():
        to = written.entries.get("to") if isinstance(written, MapNode) else None
        if isinstance(to, ScalarNode) and to.text.strip() == ALARM:
            found.append(name)
    return tuple(found)
