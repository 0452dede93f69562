"""What devices say on the wire, as one thing: topics, documents and codec. Everybody who sends or reads asks here.

Readings are in the device's codec; births and wills are always JSON, for people and other programs watch them. The
reader learns the codec from the topic where the topic names it, else from the first byte of the payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twinstorm.twin.wire import codecs, flat
from twinstorm.twin.wire.codecs import Reading, Sender, State
from twinstorm.twin.wire.layout import Layout
from twinstorm.twin.wire.profile import CODEC_NAMES, TWINSTORM, Address, Profile, site_and_device
from twinstorm.twin.wire.schemas import Schemas
from twinstorm.twin.wire.spec import Spec


@dataclass(frozen=True)
class Wire:
    """What some devices say.

    Attributes:
        codec: of their readings, one of `CODEC_NAMES`.
        spec: a profile of a file; None: the built-in one.
    """

    codec: str = CODEC_NAMES[0]
    spec: Spec | None = None

    @property
    def name(self) -> str:
        """Of the profile."""
        return TWINSTORM.name if self.spec is None else self.spec.name

    # --- topics -------------------------------------------------------------------------------------------------------

    def telemetry_topic(self, sender: Sender) -> str:
        """Where a device's readings go.

        Raises:
            ValueError: its name cannot be part of a topic.
        """
        if self.spec is None:
            return TWINSTORM.topic("telemetry", *site_and_device(sender.name), self.codec)
        return self.spec.telemetry.topic(_levels(sender, self.codec))

    def state_topic(self, sender: Sender) -> str:
        """Where its births and its will go."""
        if self.spec is None:
            return TWINSTORM.state_topic(*site_and_device(sender.name))
        return self.spec.state.topic(_levels(sender, CODEC_NAMES[0]))

    @property
    def core_filters(self) -> tuple[str, ...]:
        """What the core subscribes to."""
        return TWINSTORM.core_filters if self.spec is None else (self.spec.telemetry.filter, self.spec.state.filter)

    @property
    def root(self) -> str:
        """First level of all topics."""
        return (TWINSTORM.pattern if self.spec is None else self.spec.telemetry.text).partition("/")[0]

    def address(self, topic: str) -> Address | None:
        """What a topic says; None if it is none of these. An empty codec is for the payload to tell."""
        if self.spec is None:
            return TWINSTORM.parse_topic(topic)
        return self.spec.telemetry.address(topic, "telemetry") or self.spec.state.address(topic, "state")

    # --- documents ----------------------------------------------------------------------------------------------------

    def encode_reading(
        self, sender: Sender, layout: Layout, boot: int, seq: int, time_us: int, values: Sequence[float]
    ) -> bytes:
        """See `codecs.encode_reading`."""
        if self.spec is None or self.spec.flat is None:
            return codecs.encode_reading(sender, layout, boot, seq, time_us, values, self.codec)
        return flat.encode_reading(self.spec.flat, sender, layout, boot, seq, time_us, values, self.codec)

    def encode_birth(self, sender: Sender, boot: int, time_us: int) -> bytes:
        """See `codecs.encode_birth`."""
        if self.spec is None or self.spec.flat is None:
            return codecs.encode_birth(sender, boot, time_us)
        return flat.encode_state(self.spec.flat, sender, boot, time_us)

    def encode_will(self, sender: Sender, boot: int) -> bytes:
        """See `codecs.encode_will`."""
        if self.spec is None or self.spec.flat is None:
            return codecs.encode_will(sender, boot)
        return flat.encode_state(self.spec.flat, sender, boot, None)

    def decode_reading(
        self,
        payload: bytes,
        address: Address,
        kind: str,
        layouts: Mapping[str, Layout],
        schemas: Schemas | None = None,
    ) -> Reading | str:
        """The reading of a payload, or why it is none.

        Args:
            address: what its topic says (`Wire.address`).
            kind: of the device that the topic names.
            schemas: versions that are read of the built-in documents; flat ones have one.
        """
        codec = address.codec or codecs.codec_of(payload)
        if self.spec is None or self.spec.flat is None:
            return codecs.decode_reading(payload, codec, layouts, schemas)
        return flat.decode_reading(self.spec.flat, payload, codec, address.name, kind, layouts)

    def decode_state(self, payload: bytes, address: Address) -> State | str:
        """A birth or a will, or why the payload is neither."""
        if self.spec is None or self.spec.flat is None:
            return codecs.decode_state(payload)
        return flat.decode_state(self.spec.flat, payload, address.name)

    # --- documents taken apart, for faults ----------------------------------------------------------------------------

    def document(self, payload: bytes) -> dict[str, Any]:
        """A payload that these devices sent, as plain data."""
        document = codecs.plain(payload, self.codec)
        assert not isinstance(document, str), "nobody has touched it yet"
        return document

    def payload(self, document: dict[str, Any]) -> bytes:
        return codecs.packed(document, self.codec)

    def schema_field(self) -> str:
        """Where the number of the schema stands; in documents that have none, where one would be written."""
        if self.spec is None or self.spec.flat is None:
            return "schema"
        return next((name for name, source in self.spec.flat.reading if source == "schema"), "schema")

    def measurements(self, document: Mapping[str, Any], channels: Iterable[str]) -> dict[str, Any]:
        """What a document tells of the machine, by channel or, in the built-in one, by quantity."""
        if self.spec is None or self.spec.flat is None:
            return dict(document["measurements"])
        others, channel_of = dict(self.spec.flat.reading), self.spec.flat.channel_of(channels)
        return {channel_of.get(name, name): value for name, value in document.items() if name not in others}

    def with_measurements(self, document: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
        """The document with these in place of its own."""
        if self.spec is None or self.spec.flat is None:
            return {**document, "measurements": dict(told)}
        others, field_of = dict(self.spec.flat.reading), self.spec.flat.field_of
        kept = {name: value for name, value in document.items() if name in others}
        return kept | {field_of.get(name, name): value for name, value in told.items()}


BUILT_IN: Final = Wire()


def _levels(sender: Sender, codec: str) -> dict[str, str]:
    site, device = site_and_device(sender.name)
    return {"site": site, "device": device, "segment": sender.line or "", "kind": sender.kind, "codec": codec}


class Ear:
    """All that is understood in a run: the profiles of its devices, and the built-in one.

    Args:
        wires: of its segments.
    """

    def __init__(self, wires: Iterable[Wire | None] = ()) -> None:
        specs = dict.fromkeys(wire.spec for wire in wires if wire is not None and wire.spec is not None)
        # Profiles of files first: the same topic may mean what they say.
        self._wires = (*(Wire(spec=spec) for spec in specs), BUILT_IN)

    def address(self, topic: str) -> tuple[Address, Wire] | None:
        """What a topic says, and whose language it is; None if it is nobody's."""
        for wire in self._wires:
            found = wire.address(topic)
            if found is not None:
                return found, wire
        return None

    @property
    def core_filters(self) -> tuple[str, ...]:
        """What the core subscribes to: readings in every codec (guests may differ from the fleet), and state."""
        return tuple(dict.fromkeys(topic for wire in self._wires for topic in wire.core_filters))

    @property
    def roots(self) -> tuple[str, ...]:
        """First levels of all topics."""
        return tuple(dict.fromkeys(wire.root for wire in self._wires))

    def is_own(self, topic: str) -> bool:
        """Whether a topic belongs to the fleet, and not to a tenant of somebody else."""
        found = self.address(topic)
        return found is not None and not _is_foreign(*found)

    def is_elsewhere(self, topic: str) -> bool:
        """Whether the core does not subscribe to this topic: it belongs to another tenant."""
        found = self.address(topic)
        return found is not None and _is_foreign(*found)


def _is_foreign(address: Address, wire: Wire) -> bool:
    profile: Profile = TWINSTORM
    return wire.spec is None and address.tenant != profile.tenant
