"""Gateways that gather: readings of many devices in one message, as columns (`twin.wire.columns`).

At whole multiples of its period such a gateway looks into its buffer. What has come by then goes on in the order in
which it came, at most so many at a time, and of those each kind in a message of its own. If it cannot send at once it
takes what had come by its last look before it could.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twinstorm.twin.backlog import Backlog, Messages, runs
from twinstorm.twin.fleet import Fleet, GatewayPlan
from twinstorm.twin.flow import Channel, Device, Int, Mask, Together
from twinstorm.twin.network import TOPIC_BYTES
from twinstorm.twin.wire.columns import Lengths, topic


@dataclass(frozen=True)
class Batches:
    """Messages that start, one row a message; `rows` are their readings, those of a message together.

    Attributes:
        of: int64, message of each reading.
        gateway: int64, ascending; nth: its messages before this one, of those that start now.
        payload_bytes: as long as it really is.
    """

    rows: Messages
    of: Int
    gateway: Int
    nth: Int
    payload_bytes: Int

    def together(self, device: Device, number: Int, rows: Int) -> Together:
        """Of these readings.

        Args:
            device, number: of each message, who sends it and its number.
        """
        return Together(self.of[rows], device, number)


class Gathering:
    """What gateways that gather put together; rows of columns are gateways.

    Args:
        kinds: of machines, by the code that messages have.

    Attributes:
        most: int64, readings in one message; 0: it does not gather.
        every_us: int64.
        sent: int64 (n, 3), messages, payload, and what their topics are longer than usual ones, bytes.
    """

    def __init__(
        self,
        fleet: Fleet,
        plans: Sequence[GatewayPlan],
        kinds: tuple[str, ...],
        channels: Mapping[str, tuple[Channel, ...]],
    ) -> None:
        self.most: Int = np.array([plan.batch_readings for plan in plans], np.int64)
        self.every_us: Int = np.array([plan.batch_every_us for plan in plans], np.int64)
        self.sent: Int = np.zeros((len(plans), 3), np.int64)
        self.active = bool(self.most.any())
        if not self.active:
            return
        names = fleet.names
        self._name_bytes = np.array([len(name.encode()) for name in names], np.int64)
        gateway_names = [names[device] for device in fleet.gateway.tolist()]
        self._topic_bytes = np.array([len(topic(name).encode()) - TOPIC_BYTES for name in gateway_names], np.int64)
        # Of names that are as long, all is as long.
        like = {len(name.encode()): name for name in gateway_names}
        tables = {
            length: [Lengths.of(name, kind, [each.name for each in channels[kind]]) for kind in kinds]
            for length, name in like.items()
        }
        self._lengths = [tables[len(name.encode())] for name in gateway_names]

    @property
    def gathers(self) -> Mask:
        """bool (n,)."""
        gathers: Mask = self.most > 0
        return gathers

    def look_us(self, gateway: Int, came_us: Int) -> Int:
        """When each looks for the first time after something came."""
        every = self.every_us[gateway]
        look_us: Int = -(-came_us // every) * every
        return look_us

    def take(self, backlog: Backlog, gateway: Int, start_us: Int) -> Batches:
        """What these gateways, ascending, send from an instant on; each has something."""
        every = self.every_us[gateway]
        count = backlog.ready(gateway, start_us // every * every, self.most[gateway])
        rows = backlog.take(gateway, count)
        rows = rows.take(np.lexsort((rows.kind, rows.gateway)))
        key = rows.gateway * (int(rows.kind.max(initial=0)) + 1) + rows.kind
        _, readings, _ = runs(key)
        of = np.repeat(np.arange(len(readings)), readings)
        first = np.cumsum(readings) - readings
        who, kind = rows.gateway[first], rows.kind[first]
        _, _, nth = runs(who)
        order = np.lexsort((rows.device, of))
        device, message = rows.device[order], of[order]
        once = np.append(True, (device[1:] != device[:-1]) | (message[1:] != message[:-1]))
        devices = np.bincount(message[once], minlength=len(readings))
        names = np.bincount(message[once], self._name_bytes[device[once]], minlength=len(readings))
        payload = [
            self._lengths[one][of_kind].payload(n, distinct, int(names_bytes))
            for one, of_kind, n, distinct, names_bytes in zip(
                who.tolist(), kind.tolist(), readings.tolist(), devices.tolist(), names.tolist(), strict=True
            )
        ]
        payload_bytes = np.array(payload, np.int64)
        np.add.at(self.sent, who, np.column_stack([np.ones_like(payload_bytes), payload_bytes, self._topic_bytes[who]]))
        return Batches(rows, of, who, nth, payload_bytes)

    def topic_bytes(self, gateway: int) -> int:
        """What its topic is longer than a usual one."""
        return int(self._topic_bytes[gateway])
