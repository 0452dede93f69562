"""Mirrors in the fleet of a scenario: twins that the core keeps of the devices of a segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.errors import Problems, quoted
from twinstorm.scenarios.language.fields import Key, Record, Single, Table, words, wrong
from twinstorm.scenarios.language.model import DrivePlan, MirrorPlan
from twinstorm.scenarios.language.settings import parameters_table
from twinstorm.twin.plugins import PluginError

_OF_TWINS = ("synthetic", "through", "gateway", "mesh", "power")
GATEWAY = "gateway"
_NUMBER = Single("a number", values.number, "0.0125", rf"-?{values.NUMBER}", may_be_number=True)


def read_mirror(own: Record, machine: tuple[tuple[str, float, float], ...], problems: Problems) -> MirrorPlan | None:
    """What a segment says of its mirror, as far as it could be read. Loads the kind.

    Args:
        machine: parameters of the segment's machines, which are those of the mirror where it has none of its own: of a
            range the middle.
    """
    kind = catalogue.kinds().tried_one(own.own("kind"))
    if isinstance(kind, PluginError):
        return None
    node = own.at("mirror")
    if hasattr(kind, "grid_us"):
        message = f"machines of kind {quoted(kind.name)} speak when something happens, not by a period"
        problems.add(wrong(node, "S212", message, "remove `mirror`: it has no instants to be asked at", node.key_place))
        return None
    said = _table(kind).read(node, problems)
    if not isinstance(said, Record):
        return None
    known = {name: (low + high) / 2.0 for name, low, high in machine}
    told = said.part("machine")
    for one in kind.settable:
        ends = told.own(one.key)
        if ends is not None:
            known[one.name] = (ends[0] + ends[1]) / 2.0
    return MirrorPlan(tuple(known.items()), tuple(_drives(kind, said.part("drives"))), _is_real(own, said, problems))


def _is_real(own: Record, said: Record, problems: Problems) -> bool:
    """Whether its devices are no twins; tells what twins alone can have."""
    is_real = said.value("real") == "true"
    if is_real and own.own("kind") == GATEWAY:
        node = said.at("real")
        message = "what stands behind a real gateway cannot be told from it"
        problems.add(wrong(node, "S212", message, "remove `real`: then twins of gateways are mirrored"))
    for key in _OF_TWINS if is_real else ():
        if own.has(key):
            message = f"`{key}` is about twins, and the devices of this mirror are real"
            hint = f"remove `{key}`, or `real`: then twins are mirrored"
            problems.add(wrong(own.at(key), "S212", message, hint, own.at(key).key_place))
    return is_real


def _table(kind: Any) -> Table:
    drive = Table(
        "a drive",
        (
            Key("of", words("channel", *(one.name for one in kind.channels)), "channel that sets it", required=True),
            Key("factor", _NUMBER, "what a value is multiplied by", default="1"),
            Key("offset", _NUMBER, "what is added then", default="0"),
        ),
    )
    drives = Table(f"the drives of `{kind.name}`", tuple(Key(one.key, drive, one.summary) for one in kind.drives))
    return Table(
        "the mirror of a segment",
        (
            Key(
                "machine",
                parameters_table(kind.name, kind.settable),
                "parameters that are known, such as `twinstorm fit` finds",
            ),
            Key("drives", drives, "drives of the twin that channels of the device set"),
            Key("real", words("real", "true", "false"), "live, real devices connect in their place", default="false"),
        ),
    )


def _drives(kind: Any, said: Record) -> list[DrivePlan]:
    found: Mapping[str, Record] = {one.name: said.part(one.key) for one in kind.drives if said.own(one.key) is not None}
    return [
        DrivePlan(name, one.own("of"), float(one.value("factor")), float(one.value("offset")))
        for name, one in found.items()
        if one.own("of") is not None
    ]
