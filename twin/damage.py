"""Payloads that are wrong: flipped bits, documents of a schema that nobody agreed on. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from twinstorm.twin.flow import Channel
from twinstorm.twin.units import UnitError, line_to, mistaken_for
from twinstorm.twin.wire.documents import SCHEMA

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


def renamed(document: dict[str, Any], channels: tuple[Channel, ...]) -> None:  # noqa: ARG001
    """Names of measurements are written in another style: ``supply_c`` is ``supplyC``."""
    document["measurements"] = {_camel_case(name): value for name, value in document["measurements"].items()}


def retyped(document: dict[str, Any], channels: tuple[Channel, ...]) -> None:  # noqa: ARG001
    """Numbers are sent as text."""
    document["measurements"] = {name: _as_text(value) for name, value in document["measurements"].items()}


def converted(document: dict[str, Any], channels: tuple[Channel, ...]) -> None:
    """Measurements are told in another unit, which stands in their name: ``supply_c`` is ``supply_f``."""
    told = document["measurements"]
    document["measurements"] = {}
    units = {channel.name: channel for channel in channels}
    for name, value in told.items():
        other = _in_other_unit(units[name]) if name in units else None
        if other is None:
            document["measurements"][name] = value
        else:
            new_name, gain, shift = other
            document["measurements"][new_name] = None if value is None else round(value * gain + shift, _DECIMALS)


def numbered(document: dict[str, Any], channels: tuple[Channel, ...]) -> None:  # noqa: ARG001
    """The document is of the next schema, and says so."""
    document["schema"] = SCHEMA + 1


def with_number(payload: bytes, schema: int) -> bytes:
    """The same JSON document with another number of its schema."""
    document = msgspec.json.decode(payload)
    document["schema"] = schema
    return msgspec.json.encode(document)


BREAKS: Final[Mapping[str, Callable[[dict[str, Any], tuple[Channel, ...]], None]]] = {
    "number": numbered,
    "rename": renamed,
    "type": retyped,
    "unit": converted,
}
"""Ways in which firmware can break with the schema, by name."""


def of_other_schema(payload: bytes, how: str, channels: tuple[Channel, ...]) -> bytes:
    """What firmware of another schema would send in place of this JSON payload.

    Args:
        how: one of `BREAKS`.
        channels: of the kind that sends it.
    """
    document = msgspec.json.decode(payload)
    BREAKS[how](document, channels)
    return msgspec.json.encode(document)


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
