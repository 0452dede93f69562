"""Payloads that are wrong: flipped bits, documents of a schema that nobody agreed on. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from twinstorm.twin.flow import Channel
from twinstorm.twin.units import UnitError, line_to, mistaken_for
from twinstorm.twin.wire.documents import SCHEMA
from twinstorm.twin.wire.wires import BUILT_IN, Wire

Told = dict[str, Any]
"""Measurements of a document, by name."""

_DECIMALS: Final = 6


def flipped(payload: bytes, bits: Iterable[int]) -> bytes:
    """The payload with these bits the other way round.

    Args:
        bits: numbers from 0 to eight times its length, the lowest bit of a byte first; one that comes twice stays.
    """
    damaged = bytearray(payload)
    for bit in bits:
        damaged[bit >> 3] ^= 1 << (bit & 7)
    return bytes(damaged)


_MEASUREMENTS: Final = b'"measurements"'
_BEHIND: Final = (b'"metadata"', b'"quality"', b'"boot"')
_FRACTION: Final = re.compile(rb"(?<=\.)\d+")
_OTHER_DIGITS: Final = bytes.maketrans(b"0123456789", b"5678901234")


def tells_measurements(payload: bytes) -> bool:
    """Whether a JSON document of ours with measurements is in these bytes."""
    return _MEASUREMENTS in payload


def falsified(payload: bytes) -> bytes:
    """A JSON document of ours with other digits behind the points of its measurements, and as long as it was: a lie
    that can be believed. Anything else stays as it is."""
    first = payload.find(_MEASUREMENTS)
    if first < 0:
        return payload
    last = min((at for mark in _BEHIND if (at := payload.find(mark, first)) >= 0), default=len(payload))
    told = _FRACTION.sub(lambda found: found[0].translate(_OTHER_DIGITS), payload[first:last])
    return payload[:first] + told + payload[last:]


def _renamed(told: Told, channels: tuple[Channel, ...]) -> Told:  # noqa: ARG001
    """Names of measurements are written in another style: ``supply_c`` is ``supplyC``."""
    return {_camel_case(name): value for name, value in told.items()}


def _retyped(told: Told, channels: tuple[Channel, ...]) -> Told:  # noqa: ARG001
    """Numbers are sent as text."""
    return {name: _as_text(value) for name, value in told.items()}


def _converted(told: Told, channels: tuple[Channel, ...]) -> Told:
    """Measurements are told in another unit, which stands in their name: ``supply_c`` is ``supply_f``."""
    changed = {}
    units = {channel.name: channel for channel in channels}
    for name, value in told.items():
        other = _in_other_unit(units[name]) if name in units else None
        if other is None:
            changed[name] = value
        else:
            new_name, gain, shift = other
            changed[new_name] = None if value is None else round(value * gain + shift, _DECIMALS)
    return changed


def with_number(payload: bytes, schema: int, wire: Wire = BUILT_IN) -> bytes:
    """The same document with another number of its schema."""
    return wire.payload({**wire.document(payload), wire.schema_field(): schema})


_NUMBER: Final = "number"
_OF_MEASUREMENTS: Final[Mapping[str, Callable[[Told, tuple[Channel, ...]], Told]]] = {
    "rename": _renamed,
    "type": _retyped,
    "unit": _converted,
}
BREAKS: Final = (_NUMBER, *_OF_MEASUREMENTS)
"""Ways in which firmware can break with the schema: the document is of the next one and says so, or what it tells of
the machine is called or written otherwise."""


def of_other_schema(payload: bytes, how: str, channels: tuple[Channel, ...], wire: Wire = BUILT_IN) -> bytes:
    """What firmware of another schema would send in place of this payload.

    Args:
        how: one of `BREAKS`.
        channels: of the kind that sends it.
        wire: in which it was sent.
    """
    if how == _NUMBER:
        return with_number(payload, SCHEMA + 1, wire)
    document = wire.document(payload)
    told = wire.measurements(document, [channel.name for channel in channels])
    told = _OF_MEASUREMENTS[how](told, channels)
    return wire.payload(wire.with_measurements(document, told))


def has_other_unit(channels: tuple[Channel, ...]) -> bool:
    """Whether `converted` changes anything in documents of a kind."""
    return any(_in_other_unit(channel) is not None for channel in channels)


def _in_other_unit(channel: Channel) -> tuple[str, float, float] | None:
    """Name, gain and shift of a channel in the unit that is most often mistaken for its own; None: there is none."""
    unit = mistaken_for(channel)
    ending = f"_{_slug(channel.unit)}"
    if not unit or not channel.name.endswith(ending):
        return None
    try:
        gain, shift = line_to(channel, unit)
    except UnitError:
        return None
    return f"{channel.name.removesuffix(ending)}_{_slug(unit)}", gain, shift


def _slug(unit: str) -> str:
    """A unit as it stands in names."""
    return {"%": "pct"}.get(unit, unit.lower().replace("/", "_"))


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {axis: _as_text(number) for axis, number in value.items()}
    return None if value is None else str(value)
