"""Meshes in the fleet of a scenario: devices that pass on each other's messages."""

from __future__ import annotations

from typing import Final

from twinstorm.scenarios.language.errors import Problems, listed, quoted
from twinstorm.scenarios.language.fields import Key, Record, Table, amount, duration, share, wrong
from twinstorm.twin.mesh_plan import LINKS, MeshPlan

MESH: Final = Table(
    "the mesh of a segment",
    (
        Key(
            "routers",
            share(example="30 %"),
            "part of its devices that pass on what others send; by default all, with a battery none",
        ),
        Key("range", amount("m", "1 m", "1000 m", "20 m"), "how far one hears another", default="20 m"),
        Key("area", amount("m", "1 m", "10000 m", "60 m"), "side of their square", default="60 m"),
        Key("rejoin", duration("2 s", "1 h", "20 s"), "mean time from a lost route to another one", default="20 s"),
    ),
)


def read_mesh(own: Record) -> MeshPlan:
    """What a segment that has a mesh says of it."""
    said = own.part("mesh")
    routers = said.own("routers")
    if routers is None:
        routers = 0 if own.has("power") else 1
    return MeshPlan(float(routers), said.value("range"), said.value("area"), said.value("rejoin"))


def check_mesh(name: str, own: Record, link: str | None, problems: Problems) -> None:
    """Tells what a mesh of this segment lacks."""
    node = own.at("mesh")
    if link is not None and link not in LINKS:
        message = f"segment {quoted(name)} is on `{link}`, whose devices pass on nothing of each other"
        problems.add(wrong(node, "S212", message, f"remove `mesh`, or take one of {listed(LINKS)}", node.key_place))
    said = own.part("mesh")
    if said.own("routers") and own.has("power") and not own.part("power").has("mains"):
        message = f"routers of segment {quoted(name)} would have to listen all the time, and live on batteries"
        problems.add(wrong(said.at("routers"), "S212", message, "write `routers: 0 %`, or `mains` under `power`"))
