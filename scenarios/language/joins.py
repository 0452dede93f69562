"""`joins` and `correlations`: what is measured by two kinds of machine at one place, and what moves together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.errors import Problems, closest, listed, quoted
from twinstorm.scenarios.language.fields import Key, Record, Single, Table, duration, name, whole, words, wrong
from twinstorm.scenarios.language.model import Correlation, Fleet, Join, Window
from twinstorm.scenarios.language.nodes import MapNode
from twinstorm.scenarios.language.objectives import BURN_SUFFIX
from twinstorm.scenarios.language.streams import LEVELS, SERIES, check_level, unit_of

PLACES: Final = tuple(level for level in LEVELS if level not in ("device", "segment"))
"""Levels that two kinds of machine can have in common."""

_ABOVE = Single("a number", values.number, "20", rf"-?{values.NUMBER}", may_be_number=True)

JOIN = Table(
    "a join",
    (
        Key("left", SERIES, "what is compared: kind of machine, dot, channel", required=True),
        Key("right", SERIES, "with what: of another kind", required=True),
        Key("by", words("level", *PLACES), "where both must be", default="site"),
        Key("before", duration("0 s", "1 h", "30 s"), "how much older a partner may be", default="30 s"),
        Key("after", duration("0 s", "1 h", "30 s"), "how much younger", default="30 s"),
        Key("lateness", duration("0 s", "1 d", "10 s"), "for how much longer partners are waited for", default="10 s"),
        Key("above", _ABOVE, "so far above the mean of its partners a reading raises an alarm; by default none does"),
    ),
)

_WINDOW_NAME = name("the name of a window", "heat")

CORRELATION = Table(
    "a correlation",
    (
        Key("left", _WINDOW_NAME, "the name of a window", required=True),
        Key("right", _WINDOW_NAME, "that of another one, as wide and by the same level", required=True),
        Key("over", whole("3", "10000", "30"), "how many of the newest windows are looked at", default="30"),
    ),
)


def read_joins(records: Mapping[str, Record], fleet: Fleet, taken: Sequence[str], problems: Problems) -> list[Join]:
    """Joins that a scenario asks for; those that make no sense are told and left out. Loads the kinds.

    Args:
        taken: names of what raises alarms otherwise.
    """
    found = (_join(name, record, fleet, taken, problems) for name, record in records.items())
    return [join for join in found if join is not None]


def _join(name: str, record: Record, fleet: Fleet, taken: Sequence[str], problems: Problems) -> Join | None:
    before = len(problems.found)
    left, right = record.own("left"), record.own("right")
    units = [
        unit_of(side, record, key, fleet, problems)
        for key, side in (("left", left), ("right", right))
        if side is not None
    ]
    if left is not None and right is not None and len(problems.found) == before:
        if left.kind == right.kind:
            message = f"both sides are readings of {quoted(left.kind)}: a join is of two kinds of machine"
            problems.add(wrong(record.at("right"), "S212", message, "take another kind, or a window of each"))
        elif units[0] != units[1]:
            message = (
                f"{quoted(str(left))} is in {units[0]}, {quoted(str(right))} in {units[1]}: they have no difference"
            )
            problems.add(wrong(record.at("right"), "S212", message, "take two channels of one unit"))
    check_level(record, fleet, problems)
    if record.has("above") and (name in taken or name == "any" or name.endswith(BURN_SUFFIX)):
        message = f"a join that raises alarms cannot be called {quoted(name)}"
        assert record.node is not None
        problems.add(
            wrong(record.node, "S204", message, "alarms of somebody else are called so", record.node.key_place)
        )
    if left is None or right is None or len(problems.found) > before:
        return None
    above: Any = record.own("above")
    return Join(
        name=name,
        left=(left.kind, left.channel),
        right=(right.kind, right.channel),
        unit=units[0] or "",
        by=record.value("by"),
        before_us=record.value("before"),
        after_us=record.value("after"),
        lateness_us=record.value("lateness"),
        above=None if above is None else float(above),
    )


def read_correlations(
    records: Mapping[str, Record], windows: Sequence[Window], written: Sequence[str], problems: Problems
) -> list[Correlation]:
    """Correlations that a scenario asks for; those that make no sense are told and left out.

    Args:
        windows: those that could be read. written: names of all that stand there.
    """
    known = {window.name: window for window in windows}
    found = []
    for own, record in records.items():
        before = len(problems.found)
        sides = []
        for key in ("left", "right"):
            side = record.own(key)
            if side is None:
                continue
            if side not in written:
                message = f"there is no window {quoted(side)}"
                hint = f"windows: {listed(written)}" if written else "add `windows`"
                near = closest(side, written)
                problems.add(wrong(record.at(key), "S302", message, hint, allowed=tuple(written), suggestion=near))
            elif side in known:
                sides.append(known[side])
        if len(sides) < len(("left", "right")):
            continue
        left, right = sides
        _check_pair(record, left, right, problems)
        if len(problems.found) == before:
            found.append(Correlation(own, left.name, right.name, record.value("over")))
    return found


def _check_pair(record: Record, left: Window, right: Window, problems: Problems) -> None:
    node = record.at("right")
    if left.name == right.name:
        problems.add(wrong(node, "S212", "a window goes together with itself", "name another one"))
    elif left.gap_us or right.gap_us:
        problems.add(wrong(node, "S212", "sessions do not end together", "take windows with `every`"))
    elif (left.every_us, left.width_us) != (right.every_us, right.width_us):
        message = f"{quoted(left.name)} and {quoted(right.name)} do not end together, or are not as wide"
        problems.add(wrong(node, "S212", message, "give both the same `every` and `width`"))
    elif left.lateness_us != right.lateness_us:
        message = f"{quoted(left.name)} and {quoted(right.name)} are not closed at the same time"
        problems.add(wrong(node, "S212", message, "give both the same `lateness`"))
    elif left.by != right.by or (left.by in ("device", "segment") and left.kind != right.kind):
        message = f"{quoted(left.name)} and {quoted(right.name)} have no keys in common"
        problems.add(wrong(node, "S212", message, "keep both `by: site`"))


def alarms_of_joins(scenario: Record) -> tuple[str, ...]:
    """Names of the alarms that joins raise, also of those that could not be read."""
    node = scenario.at("joins") if scenario.has("joins") else None
    entries = node.entries if isinstance(node, MapNode) else {}
    return tuple(name for name, join in entries.items() if isinstance(join, MapNode) and "above" in join.entries)
