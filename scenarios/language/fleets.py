"""The fleet of a scenario: devices to segments, sites and their shares, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.certificates import check_batches
from twinstorm.scenarios.language.errors import Problems, printable, quoted, thousands
from twinstorm.scenarios.language.fields import Record, missing_key, of_keys, unusable, wrong
from twinstorm.scenarios.language.gateways import carrying_segments, check_gateways, check_sites, read_gateway
from twinstorm.scenarios.language.meshes import read_mesh
from twinstorm.scenarios.language.mirrors import read_mirror
from twinstorm.scenarios.language.model import (
    Buffer,
    Clock,
    Fleet,
    Hazards,
    Reconnect,
    Segment,
    Site,
    Slots,
    Speech,
)
from twinstorm.scenarios.language.nodes import MapNode, Node
from twinstorm.scenarios.language.placement import apportion
from twinstorm.scenarios.language.power import power_plan
from twinstorm.scenarios.language.schema import SiteEntry
from twinstorm.scenarios.language.settings import parameters_table
from twinstorm.twin.plugins import PluginError

_MOST_SHOWN = 8

SHORTEST_LEAK_S = 60.0
LONGEST_LEAK_S = 53 * 7 * 86_400.0

_SAID_BY_SEGMENTS = ("kind", "link", "firmware", "tenant", "line", "certificate_batch", "wave")
"""What selectors ask of segments, beside their names."""


def read_fleet(record: Record, firmware: Mapping[str, Record], problems: Problems) -> Fleet | None:
    """The fleet, or None if it cannot be told who belongs to it; the reasons have been told.

    Args:
        firmware: what the file says of versions.
    """
    sites = _sites(record, problems)
    segments: Mapping[str, Record] | None = record.own("segments")
    for layers in ((record,), *((version, record) for version in firmware.values())):
        _check_firmware(layers, problems)
    for version, image in firmware.items():
        _check_slots(version, image, firmware, problems)
    for own in (segments or {}).values():
        _check_firmware(_layers(record, own, firmware), problems)
    if segments is None:
        return None
    for own in segments.values():
        _check_kind(own, problems)
    node = record.at("segments")
    if not segments and isinstance(node, MapNode) and not node.entries:
        hint = "add one: `motors: {kind: motor, share: 100 %}`"
        problems.add(wrong(node, "S210", "a fleet has at least one segment", hint, node.key_place))
    complete = isinstance(node, MapNode) and len(segments) == len(node.entries)
    devices = _devices(record, segments, problems) if segments and complete else ()
    whole = check_gateways(record, segments, problems) if complete else False
    if not devices or sites is None or not whole or not _are_known(record, segments):
        return None
    carrying = carrying_segments(segments)
    fleet = Fleet(
        devices=sum(devices),
        sites=sites,
        segments=tuple(
            _segment(name, _layers(record, own, firmware), firmware, count, name in carrying, problems)
            for (name, own), count in zip(segments.items(), devices, strict=True)
        ),
        cohort=record.own("cohort"),
        phases=record.own("phases"),
    )
    if fleet.cohort is not None and fleet.cohort >= fleet.devices:
        hint = "a cohort is a small part of the fleet, such as 100 of 100,000; without it all are on the wire"
        problems.add(wrong(record.at("cohort"), "S210", f"the fleet has {fleet.devices:,} devices", hint))
        return None
    check_batches(fleet, segments, problems)
    return fleet if check_sites(fleet, segments, problems) else None


def known_values(record: Record) -> Mapping[str, tuple[str, ...]]:
    """Every value that devices can have, for each fixed key of selectors of which the file tells them all; how many
    devices there are may be unknown."""
    known: dict[str, tuple[str, ...]] = {"origin": ("simulated", "synthetic")}
    if record.own("sites") is not None or not record.has("sites"):
        sites: list[SiteEntry] = record.value("sites")
        names = tuple(site.name for site in sites)
        known |= {"site": names, "zone": names, "region": tuple(dict.fromkeys(site.region for site in sites))}
    node = record.at("segments") if record.has("segments") else None
    if not isinstance(node, MapNode) or not node.entries:
        return known
    known["segment"] = tuple(node.entries)
    segments: Mapping[str, Record] = record.own("segments") or {}
    for key in _SAID_BY_SEGMENTS if len(segments) == len(node.entries) else ():
        said = [_said(record, own, key) for own in segments.values()]
        if None not in said:
            known[key] = tuple(dict.fromkeys(said))
    return known


def _are_known(fleet: Record, segments: Mapping[str, Record]) -> bool:
    """What selectors ask segments for could be read."""
    return all(_said(fleet, own, key) is not None for own in segments.values() for key in _SAID_BY_SEGMENTS)


def _said(fleet: Record, own: Record, key: str) -> Any:
    """What a segment says of itself, or the fleet of all; None if that is missing or could not be read."""
    if own.has(key):
        return own.own(key)
    if key not in fleet.table.allowed or (fleet.has(key) and fleet.own(key) is None):
        return None
    return fleet.value(key)


# --- how many ---------------------------------------------------------------------------------------------------------


def _devices(record: Record, records: Mapping[str, Record], problems: Problems) -> tuple[int, ...]:
    """Devices of each segment; empty if that cannot be told."""
    segments = record.at("segments")
    by_share = [name for name, own in records.items() if own.has("share")]
    by_number = [name for name, own in records.items() if own.has("devices")]
    unclear = [name for name, own in records.items() if own.has("share") == own.has("devices")]
    for name in unclear:
        own = records[name]
        if own.has("share"):
            message = f"segment {quoted(name)} has a share and a number of devices"
            problems.add(of_keys("S212", message, "keep one of the two", own, ("share", "devices")))
        else:
            assert own.node is not None
            problems.add(missing_key(own.node, "share", "its part of the fleet; or `devices`"))
    if unclear:
        return ()
    if by_share and by_number:
        message = f"segment {quoted(by_share[0])} has a share, segment {quoted(by_number[0])} a number of devices"
        problems.add(wrong(segments, "S212", message, "write shares everywhere, or `devices`", segments.key_place))
        return ()
    if by_number:
        return _by_number(record, records, problems)
    if not record.has("devices"):
        assert record.node is not None
        problems.add(missing_key(record.node, "devices", "number of devices that the segments share"))
        return ()
    shares = {name: own.own("share") for name, own in records.items()}
    total, known = record.own("devices"), [share for share in shares.values() if share is not None]
    if len(known) < len(shares) or not _add_up(shares, "segments", segments, problems) or total is None:
        return ()
    return apportion(total, known)


def _by_number(record: Record, records: Mapping[str, Record], problems: Problems) -> tuple[int, ...]:
    counts = [own.own("devices") for own in records.values()]
    total = record.own("devices")
    if None in counts or (total is None and record.has("devices")):
        return ()
    if total is not None and total != sum(counts):
        node = record.at("devices")
        message = f"the segments have {thousands(sum(counts))} devices together, `devices` says {thousands(total)}"
        hint = "remove `devices`, or give the segments shares: they scale"
        problems.add(wrong(node, "S212", message, hint))
        return ()
    return tuple(counts)


def _add_up(shares: Mapping[str, Fraction], what: str, node: Node, problems: Problems) -> bool:
    """Whether shares add up to 100 %; tells if they do not."""
    total = sum(shares.values(), Fraction(0))
    if total == 1:
        return True
    told = [f"{printable(name)} {values.show_share(share)}" for name, share in shares.items()]
    shown = ", ".join(told[:_MOST_SHOWN])
    more = ", ..." if len(shares) > _MOST_SHOWN else ""
    off = values.show_share(abs(total - 1))
    advice = f"take {off} from one of them" if total > 1 else f"add {off} to one of them"
    message = f"shares of the {what} add up to {values.show_share(total)}"
    problems.add(wrong(node, "S203", message, f"{shown}{more}: {advice}", node.key_place))
    return False


# --- where ------------------------------------------------------------------------------------------------------------


def _sites(record: Record, problems: Problems) -> tuple[Site, ...] | None:
    if record.has("sites") and record.own("sites") is None:
        return None
    entries: list[SiteEntry] = record.value("sites")
    shares = {entry.name: entry.share for entry in entries if entry.share is not None}
    if not shares:
        equal = Fraction(1, max(len(entries), 1))
        return tuple(Site(entry.name, entry.region, equal, entry.trunk) for entry in entries)
    node = record.at("sites")
    without = [entry for entry in entries if entry.share is None]
    if without:
        message = f"site {quoted(without[0].name)} has no share, site {quoted(next(iter(shares)))} has one"
        problems.add(wrong(node, "S212", message, "give every site a share, or none", without[0].node.key_place))
        return None
    if not _add_up(shares, "sites", node, problems):
        return None
    return tuple(Site(entry.name, entry.region, shares[entry.name], entry.trunk) for entry in entries)


# --- segments ---------------------------------------------------------------------------------------------------------


Layers = tuple[Record, ...]
"""Who is asked for what devices do, in this order: their segment, its firmware, the fleet."""


def _layers(fleet: Record, own: Record, firmware: Mapping[str, Record]) -> Layers:
    return _with_version(own, fleet, firmware.get(_said(fleet, own, "firmware")))


def _with_version(own: Record, fleet: Record, version: Record | None) -> Layers:
    return (own, fleet) if version is None else (own, version, fleet)


def _value(layers: Layers, key: str) -> Any:
    """What the first that says something says, else the default."""
    said = (layer.own(key) for layer in layers if key in layer.table.allowed)
    return next((value for value in said if value is not None), layers[-1].value(key))


def _part(layers: Layers, part: str) -> dict[str, Any]:
    """A nested mapping, key by key."""
    parts = tuple(layer.part(part) for layer in layers)
    return {key: _value(parts, key) for key in parts[-1].table.allowed}


def _segment(
    name: str, layers: Layers, firmware: Mapping[str, Record], devices: int, carries: bool, problems: Problems
) -> Segment:
    """A segment with the defaults of its firmware and of the fleet filled in."""
    own = layers[0]
    buffer, reconnect = _part(layers, "buffer"), _part(layers, "reconnect")
    machine = _machine(own, problems) if own.has("machine") else ()
    return Segment(
        name=name,
        kind=own.own("kind"),
        devices=devices,
        every_us=_value(layers, "every") or catalogue.every_us(own.own("kind")),
        link=_value(layers, "link"),
        keep_alive_us=_value(layers, "keep_alive"),
        boot_us=_value(layers, "boot"),
        reconnect=Reconnect(
            backoff=reconnect["backoff"],
            base_us=reconnect["base"],
            cap_us=reconnect["cap"],
            jitter=reconnect["jitter"],
            timeout_us=reconnect["timeout"],
        ),
        buffer=Buffer(readings=buffer["readings"], evict=buffer["evict"]),
        qos=int(_value(layers, "qos")),
        firmware=_value(layers, "firmware"),
        machine=machine,
        synthetic=own.value("synthetic") == "true",
        clock=_clock(_part(layers, "clock")) if any(layer.has("clock") for layer in layers) else None,
        hazards=_hazards(layers),
        schema=_schema(layers),
        slots=_slots(layers, firmware),
        speech=_speech(layers),
        gateway=read_gateway(own.part("gateway")) if carries else None,
        through=own.own("through") or "",
        mesh=read_mesh(own) if isinstance(own.own("mesh"), Record) else None,
        power=power_plan(own.part("power"), problems) if isinstance(own.own("power"), Record) else None,
        tenant=_value(layers, "tenant"),
        certificate_batch=_value(layers, "certificate_batch"),
        certificate_expires_us=_value(layers, "certificate_expires"),
        wave=_value(layers, "wave"),
        line=_value(layers, "line"),
        configuration=_configuration(layers),
        mirror=read_mirror(own, machine, problems) if own.has("mirror") else None,
    )


def _configuration(layers: Layers) -> int | None:
    written = _value(layers, "configuration")
    return None if written is None else int(written)


def _schema(layers: Layers) -> int:
    """What the version among the layers says of its documents."""
    version = next((layer for layer in layers if "schema" in layer.table.allowed), None)
    return 1 if version is None else int(version.value("schema"))


def _speech(layers: Layers) -> Speech | None:
    codec, wire = _value(layers, "codec"), _value(layers, "wire")
    if codec is None and wire is None:
        return None
    return Speech(codec or Speech.codec, None if wire is None else wire.spec)


def _slots(layers: Layers, firmware: Mapping[str, Record]) -> Slots | None:
    """The other slot that the version among the layers has."""
    version = next((layer for layer in layers if "slots" in layer.table.allowed), None)
    written = None if version is None else version.own("slots")
    if not isinstance(written, Record):
        return None
    other = _with_version(layers[0], layers[-1], firmware.get(written.own("other")))
    return Slots(
        other=written.own("other"),
        boot_limit=written.value("boot_limit"),
        healthy_us=written.value("healthy"),
        hazards=_hazards(other),
        schema=_schema(other),
    )


def _hazards(layers: Layers) -> Hazards:
    said, watchdog_us = _part(layers, "hazards"), _value(layers, "watchdog")
    return Hazards(
        crash_us=said["crash_every"] or 0,
        freeze_us=said["freeze_every"] or 0,
        full_us=round(said["memory"] / said["leak"] * 1e6) if said["leak"] else 0,
        watchdog_us=watchdog_us or 0,
    )


def _clock(clock: Mapping[str, Any]) -> Clock:
    return Clock(
        sync_us=clock["sync"] or 0,
        accuracy_us=clock["accuracy"],
        offset_us=clock["offset"],
        drift_ppm=clock["drift"],
        ageing_ppm_per_year=clock["ageing"],
        temperature_c=clock["temperature"],
        backup=clock["backup"],
        epoch=clock["epoch"],
    )


def _check_kind(own: Record, problems: Problems) -> None:
    """A stranger's kind must be fit for use; it is loaded for that. Ours are, and `check` stays fast."""
    kinds, name = catalogue.kinds(), own.own("kind")
    if name is not None and (own.has("machine") or own.has("mirror") or kinds.is_foreign(name)):
        kind = kinds.tried_one(name)
        if isinstance(kind, PluginError):
            problems.add(unusable(own.at("kind"), kind))


def _machine(own: Record, problems: Problems) -> tuple[tuple[str, float, float], ...]:
    """Parameters of the segment's machines, as far as they could be read. Loads the kind."""
    kind = catalogue.kinds().tried_one(own.own("kind"))
    if isinstance(kind, PluginError):
        return ()
    record = parameters_table(kind.name, kind.settable).read(own.own("machine"), problems)
    if not isinstance(record, Record):
        return ()
    return tuple((one.name, *record.own(one.key)) for one in kind.settable if record.own(one.key) is not None)


def _check_firmware(layers: Layers, problems: Problems) -> None:
    """What the first of them says goes together with what the others say."""
    _check_waits(layers, problems)
    _check_leak(layers, problems)


def _check_slots(version: str, image: Record, firmware: Mapping[str, Record], problems: Problems) -> None:
    """In the other slot is another image, and no bad one."""
    written = image.own("slots")
    other = written.own("other") if isinstance(written, Record) else None
    if other is None:
        return
    if other == version:
        message, hint = f"the other slot of version `{version}` has the same image", "name the version before it"
        problems.add(wrong(written.at("other"), "S212", message, hint))
    elif other in firmware and firmware[other].has("fault"):
        message = f"version `{other}` in the other slot carries a fault itself"
        problems.add(wrong(written.at("other"), "S212", message, "name a version without one"))


def _check_waits(layers: Layers, problems: Problems) -> None:
    """The first wait must not be longer than the longest, where waits grow."""
    written = layers[0].part("reconnect")
    if not written.node:
        return
    waits = _part(layers, "reconnect")
    grows = waits["backoff"] == "exponential" or waits["jitter"] == "decorrelated"
    if not grows or waits["base"] <= waits["cap"]:
        return
    node = next((written.at(key) for key in ("base", "cap") if written.has(key)), written.node)
    base, cap = values.show_duration(waits["base"]), values.show_duration(waits["cap"])
    message = f"the first wait, {base}, is longer than the longest, {cap}"
    problems.add(wrong(node, "S212", message, "make `base` smaller or `cap` larger"))


def _check_leak(layers: Layers, problems: Problems) -> None:
    """A leak fills the memory in a time that makes sense."""
    written = layers[0].part("hazards")
    said = _part(layers, "hazards")
    if not written.node or not said["leak"]:
        return
    full_s = said["memory"] / said["leak"]
    if SHORTEST_LEAK_S <= full_s <= LONGEST_LEAK_S:
        return
    node = next((written.at(key) for key in ("leak", "memory") if written.has(key)), written.node)
    message = f"this leak fills the memory in {full_s:,.3g} s"
    problems.add(wrong(node, "S212", message, "choose `leak` and `memory` so that it takes 1 min to 53 w"))
