"""The world: fleet, lives, machines, links and buffers in one object that moves through simulated time.

Everything here is the truth. What the core may know leaves through the `DeviceEnd` only. Whoever reads or changes life
calls `advance_to` first; calling it more often changes nothing. A pickle of the world (with its device end) is a
snapshot; derived lists are rebuilt.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

import numpy as np

from twinstorm.twin import hazards
from twinstorm.twin.ahead import GroupDraws
from twinstorm.twin.chance import Purpose, Words, below, stream, words
from twinstorm.twin.clocks import Clocks
from twinstorm.twin.energy import ENERGY, Energy
from twinstorm.twin.eventlog import Code, EventLog
from twinstorm.twin.fleet import Fleet, FleetPlan, SampleGroup, State, grow
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    Codes,
    Device,
    DeviceEnd,
    Evidence,
    Exhibits,
    Identities,
    Int,
    LossCause,
    Mask,
    Readings,
    SessionEvents,
    Values,
)
from twinstorm.twin.gateways import GATEWAYS, Gateways
from twinstorm.twin.life import CLOUD, Hooks, Life
from twinstorm.twin.machines.kind import catalogue, is_event_driven
from twinstorm.twin.maintenance import MAINTENANCE, Maintenance, MaintenancePlan
from twinstorm.twin.network import LINKS
from twinstorm.twin.outbox import Outboxes
from twinstorm.twin.peaks import Peaks
from twinstorm.twin.radio import BurstLoss
from twinstorm.twin.resets import RESETS, Resets
from twinstorm.twin.resolution import Steps
from twinstorm.twin.rows import Rows, blocks, count, devices, shifted
from twinstorm.twin.sampling import MakeFault, Sampler
from twinstorm.twin.stories import Story
from twinstorm.twin.tampering import LATE, PAYLOADS, Tampering
from twinstorm.twin.uplink import AHEAD_US, READING, STATE, UPLINKS, Sent, Uplinks, horizon_us

BLOCK_DEVICES = 16_384
"""Rows of one pass over a sample group: what fits the L2 cache. No result depends on it."""

UNACKED_WINDOW = 20
"""QoS 1 messages a client has in flight before it queues."""

SAMPLING = "sampling"
READINGS_CHANGED = "readings_changed"
READINGS_EVICTED = "readings_evicted"
READINGS_BETWEEN = "readings_between"
"""Readings at instants at which there are none but for a peak."""


@dataclass
class Sampling(Story):
    """The one story of all sample groups: row i of `next_us` is when group i samples next."""

    next_us: list[int] = field(default_factory=list)


class World(Exhibits):
    """Twins of one run.

    Args:
        plan: the fleet to grow.
        seed: of the run; every draw is keyed by it.
        device_end: the fleet's side of the wire, modelled or live.
        year_us: microseconds since the first midnight of the calendar year at the start of the run, local to every
            device.
        block_devices: see `BLOCK_DEVICES`; tests vary it.
        foreseen: the device end knows what becomes of every connection (modelled); False: real sockets will tell.
        origin_us: start of the run, microseconds since 1970: what clocks that have lost the time are measured against.
    """

    def __init__(
        self,
        plan: FleetPlan,
        seed: int,
        device_end: DeviceEnd,
        log: EventLog,
        year_us: int = 0,
        block_devices: int = BLOCK_DEVICES,
        foreseen: bool = True,
        origin_us: int = 0,
    ) -> None:
        self.seed = seed
        self.kinds = {name: catalogue()[name] for name in sorted({segment.kind for segment in plan.segments})}
        grids_us = {name: kind.grid_us for name, kind in self.kinds.items() if is_event_driven(kind)}
        self.fleet: Fleet = grow(plan, grids_us)
        self.log = log
        self.channels = {name: kind.channels for name, kind in self.kinds.items()}
        links = self.fleet.links
        self.gateways = self._carrying(device_end, year_us) if len(self.fleet.gateway) else None
        device_end = self.gateways or device_end
        self.evidence: dict[str, Counter[str]] = {}
        self.uplinks = Uplinks(self.fleet, seed, self.bit, foreseen)
        hooks = Hooks(self._connected, self._lost, self._arriving, self.uplinks.connect_extra_us)
        self.life = Life(self.fleet, seed, device_end, log, hooks, foreseen)
        self.buffers = Outboxes.of(self.fleet, self.channels)
        self.clocks = Clocks(self.fleet, seed, origin_us, self.buffers.depth, self.bit)
        self.reading_sizes = {name: links.reading_size(len(channels)) for name, channels in self.channels.items()}
        self._state_size = links.state_size()
        self._datagrams = foreseen and bool(links.datagram.any())
        if self._datagrams:
            # Nobody acknowledges a datagram.
            self.fleet.qos[links.datagram[self.fleet.link]] = 0
        n = len(self.fleet)
        self.blocked: Mask = np.zeros(n, np.bool_)
        """Online devices whose packets do not reach a broker that knows them."""
        self.retired: Mask = np.zeros(n, np.bool_)
        """Devices that were taken out of service."""
        self.produced = 0
        self.lost: Counter[str] = Counter()
        self._device_end = device_end
        self.payloads = Tampering(self.fleet, self.channels, seed, device_end, self.bit, self.lost, origin_us, foreseen)
        self._block_devices = block_devices
        self._uplink = stream(seed, Purpose.READING_LINK)
        self.sampler = Sampler(self.fleet, self.kinds, seed, year_us)
        groups = self.fleet.groups
        firsts = [int(self.fleet.link[group.first]) for group in groups]
        self._one_link = {
            group.first: code
            for group, code in zip(groups, firsts, strict=True)
            if (self.fleet.link[group.first : group.last] == code).all()
        }
        self._uplink_draws = {
            group.first: GroupDraws([self._uplink], self.fleet.key[group.first : group.last], itemgetter(0))
            for group in groups
            if not group.grid_us
        }
        wakes_us = [
            self.sampler.event_groups[number].wake_us(-1) if group.grid_us else group.phase_us
            for number, group in enumerate(groups)
        ]
        self.sampling = Sampling(SAMPLING, rank=0, due_us=0, next_us=wakes_us)
        self.sampling.due_us = min(self.sampling.next_us, default=NEVER_US)
        self.peaks = Peaks(groups, self.buffers, self.sampler)
        self.resets = Resets(self)
        self.energy = Energy(self, year_us) if any(part.power for part in plan.segments) else None
        """Batteries; None: no device has one."""
        if self.energy is not None:
            self.sampler.gauge = self.energy.gauge
        hazards.begin(self)
        self._draining = Story(UPLINKS, rank=2, due_us=AHEAD_US if foreseen else NEVER_US)
        self.maintenance: Maintenance | None = None
        device_end.open(Identities(self.fleet.names, self.fleet.keep_alive_us, self.fleet.qos))

    def _carrying(self, device_end: DeviceEnd, year_us: int) -> Gateways:
        sizes = {name: LINKS["ethernet"].reading_bytes(len(channels)) for name, channels in self.channels.items()}
        widest = max(len(channels) for channels in self.channels.values())
        return Gateways(self, device_end, self.fleet, self.seed, sizes, widest, year_us)

    @property
    def stories(self) -> list[Story]:
        stories = [self.sampling, self.resets.story, self._draining, self.payloads.story]
        optional = (self.gateways, self.energy, self.maintenance)
        return [*stories, *(part.story for part in optional if part is not None)]

    @property
    def acts(self) -> dict[str, Callable[[Any, int], None]]:
        """Functions of the world's stories, by kind (`twin.stories.Stage`)."""
        acts: dict[str, Callable[[Any, int], None]] = {
            SAMPLING: self._act_sampling,
            RESETS: self.resets.act,
            UPLINKS: self._act_uplinks,
            PAYLOADS: self._act_payloads,
        }
        if self.gateways is not None:
            acts[GATEWAYS] = self.gateways.act
        if self.energy is not None:
            acts[ENERGY] = self.energy.act
        if self.maintenance is not None:
            acts[MAINTENANCE] = self.maintenance.act
        return acts

    def advance_to(self, at_us: int) -> None:
        """Let everything happen that lies before `at_us`."""
        self.life.advance_to(at_us)

    def online(self) -> Mask:
        """Devices with a session on which their packets get through, to the gateway and beyond: the truth."""
        online: Mask = (self.fleet.state == State.ONLINE) & ~self.blocked
        return online if self.gateways is None else online & self.gateways.reached()

    # --- gateways -----------------------------------------------------------------------------------------------------

    def settle(self, now_us: int) -> None:
        """Let everything happen to readings in gateways that lies before `now_us`."""
        if self.gateways is not None:
            self.gateways.settle(now_us)

    @property
    def held(self) -> int:
        """Readings that wait in devices and gateways."""
        return self.buffers.held + (0 if self.gateways is None else self.gateways.held)

    @property
    def in_flight(self) -> int:
        """Readings on their way to gateways."""
        return 0 if self.gateways is None else self.gateways.in_flight

    def told(self, events: SessionEvents, now_us: int) -> SessionEvents:
        """What the core is told of sessions: `events` of the broker, and what gateways tell of those behind them."""
        return events if self.gateways is None else self.gateways.told(events, now_us)

    # --- sampling -----------------------------------------------------------------------------------------------------

    def _act_sampling(self, story: Sampling, now_us: int) -> None:
        self.advance_to(now_us)
        for number, part in self.peaks.due(now_us):
            before = self.produced
            self._sample(number, part.rows, now_us)
            self.fleet.between_us[part.rows] = now_us
            self.bit(part.step, READINGS_BETWEEN, self.produced - before)
        for number, group in enumerate(self.fleet.groups):
            if story.next_us[number] != now_us:
                continue
            if group.grid_us:
                self._sample_due(number, group, now_us)
                story.next_us[number] = self.sampler.event_groups[number].wake_us(now_us)
            else:
                self._sample(number, slice(group.first, group.last), now_us)
                story.next_us[number] = now_us + group.every_us
                if self.peaks.active:
                    self.peaks.new_period(number, now_us)
        story.due_us = min((*story.next_us, *self.peaks.next_us.values()))

    def _sample_due(self, number: int, group: SampleGroup, now_us: int) -> None:
        """Readings of those devices of an event-driven group that have something to tell."""
        due = self.sampler.event_groups[number].due(now_us)
        spoke, who = False, 0
        checksums = [0] * len(self.channels[group.kind])
        for first in range(0, len(due), self._block_devices):
            asked = due[first : first + self._block_devices]
            powered = self.fleet.state[asked] >= State.CONNECTING
            spoken = self.sampler.measure_due(number, asked, now_us, self.fleet.seq[asked] + 1, powered)
            device = asked[spoken.chosen]
            if not len(device):
                continue
            seq = self.fleet.seq[device] + 1
            self.fleet.seq[device] = seq
            self.fleet.told_us[device] = now_us
            self.produced += len(device)
            if self.peaks.active:
                for step, readings in self.peaks.spoken(number, device, now_us):
                    self.bit(step, READINGS_BETWEEN, readings)
            self._dispatch(
                number, group, device, np.ones(len(device), np.bool_), seq, now_us, spoken.values, spoken.steps
            )
            who = zlib.crc32(self.fleet.key[device].data, who)
            spoke = True
            for channel, steps in enumerate(spoken.steps):
                checksums[channel] = zlib.crc32(steps.data, checksums[channel])
        if spoke:
            # Whose readings these are is as much a part of the run as what they say.
            told = np.array([who, *checksums], np.uint32)
            self.log.tell(now_us, Code.READINGS, number << 8, zlib.crc32(told.data))

    def _sample(self, number: int, rows: Rows, now_us: int) -> None:
        """One sampling of devices of a group: values, ledger, buffers, publish, digest."""
        group = self.fleet.groups[number]
        checksums = [0] * len(self.channels[group.kind])
        for block in blocks(rows, self._block_devices):
            for channel, steps in enumerate(self._sample_block(number, group, block, now_us)):
                checksums[channel] = zlib.crc32(steps.data, checksums[channel])
        for channel, checksum in enumerate(checksums):
            self.log.tell(now_us, Code.READINGS, number << 8 | channel, checksum)

    def _sample_block(self, number: int, group: SampleGroup, rows: Rows, now_us: int) -> Steps:
        fleet = self.fleet
        n = count(rows)
        state = fleet.state[rows]
        powered = state >= State.CONNECTING
        all_powered = bool(powered.all())
        seq = fleet.seq[rows] + 1
        values, steps = self.sampler.measure(number, rows, now_us, seq, powered, all_powered)

        fleet.seq[rows] = seq if all_powered else np.where(powered, seq, seq - 1)
        self.produced += n if all_powered else int(np.count_nonzero(powered))
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
        fleet = self.fleet
        if self.clocks.orders:
            self.clocks.count(rows, exist, now_us)
        direct = exist & (fleet.state[rows] == State.ONLINE) & ~self.blocked[rows]
        if self.payloads.holding:
            direct &= ~self.payloads.held_back[rows]
        keeps = exist
        if self.uplinks.active:
            direct, keeps = self._paced(group, rows, direct, exist, now_us)
        if not direct.all():
            held = keeps & ~direct
            if held.any():
                self._hold(number, rows, held, seq, now_us, steps)
        if not fleet.link_cuts[rows].any():
            if direct.any():
                self._publish(group, rows, direct, seq, now_us, values)
            return
        held, kept = self._unacknowledged(rows, direct)
        dropped = self._publish(group, rows, direct, seq, now_us, values, kept) if direct.any() else None
        arrived = kept if dropped is None else kept & ~dropped
        chosen = np.flatnonzero(held)
        self.buffers.keep(number, devices(rows, chosen), seq[chosen], now_us, steps[:, chosen].T, arrived[chosen])

    def _paced(self, group: SampleGroup, rows: Rows, direct: Mask, powered: Mask, now_us: int) -> tuple[Mask, Mask]:
        """Where links are slow or lossy: which devices send their reading now, and which have one to send or keep."""
        fleet, buffers = self.fleet, self.buffers
        code = fleet.link[rows]
        unfit = powered & ~self.reading_sizes[group.kind].fits[code]
        if self._datagrams:
            # The device does not know that nobody hears it; what waits already, waits on.
            unfit |= self.blocked[rows] & fleet.links.datagram[code] & powered & (buffers.depth[rows] == 0)
        self.lost[LossCause.QOS0] += int(np.count_nonzero(unfit))
        depth = buffers.depth[rows]
        waiting = np.where(fleet.link_cuts[rows] > 0, depth - buffers.unacked[rows], depth)
        return direct & ~unfit & ~self.uplinks.full(rows, now_us, waiting), powered & ~unfit

    def _hold(self, number: int, rows: Rows, held: Mask, seq: Int, now_us: int, steps: Steps) -> None:
        chosen = np.flatnonzero(held)
        device = devices(rows, chosen)
        stalls = (self.fleet.state[device] == State.ONLINE) & (self.fleet.qos[device] == 0)
        stalls &= ~self.payloads.held_back[device]
        before = self.buffers.depth[device]
        self.buffers.keep(number, device, seq[chosen], now_us, steps[:, chosen].T, np.zeros(len(device), np.bool_))
        self.buffers.stalled[device] += stalls & (self.buffers.depth[device] > before)

    def _unacknowledged(self, rows: Rows, direct: Mask) -> tuple[Mask, Mask]:
        """QoS 1 behind a link that is cut downwards only: readings arrive, but stay with the device, unacknowledged.

        Takes out of `direct` what the full in-flight window holds back, or what waits behind a reading that the broker
        dropped.

        Returns:
            Readings that stay with their device, and those of them that are sent as well.
        """
        fleet = self.fleet
        held = direct & (fleet.link_cuts[rows] > 0) & (fleet.qos[rows] == 1)
        unacked = self.buffers.unacked[rows]
        sent = held & (unacked < UNACKED_WINDOW) & (self.buffers.depth[rows] == unacked)
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
        fleet = self.fleet
        n = count(rows)
        latency_us = fleet.links.latency_us(self._link_of(group, rows), self._draws_of(group, rows, seq))
        latency_us += now_us
        if self.energy is not None:
            self.energy.sent[rows] += direct
        if self.uplinks.active:
            direct = self._send_paced(group, rows, direct, seq, now_us, latency_us)
        # One instant for all rows, as `broadcast_to` would give it, which takes longer than a small group's readings.
        now = np.ndarray((n,), np.int64, np.array([now_us]), strides=(0,))
        if isinstance(rows, slice):
            readings = Readings(
                kind=group.kind,
                device=np.arange(rows.start, rows.stop, dtype=np.int32),
                boot=fleet.boot[rows].copy(),
                seq=seq,
                device_time_us=self.clocks.shown_now_us(rows, now_us) if self.clocks.active else now,
                sent_us=now,
                values=values.T,
                dense_from=rows.start,
                present=direct,
            )
            return self.payloads.publish(readings, latency_us, kept)
        sent = np.flatnonzero(direct)
        device = rows[sent]
        readings = Readings(
            kind=group.kind,
            device=device.astype(np.int32),
            boot=fleet.boot[device],
            seq=seq[sent],
            device_time_us=self.clocks.shown_us(device, now[sent]) if self.clocks.active else now[sent],
            sent_us=now[sent],
            values=values[:, sent].T,
        )
        dropped = self.payloads.publish(readings, latency_us[sent], None if kept is None else kept[sent])
        if dropped is None:
            return None
        of_block = np.zeros(n, np.bool_)
        of_block[sent] = dropped
        return of_block

    def _link_of(self, group: SampleGroup, rows: Rows) -> Codes | int:
        """Link classes of these devices; one code if the whole group is of one."""
        one = self._one_link.get(group.first)
        return self.fleet.link[rows] if one is None else one

    def _draws_of(self, group: SampleGroup, rows: Rows, seq: Int) -> Words:
        """Chance of the ways of these readings to the broker."""
        part = shifted(rows, group.first)
        if isinstance(part, slice):
            return self._uplink_draws[group.first].draws(part, seq)
        return words(self._uplink, self.fleet.key[rows], seq)

    def _send_paced(self, group: SampleGroup, rows: Rows, direct: Mask, seq: Int, now_us: int, arrive_us: Int) -> Mask:
        """Send readings of paced devices; writes when they arrive, returns who has sent what will arrive."""
        chosen = np.flatnonzero(direct & self.uplinks.paced[rows])
        if not len(chosen):
            return direct
        sent = self.uplinks.send(READING, devices(rows, chosen), now_us, seq[chosen], self.reading_sizes[group.kind])
        arrive_us[chosen] = sent.arrive_us
        self._count_repeats(devices(rows, chosen), sent)
        return self._without(direct, chosen, sent)

    def _count_repeats(self, device: Int, sent: Sent) -> None:
        if self.energy is not None:
            self.energy.repeated[device] += sent.retries.astype(np.int32)

    def _without(self, direct: Mask, chosen: Int, sent: Sent) -> Mask:
        if not sent.lost.any():
            return direct
        self.lost[LossCause.QOS0] += int(np.count_nonzero(sent.lost))
        arrives = direct.copy()
        arrives[chosen[sent.lost]] = False
        return arrives

    def _act_uplinks(self, story: Story, now_us: int) -> None:
        """Once a second: let paced devices send what starts within it."""
        story.due_us = now_us + AHEAD_US
        if not self.uplinks.active:
            return
        self.advance_to(now_us)
        fleet = self.fleet
        heard = self.online() & ((fleet.link_cuts == 0) | (fleet.qos == 0))
        heard &= ~self.payloads.held_back
        device = np.flatnonzero(heard & self.uplinks.paced & (self.buffers.depth > 0))
        self._drain(device, np.full(len(device), now_us, np.int64))
        self.settle(now_us)
        self.uplinks.settle(now_us, self.buffers.depth)

    def _drain(self, device: Int, at_us: Int) -> None:
        """Let paced devices send from `at_us` on what they hold, oldest first, as far as it starts in that second."""
        end_us = horizon_us(at_us)
        while True:
            start_us = np.maximum(self.uplinks.free_us[device], at_us)
            more = (self.buffers.depth[device] > 0) & (start_us < end_us)
            if not more.any():
                return
            device, at_us, end_us, start_us = device[more], at_us[more], end_us[more], start_us[more]
            for readings in self.buffers.take_oldest(device, start_us, self.fleet.boot, self.sampler.scales):
                self._send_one_each(self._dated(readings))

    def _send_one_each(self, readings: Readings) -> None:
        who = readings.device.astype(np.int64)
        sent = self.uplinks.send(READING, who, readings.sent_us, readings.seq, self.reading_sizes[readings.kind])
        if self.energy is not None:
            self.energy.sent[who] += 1
            self._count_repeats(who, sent)
        arrives = self._without(np.ones(len(who), np.bool_), np.arange(len(who)), sent)
        if not arrives.all():
            readings = readings.taken(arrives)
        if len(readings):
            self.payloads.publish(readings, sent.arrive_us[arrives])

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _connected(self, device: Int, at_us: Int) -> None:
        self.blocked[device] = False
        if self.gateways is not None:
            self.gateways.opened(device, at_us)
        arrive_us = self._arrive_us(device, at_us)
        if self.uplinks.active:
            paced = np.flatnonzero(self.uplinks.paced[device])
            who = device[paced]
            self.uplinks.restart(who, at_us[paced])
            sent = self.uplinks.send(STATE, who, at_us[paced], self.fleet.tries[who], self._state_size)
            arrive_us[paced] = sent.arrive_us
            self._count_repeats(who, sent)
        if self.energy is not None:
            self.energy.born[device] += 1
        self._device_end.announce(device.astype(np.int32), self.fleet.boot[device], arrive_us)
        self.flush(device, at_us)
        if self.clocks.active:
            self.clocks.connected(device, at_us)

    def _arriving(self, device: Int, tries: Int) -> None:
        if self.uplinks.orders:
            self.uplinks.count_connects(device, self.fleet.begin_us[device], tries)

    def flush(self, device: Int, at_us: Int) -> None:
        """Send what these devices hold, oldest first, at `at_us` each, unless they hold it back."""
        if self.payloads.holding:
            sends = ~self.payloads.held_back[device]
            device, at_us = device[sends], at_us[sends]
        self._empty(device, at_us)

    def _empty(self, device: Int, at_us: Int) -> None:
        if not self.buffers.depth[device].any():
            return
        if self.uplinks.active:
            paced = self.uplinks.paced[device]
            self._drain(device[paced], at_us[paced])
            device, at_us = device[~paced], at_us[~paced]
        if self.energy is not None:
            self.energy.sent[device] += self.buffers.depth[device]
        arrive_us = self._arrive_us(device, at_us)
        for readings, sender in self.buffers.flush(device, at_us, self.fleet.boot, self.sampler.scales):
            self.payloads.publish(self._dated(readings), arrive_us[sender])

    def _dated(self, readings: Readings) -> Readings:
        """Readings of a buffer with the time that their devices' clocks showed when they were sampled."""
        if not self.clocks.active:
            return readings
        return replace(readings, device_time_us=self.clocks.shown_us(readings.device, readings.device_time_us))

    def _act_payloads(self, story: Story, now_us: int) -> None:
        """Once a second: send what has been held back for long enough."""
        story.due_us = now_us + SECOND_US
        self.payloads.let_go(now_us)
        for step, device in self.payloads.flooding(now_us):
            self._flood(step, device, now_us)

    def _flood(self, step: str, device: Int, now_us: int) -> None:
        self.advance_to(now_us)
        heard = self.online()[device] & ((self.fleet.link_cuts[device] == 0) | (self.fleet.qos[device] == 0))
        sends = device[heard]
        self.bit(step, LATE, int(self.buffers.depth[sends].sum()))
        self._empty(sends, np.full(len(sends), now_us, np.int64))

    def _arrive_us(self, device: Int, at_us: Int) -> Int:
        """When what these devices write at `at_us` reaches the broker."""
        fleet = self.fleet
        draws = words(self._uplink, fleet.key[device], fleet.seq[device])
        return at_us + fleet.links.latency_us(fleet.link[device], draws)

    def _lost(self, device: Int, at_us: Int) -> None:
        """These devices gave their session up; where their packets still get through, the broker sees it close."""
        self.blocked[device] = False
        if self.clocks.active:
            self.clocks.lose_sync(device, at_us)
        self.lost[LossCause.QOS0] += self.buffers.drop_stalled(device)
        heard = self.fleet.up_cuts[device] == 0
        self._device_end.disconnect(device[heard].astype(np.int32), at_us[heard], at_us[heard], abrupt=False)

    # --- what faults may do -------------------------------------------------------------------------------------------

    def power_off(self, device: Device, at_us: int, cause: LossCause = LossCause.POWER) -> int:
        """Cut the power of these devices; what they hold is lost, for this cause. Returns how many had it."""
        self.settle(at_us)
        fleet = self.fleet
        who = device.astype(np.int64)
        self._settle(who, at_us)
        heard = (fleet.state[who] == State.ONLINE) & ~self.blocked[who] & (fleet.power_cuts[who] == 0)
        last_us = np.where(heard, self.life.heard_us(who, at_us), NEVER_US)
        powered = fleet.power_cuts[who] == 0
        had_power = self.life.power_off(who)
        now = np.full(len(had_power), at_us, np.int64)
        self._device_end.disconnect(had_power.astype(np.int32), now, last_us[powered], abrupt=True)
        self.lost[cause] += self.buffers.drop(had_power)
        if self.clocks.active:
            self.clocks.lose_sync(had_power, at_us)
        self.blocked[had_power] = False
        if self.gateways is not None:
            self.gateways.power_off(had_power, at_us)
        return len(had_power)

    def power_on(self, device: Device, at_us: int) -> int:
        """Give the power back. Returns how many boot."""
        who = device.astype(np.int64)
        self._settle(who, at_us)
        boots = self.life.power_on(who, at_us)
        if self.clocks.active:
            self.clocks.boot(boots, at_us)
        return len(boots)

    def retire(self, device: Device, at_us: int) -> int:
        """Take these devices out of service for good. Returns how many were in service."""
        leaves = device[~self.retired[device]]
        self.retired[leaves] = True
        self.power_off(leaves, at_us, LossCause.RETIRED)
        return len(leaves)

    def freeze(self, step: str, device: Device, at_us: int, up_us: tuple[int, int], watchdog_us: int) -> None:
        """Let devices hang now, and again after each of these times, until `resets.end`.

        Args:
            watchdog_us: how long they hang until a watchdog resets them; 0: as long as that of their firmware waits.
        """
        segments = self.fleet.plan.segments
        waits_us = np.array([watchdog_us or plan.hazards.watchdog_us for plan in segments], np.int64)
        of_device = waits_us[self.fleet.segment[device]]
        for wait_us in np.unique(of_device).tolist():
            self.resets.begin(step, device[of_device == wait_us], at_us, up_us, wait_us or NEVER_US, (0, 0))

    def _settle(self, device: Int, at_us: int) -> None:
        """Before the power of these devices is switched, for who is off draws nothing."""
        if self.energy is not None:
            rows = self.energy.rows_of(device)
            if len(rows):
                self.energy.settle(rows, at_us)

    def mains_off(self, device: Device, at_us: int) -> tuple[int, int]:
        """Cut the mains. Whoever has a battery goes on from it.

        Returns:
            How many lost their power, and how many live on a battery instead of a charger.
        """
        if self.energy is None:
            return self.power_off(device, at_us), 0
        has_battery = self.energy.row_of[device] >= 0
        on_battery = self.energy.mains(device[has_battery], at_us, on=False)
        return self.power_off(device[~has_battery], at_us), on_battery

    def mains_on(self, device: Device, at_us: int) -> int:
        """Give the mains back. Returns how many boot."""
        if self.energy is not None:
            has_battery = self.energy.row_of[device] >= 0
            self.energy.mains(device[has_battery], at_us, on=True)
            device = device[~has_battery]
        return self.power_on(device, at_us)

    def with_margin_below(self, device: Device, depth: float, at_us: int) -> Device:
        """Those of these devices whose supply may not sag by this share.

        A battery has the margin that its charge and the temperature leave; other supplies one from nothing to a third.
        """
        margin = below(words(stream(self.seed, Purpose.MARGIN), self.fleet.key[device], 0), 1_000_000)
        weak = margin < round(depth * 3_000_000)
        if self.energy is not None:
            row = self.energy.row_of[device]
            rows = row[row >= 0].astype(np.int64)
            weak[row >= 0] = self.energy.margins(rows, at_us) < depth
        return device[weak]

    def drain(self, step: str, device: Device, at_us: int, share: float, over_us: int, times: float) -> None:
        """Empty batteries: a share of the full charge within a time, and so many times what the device draws."""
        if self.energy is not None:
            self.energy.drain(step, device, at_us, share, over_us, times)

    def drain_no_more(self, step: str, device: Device, at_us: int, swap: bool) -> None:
        """End what a step did to these batteries; what is gone is gone, unless they are swapped for full ones."""
        if self.energy is not None:
            self.energy.end_drain(step, device, at_us)
            if swap:
                self.energy.swap(device, at_us)

    def cut(self, device: Device, at_us: int, direction: str) -> int:
        """Cut links: ``both``, ``up`` (device to broker) or ``down``. Returns how many sessions it cuts off."""
        self.settle(at_us)
        fleet = self.fleet
        who = device.astype(np.int64)
        up = direction != "down"
        whole = fleet.link_cuts[who] == 0
        first, deaf = who[whole], who[~whole & (fleet.up_cuts[who] == 0)]
        online = fleet.state[first] == State.ONLINE
        silenced = self.life.cut(who, at_us, up)
        if self.clocks.active:
            self.clocks.lose_sync(who, at_us)
        if up:
            self.blocked[who[fleet.state[who] == State.ONLINE]] = True
        self._silence(first, silenced, at_us, direction)
        if up:
            self._silence(deaf, silenced, at_us, "both")
            if self.gateways is not None:
                self.gateways.cut_off(who, at_us)
        return int(np.count_nonzero(online))

    def _silence(self, device: Int, silenced: Int, at_us: int, direction: str) -> None:
        """Tell the device end; `silenced`: those that have a session and whose packets no longer reach the broker."""
        had_one = np.isin(device, silenced)
        last_us = np.full(len(device), NEVER_US, np.int64)
        last_us[had_one] = self.life.heard_us(device[had_one], at_us)
        self._device_end.silence(device.astype(np.int32), at_us, last_us, direction)

    def heal(self, device: Device, at_us: int, direction: str) -> int:
        """End a cut. Returns how many sessions survived it."""
        self.settle(at_us)
        fleet = self.fleet
        who = device.astype(np.int64)
        kept = self.life.heal(who, at_us, direction != "down")
        if self.clocks.active:
            whole = (fleet.state[who] == State.ONLINE) & (fleet.link_cuts[who] == 0)
            self.clocks.resume_sync(who[whole], at_us)
        heard = who[fleet.up_cuts[who] == 0]
        known = (fleet.state[heard] == State.ONLINE) & (fleet.stale_us[heard] > at_us)
        self._device_end.resume(heard.astype(np.int32), at_us, known)
        deaf = fleet.link_cuts[heard] > 0
        none = np.empty(0, np.int64)
        self._silence(heard[deaf], none, at_us, "down")
        self.blocked[heard[known]] = False
        if self.gateways is not None:
            self.gateways.opened(heard[known], at_us)
        # At QoS 1 nothing leaves a buffer until its acknowledgement can come back.
        sends = heard[known & (~deaf | (fleet.qos[heard] == 0))]
        self.flush(sends, np.full(len(sends), at_us, np.int64))
        return len(kept)

    def slow_down(self, step: str, device: Device, at_us: int, more_us: int, jitter_us: int) -> None:
        """Let everything that these devices send from now on take so much, and up to `jitter_us`, longer."""
        self.settle(at_us)
        self.uplinks.slow_down(step, device, at_us, more_us, jitter_us)
        self.life.links_changed(device.astype(np.int64), at_us)

    def squeeze(self, step: str, device: Device, at_us: int, bytes_per_s: float) -> None:
        """Let what these devices send from now on pass at this rate only."""
        self.settle(at_us)
        self.uplinks.squeeze(step, device, at_us, bytes_per_s)
        self.life.links_changed(device.astype(np.int64), at_us)

    def lose_in_bursts(self, step: str, device: Device, at_us: int, chain: BurstLoss) -> None:
        """Let what these devices send from now on be lost in bursts."""
        self.settle(at_us)
        self.uplinks.lose(step, device, at_us, chain)
        self.life.links_changed(device.astype(np.int64), at_us)

    def links_recover(self, step: str, device: Device, at_us: int) -> None:
        """End what a step did to the links of these devices; what they have sent stays on its way."""
        self.settle(at_us)
        fleet = self.fleet
        who = device.astype(np.int64)
        on_the_way = who[(fleet.state[who] == State.CONNECTING) & (fleet.begin_us[who] < at_us)]
        self.uplinks.count_connects(on_the_way, fleet.begin_us[on_the_way], fleet.tries[on_the_way], step)
        self.uplinks.end(step, device)
        self.life.links_changed(who, at_us)

    def payloads_recover(self, step: str, device: Device, at_us: int) -> None:
        """End what a step did to the messages of these devices; who held readings back sends them now."""
        free = self.payloads.end(step, device)
        if len(free):
            self._flood(step, free.astype(np.int64), at_us)

    def broker_stopped(self, at_us: int, silent: bool) -> int:
        """The broker died. Returns how many devices were online with it."""
        self.advance_to(at_us)
        self.settle(at_us)
        cut_off = self.life.broker_stops(at_us, silent)
        self.blocked[(self.fleet.state == State.ONLINE) & (self.fleet.carrier == CLOUD)] = True
        return len(cut_off)

    def broker_started(self, at_us: int) -> None:
        self.advance_to(at_us)
        self.life.broker_starts(at_us)

    def hang_up(self, device: Int, at_us: int) -> None:
        """These devices close their connection and make no other, until `heal`: to the broker it is no silence."""
        fleet = self.fleet
        had_one = device[(fleet.state[device] == State.ONLINE) & ~self.blocked[device]]
        now = np.full(len(had_one), at_us, np.int64)
        self._device_end.disconnect(had_one.astype(np.int32), now, now, abrupt=False)
        self.cut(device.astype(np.int32), at_us, "both")
        fleet.stale_us[had_one] = at_us

    def undelivered(self, readings: Readings, rows: Mask) -> int:
        """See `BrokerWatcher`. What a gateway had sent, it has still."""
        if self.gateways is None:
            return self.undelivered_by_devices(readings, rows)
        carried = rows & (self.fleet.carrier[readings.device] != CLOUD)
        if not carried.any():
            return self.undelivered_by_devices(readings, rows)
        self.gateways.take_back(readings, np.flatnonzero(carried))
        return int(np.count_nonzero(carried)) + self.undelivered_by_devices(readings, rows & ~carried)

    def undelivered_by_devices(self, readings: Readings, rows: Mask) -> int:
        """As `undelivered`. At QoS 1 a device sends again what nobody acknowledged; at QoS 0 it is gone."""
        fleet = self.fleet
        chosen = np.flatnonzero(rows)
        # Oldest first: a device that was emptying its buffer may have several on their way.
        chosen = chosen[np.lexsort((readings.seq[chosen], readings.device[chosen]))]
        device = readings.device[chosen].astype(np.int64)
        once = fleet.qos[device] == 0
        self.lost[LossCause.QOS0] += int(np.count_nonzero(once))
        # Buffers imply what follows their first reading, so that only the newest ones, without a gap, go back.
        last = np.append(device[1:] != device[:-1], True)
        newest = np.where(last, readings.seq[chosen] == fleet.seq[device], False)
        whole = np.append(readings.seq[chosen][1:] == readings.seq[chosen][:-1] + 1, False) | last
        empty = (fleet.state[device] == State.ONLINE) & (self.buffers.depth[device] == 0)
        taken = np.zeros(len(chosen), np.bool_)
        fits = False
        for row in range(len(chosen) - 1, -1, -1):
            fits = bool(newest[row]) if last[row] else fits and bool(whole[row])
            taken[row] = fits and not once[row] and empty[row]
        self._take_back(readings, chosen[taken])
        return int(np.count_nonzero(taken | once))

    def unarrived(self, readings: Readings, rows: Mask) -> int:
        """See `BrokerWatcher`. Behind a link cut downwards these wait for an acknowledgement, and are sent again."""
        chosen = np.flatnonzero(rows)
        return self.buffers.disown(readings.device[chosen].astype(np.int64), readings.seq[chosen])

    def _take_back(self, readings: Readings, rows: Int) -> None:
        """Put readings, ordered by device and sequence, into the buffers of their devices, which are empty."""
        device = readings.device[rows].astype(np.int64)
        scale = self.sampler.scales[readings.kind]
        values = readings.values[rows]
        steps = np.stack([scale.steps_of(column, values[:, column]) for column in range(values.shape[1])], axis=1)
        nth = np.arange(len(rows)) - np.searchsorted(device, device)
        for number, group in enumerate(self.fleet.groups):
            mine = (device >= group.first) & (device < group.last)
            for place in range(int(nth[mine].max(initial=-1)) + 1):
                here = np.flatnonzero(mine & (nth == place) & (self.buffers.depth[device] == place))
                # By the sampler's own time: the clock of a device may be wrong, and what goes back is its newest.
                since = self.fleet.seq[device[here]] - readings.seq[rows[here]]
                at_us = self.sampling.next_us[number] - (since + 1) * group.every_us
                if self.buffers.dated[number]:
                    dated_us = (readings.sent_us if self.clocks.active else readings.device_time_us)[rows[here]]
                    implied = (at_us > self.fleet.between_us[device[here]]) & (group.grid_us == 0)
                    at_us = np.where(implied, at_us, dated_us)
                none = np.zeros(len(here), np.bool_)
                self.buffers.keep(number, device[here], readings.seq[rows[here]], at_us, steps[here], none)

    def sense(self, step: str, device: Device, channel: str, at_us: int, make: MakeFault) -> None:
        """Let sensors of these devices tell something else than the truth.

        Args:
            channel: a name, two names joined by a comma, ``first`` or ``all``.
        """
        self.sampler.sense(step, device, channel, at_us, make)

    def sense_no_more(self, step: str, device: Device) -> None:
        """Let the sensors that this step changed on these devices tell the truth again."""
        self.bit(step, READINGS_CHANGED, self.sampler.sense_no_more(step, device))

    def fail(self, step: str, device: Device, mode: str, severity: float, grows_us: int, at_us: int) -> None:
        """Let machines fail in this way, from nothing to `severity` within `grows_us`."""
        self.sampler.fail(step, device, mode, severity, grows_us, at_us)

    def mend(self, step: str, device: Device) -> None:
        """Repair what this step broke on these devices; the damage that it did stays."""
        self.bit(step, READINGS_CHANGED, self.sampler.mend(step, device))

    def shrink_buffers(self, step: str, device: Device, readings: int) -> None:
        """Leave these devices room for so many readings."""
        self.buffers.shrink(step, device.astype(np.int64), readings)
        self.bit(step, READINGS_EVICTED, self.buffers.shrunk(step))

    def shrink_no_more(self, step: str, device: Device) -> None:
        """Give these devices the room back that this step took."""
        self.bit(step, READINGS_EVICTED, self.buffers.shrink_no_more(step, device.astype(np.int64)))

    # --- what crews may do --------------------------------------------------------------------------------------------

    def maintain(self, plan: MaintenancePlan, device: Device) -> None:
        """Let crews look after these devices; before the run begins."""
        self.maintenance = Maintenance(self, plan, device)

    def renew(self, device: Device) -> None:
        """Repair these machines: what wears is new, what failed in them fails no more."""
        for step, changed in self.sampler.renew(device).items():
            self.bit(step, READINGS_CHANGED, changed)

    def evidence_of(self, step: str) -> Evidence:
        evicted = self.buffers.shrunk(step)
        if evicted:
            self.bit(step, READINGS_EVICTED, evicted)
        changed = self.sampler.changed(step)
        if changed:
            self.bit(step, READINGS_CHANGED, changed)
        return super().evidence_of(step)
