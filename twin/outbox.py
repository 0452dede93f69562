"""Buffers that can also be emptied one reading at a time, for devices whose uplink is slow (`twin.uplink`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.buffer import Buffers
from twinstorm.twin.fleet import Fleet
from twinstorm.twin.flow import Channel, Int, Readings
from twinstorm.twin.resolution import Scale


class Outboxes(Buffers):
    """See `Buffers`."""

    @classmethod
    def of(cls, fleet: Fleet, channels: dict[str, tuple[Channel, ...]]) -> Outboxes:
        made = super().of(fleet, channels)
        assert isinstance(made, cls)
        return made

    def take_oldest(
        self, device: Int, sent_us: Int, boot: NDArray[np.int32], scales: Mapping[str, Scale]
    ) -> list[Readings]:
        """Take the oldest reading of each of these devices, which hold one.

        Args:
            device: each once.
            sent_us: when each sends it.
            boot: the fleet's boot column.
            scales: of each kind.

        Returns:
            Sparse readings per kind, those sent again apart.
        """
        taken = []
        for number, group in enumerate(self.groups):
            rows = np.flatnonzero((device >= group.first) & (device < group.last))
            if not len(rows):
                continue
            who = device[rows]
            values, made_us = self._read(number, who, np.zeros(len(who), np.int64))
            again = self.unacked[who] > 0
            for duplicate in (True, False):
                part_of = again == duplicate
                if part_of.any():
                    sender = who[part_of]
                    taken.append(
                        Readings(
                            kind=group.kind,
                            device=sender.astype(np.int32),
                            boot=boot[sender],
                            seq=self.first_seq[sender],
                            device_time_us=made_us[part_of],
                            sent_us=sent_us[rows[part_of]],
                            values=scales[group.kind].readings_of(values[part_of]),
                            duplicate=duplicate,
                        )
                    )
            self._remove_oldest(who, again)
        return taken

    def _remove_oldest(self, device: Int, again: NDArray[np.bool_]) -> None:
        self.head[device] = (self.head[device] + 1) % self.capacity[device]
        self.depth[device] -= 1
        self.unacked[device] -= again
        self.first_seq[device] += 1
        self.first_time_us[device] += self.every_us[device]
        self.stalled[device] = np.minimum(self.stalled[device], self.depth[device])
