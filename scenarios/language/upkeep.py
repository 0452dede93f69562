"""`maintenance`: who repairs machines, when they are asked to, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.errors import Problems, Refused, listed, quoted
from twinstorm.scenarios.language.expressions import Expression, names
from twinstorm.scenarios.language.fields import (
    BAD,
    SELECTOR,
    Field,
    Key,
    Named,
    Record,
    Single,
    Table,
    duration,
    duration_range,
    missing_key,
    name,
    unknown,
    whole,
    words,
    wrong,
)
from twinstorm.scenarios.language.model import Fleet, Maintenance, Range, Rule
from twinstorm.scenarios.language.nodes import MapNode, Node
from twinstorm.scenarios.language.reach import Reach
from twinstorm.scenarios.language.selectors import parse as selector
from twinstorm.twin.units import UnitError, value_in

POLICIES = ("run-to-failure", "condition", "preventive")

_KM_H = {"km/h": 1.0, "m/s": 3.6, "mph": 1.609344}
_RULE = re.compile(
    rf"([a-z][a-z0-9_]*)\s*(<=|>=|<|>)\s*(-?{values.NUMBER})\s*({values.UNIT})?(?:\s+for\s+({values.DURATION}))?"
)


@dataclass(frozen=True)
class Written:
    """One condition of `when` as written; `unit` is empty where the channel's own is meant."""

    channel: str
    op: str
    level: float
    unit: str
    for_us: int


def conditions(text: str) -> tuple[Written, ...]:
    """``vibration_x_mm_s > 4.5 for 10 min``, several with ``or``."""
    found = []
    offset = 0
    for part in re.split(r"\bor\b", text):
        match = _RULE.fullmatch(part.strip())
        if not match:
            raise Refused(
                "S215",
                f"{quoted(part.strip())} is not a condition of a channel",
                "write `vibration_x_mm_s > 4.5 mm/s for 10 min`, several with `or`",
                offset=offset + len(part) - len(part.lstrip()),
                length=len(part.strip()),
            )
        channel, op, level, unit, lasting = match.groups()
        for_us = values.duration(lasting) if lasting else 0
        found.append(Written(channel, op, float(Fraction(level)), unit or "", for_us))
        offset += len(part) + len("or")
    return tuple(found)


def way(text: str) -> Range | float:
    """A duration, a range of them, or a speed in km/h."""
    if "/" not in text and not text.endswith("mph"):
        return values.duration_range(text)
    speed = values.quantity(text)
    if speed.unit not in _KM_H or not speed.value > 0:
        raise Refused("S208", f"{quoted(text)} is not a speed", "write `60 km/h`, or a duration: `2 h`")
    return float(speed.value) * _KM_H[speed.unit]


def _per_h(text: str) -> float:
    rate = values.rate(text)
    if rate.of_fleet:
        raise Refused("S206", f"{quoted(text)} is a share, not a cost", "write `100/h`")
    return float(rate.per_s * 3600)


@dataclass(frozen=True)
class Crews(Field):
    """A number for all, or a number for each region; read to a dict, "" for all."""

    def read(self, node: Node, problems: Problems) -> Any:
        number = whole("1", "10000", "3")
        if isinstance(node, MapNode):
            return Named("a mapping from regions to crews", number, name_of=name("a region", "fra")).read(
                node, problems
            )
        count = number.read(node, problems)
        return BAD if count is BAD else {"": count}

    def json_schema(self) -> dict[str, Any]:
        number = whole("1", "10000").json_schema()
        return {"oneOf": [number, {"type": "object", "additionalProperties": number, "minProperties": 1}]}


COST = Table(
    "the costs",
    (
        Key("downtime", Single("a cost per time", _per_h, "100/h", values.RATE), "of a machine that stands still"),
        Key(
            "repair", Single("a number", values.number, "500", values.NUMBER, "0", may_be_number=True), "of one repair"
        ),
        Key("spare", Single("a number", values.number, "300", values.NUMBER, "0", may_be_number=True), "of one part"),
    ),
)

MAINTENANCE = Table(
    "the maintenance",
    (
        Key(
            "policy", words("policy", *POLICIES), "when a crew is asked for, beside when a machine stops", required=True
        ),
        Key("of", SELECTOR, "whose machines; by default everybody's"),
        Key(
            "when",
            Single("a condition of a channel", conditions, "vibration_x_mm_s > 4.5 mm/s for 10 min"),
            "with `condition`: what the core must have received, and for how long",
        ),
        Key("interval", duration("1 min", "53 w", "30 d"), "with `preventive`: time between two renewals of a machine"),
        Key("crews", Crews(), "how many, or how many for each region", default="1"),
        Key(
            "travel",
            Single("a duration, a range or a speed", way, "2 h", most="30 d"),
            "time to a machine; or a speed, and it takes as long as it is far",
            default="0 s",
        ),
        Key("repair", duration_range("1 s", "30 d", "4 h"), "how long a repair takes", default="4 h"),
        Key(
            "spread",
            words("spread", "none", "exponential"),
            "how repairs scatter about that: not, or exponentially",
            default="none",
        ),
        Key(
            "breakdown", duration("1 s", "520 w", "30 d"), "mean running time to a breakdown by chance; by default none"
        ),
        Key("spares", whole("1", "1000000", "5"), "parts in stock, one a repair; by default no end of them"),
        Key("lead", duration("1 s", "53 w", "2 d"), "until a part that was ordered arrives", default="1 d"),
        Key("cost", COST, "what each hour, repair and part costs"),
    ),
)


def read_maintenance(record: Record, fleet: Fleet, problems: Problems) -> Maintenance | None:
    """What a scenario says of it; None, after telling why, if it cannot be told."""
    before = len(problems.found)
    assert record.node is not None
    policy = record.own("policy")
    for needed, key, why in (
        ("condition", "when", "what is asked of a channel"),
        ("preventive", "interval", "how often"),
    ):
        if policy == needed and not record.has(key):
            problems.add(missing_key(record.node, key, why))
    repair_us: Range = record.value("repair")
    if record.own("spread") == "exponential" and record.own("repair") and repair_us.low != repair_us.high:
        message = "repairs scatter within a range or exponentially, not both"
        problems.add(wrong(record.at("repair"), "S212", message, "write one duration, its mean"))
    if record.has("lead") and not record.has("spares"):
        message = "`lead` says when parts arrive, and nobody runs out of them"
        problems.add(wrong(record.at("lead"), "S212", message, "add `spares`", record.at("lead").key_place))
    crews = _crews(record, fleet, problems)
    rules = _rules(record, fleet, problems) if record.own("when") is not None else ()
    travel = record.value("travel")
    cost = record.part("cost")
    if policy is None or len(problems.found) > before:
        return None
    return Maintenance(
        policy=policy,
        of=record.own("of"),
        when=rules,
        interval_us=record.own("interval"),
        crews=crews,
        travel_us=travel if isinstance(travel, Range) else Range(0, 0),
        speed_km_h=None if isinstance(travel, Range) else travel,
        repair_us=repair_us,
        exponential=record.value("spread") == "exponential",
        breakdown_us=record.own("breakdown"),
        spares=record.own("spares"),
        lead_us=record.value("lead"),
        downtime_cost_per_h=cost.own("downtime") or 0.0,
        repair_cost=cost.own("repair") or 0.0,
        spare_cost=cost.own("spare") or 0.0,
    )


def _crews(record: Record, fleet: Fleet, problems: Problems) -> tuple[tuple[str, int], ...]:
    """Region to crews; "" for all. Tells of regions that nobody knows, and of those that nobody serves."""
    crews = record.value("crews")
    if "" in crews:
        return (("", crews[""]),)
    regions = Reach(fleet).known("region")
    node = record.at("crews")
    assert isinstance(node, MapNode)
    for region in crews:
        if region not in regions:
            problems.add(unknown(node, "region", region, regions, place=node.entries[region].key_place))
    missing = [region for region in regions if region not in crews]
    if missing and set(crews) <= set(regions) and record.own("of") is None:
        message = f"nobody serves {listed(missing)}"
        problems.add(wrong(node, "S212", message, "give each region its crews, or narrow `of`", node.key_place))
    return tuple(crews.items())


def _rules(record: Record, fleet: Fleet, problems: Problems) -> tuple[Rule, ...]:
    """Conditions in the units of their channels. Loads the kinds."""
    node = record.at("when")
    known = {
        channel.name: channel
        for kind in catalogue.machines(Reach(fleet).kinds(record.own("of") or selector("all")))
        for channel in kind.channels
    }
    rules = []
    for one in record.own("when"):
        channel = known.get(one.channel)
        if channel is None:
            hint = "`twinstorm explain KIND` lists the channels of a kind"
            problems.add(unknown(node, "channel", one.channel, tuple(known), hint=hint))
            continue
        try:
            level = value_in(channel, one.level, one.unit or channel.unit)
        except UnitError:
            message = f"`{channel.name}` is in {channel.unit}, not in {one.unit}"
            problems.add(wrong(node, "S208", message, f"write `{one.level:g} {channel.unit}`"))
            continue
        if not channel.lowest <= level <= channel.highest:
            message = f"`{channel.name}` lies between {channel.lowest:g} and {channel.highest:g} {channel.unit}"
            problems.add(wrong(node, "S210", message, "write a value that it can have"))
        rules.append(Rule(channel.name, one.op, level, one.for_us))
    return tuple(rules)


def check_maintained(record: Record, problems: Problems) -> None:
    """Tell of figures of maintenance where there is none: they would stay 0 whatever happens.

    Args:
        record: an expectation, a step, or the stop condition.
    """
    for key, value in record.read.items():
        asked: Sequence[str] = ()
        if isinstance(value, Expression):
            asked = names(value)
        elif key == "count":
            asked = (value,)
        for word in asked:
            if word in catalogue.OF_MAINTENANCE:
                message = f"there is no {quoted(word)} without `maintenance`"
                problems.add(wrong(record.at(key), "S310", message, "add `maintenance: {policy: run-to-failure}`"))
