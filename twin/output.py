"""When devices sample, and what becomes of a reading at once: it is sent, held in its device, or lost."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from twinstorm.twin.ahead import DeviceDraws, GroupDraws
from twinstorm.twin.chance import Purpose, Words, stream, words
from twinstorm.twin.eventlog import Code
from twinstorm.twin.fleet import SampleGroup, State
from twinstorm.twin.flow import NEVER_US, Int, LossCause, Mask, Readings, Values
from twinstorm.twin.network import Links
from twinstorm.twin.parts import Part
from twinstorm.twin.resolution import Steps
from twinstorm.twin.rows import Rows, blocks, count, devices, shifted
from twinstorm.twin.stories import Story
from twinstorm.twin.uplink import READING

if TYPE_CHECKING:
    from twinstorm.twin.world import World

BLOCK_DEVICES = 16_384
"""Rows of one pass over a sample group: what fits the L2 cache. No result depends on it."""

UNACKED_WINDOW = 20
"""QoS 1 messages a client has in flight before it queues."""

MOSTLY = 2
"""If no fewer than one in so many devices of a block do something, all of them are looked at and the others masked."""

SAMPLING = "sampling"
READINGS_BETWEEN = "readings_between"
"""Readings at instants at which there are none but for a peak."""


@dataclass
class Sampling(Story):
    """The one story of all sample groups: row i of `next_us` is when group i samples next."""

    next_us: list[int] = field(default_factory=list)


class Output(Part):
    """The readings of one world, from the sampler to the wire.

    Args:
        block_devices: see `BLOCK_DEVICES`.

    Attributes:
        uplink: key of the stream of latencies.
        whole_batches: what devices of a group sample at one instant is one block, however many they are.
    """

    def __init__(self, world: World, block_devices: int) -> None:
        self._world = world
        self._fleet = fleet = world.fleet
        self._clocks = world.clocks
        self._payloads = world.payloads
        self._uplinks = world.uplinks
        self._buffers = world.buffers
        self._sampler = world.sampler
        self._peaks = world.peaks
        self._parts = world.parts
        self._sending = world.sending
        self._blocked = world.blocked
        self._channels = world.channels
        self._reading_sizes = world.reading_sizes
        self._log = world.log
        self._block_devices = block_devices
        self.whole_batches = False
        self.uplink = stream(world.seed, Purpose.READING_LINK)
        groups = fleet.groups
        firsts = [int(fleet.link[group.first]) for group in groups]
        routed = np.zeros(len(fleet), np.bool_)
        if world.mesh is not None:
            routed[world.mesh.device] = True  # their routes change, and the time that these take
        self._one_link = {
            group.first: code
            for group, code in zip(groups, firsts, strict=True)
            if (fleet.link[group.first : group.last] == code).all() and not routed[group.first : group.last].any()
        }
        self._ways = {
            group.first: self._way(group, self._one_link[group.first])
            for group in groups
            if group.first in self._one_link
        }
        """Latencies of the readings of groups whose devices are all of one link class."""
        wakes_us = [
            world.sampler.wake_us(number, -1) if group.grid_us else group.phase_us
            for number, group in enumerate(groups)
        ]
        self.story: Sampling = Sampling(SAMPLING, rank=0, due_us=0, next_us=wakes_us)
        self.story.due_us = min(self.story.next_us, default=NEVER_US)

    @property
    def is_idle(self) -> bool:
        return not self._peaks.active

    def act(self, story: Sampling, now_us: int) -> None:
        self._world.advance_to(now_us)
        for number, part in self._peaks.due(now_us):
            before = self._world.produced
            self._sample(number, part.rows, now_us)
            self._fleet.between_us[part.rows] = now_us
            self._world.bit(part.step, READINGS_BETWEEN, self._world.produced - before)
        for number, group in enumerate(self._fleet.groups):
            if story.next_us[number] != now_us:
                continue
            if group.grid_us:
                self._sample_due(number, group, now_us)
                story.next_us[number] = self._sampler.wake_us(number, now_us)
            else:
                self._sample(number, slice(group.first, group.last), now_us)
                story.next_us[number] = now_us + group.every_us
                if self._peaks.active:
                    self._peaks.new_period(number, now_us)
        story.due_us = min((*story.next_us, *self._peaks.next_us.values()))

    def _sample_due(self, number: int, group: SampleGroup, now_us: int) -> None:
        """Readings of those devices of an event-driven group that have something to tell."""
        spoke, who = False, 0
        checksums = [0] * len(self._channels[group.kind])
        for device, values, steps in self._spoken(number, group, now_us):
            seq = self._fleet.seq[device] + 1
            self._fleet.seq[device] = seq
            self._fleet.told_us[device] = now_us
            self._world.produced += len(device)
            if self._peaks.active:
                for step, readings in self._peaks.spoken(number, device, now_us):
                    self._world.bit(step, READINGS_BETWEEN, readings)
            self._dispatch(number, group, device, np.ones(len(device), np.bool_), seq, now_us, values, steps)
            spoke, who = True, zlib.crc32(self._fleet.key[device].data, who)
            for channel, row in enumerate(steps):
                checksums[channel] = zlib.crc32(row.data, checksums[channel])
        if spoke:
            # Whose readings these are is as much a part of the run as what they say.
            told = np.array([who, *checksums], np.uint32)
            self._log.tell(now_us, Code.READINGS, number << 8, zlib.crc32(told.data))

    def _spoken(self, number: int, group: SampleGroup, now_us: int) -> Iterator[tuple[Int, Values, Steps]]:
        """Devices of a group, block by block, that speak now, and what they say."""
        powered = self._fleet.state[group.first : group.last] >= State.CONNECTING
        spoken = self._sampler.foreseen(number, now_us, np.count_nonzero(powered) == len(powered))
        if spoken is not None:
            if len(spoken.chosen):
                yield spoken.chosen + group.first, spoken.values, spoken.steps
            return
        due = self._sampler.event_groups[number].due(now_us)
        at_once = self._at_once()
        for first in range(0, len(due), at_once):
            asked = due[first : first + at_once]
            seq = self._fleet.seq[asked] + 1
            spoken = self._sampler.measure_due(number, asked, now_us, seq, powered[asked - group.first])
            if len(spoken.chosen):
                yield asked[spoken.chosen], spoken.values, spoken.steps

    def _sample(self, number: int, rows: Rows, now_us: int) -> None:
        """One sampling of devices of a group: values, ledger, buffers, publish, digest."""
        group = self._fleet.groups[number]
        checksums = [0] * len(self._channels[group.kind])
        for block in blocks(rows, self._at_once()):
            for channel, steps in enumerate(self._sample_block(number, group, block, now_us)):
                checksums[channel] = zlib.crc32(steps.data, checksums[channel])
        for channel, checksum in enumerate(checksums):
            self._log.tell(now_us, Code.READINGS, number << 8 | channel, checksum)

    def _at_once(self) -> int:
        """Devices of one block, at most."""
        return max(len(self._fleet), 1) if self.whole_batches else self._block_devices

    def _sample_block(self, number: int, group: SampleGroup, rows: Rows, now_us: int) -> Steps:
        fleet = self._fleet
        n = count(rows)
        state = fleet.state[rows]
        powered = state >= State.CONNECTING
        all_powered = np.count_nonzero(powered) == n
        seq = fleet.seq[rows] + 1
        values, steps = self._sampler.measure(number, rows, now_us, seq, powered, all_powered)

        fleet.seq[rows] = seq if all_powered else np.where(powered, seq, seq - 1)
        self._world.produced += n if all_powered else int(np.count_nonzero(powered))
        self._dispatch(number, group, rows, powered, seq, now_us, values, steps)
        return steps

    def _dispatch(
        self,
        number: int,
        group: SampleGroup,
        rows: Rows,
        exist: Mask,
        seq: Int,
        now_us: int,
        values: Values,
        steps: Steps,
    ) -> None:
        """Send those of the readings of a block that exist, or keep them."""
        fleet = self._fleet
        if self._clocks.orders:
            self._clocks.count(rows, exist, now_us)
        direct = exist & (fleet.state[rows] == State.ONLINE) & ~self._blocked[rows]
        if self._payloads.holding:
            direct &= ~self._payloads.held_back[rows]
        keeps = exist
        if self._uplinks.active:
            direct, keeps = self._paced(group, rows, direct, exist, now_us)
        sent = np.count_nonzero(direct)
        if sent < len(direct):
            held = keeps & ~direct
            if np.count_nonzero(held) and not self._buffers.turn_away(rows, held):
                self._hold(number, rows, held, seq, now_us, steps)
        if not np.count_nonzero(fleet.link_cuts[rows]):
            if sent:
                self._publish(group, rows, direct, seq, now_us, values)
            return
        held, kept = self._unacknowledged(rows, direct)
        dropped = self._publish(group, rows, direct, seq, now_us, values, kept) if direct.any() else None
        arrived = kept if dropped is None else kept & ~dropped
        chosen = np.flatnonzero(held)
        self._buffers.keep(number, devices(rows, chosen), seq[chosen], now_us, steps[:, chosen].T, arrived[chosen])

    def _paced(self, group: SampleGroup, rows: Rows, direct: Mask, powered: Mask, now_us: int) -> tuple[Mask, Mask]:
        """Where links are slow or lossy: which devices send their reading now, and which have one to send or keep."""
        fleet, buffers = self._fleet, self._buffers
        waiting = buffers.depth[rows]
        if np.count_nonzero(fleet.link_cuts[rows]):
            waiting = np.where(fleet.link_cuts[rows] > 0, waiting - buffers.unacked[rows], waiting)
        free = ~self._uplinks.full(rows, now_us, waiting)
        fits = self._reading_sizes[group.kind].fits
        if fits.all() and not self._world.datagrams:
            return direct & free, powered
        code = fleet.link[rows]
        unfit = ~fits[code]
        if self._world.datagrams:
            # The device does not know that nobody hears it; what waits already, waits on.
            unfit |= self._blocked[rows] & fleet.links.datagram[code] & (buffers.depth[rows] == 0)
        unfit &= powered & self._uplinks.paced[rows]
        if unfit.any():
            self._world.lose(LossCause.QOS0, devices(rows, np.flatnonzero(unfit)))
        return direct & ~unfit & free, powered & ~unfit

    def _hold(self, number: int, rows: Rows, held: Mask, seq: Int, now_us: int, steps: Steps) -> None:
        chosen = np.flatnonzero(held)
        device = devices(rows, chosen)
        stalls = np.flatnonzero((self._fleet.state[device] == State.ONLINE) & (self._fleet.qos[device] == 0))
        stalling = device[stalls[~self._payloads.held_back[device[stalls]]]]
        before = self._buffers.depth[stalling]
        self._buffers.keep(number, device, seq[chosen], now_us, steps[:, chosen].T, np.zeros(len(device), np.bool_))
        self._buffers.stalled[stalling] += self._buffers.depth[stalling] > before

    def _unacknowledged(self, rows: Rows, direct: Mask) -> tuple[Mask, Mask]:
        """QoS 1 and 2 behind a link that is cut downwards only: readings stay with the device, unacknowledged.

        At QoS 1 they arrive as well. At QoS 2 the broker waits for a PUBREL (method A of MQTT 3.1.1, 4.3.3), which the
        device sends when the PUBREC has reached it.

        Takes out of `direct` what the full in-flight window holds back, or what waits behind a reading that the broker
        dropped.

        Returns:
            Readings that stay with their device, and those of them that are sent as well.
        """
        fleet = self._fleet
        qos = fleet.qos[rows]
        held = direct & (fleet.link_cuts[rows] > 0) & (qos > 0)
        unacked = self._buffers.unacked[rows]
        sent = held & (qos == 1) & (unacked < UNACKED_WINDOW) & (self._buffers.depth[rows] == unacked)
        direct &= ~held | sent
        return held, sent

    def _publish(
        self,
        group: SampleGroup,
        rows: Rows,
        direct: Mask,
        seq: Int,
        now_us: int,
        values: Values,
        kept: Mask | None = None,
    ) -> Mask | None:
        """Send readings of a block, at once.

        Args:
            direct: which. kept: those that their device keeps as well.

        Returns:
            Which of the block the broker drops; None: none.
        """
        fleet = self._fleet
        n = count(rows)
        latency_us = self._latency_us(group, rows, seq)
        for count_sent in self._parts.count_sent:
            count_sent(rows, direct)
        if self._uplinks.active:
            direct, arrive_us = self._send_paced(group, rows, direct, seq, now_us, latency_us)
        else:
            arrive_us = latency_us + now_us
        arrive_us = self._sending.released_us(rows, arrive_us)
        # One instant for all rows, as `broadcast_to` would give it, which takes longer than a small group's readings.
        now = np.ndarray((n,), np.int64, np.array([now_us]), strides=(0,))
        if isinstance(rows, slice):
            readings = Readings(
                kind=group.kind,
                device=np.arange(rows.start, rows.stop, dtype=np.int32),
                boot=fleet.boot[rows].copy(),
                seq=seq,
                device_time_us=self._clocks.shown_now_us(rows, now_us) if self._clocks.active else now,
                sent_us=now,
                values=values.T,
                dense_from=rows.start,
                present=direct,
            )
            return self._payloads.publish(readings, arrive_us, kept)
        whole = np.count_nonzero(direct) == n
        sent: Int | slice = slice(None) if whole else np.flatnonzero(direct)
        device, now = rows[sent], now[sent]
        readings = Readings(
            kind=group.kind,
            device=device.astype(np.int32),
            boot=fleet.boot[device],
            seq=seq[sent],
            device_time_us=self._clocks.shown_us(device, now) if self._clocks.active else now,
            sent_us=now,
            values=values[:, sent].T,
        )
        dropped = self._payloads.publish(readings, arrive_us[sent], None if kept is None else kept[sent])
        if dropped is None:
            return None
        of_block = np.zeros(n, np.bool_)
        of_block[sent] = dropped
        return of_block

    def _way(self, group: SampleGroup, link: int) -> GroupDraws | DeviceDraws:
        key, shape = self._fleet.key[group.first : group.last], partial(_latency_us, self._fleet.links, link)
        return DeviceDraws(self.uplink, key, shape) if group.grid_us else GroupDraws([self.uplink], key, shape)

    def _latency_us(self, group: SampleGroup, rows: Rows, seq: Int) -> Int:
        """How long these readings are on their way to the broker; not to be changed."""
        way, part = self._ways.get(group.first), shifted(rows, group.first)
        if isinstance(way, GroupDraws) and isinstance(part, slice):
            return way.draws(part, seq)
        if isinstance(way, DeviceDraws) and not isinstance(part, slice):
            return way.draws(part, seq)
        fleet = self._fleet
        return fleet.links.latency_us(fleet.link[rows], words(self.uplink, fleet.key[rows], seq))

    def _send_paced(
        self, group: SampleGroup, rows: Rows, direct: Mask, seq: Int, now_us: int, latency_us: Int
    ) -> tuple[Mask, Int]:
        """Send readings of paced devices. Returns who of the block has sent what will arrive, and when that is."""
        paced = direct & self._uplinks.paced[rows]
        size, link = self._reading_sizes[group.kind], self._one_link.get(group.first)
        n, sending = len(paced), np.count_nonzero(paced)
        if sending == n or (isinstance(rows, slice) and MOSTLY * sending > n):
            only = None if sending == n else paced
            sent = self._sending.transmit(READING, rows, now_us, seq, size, latency_us, link, only)
            arrives = direct if sent.lost is None else direct & ~sent.lost
            return arrives, sent.arrive_us if only is None else np.where(only, sent.arrive_us, latency_us + now_us)
        arrive_us = latency_us + now_us
        if not sending:
            return direct, arrive_us
        chosen = np.flatnonzero(paced)
        who = devices(rows, chosen)
        sent = self._sending.transmit(READING, who, now_us, seq[chosen], size, latency_us[chosen], link)
        arrive_us[chosen] = sent.arrive_us
        if sent.lost is None or not sent.lost.any():
            return direct, arrive_us
        arrives = direct.copy()
        arrives[chosen[sent.lost]] = False
        return arrives, arrive_us


def _latency_us(links: Links, link: int, draws: Words) -> Int:
    """Latencies by these draws, uint64 (1, n), on one link class."""
    return links.latency_us(link, draws[0])
