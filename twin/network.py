"""Link classes: what a device's access network does to a message.

Every latency is `base` plus uniform jitter plus, for a share of messages, one retransmission timeout: TCP repairs loss
into delay. Figures are assumptions in the range of published presets (network emulators, 2020s), not measurements;
they stand in every report by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Int


@dataclass(frozen=True)
class LinkClass:
    """One class of access network.

    Attributes:
        base_us: smallest one-way latency, at least 1, so that an effect comes after its cause.
        jitter_us: width of the uniform jitter on top.
        retry_us: what one lost packet costs (TCP's retransmission timeout).
        retry_per_65536: share of messages that meet such a loss.
    """

    name: str
    base_us: int
    jitter_us: int
    retry_us: int
    retry_per_65536: int


LINKS = {
    link.name: link
    for link in (
        LinkClass("ethernet", base_us=2_000, jitter_us=2_000, retry_us=0, retry_per_65536=0),
        LinkClass("wifi", base_us=3_000, jitter_us=4_000, retry_us=200_000, retry_per_65536=655),
    )
}

_JITTER_BITS = np.uint64(32)
_LOW_BITS = np.uint64(0xFFFF)


@dataclass(frozen=True)
class Links:
    """The link classes of a fleet as columns: one row a class, `code` picks the row of each device."""

    base_us: Int
    jitter_us: Int
    retry_us: Int
    retry_per_65536: Int

    @classmethod
    def of(cls, links: tuple[LinkClass, ...]) -> Links:
        def column(name: str) -> Int:
            return np.array([getattr(link, name) for link in links], np.int64)

        return cls(column("base_us"), column("jitter_us"), column("retry_us"), column("retry_per_65536"))

    def latency_us(self, code: np.ndarray, draws: Words) -> Int:
        """Latency of one message each: int64, shape of `draws`.

        Args:
            code: link class of each message's device, or one integer for all.
        """
        jitter = (draws >> _JITTER_BITS) * self.jitter_us.astype(np.uint64)[code]
        jitter >>= _JITTER_BITS
        latency = jitter.view(np.int64)
        latency += self.base_us[code]
        share = self.retry_per_65536[code]
        if np.any(share):
            latency += np.where((draws & _LOW_BITS).view(np.int64) < share, self.retry_us[code], 0)
        return latency
