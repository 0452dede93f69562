"""Readings, births and wills to bytes and back.

Encoding takes what a device knows. Decoding takes any bytes and never raises: it returns a typed thing, or the reason
why it is none as one short sentence for the dead letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, TypeVar

import msgspec

from twinstorm.twin.wire import cbor_codec, json_codec, msgpack_codec
from twinstorm.twin.wire.documents import (
    SCHEMA,
    Location,
    Metadata,
    StateDocument,
    Telemetry,
    Versioned,
    stamp,
    unix_us,
)
from twinstorm.twin.wire.layout import Layout
from twinstorm.twin.wire.profile import CODEC_NAMES, site_and_device
from twinstorm.twin.wire.schemas import Schemas

LARGEST_PAYLOAD_BYTES: Final = 65_536
"""A document has some 500 bytes; what is longer than this is not looked into."""

_CODECS: Final[Mapping[str, ModuleType]] = dict(zip(CODEC_NAMES, (json_codec, cbor_codec, msgpack_codec), strict=True))
_LONGEST_REASON: Final = 160
_CBOR_TAG: Final = 0xD9
"""Begins the tag by which CBOR may say that it is CBOR."""

Document = TypeVar("Document", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Sender:
    """What stays the same in all documents of a device.

    Attributes:
        name: as the registry has it, ``SITE/DEVICE``.
        line: segment of the fleet, or production line.
        configuration: number of the one that it has now; None: it does not say.
    """

    name: str
    kind: str
    line: str | None = None
    firmware: str | None = None
    configuration: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading as it stood in a document.

    Attributes:
        device: name that the document claims; whether it may is for the reader of the topic to say.
        time_us: microseconds since 1970 by the device's clock.
        values: one a channel of the kind, NaN for a silent one; `Layout.on_grid` makes them float32.
    """

    device: str
    kind: str
    boot: int
    seq: int
    time_us: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class State:
    """A birth or a will.

    Attributes:
        time_us: microseconds since 1970 by the device's clock; None in a will.
    """

    device: str
    online: bool
    boot: int
    time_us: int | None
    configuration: int | None = None
    """None: it says nothing of it."""


def encode_reading(
    sender: Sender, layout: Layout, boot: int, seq: int, time_us: int, values: Sequence[float], codec: str = "json"
) -> bytes:
    """Payload of one reading.

    Args:
        time_us: microseconds since 1970 by the device's clock.
        values: Python floats, one a channel, NaN for a silent one.

    Raises:
        ValueError: if the sender's name is not ``SITE/DEVICE``.
        OverflowError: if the clock stands outside the years 1 to 9999.
    """
    facility, station = site_and_device(sender.name)
    measurements, battery = layout.measurements(values)
    document = Telemetry(
        device_id=sender.name,
        device_type=sender.kind,
        timestamp=stamp(time_us),
        location=Location(facility=facility, line=sender.line, station=station),
        measurements=measurements,
        metadata=Metadata(firmware_version=sender.firmware, battery_level=battery),
        boot=boot,
        seq=seq,
        schema=SCHEMA,
    )
    return _encode(document, codec)


def decode_reading(
    payload: bytes, codec: str, layouts: Mapping[str, Layout], schemas: Schemas | None = None
) -> Reading | str:
    """One reading, or the reason why the payload is none.

    Args:
        codec: one of `CODEC_NAMES`, from the topic.
        layouts: of all kinds that may send (`layout.layouts`).
        schemas: versions that are read beside `SCHEMA`; None: there are none.
    """
    document = _decode(payload, codec, Telemetry)
    if isinstance(document, str):
        return document
    if document.schema != SCHEMA and (schemas is None or not schemas.reads(document.schema)):
        return _unknown_schema(document.schema)
    layout = layouts.get(document.device_type)
    if layout is None:
        return f"unknown device type: {document.device_type[:40]!a}"
    told = document.measurements, document.metadata.battery_level
    if document.schema == SCHEMA or schemas is None:
        values = layout.values(*told)
    else:
        values = schemas.values(document.device_type, document.schema, *told)
    if isinstance(values, str):
        return values
    return Reading(
        device=document.device_id,
        kind=document.device_type,
        boot=document.boot,
        seq=document.seq,
        time_us=unix_us(document.timestamp),
        values=values,
    )


def encode_birth(sender: Sender, boot: int, time_us: int) -> bytes:
    """Payload of the message that a device sends on `state` after its CONNACK.

    Raises:
        OverflowError: if the clock stands outside the years 1 to 9999.
    """
    return _encode(
        StateDocument(
            device_id=sender.name,
            device_type=sender.kind,
            state="online",
            boot=boot,
            timestamp=stamp(time_us),
            firmware_version=sender.firmware,
            configuration=msgspec.UNSET if sender.configuration is None else sender.configuration,
            schema=SCHEMA,
        )
    )


def encode_will(sender: Sender, boot: int) -> bytes:
    """Payload that the broker is to publish on `state` when it loses the device."""
    return _encode(
        StateDocument(device_id=sender.name, device_type=sender.kind, state="offline", boot=boot, schema=SCHEMA)
    )


def decode_state(payload: bytes, codec: str = "json") -> State | str:
    """A birth or a will, or the reason why the payload is neither."""
    document = _decode(payload, codec, StateDocument)
    if isinstance(document, str):
        return document
    if document.schema != SCHEMA:
        return _unknown_schema(document.schema)
    time_us = None if document.timestamp is None else unix_us(document.timestamp)
    configuration = None if document.configuration is msgspec.UNSET else document.configuration
    return State(document.device_id, document.state == "online", document.boot, time_us, configuration)


def plain(payload: bytes, codec: str) -> dict[str, Any] | str:
    """A payload as plain data; or why it is no document."""
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        return _too_long(payload)
    try:
        document: dict[str, Any] = _CODECS[codec].plain(payload)
    except Exception as error:
        return _reason(error)
    return document


def packed(document: Any, codec: str) -> bytes:
    """Plain data as a payload."""
    payload: bytes = _CODECS[codec].encode(document)
    return payload


def codec_of(payload: bytes) -> str:
    """In which codec a document is, by its first byte: each begins a map in another way. JSON if in none."""
    first = payload[0] if payload else 0
    if 0x80 <= first <= 0x8F or first in (0xDE, 0xDF):
        return "msgpack"
    return "cbor" if 0xA0 <= first <= 0xBF or first == _CBOR_TAG else "json"


def _encode(document: msgspec.Struct, codec: str = "json") -> bytes:
    payload: bytes = _CODECS[codec].encode(document)
    return payload


def _decode(payload: bytes, codec: str, kind: type[Document]) -> Document | str:
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        return _too_long(payload)
    try:
        document: Document = _CODECS[codec].decode(payload, kind)
    # Whatever a parser throws at hostile bytes (recursion, Unicode, memory, its own errors) is a fact about the bytes.
    except Exception as error:
        return _strange_schema(payload, codec) or _reason(error)
    return document


def _strange_schema(payload: bytes, codec: str) -> str:
    """Why a document of another schema could not be read: its number, not the first field that differs."""
    try:
        schema = _CODECS[codec].decode(payload, Versioned).schema
    except Exception:
        return ""
    return "" if schema in (None, SCHEMA) else _unknown_schema(schema)


def _unknown_schema(schema: int) -> str:
    return f"unknown schema {str(schema)[:20]}"


def _too_long(payload: bytes) -> str:
    return f"{len(payload)} bytes; a document has at most {LARGEST_PAYLOAD_BYTES}"


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "text is not UTF-8"
    text = " ".join(str(error).split()) or type(error).__name__
    return ascii(text[:_LONGEST_REASON])[1:-1]
