"""What forwards: the service of gateways that sends on, oldest first, what waits in their buffers.

One message starts at most each interval, and over a slow or lossy link when the transmitter of the gateway is free; one
that gathers sends what waits together (`twin.gathering`). A message that cannot start in time stays in the buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from twinstorm.twin.backlog import Backlog, Messages, Parcels, highest_so_far, joined, runs
from twinstorm.twin.cargo import Cargo
from twinstorm.twin.chance import Purpose, stream, words
from twinstorm.twin.fleet import GatewayPlan
from twinstorm.twin.flow import SECOND_US, DeviceEnd, Int, Mask
from twinstorm.twin.gathering import Batches, Gathering
from twinstorm.twin.uplink import READING

if TYPE_CHECKING:
    from twinstorm.twin.world import World

_FORWARDED: Final = 1 << 40
"""Numbers of forwarded messages begin here where a link counts them beside those of the gateway itself."""


class Forwarder:
    """The forwarders of all gateways; rows of all columns are gateways, in the order of `Fleet.gateway`.

    Args:
        inner: takes what is sent.
        plans: of each gateway.
        backlog: queue i is the buffer of gateway i.

    Attributes:
        free_us: when each may start its next message. last_us: when its newest one arrives.
        sent: messages started.
    """

    def __init__(
        self, world: World, inner: DeviceEnd, plans: Sequence[GatewayPlan], parcels: Parcels, backlog: Backlog
    ) -> None:
        self._world, self._inner, self._fleet = world, inner, world.fleet
        self._parcels, self._backlog = parcels, backlog
        self.device = world.fleet.gateway
        n = len(self.device)
        self.free_us: Int = np.zeros(n, np.int64)
        self.last_us: Int = np.zeros(n, np.int64)
        self.sent: Int = np.zeros(n, np.int64)
        self.cargo = Cargo(world.fleet, world.channels)
        self._forwarded: Int = np.zeros((n, len(self.cargo.sizes)), np.int64)
        """Messages that each gateway sent on, by `Cargo.code`."""
        self._interval_us = np.array([max(round(SECOND_US / plan.rate_per_s), 1) for plan in plans], np.int64)
        self._latency = stream(world.seed, Purpose.TRUNK)
        self.gathering = Gathering(world.fleet, plans, parcels.kinds, world.channels)

    def sends_at_once(self) -> Mask:
        """Gateways in which a message need not go through the buffer where nothing waits."""
        at_once: Mask = ~self._world.uplinks.paced[self.device] & ~self.gathering.gathers
        return at_once

    def wait(self, rows: Int, until_us: Int | int) -> None:
        """Nothing of these gateways starts earlier."""
        self.free_us[rows] = np.maximum(self.free_us[rows], until_us)

    def send(self, through: Messages | None, waiting: Int, from_us: int, to_us: int) -> None:
        """Start what can start from `from_us` on, before `to_us`.

        Args:
            through: messages that have just come and need not wait in a buffer; None: there are none.
            waiting: rows of gateways that can send, in whose buffers something waits.
        """
        parts = [] if through is None else [through]
        if len(waiting) and self.gathering.active:
            gathers = self.gathering.gathers[waiting]
            self._send_batches(waiting[gathers], from_us, to_us)
            waiting = waiting[~gathers]
        if len(waiting):
            slow = self._world.uplinks.paced[self.device[waiting]]
            if slow.any():
                self._send_paced(waiting[slow], from_us, to_us)
                waiting = waiting[~slow]
            first_us = np.maximum(self.free_us[waiting], from_us)
            most = -(-np.maximum(to_us - first_us, 0) // self._interval_us[waiting])
            parts.append(self._backlog.take(waiting, np.minimum(most, self._backlog.depth[waiting])))
        parts = [part for part in parts if len(part)]
        if parts:
            self._send_freely(joined(parts), from_us, to_us)

    def _send_freely(self, messages: Messages, from_us: int, to_us: int) -> None:
        """Start messages, at most one an interval; those that cannot start before `to_us` go (back) to the buffer."""
        messages = messages.take(np.argsort(messages.gateway, kind="stable"))
        gateway = messages.gateway
        which, count, nth = runs(gateway)
        behind_us = nth * self._interval_us[gateway]
        ready_us = np.maximum(np.maximum(messages.at_us, self.free_us[gateway]), from_us) - behind_us
        start_us = highest_so_far(ready_us, np.repeat(np.arange(len(which)), count)) + behind_us
        starts = start_us < to_us
        if not starts.all():
            self._backlog.put_back(gateway[~starts], messages.take(~starts))
            messages, gateway, start_us = messages.take(starts), gateway[starts], start_us[starts]
            which, count, nth = runs(gateway)
        if not len(messages):
            return
        fleet, device = self._fleet, self.device[gateway]
        last = np.cumsum(count) - 1
        self.free_us[which] = start_us[last] + self._interval_us[which]
        draws = words(self._latency, fleet.key[device], self.sent[gateway] + nth)
        self.sent[which] += count
        arrive_us = start_us + fleet.links.latency_us(fleet.link[device], draws)
        np.maximum(arrive_us, self.last_us[gateway], out=arrive_us)
        np.maximum(arrive_us, self._world.uplinks.last_us[device], out=arrive_us)
        arrive_us = highest_so_far(arrive_us, np.repeat(np.arange(len(which)), count))
        self.last_us[which] = arrive_us[last]
        self._hand_over(messages, arrive_us)

    def _send_paced(self, gateway: Int, from_us: int, to_us: int) -> None:
        """Where links are slow or lossy, message by message, with what else the gateway sends (`twin.uplink`)."""
        uplinks = self._world.uplinks
        while True:
            ready_us = np.maximum(self._backlog.oldest_us(gateway), self.free_us[gateway])
            start_us = np.maximum(np.maximum(ready_us, uplinks.free_us[self.device[gateway]]), from_us)
            gateway, start_us = gateway[start_us < to_us], start_us[start_us < to_us]
            if not len(gateway):
                return
            messages = self._backlog.take(gateway, np.ones(len(gateway), np.int64))
            arrive_us = np.empty(len(messages), np.int64)
            cargo = self.cargo.code_of(messages.device)
            for code in np.flatnonzero(np.bincount(cargo)).tolist():
                rows = np.flatnonzero(cargo == code)
                who = gateway[rows]
                number = self.sent[who] + _FORWARDED
                sent = uplinks.send(READING, self.device[who], start_us[rows], number, self.cargo.sizes[code])
                arrive_us[rows] = np.maximum(sent.arrive_us, self.last_us[who])
            self.sent[gateway] += 1
            self.free_us[gateway] = start_us + self._interval_us[gateway]
            self.last_us[gateway] = arrive_us
            self._hand_over(messages, arrive_us)
            gateway = gateway[self._backlog.depth[gateway] > 0]
            if not len(gateway):
                return

    def _send_batches(self, gateway: Int, from_us: int, to_us: int) -> None:
        """Gateways that gather: one look into the buffer after the other."""
        uplinks, gathering = self._world.uplinks, self.gathering
        paced = uplinks.paced[self.device]
        while len(gateway):
            look_us = gathering.look_us(gateway, self._backlog.oldest_us(gateway))
            start_us = np.maximum(np.maximum(look_us, self.free_us[gateway]), from_us)
            busy_us = np.where(paced[gateway], uplinks.free_us[self.device[gateway]], 0)
            start_us = np.maximum(start_us, busy_us)
            starts = start_us < to_us
            gateway, start_us = gateway[starts], start_us[starts]
            if not len(gateway):
                return
            batches = gathering.take(self._backlog, gateway, start_us)
            which, count, _ = runs(batches.gateway)
            began_us = np.repeat(start_us, count) + batches.nth * self._interval_us[batches.gateway]
            number = self.sent[batches.gateway] + batches.nth
            self.sent[which] += count
            self.free_us[which] = start_us + count * self._interval_us[which]
            self._hand_over_batches(batches, number, self._carried_us(batches, number, began_us, paced))
            gateway = gateway[self._backlog.depth[gateway] > 0]

    def _carried_us(self, batches: Batches, number: Int, began_us: Int, paced: Mask) -> Int:
        """When these messages reach the broker, in order."""
        fleet, uplinks, who = self._fleet, self._world.uplinks, batches.gateway
        device = self.device[who]
        draws = words(self._latency, fleet.key[device], number)
        arrive_us = began_us + fleet.links.latency_us(fleet.link[device], draws)
        np.maximum(arrive_us, uplinks.last_us[device], out=arrive_us)
        for row in np.flatnonzero(paced[who]).tolist():
            payload = int(batches.payload_bytes[row]) + self.gathering.topic_bytes(int(who[row]))
            one = slice(row, row + 1)
            size = fleet.links.plain_size(payload)
            sent = uplinks.send(READING, device[one], began_us[one], number[one] + _FORWARDED, size)
            arrive_us[row] = sent.arrive_us[0]
        which, count, _ = runs(who)
        np.maximum(arrive_us, self.last_us[who], out=arrive_us)
        arrive_us = highest_so_far(arrive_us, np.repeat(np.arange(len(which)), count))
        self.last_us[which] = arrive_us[np.cumsum(count) - 1]
        return arrive_us

    def _hand_over_batches(self, batches: Batches, number: Int, arrive_us: Int) -> None:
        device = self.device[batches.gateway].astype(np.int32)
        for readings, rows in self._parcels.readings(batches.rows):
            together = batches.together(device, number, rows)
            self._inner.publish(replace(readings, together=together), arrive_us[together.message])

    def _hand_over(self, messages: Messages, arrive_us: Int) -> None:
        code = messages.gateway * len(self.cargo.sizes) + self.cargo.code_of(messages.device)
        self._forwarded += np.bincount(code, minlength=self._forwarded.size).reshape(self._forwarded.shape)
        for readings, rows in self._parcels.readings(messages):
            self._inner.publish(readings, arrive_us[rows])

    def forwarded(self, segment: int) -> tuple[int, int, int]:
        """Messages that gateways of a segment sent on, their payload, and with headers, bytes."""
        mine = self._fleet.segment[self.device] == segment
        count = self._forwarded[mine].sum(axis=0)
        if not mine.any():
            return 0, 0, 0
        link = np.full(len(count), self._fleet.link[self.device[mine][0]])
        code = np.arange(len(count))
        payload = self.cargo.payload_bytes(code, link)
        whole = np.array([size.total_bytes[link[0]] for size in self.cargo.sizes], np.int64)
        batches, of_batches, topics = self.gathering.sent[mine].sum(axis=0).tolist()
        headers = batches * self._fleet.links.classes[int(link[0])].overhead_bytes + topics
        return (
            int(count.sum()) + batches,
            int((count * payload).sum()) + of_batches,
            int((count * whole).sum()) + of_batches + headers,
        )
