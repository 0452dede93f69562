"""Many readings in one message, as columns: what a gateway sends that gathers.

A map in CBOR (RFC 8949) whose numbers are typed arrays in little-endian order (RFC 8746), so that nobody looks at a
number alone: they are what NumPy has in memory. Names of devices stand in one text, a line each, and rows point to
lines: the text of a gateway is mostly that of its last message. Values are in the order of the channels that the
message names, all rows of the first one, then all of the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cbor2
import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Device, Int, Values
from twinstorm.twin.wire.documents import SCHEMA
from twinstorm.twin.wire.profile import TWINSTORM, parse_topic, site_and_device

CHANNEL: Final = "columns"
CODEC: Final = "cbor"
MOST_ROWS: Final = 1_000
LARGEST_BYTES: Final = 262_144
"""A thousand rows of the widest kind under the longest names have less."""

_DEEPEST: Final = 3
_TAG: Final = {"<u2": 69, "<u4": 70, "<u8": 71, "<i8": 79, "<f4": 85}
"""Of RFC 8746, by what an array holds."""
_COLUMNS: Final = {"device": "<u2", "boot": "<u4", "seq": "<u8", "timestamp": "<i8", "values": "<f4"}
_EXPECTED: Final = tuple((name, _TAG[kind], np.dtype(kind)) for name, kind in _COLUMNS.items())
_WIDE: Final = tuple(_COLUMNS.values())


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of one message, all of one kind, as they travel: numbers in little-endian order.

    Attributes:
        devices: names of its devices, each once, a line each.
        rows: readings.
        which: uint16, line in `devices`.
        boot, seq: uint32, uint64.
        time_us: int64, microseconds since 1970 by the device's clock.
        values: float32, channel after channel.
    """

    kind: str
    devices: str
    rows: int
    which: bytes
    boot: bytes
    seq: bytes
    time_us: bytes
    values: bytes

    @staticmethod
    def of(
        kind: str, devices: str, which: NDArray[np.uint16], boot: Device, seq: Int, time_us: Int, values: Values
    ) -> Columns:
        """
        Args:
            values: float32 (n, channels).
        """
        columns: tuple[NDArray[Any], ...] = (which, boot, seq, time_us, np.ascontiguousarray(values.T))
        told = (column.astype(kind_of, copy=False).tobytes() for column, kind_of in zip(columns, _WIDE, strict=True))
        return Columns(kind, devices, len(which), *told)

    def channel(self, number: int) -> bytes:
        """Values of one channel."""
        return self.values[4 * self.rows * number : 4 * self.rows * (number + 1)]


def topic(gateway: str) -> str:
    """Where the columns of a gateway go.

    Raises:
        ValueError: its name cannot be part of a topic.
    """
    return TWINSTORM.topic(CHANNEL, *site_and_device(gateway), CODEC)


def encode(gateway: str, channels: Sequence[str], columns: Columns) -> bytes:
    """A message of at least one and at most `MOST_ROWS` readings."""
    numbers = (columns.which, columns.boot, columns.seq, columns.time_us, columns.values)
    typed = {name: cbor2.CBORTag(tag, array) for (name, tag, _), array in zip(_EXPECTED, numbers, strict=True)}
    head = {"schema": SCHEMA, "gateway": gateway, "deviceType": columns.kind, "channels": list(channels)}
    return cbor2.dumps(head | {"devices": columns.devices} | typed)


@dataclass(frozen=True)
class Lengths:
    """How long the messages of one gateway about one kind are, exactly, without making them."""

    fixed: int
    channels: int

    @staticmethod
    def of(gateway: str, kind: str, channels: Sequence[str]) -> Lengths:
        empty = Columns(kind, "", 0, b"", b"", b"", b"", b"")
        return Lengths(len(encode(gateway, channels, empty)) - 1 - len(_COLUMNS), len(channels))

    def payload(self, rows: int, devices: int, names_bytes: int) -> int:
        """Bytes of a message with so many rows of so many devices.

        Args:
            names_bytes: of all their names.
        """
        widths = (2, 4, 8, 8, 4 * self.channels)
        numbers = sum(_head(width * rows) + width * rows for width in widths)
        text = names_bytes + devices - 1
        return self.fixed + numbers + _head(text) + text


def _head(length: int) -> int:
    """Bytes in which CBOR tells a length."""
    return 1 if length < 24 else 2 if length < 1 << 8 else 3 if length < 1 << 16 else 5


def decode(payload: bytes, gateway: str, channels: Mapping[str, tuple[str, ...]]) -> Columns | str:
    """The readings of a message, or the reason why it has none. Numbers are not looked at.

    Args:
        gateway: that its topic names.
        channels: of every kind that may send.
    """
    if len(payload) > LARGEST_BYTES:
        return f"{len(payload)} bytes; columns have at most {LARGEST_BYTES}"
    try:
        document = cbor2.loads(
            payload,
            max_depth=_DEEPEST,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    # Whatever a parser throws at hostile bytes is a fact about the bytes.
    except Exception as error:
        return ascii(" ".join(str(error).split())[:160] or type(error).__name__)[1:-1]
    if not isinstance(document, dict):
        return "columns are a map"
    return _checked(document, gateway, channels)


def _checked(document: Mapping[str, Any], gateway: str, channels: Mapping[str, tuple[str, ...]]) -> Columns | str:
    if (schema := document.get("schema")) != SCHEMA:
        return f"unknown schema {str(schema)[:20]!a}" if schema is not None else "no schema"
    if document.get("gateway") != gateway:
        return "the columns name another gateway than the topic"
    kind = document.get("deviceType")
    known = channels.get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or known is None:
        return f"unknown device type: {str(kind)[:40]!a}"
    if document.get("channels") != list(known):
        return f"the channels are not those of {kind}"
    devices = document.get("devices")
    if not isinstance(devices, str):
        return "devices are not told by name"
    found: list[bytes] = []
    for name, tag, kind_of in _EXPECTED:
        told = document.get(name)
        array = told.value if isinstance(told, cbor2.CBORTag) and told.tag == tag else None
        if not isinstance(array, bytes):
            return f"{name} is no column of {kind_of.name}"
        found.append(array)
    rows, odd = divmod(len(found[0]), 2)
    if odd or not 0 < rows <= MOST_ROWS:
        return f"{rows} rows; columns have 1 to {MOST_ROWS}"
    which, boot, seq, time_us, values = found
    if (len(boot), len(seq), len(time_us), len(values)) != (4 * rows, 8 * rows, 8 * rows, 4 * rows * len(known)):
        return "columns differ in length"
    return Columns(kind, devices, rows, which, boot, seq, time_us, values)


def topics_of(topic: str, payload: bytes, channels: Mapping[str, tuple[str, ...]] | None = None) -> tuple[str, ...]:
    """Telemetry topics of the readings that a message carries, one a reading: its own, unless it has columns.

    Args:
        channels: as for `decode`; None: whatever the message says.
    """
    if not topic.endswith(_LAST_LEVEL):
        return (topic,)
    address = parse_topic(topic)
    if address is None:
        return (topic,)
    found = decode(payload, address.name, _as_told(payload) if channels is None else channels)
    if isinstance(found, str):
        return ()
    own = []
    for name in found.devices.split("\n"):
        try:
            own.append(TWINSTORM.telemetry_topic(*site_and_device(name)))
        except ValueError:
            own.append("")
    return tuple(own[row] for row in np.frombuffer(found.which, "<u2").tolist() if row < len(own) and own[row])


_LAST_LEVEL: Final = f"/{CHANNEL}.{CODEC}"


def _as_told(payload: bytes) -> dict[str, tuple[str, ...]]:
    """The channels of the one kind that a message is about, as it says itself."""
    try:
        document = cbor2.loads(payload, max_depth=_DEEPEST, strict_hashable_types=True)
        return {document["deviceType"]: tuple(document["channels"])}
    except Exception:
        return {}
