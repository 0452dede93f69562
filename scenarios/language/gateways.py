"""Gateways in the fleet of a scenario: which segments carry others, and whether everybody finds one."""

from __future__ import annotations

from collections.abc import Mapping

from twinstorm.scenarios.language.errors import Problems, closest, listed, quoted
from twinstorm.scenarios.language.fields import Record, wrong
from twinstorm.scenarios.language.meshes import check_mesh
from twinstorm.scenarios.language.model import Batch, Buffer, Fleet, Gateway
from twinstorm.scenarios.language.placement import place

KIND = "gateway"
"""Of the machines that can carry others."""
TOO_SLOW = ("datagram", "lorawan", *(f"lorawan-sf{spreading}" for spreading in range(7, 13)))
"""Links on which no gateway can send on what it carries: messages are short, or sent once."""
MOST_BEHIND: Mapping[str, int] = {"ble": 30}
"""Devices that a gateway can talk with over such a link: connections that a central of that radio holds at a time."""
NEED_A_GATEWAY = ("ble", "zigbee")
"""Links that end at a gateway: nothing on them reaches a broker by itself."""
SECOND_US = 1_000_000
_OF_THE_SUN = ("panel", "battery")


def carrying_segments(segments: Mapping[str, Record]) -> frozenset[str]:
    """Segments whose machines carry others."""
    named = {own.own("through") for own in segments.values()}
    return frozenset(name for name, own in segments.items() if own.has("gateway") or name in named)


def read_gateway(record: Record) -> Gateway:
    """What a segment says of its gateways, defaults filled in."""
    batch = record.part("batch")
    buffer, processor = record.part("buffer"), record.part("processor")
    return Gateway(
        rate=record.value("rate"),
        queue=record.value("queue"),
        buffer=Buffer(readings=buffer.value("readings"), evict=buffer.value("evict")),
        store=record.value("store"),
        disk_bytes=record.own("disk"),
        memory_bytes=record.own("memory"),
        spare=record.value("spare"),
        power=record.value("power"),
        panel_w=record.value("panel"),
        battery_wh=record.value("battery"),
        batch=Batch(batch.value("readings"), batch.value("every")) if record.has("batch") else None,
        edge_every_us=processor.own("every") or 0,
        edge_keep=processor.value("keep"),
    )


def check_gateways(fleet: Record, segments: Mapping[str, Record], problems: Problems) -> bool:
    """Whether segments that carry, and those that are carried, fit together; tells if they do not."""
    before = len(problems.found)
    able = [name for name, own in segments.items() if own.own("kind") == KIND]
    for name, own in segments.items():
        if own.has("gateway"):
            _check_own(name, own, problems)
        if own.has("mesh"):
            check_mesh(name, own, own.own("link") or fleet.value("link"), problems)
        if own.own("through") is not None:
            _check_through(name, own, segments, able, problems)
        elif (link := own.own("link") or fleet.value("link")) in NEED_A_GATEWAY:
            _tell_alone(name, own, link, able, problems)
    for name in sorted(carrying_segments(segments) & set(able)):
        own = segments[name]
        link = own.own("link") or fleet.value("link")
        if link in TOO_SLOW:
            node = own.at("link") if own.has("link") else own.node
            assert node is not None
            message = f"segment {quoted(name)} carries others over `{link}`, which takes no message of theirs"
            problems.add(wrong(node, "S212", message, "give its gateways a link such as `lte-m`"))
    return len(problems.found) == before


def _check_own(name: str, own: Record, problems: Problems) -> None:
    node = own.at("gateway")
    if own.own("kind") not in (None, KIND):
        message = f"segment {quoted(name)} is of kind `{own.own('kind')}`, which carries nobody"
        problems.add(wrong(node, "S212", message, f"remove `gateway`, or write `kind: {KIND}`", node.key_place))
    said = own.part("gateway")
    if said.has("disk") and said.value("store") == "memory":
        message = f"the gateways of segment {quoted(name)} have a disk and keep what waits in memory"
        problems.add(wrong(said.at("disk"), "S212", message, "remove `disk`, or write `store: disk`"))
    processor = said.part("processor")
    every_us = processor.own("every")
    if every_us is not None and every_us % SECOND_US:
        message = f"the gateways of segment {quoted(name)} condense at whole seconds"
        problems.add(wrong(processor.at("every"), "S212", message, "write whole seconds, such as `10 s`"))
    if processor.has("keep") and not processor.has("every"):
        message = f"the gateways of segment {quoted(name)} keep one reading of each device, in no time"
        problems.add(wrong(processor.at("keep"), "S212", message, "add `every`, such as `every: 10 s`"))
    for key in _OF_THE_SUN:
        if said.has(key) and said.value("power") != "solar":
            message = f"the gateways of segment {quoted(name)} live by the mains and need no {key}"
            problems.add(wrong(said.at(key), "S212", message, f"remove `{key}`, or write `power: solar`"))


def _check_through(name: str, own: Record, segments: Mapping[str, Record], able: list[str], problems: Problems) -> None:
    through, node = own.own("through"), own.at("through")
    others = f"segments of gateways: {listed(able)}" if able else f"add a segment of `kind: {KIND}`"
    if through not in segments:
        message = f"there is no segment {quoted(through)}"
        problems.add(wrong(node, "S302", message, others, suggestion=closest(through, able), allowed=tuple(able)))
    elif segments[through].own("kind") not in (None, KIND):
        message = f"segment {quoted(through)} is of kind `{segments[through].own('kind')}`, which carries nobody"
        problems.add(wrong(node, "S212", message, others))
    elif own.own("kind") == KIND:
        message = f"the gateways of segment {quoted(name)} stand behind others"
        problems.add(wrong(node, "S212", message, "gateways reach the broker themselves: remove `through`"))


def _tell_alone(name: str, own: Record, link: str, able: list[str], problems: Problems) -> None:
    node = own.at("link") if own.has("link") else own.node
    assert node is not None
    message = f"segment {quoted(name)} is on `{link}`, which ends at a gateway, and stands behind none"
    if own.own("kind") == KIND:
        hint = "gateways reach the broker themselves: give them a link such as `lte-m`"
    elif able:
        hint = f"write `through: {able[0]}`, or another link"
    else:
        hint = f"add a segment of `kind: {KIND}` and write `through:` with its name, or another link"
    problems.add(wrong(node, "S212", message, hint))


def check_sites(fleet: Fleet, segments: Mapping[str, Record], problems: Problems) -> bool:
    """Whether every device finds a gateway on its site, and no gateway more of them than its radio can hold; tells if
    not."""
    if any(site.trunk for site in fleet.sites):
        for segment in fleet.segments:
            if segment.gateway is not None and segment.gateway.batch is not None:
                message = f"the gateways of segment {quoted(segment.name)} gather, and sites have trunks"
                hint = (
                    "a line holds messages of one reading each: remove `batch`, and each goes alone, or `trunk` from "
                    "the sites, and give the gateways a link with a rate of their own such as `lte-m`"
                )
                problems.add(wrong(segments[segment.name].part("gateway").at("batch"), "S212", message, hint))
                return False
    placed = {segment.name: place(segment.devices, fleet.sites) for segment in fleet.segments}
    whole = True
    behind: dict[tuple[str, str, str], int] = {}
    """Devices so far, by site, segment of their gateways, and link."""
    for segment in fleet.segments:
        if not segment.through:
            continue
        pairs = list(zip(fleet.sites, placed[segment.name], placed[segment.through], strict=True))
        without = [site.name for site, devices, gateways in pairs if devices and not gateways]
        if without:
            whole = False
            message = f"site {quoted(without[0])} has devices of {quoted(segment.name)} and no gateway"
            hint = f"`{segment.through}` needs more devices, at least one on each site"
            problems.add(wrong(segments[segment.name].at("through"), "S212", message, hint))
        most = MOST_BEHIND.get(segment.link)
        if without or most is None:
            continue
        for site, devices, gateways in pairs:
            key = site.name, segment.through, segment.link
            behind[key] = behind.get(key, 0) + devices
            if behind[key] > most * gateways:
                whole = False
                where = f"{behind[key]} devices behind {gateways} of {quoted(segment.through)}"
                message = f"site {quoted(site.name)} has {where}, and over `{segment.link}` a gateway holds {most}"
                hint = f"give `{segment.through}` at least {-(-behind[key] // most)} devices on that site"
                problems.add(wrong(segments[segment.name].at("through"), "S212", message, hint))
                break
    return whole
