"""How devices send what they hold: at once where links are fast, message by message where they are paced."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from twinstorm.twin.chance import Purpose, stream, words
from twinstorm.twin.flow import Int, LossCause, Mask, Readings
from twinstorm.twin.network import Size
from twinstorm.twin.parts import Part
from twinstorm.twin.rows import Rows, devices
from twinstorm.twin.uplink import READING, Sent, horizon_us

if TYPE_CHECKING:
    from twinstorm.twin.world import World


class Sending(Part):
    """Empties the buffers of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._uplink = stream(world.seed, Purpose.READING_LINK)
        self._releases = bool((world.fleet.qos == 2).any())
        """Somebody sends at QoS 2."""

    @property
    def is_idle(self) -> bool:
        return not self._world.uplinks.active

    def ready(self) -> Mask:
        """Devices that may send what they hold: at QoS 1 and 2 not before its acknowledgement can come back."""
        fleet = self._world.fleet
        return self._world.online() & ((fleet.link_cuts == 0) | (fleet.qos == 0))

    def look(self, now_us: int) -> None:
        """Once a second: let paced devices send what starts within it."""
        world = self._world
        if not world.uplinks.active:
            return
        world.advance_to(now_us)
        if world.buffers.depth.any():
            self._drain_due(now_us)
        world.settle(now_us)
        world.uplinks.settle(now_us, world.buffers.depth)

    def _drain_due(self, now_us: int) -> None:
        """Let paced devices send what they hold, as far as it starts within this second."""
        world = self._world
        waits = self.ready() & ~world.payloads.held_back & world.uplinks.paced & (world.buffers.depth > 0)
        most = None
        if world.trunks is not None:
            waits &= ~world.trunks.full
            most = np.zeros(len(waits), np.int64)
            most[waits] = world.trunks.turns(np.flatnonzero(waits), world.buffers.depth[waits].astype(np.int64))
        device = np.flatnonzero(waits)
        self._drain(device, np.full(len(device), now_us, np.int64), most)

    def flush(self, device: Int, at_us: Int) -> None:
        """Send what these devices hold, oldest first, at `at_us` each, unless they hold it back."""
        payloads = self._world.payloads
        if payloads.holding:
            sends = ~payloads.held_back[device]
            device, at_us = device[sends], at_us[sends]
        trunks = self._world.trunks
        if trunks is not None:
            # Whoever shares a line waits for the next whole second, and then for its turn.
            alone = ~trunks.sends[device]
            device, at_us = device[alone], at_us[alone]
        self.empty(device, at_us)

    def empty(self, device: Int, at_us: Int) -> None:
        """As `flush`, whether they hold it back or not."""
        world = self._world
        if not world.buffers.depth[device].any():
            return
        if world.uplinks.active:
            paced = world.uplinks.paced[device]
            self._drain(device[paced], at_us[paced])
            device, at_us = device[~paced], at_us[~paced]
        number = world.buffers.depth[device].astype(np.int64)
        for count_sent in world.parts.count_sent:
            count_sent(device, number)
        arrive_us = self.released_us(device, self.arrive_us(device, at_us))
        for readings, sender in self._taken(device, number, at_us):
            world.payloads.publish(self._dated(readings), arrive_us[sender])

    def _drain(self, device: Int, at_us: Int, most: Int | None = None) -> None:
        """Let paced devices send from `at_us` on what they hold, oldest first, as far as it starts in that second.

        Args:
            most: how many messages each device of the fleet may begin; None: as many as it can.
        """
        world = self._world
        end_us = horizon_us(at_us)
        world.uplinks.ping(device, at_us)
        while True:
            start_us = np.maximum(world.uplinks.free_us[device], at_us)
            more = (world.buffers.depth[device] > 0) & (start_us < end_us)
            if most is not None:
                more &= most[device] > 0
                most[device[more]] -= 1
            if not more.any():
                return
            device, at_us, end_us, start_us = device[more], at_us[more], end_us[more], start_us[more]
            one = np.ones(len(device), np.int64)
            for readings, _ in self._taken(device, one, start_us):
                self._send_one_each(self._dated(readings))

    def _taken(self, device: Int, number: Int, at_us: Int) -> list[tuple[Readings, Int]]:
        world = self._world
        # Where a broker serves batches in their order, they must be those that a sampling would be.
        apart = world.output.whole_batches
        return world.buffers.take(device, number, at_us, world.fleet.boot, world.sampler.scales, apart)

    def _send_one_each(self, readings: Readings) -> None:
        who = readings.device.astype(np.int64)
        for count_sent in self._world.parts.count_sent:
            count_sent(who, 1)
        size = self._world.reading_sizes[readings.kind]
        sent = self.transmit(READING, who, readings.sent_us, readings.seq, size)
        arrive_us = sent.arrive_us
        if sent.lost is not None and sent.lost.any():
            arrives = ~sent.lost
            readings, who, arrive_us = readings.taken(arrives), who[arrives], arrive_us[arrives]
        if len(readings):
            self._world.payloads.publish(readings, self.released_us(who, arrive_us))

    def transmit(
        self,
        what: str,
        device: Rows,
        at_us: Int | int,
        number: Int,
        size: Size,
        latency_us: Int | None = None,
        link: int | None = None,
        only: Mask | None = None,
    ) -> Sent:
        """See `Uplinks.send`; accounts for what is repeated and for what is lost."""
        world = self._world
        sent = world.uplinks.send(what, device, at_us, number, size, latency_us, link, only)
        if sent.retries is not None:
            odd = sent.retries > 0 if sent.slower_us is None else (sent.retries > 0) | (sent.slower_us > 0)
            rows = np.flatnonzero(odd)
            slower_us = np.zeros(len(rows), np.int64) if sent.slower_us is None else sent.slower_us[rows]
            for count_repeated in world.parts.count_repeated if len(rows) else ():
                count_repeated(devices(device, rows), sent.retries[rows], slower_us)
        if sent.lost is not None and sent.lost.any():
            world.lose(LossCause.QOS0, devices(device, np.flatnonzero(sent.lost)))
        return sent

    def arrive_us(self, device: Int, at_us: Int) -> Int:
        """When what these devices write at `at_us` reaches the broker over a link that is not paced."""
        fleet = self._world.fleet
        draws = words(self._uplink, fleet.key[device], fleet.seq[device])
        return at_us + fleet.links.latency_us(fleet.link[device], draws)

    def released_us(self, device: Rows, arrive_us: Int) -> Int:
        """When the broker may pass on what these devices' PUBLISH brings at `arrive_us`.

        At QoS 2 with their PUBREL, a round trip later, each way the least latency of the link: so nobody's readings
        overtake each other that have not done so on the way.
        """
        if not self._releases:
            return arrive_us
        fleet = self._world.fleet
        return arrive_us + np.where(fleet.qos[device] == 2, 2 * fleet.links.base_us[fleet.link[device]], 0)

    def _dated(self, readings: Readings) -> Readings:
        """Readings of a buffer with the time that their devices' clocks showed when they were sampled."""
        clocks = self._world.clocks
        if not clocks.active:
            return readings
        return replace(readings, device_time_us=clocks.shown_us(readings.device, readings.device_time_us))
