"""What devices put on the wire, counted by segment: messages, bytes with and without headers, and what that costs.

Counting is a look at the mask of a block that is sent, not at its devices: blocks are slices, and segments are runs in
them. Bytes follow from the lengths that links have for messages (`LinkClass`), so that time on air, energy and this
agree. What a link repeats by itself is not in the bytes, as it is not in its lengths; what faults repeat is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from twinstorm.twin.flow import Int, Mask
from twinstorm.twin.parts import Part
from twinstorm.twin.power_tables import NJ
from twinstorm.twin.rows import Rows

if TYPE_CHECKING:
    from twinstorm.twin.world import World


_MOST_PARTS: Final = 4_096
"""Slices of which it is remembered how they fall into segments: a fleet has few; devices that happen to speak together
make more."""


@dataclass(frozen=True)
class SegmentTraffic:
    """What the devices of a segment sent.

    Attributes:
        readings: messages with one, each as often as its device sent it. births: after each CONNACK.
        forwarded: messages of others that its gateways sent on.
        repeats: transmissions beyond what is usual on the link.
        connects: attempts to get a session.
        payload_bytes: of all messages.
        wire_bytes: with headers, and with repeats.
        connect_bytes: of the attempts, without the handshake of TLS.
        energy_j: that its batteries gave for messages; None: it has none.
    """

    segment: str
    readings: int
    births: int
    forwarded: int
    repeats: int
    connects: int
    payload_bytes: int
    wire_bytes: int
    connect_bytes: int
    energy_j: float | None = None

    @property
    def messages(self) -> int:
        return self.readings + self.births + self.forwarded


class Traffic(Part):
    """Counts of one world; columns have a row a segment."""

    def __init__(self, world: World) -> None:
        self._world = world
        fleet = world.fleet
        self._segment = fleet.segment
        n = len(fleet.plan.segments)
        self._readings: Int = np.zeros(n, np.int64)
        self._births: Int = np.zeros(n, np.int64)
        self._repeats: Int = np.zeros(n, np.int64)
        self._slower_us: Int = np.zeros(n, np.int64)
        """Time that squeezes kept them on air."""
        self._parts: dict[tuple[int, int], tuple[tuple[int, int, int], ...]] = {}
        """Of a slice: segment, and where its devices begin and end in it."""

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_parts": {}}

    @property
    def is_idle(self) -> bool:
        return True

    # --- what the world tells -----------------------------------------------------------------------------------------

    def count_sent(self, device: Rows, messages: Int | Mask | int) -> None:
        if isinstance(device, slice) and isinstance(messages, np.ndarray) and messages.dtype == np.bool_:
            for segment, first, last in self._parts_of(device):
                self._readings[segment] += np.count_nonzero(messages[first:last])
            return
        who = self._segment[device]
        np.add.at(self._readings, who, np.broadcast_to(messages, who.shape))

    def _parts_of(self, rows: slice) -> tuple[tuple[int, int, int], ...]:
        found = self._parts.get((rows.start, rows.stop))
        if found is None:
            if len(self._parts) >= _MOST_PARTS:
                self._parts.clear()
            of = self._segment[rows]
            edges = [0, *(np.flatnonzero(of[1:] != of[:-1]) + 1).tolist(), len(of)]
            found = tuple((int(of[first]), first, last) for first, last in pairwise(edges) if first < last)
            self._parts[rows.start, rows.stop] = found
        return found

    def connected(self, device: Int, at_us: Int) -> None:  # noqa: ARG002
        np.add.at(self._births, self._segment[device], 1)

    def count_repeated(self, device: Int, times: Int, slower_us: Int) -> None:
        np.add.at(self._repeats, self._segment[device], times)
        np.add.at(self._slower_us, self._segment[device], slower_us)

    # --- what is told -------------------------------------------------------------------------------------------------

    def by_segment(self) -> tuple[SegmentTraffic, ...]:
        """So far, in the order of the plan."""
        world = self._world
        fleet, energy, gateways = world.fleet, world.energy, world.gateways
        rows = []
        for number, part in enumerate(fleet.plan.segments):
            link, channels = fleet.link_of_segment[number], len(world.channels[part.kind])
            readings, births, repeats = (
                int(column[number]) for column in (self._readings, self._births, self._repeats)
            )
            forwarded = (0, 0, 0) if gateways is None else gateways.forwarder.forwarded(number)
            connects = int(fleet.tries[fleet.segment == number].sum())
            reading, birth = link.reading_bytes(channels), link.state_bytes
            payload = readings * reading + births * birth
            headers = (readings + births) * link.overhead_bytes + repeats * (reading + link.overhead_bytes)
            spent_nj = (
                None
                if energy is None
                else energy.messages_nj(number, readings, births, repeats, int(self._slower_us[number]))
            )
            rows.append(
                SegmentTraffic(
                    segment=part.name,
                    readings=readings,
                    births=births,
                    forwarded=forwarded[0],
                    repeats=repeats,
                    connects=connects,
                    payload_bytes=payload + forwarded[1],
                    wire_bytes=payload + headers + forwarded[2],
                    connect_bytes=connects * (link.connect_bytes + link.overhead_bytes),
                    energy_j=None if spent_nj is None else spent_nj / NJ,
                )
            )
        return tuple(rows)
