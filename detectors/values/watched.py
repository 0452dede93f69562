"""Which series of a fleet a detector on values looks at, and which it leaves out unless somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.values.contract import Ends, Reals
from twinstorm.twin.flow import Channel, Int, Mask, Registry


@dataclass(frozen=True)
class Watched:
    """Which series there are.

    Attributes:
        first: int64 (devices + 1,), the first series of each device; as many as the next one's if it has none.
        columns: kind, as a code, to its channels that are watched.
        mask: bool (devices,), who is watched; None: all of those kinds.
    """

    first: Int
    columns: Mapping[int, NDArray[np.intp]]
    mask: Mask | None

    @staticmethod
    def of(registry: Registry, channels: Sequence[str] | None, mask: Mask | None, *, by_event: bool = True) -> Watched:
        """
        Args:
            channels: names; None: all that have a mean (angles, counters and codes have none).
            mask: whom; None: all.
            by_event: with those that change when something happens (`Channel.by_event`), where nobody names channels.
        """
        columns = {}
        width = np.zeros(len(registry.kinds), np.int64)
        for code, kind in enumerate(registry.kinds):
            chosen = [
                column
                for column, channel in enumerate(registry.channels[kind])
                if (
                    channel.averaged and (by_event or not channel.by_event)
                    if channels is None
                    else channel.name in channels
                )
            ]
            if chosen:
                columns[code] = np.array(chosen, np.intp)
                width[code] = len(chosen)
        each = width[registry.kind]
        if mask is not None:
            each[~mask] = 0
        return Watched(np.concatenate(([0], np.cumsum(each))), columns, mask)

    @property
    def series(self) -> int:
        return int(self.first[-1])

    def steps(self, registry: Registry) -> Reals:
        """float64 (series,), the resolution of the sensor of each."""
        return self._of_channels(registry, lambda channel: channel.step)

    def ends(self, registry: Registry) -> Ends:
        """What the sensor of each can tell."""
        return Ends(
            self._of_channels(registry, lambda channel: channel.lowest),
            self._of_channels(registry, lambda channel: channel.highest),
        )

    def _of_channels(self, registry: Registry, figure: Callable[[Channel], float]) -> Reals:
        figures = np.zeros(self.series)
        for code, columns in self.columns.items():
            channels = registry.channels[registry.kinds[code]]
            who = np.flatnonzero((registry.kind == code) & (np.diff(self.first) > 0))
            figures[self.first[who][:, None] + np.arange(len(columns))] = [figure(channels[each]) for each in columns]
        return figures


def by_event(registry: Registry, on: Mask | None) -> tuple[str, ...]:
    """Names of channels with a mean that change by events, of these devices."""
    kinds = np.unique(registry.kind if on is None else registry.kind[on]).tolist()
    channels = (each for code in kinds for each in registry.channels[registry.kinds[code]])
    return tuple(sorted({each.name for each in channels if each.averaged and each.by_event}))
