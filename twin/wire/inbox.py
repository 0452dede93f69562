"""What the core makes of messages: whose they are, what they say, or what is wrong with them. Nothing here raises."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twinstorm.twin.flow import Delivery, Int, Malformed, Message, Readings, Registry
from twinstorm.twin.wire.codecs import Reading, State
from twinstorm.twin.wire.layout import Layout, layouts
from twinstorm.twin.wire.profile import Address
from twinstorm.twin.wire.schemas import Schemas
from twinstorm.twin.wire.wires import Ear, Wire

EXCERPT_BYTES = 4_097
"""Kept of a payload that nobody could read; dead letters keep one less, and so know that there was more."""

ANOTHER_DEVICE = "the document names another device than the topic"
NO_TOPIC = "no topic of this profile"
NO_DEVICE = "unknown device"


@dataclass(frozen=True, slots=True)
class Letter:
    """What the topic of a message says: of which device it is, and in whose language."""

    address: Address
    device: int
    wire: Wire


class Inbox:
    """Reads what the devices of a registry send.

    Args:
        registry: devices by name; what others send is malformed.
        origin_us: Unix microseconds of simulated instant 0.
        ear: what it understands.
        schemas: versions of the built-in documents that it reads; None: the first one.
    """

    def __init__(
        self, registry: Registry, origin_us: int = 0, ear: Ear | None = None, schemas: Schemas | None = None
    ) -> None:
        self._registry = registry
        self.ear = Ear() if ear is None else ear
        self._layouts: dict[str, Layout] = layouts(dict(registry.channels))
        self._schemas = schemas
        self.origin_us = origin_us

    @cached_property
    def device_of(self) -> dict[str, int]:
        return {name: device for device, name in enumerate(self._registry.names)}

    def letter(self, topic: str) -> Letter | str:
        """What a topic says and which device it belongs to; or what is wrong with it."""
        found = self.ear.address(topic)
        if found is None:
            return NO_TOPIC
        address, wire = found
        device = self.device_of.get(address.name)
        return f"{NO_DEVICE}: {address.name[:80]!a}" if device is None else Letter(address, device, wire)

    def reading(self, letter: Letter, payload: bytes) -> Reading | str:
        """The reading of a payload that came on the telemetry topic of this device; or what is wrong with it."""
        kind = self._registry.kinds[self._registry.kind[letter.device]]
        reading = letter.wire.decode_reading(payload, letter.address, kind, self._layouts, self._schemas)
        if isinstance(reading, str):
            return reading
        if reading.device != letter.address.name:
            return ANOTHER_DEVICE
        if reading.kind != kind:
            return f"the device is of another kind: {reading.kind[:40]!a}"
        if not (0 <= reading.boot < 2**31 and 0 <= reading.seq < 2**62):
            return "boot or sequence number out of range"
        return reading

    def state(self, letter: Letter, payload: bytes) -> State | str:
        """The birth or will of a payload that came on the state topic of this device; or what is wrong with it."""
        state = letter.wire.decode_state(payload, letter.address)
        return ANOTHER_DEVICE if isinstance(state, State) and state.device != letter.address.name else state

    def read(self, message: Message) -> tuple[int, Reading] | str:
        """Device and reading of a message; or what is wrong with it."""
        letter = self.letter(message.topic)
        if isinstance(letter, str):
            return letter
        reading = self.reading(letter, message.payload)
        return reading if isinstance(reading, str) else (letter.device, reading)

    def readings(
        self, kind: str, rows: list[tuple[int, Reading]], sent_us: Int, admitted_us: Int | None = None
    ) -> Readings:
        """Readings of one kind as columns.

        Args:
            rows: device and reading.
            sent_us, admitted_us: one a row.
        """
        values = np.array([reading.values for _, reading in rows], np.float64)
        return Readings(
            kind=kind,
            device=np.array([device for device, _ in rows], np.int32),
            boot=np.array([reading.boot for _, reading in rows], np.int32),
            seq=np.array([reading.seq for _, reading in rows], np.int64),
            device_time_us=np.array([reading.time_us - self.origin_us for _, reading in rows], np.int64),
            sent_us=sent_us,
            values=self._layouts[kind].on_grid(values.reshape(len(rows), -1)),
            admitted_us=admitted_us,
        )

    def opened(self, delivery: Delivery) -> Delivery:
        """A delivery of the modelled broker as a subscriber would have it: messages (`Readings.wire`) are read."""
        sent = delivery.readings
        if sent is None or not sent.wire:
            return delivery
        rows: list[tuple[int, Reading]] = []
        readable: list[int] = []
        malformed = []
        for row, message in enumerate(sent.wire):
            if self.ear.is_elsewhere(message.topic):
                continue
            found = self.read(message)
            if isinstance(found, str):
                excerpt = message.payload[:EXCERPT_BYTES]
                malformed.append(Malformed(message.topic, excerpt, int(delivery.arrived_us[row]), found))
            else:
                rows.append(found)
                readable.append(row)
        admitted_us = None if sent.admitted_us is None else sent.admitted_us[readable]
        readings = self.readings(sent.kind, rows, sent.sent_us[readable], admitted_us) if rows else None
        return Delivery(readings, delivery.arrived_us[readable], delivery.last_us, tuple(malformed))
