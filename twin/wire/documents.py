"""The documents that travel: one shape in every codec, as msgspec Structs.

Unknown fields are skipped, so that devices may add some; a null says that the sender does not know. Every document
carries the number of its schema. Stamps are instants with a zone; a device without a set clock sends 1970.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

SCHEMA: Final = 1

Text = Annotated[str, Meta(max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Stamp = Annotated[datetime, Meta(tz=True)]
Boot = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]

Measurement = float | dict[Name, float | None] | None
"""A value, or one value an axis (vibration has x, y, z); null: the sensor is silent."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)


class Coordinates(Struct, frozen=True, kw_only=True):
    latitude: Annotated[float, Meta(ge=-90.0, le=90.0)]
    longitude: Annotated[float, Meta(ge=-180.0, le=180.0)]


class Location(Struct, frozen=True, kw_only=True):
    facility: Text
    line: Text | None = None
    station: Text | None = None
    coordinates: Coordinates | None = None


class Metadata(Struct, frozen=True, kw_only=True):
    firmware_version: Text | None = None
    battery_level: float | None = None
    """Per cent."""
    signal_strength: float | None = None
    """dBm."""
    last_maintenance: Text | None = None


class Quality(Struct, frozen=True, kw_only=True):
    accuracy: float | None = None
    calibration_date: Text | None = None
    status: Text = "good"


class Telemetry(Struct, frozen=True, kw_only=True, rename={"device_id": "deviceId", "device_type": "deviceType"}):
    """One reading."""

    device_id: Name
    device_type: Name
    timestamp: Stamp
    location: Location | None = None
    measurements: dict[Name, Measurement]
    metadata: Metadata = Metadata()
    quality: Quality = Quality()
    boot: Boot
    seq: Seq
    schema: int


class StateDocument(Struct, frozen=True, kw_only=True, rename={"device_id": "deviceId", "device_type": "deviceType"}):
    """Birth (``online``, sent after CONNACK) or will (``offline``, laid down with CONNECT, sent by the broker)."""

    device_id: Name
    device_type: Name | None = None
    state: Literal["online", "offline"]
    boot: Boot
    """The boot that the session belongs to: a late will of an earlier one ends nothing."""
    timestamp: Stamp | None = None
    """None in a will: nobody knows yet when it will be sent."""
    firmware_version: Text | None = None
    configuration: Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType | None = UNSET
    """Number of the one that the device has; not there: nobody asks it."""
    schema: int


class Versioned(Struct):
    """The one field that documents of every schema share."""

    schema: int | None = field(default=None)


def stamp(unix_us: int) -> datetime:
    """Instant of a number of microseconds since 1970.

    Raises:
        OverflowError: if it lies outside the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=unix_us)


def unix_us(instant: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (instant - EPOCH) // _US
