"""Flat documents: ``{"ts": 1893974400500, "boot": 3, "seq": 42, "supply_c": 21.4}``. A profile says which fields.

A field that the profile does not know makes a document unreadable, as an unknown measurement does in the documents of
the built-in profile. Devices that are not ours may leave out `boot` and `seq`: then the time stamp numbers the reading,
in milliseconds, and one that comes behind a newer one counts as a repeat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from twinstorm.twin.wire import codecs
from twinstorm.twin.wire.codecs import Reading, Sender, State
from twinstorm.twin.wire.documents import SCHEMA, stamp, unix_us
from twinstorm.twin.wire.layout import Layout
from twinstorm.twin.wire.profile import site_and_device
from twinstorm.twin.wire.spec import TIMES, Flat

_UNITS_US: Final = {"time_s": 1_000_000, "time_ms": 1_000, "time_us": 1}
_FARTHEST_US: Final = 250_000_000_000_000_000
"""Some 8,000 years: what a stamp of the built-in documents can say, about."""
_LARGEST: Final = 2**62

Fields = tuple[tuple[str, str], ...]


def encode_reading(
    flat: Flat, sender: Sender, layout: Layout, boot: int, seq: int, time_us: int, values: Sequence[float], codec: str
) -> bytes:
    """As `codecs.encode_reading`."""
    document = _told(flat.reading, sender, time_us, {"boot": boot, "seq": seq, "schema": SCHEMA})
    for channel, number in zip(layout.channels, layout.numbers(values), strict=True):
        document[flat.field_of.get(channel.name, channel.name)] = number
    return codecs.packed(document, codec)


def encode_state(flat: Flat, sender: Sender, boot: int, time_us: int | None) -> bytes:
    """A birth, or without a time a will; always JSON.

    Raises:
        OverflowError: as `codecs.encode_birth`.
    """
    state = "offline" if time_us is None else "online"
    return codecs.packed(_told(flat.state, sender, time_us, {"boot": boot, "state": state, "schema": SCHEMA}), "json")


def _told(fields: Fields, sender: Sender, time_us: int | None, known: Mapping[str, Any]) -> dict[str, Any]:
    site, device = site_and_device(sender.name)
    known = {
        "name": sender.name,
        "site": site,
        "device": device,
        "segment": sender.line,
        "kind": sender.kind,
        "firmware": sender.firmware,
        **known,
    }
    document: dict[str, Any] = {}
    for name, source in fields:
        if source in TIMES:
            document[name] = None if time_us is None else _time(source, time_us)
        elif source != "ignored":
            document[name] = known[source]
    return document


def _time(source: str, time_us: int) -> int | float | str:
    instant = stamp(time_us)
    if source == "time":
        return instant.isoformat().replace("+00:00", "Z")
    if source == "time_s":
        return time_us / 1e6
    return time_us // _UNITS_US[source]


def decode_reading(
    flat: Flat, payload: bytes, codec: str, device: str, kind: str, layouts: Mapping[str, Layout]
) -> Reading | str:
    """As `codecs.decode_reading`.

    Args:
        device: that of the topic. kind: that of the device, as long as the document names no other.
    """
    found = _read(flat.reading, payload, codec, device)
    if isinstance(found, str):
        return found
    told, others = found
    kind = told.get("kind", kind)
    layout = layouts.get(kind) if isinstance(kind, str) else None
    if layout is None:
        return f"unknown device type: {str(kind)[:40]!a}"
    values = _values(flat, layout, others)
    if isinstance(values, str):
        return values
    time_us = _time_us(told)
    if time_us is None:
        return "the time stamp is missing or is none"
    boot, seq = told.get("boot", 1), told.get("seq", time_us // 1_000)
    if not _is_count(boot, 2**31) or not _is_count(seq, _LARGEST):
        return "boot or sequence number is no number in range"
    return Reading(device, kind, boot, seq, time_us, values)


def decode_state(flat: Flat, payload: bytes, device: str) -> State | str:
    """As `codecs.decode_state`."""
    found = _read(flat.state, payload, "json", device)
    if isinstance(found, str):
        return found
    told, others = found
    if others:
        return f"no such field: {_shown(next(iter(others)))}"
    boot, state = told.get("boot", 1), told.get("state")
    if state not in ("online", "offline"):
        return "the state is neither online nor offline"
    if not _is_count(boot, 2**31):
        return "boot is no number in range"
    return State(device, state == "online", boot, _time_us(told))


def _read(fields: Fields, payload: bytes, codec: str, device: str) -> tuple[dict[str, Any], dict[str, Any]] | str:
    """What a document tells by source, and its other fields; or what is wrong with it."""
    document = codecs.plain(payload, codec)
    if isinstance(document, str):
        return document
    sources = dict(fields)
    told = {sources[name]: value for name, value in document.items() if name in sources}
    others = {name: value for name, value in document.items() if name not in sources}
    schema = told.get("schema", SCHEMA)
    if schema != SCHEMA:
        return f"unknown schema {str(schema)[:20]}"
    site, station = site_and_device(device)
    for source, name in (("name", device), ("site", site), ("device", station)):
        if told.get(source, name) != name:
            return "the document names another device than the topic"
    return told, others


def _values(flat: Flat, layout: Layout, others: Mapping[str, Any]) -> tuple[float, ...] | str:
    row = [math.nan] * len(layout.channels)
    columns = _columns(flat, layout)
    for name, value in others.items():
        column = columns.get(name)
        if column is None:
            return f"{layout.kind} has no such field: {_shown(name)}"
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{_shown(name)} is no number"
        try:
            row[column] = float(value)
        except OverflowError:
            return f"{_shown(name)} is not finite"
        if not math.isfinite(row[column]):
            return f"{_shown(name)} is not finite"
    return tuple(row)


@cache
def _columns(flat: Flat, layout: Layout) -> dict[str, int]:
    """Place of each field among the values of a kind."""
    fields = flat.channel_of(channel.name for channel in layout.channels)
    return {field: column for column, field in enumerate(fields)}


def _time_us(told: Mapping[str, Any]) -> int | None:
    source = next((source for source in TIMES if source in told), None)
    value = None if source is None else told[source]
    if source == "time":
        return _of_text(value)
    if source is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -_FARTHEST_US < value * _UNITS_US[source] < _FARTHEST_US:  # NaN neither
        return None
    return round(value * _UNITS_US[source])


def _of_text(value: Any) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return None if instant.tzinfo is None else unix_us(instant)
    except (ValueError, OverflowError):
        return None


def _is_count(value: Any, below: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below


def _shown(name: str) -> str:
    return ascii(name[:40])
