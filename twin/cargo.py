"""How large a reading is on the connection of somebody else: a gateway's uplink, the line of a site.

It depends on what its device says and on the link that carries it. Segments whose readings are alike share a code.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twinstorm.twin.fleet import Fleet
from twinstorm.twin.flow import Channel, Int
from twinstorm.twin.network import LINKS, said_on


class Cargo:
    """What the segments of a fleet send.

    Attributes:
        code: one a segment, ascending with the names of kinds.
        sizes: of each code, on every link of the fleet.
        stored_bytes: one a segment: what its readings take in a buffer, as the documents that they are.
    """

    def __init__(self, fleet: Fleet, channels: Mapping[str, tuple[Channel, ...]]) -> None:
        self._fleet = fleet
        parts = fleet.plan.segments
        said = [said_on(link) for link in fleet.link_of_segment]
        sorts = [(part.kind, of_part) for part, of_part in zip(parts, said, strict=True)]
        distinct = sorted(dict.fromkeys(sorts), key=lambda sort: sort[0])
        self.code = np.array([distinct.index(sort) for sort in sorts], np.int64)
        self.sizes = tuple(fleet.links.cargo_size(len(channels[kind]), of_part) for kind, of_part in distinct)
        document = LINKS["ethernet"]
        self.stored_bytes: Int = np.array(
            [document.reading_bytes(len(channels[kind])) if each is None else each.longest for kind, each in sorts],
            np.int64,
        )

    def code_of(self, device: Int | np.ndarray) -> Int:
        """Of each device."""
        codes: Int = self.code[self._fleet.segment[device]]
        return codes

    def total_bytes(self, link: np.ndarray) -> Int:
        """A reading of every device with its headers, on these links (codes, one a device)."""
        of_code = np.stack([size.total_bytes for size in self.sizes])
        total: Int = of_code[self.code[self._fleet.segment], link]
        return total

    def payload_bytes(self, code: Int, link: np.ndarray) -> Int:
        """Of readings of these codes on these links, what their total has without its headers."""
        headers = np.array([each.overhead_bytes for each in self._fleet.links.classes], np.int64)
        of_code = np.stack([size.total_bytes for size in self.sizes])
        payload: Int = of_code[code, link] - headers[link]
        return payload
