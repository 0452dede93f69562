"""The world: fleet, lives, machines, links and buffers in one object that moves through simulated time.

Everything here is the truth. What the core may know leaves through the `DeviceEnd` only. Whoever reads or changes life
calls `advance_to` first; calling it more often changes nothing. A pickle of the world (with its device end) is a
snapshot; derived lists are rebuilt.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np

from twinstorm.twin import hazards
from twinstorm.twin.ahead import GroupDraws
from twinstorm.twin.buffer import Buffers
from twinstorm.twin.chance import Purpose, Words, stream, words
from twinstorm.twin.clocks import Clocks
from twinstorm.twin.energy import Energy
from twinstorm.twin.eventlog import Code, EventLog
from twinstorm.twin.fleet import Fleet, FleetPlan, SampleGroup, State, grow
from twinstorm.twin.flow import (
    NEVER_US,
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
from twinstorm.twin.gateways import Gateways
from twinstorm.twin.life import CLOUD, Hooks, Life
from twinstorm.twin.machines.kind import catalogue, is_event_driven
from twinstorm.twin.maintenance import Maintenance, MaintenancePlan
from twinstorm.twin.parts import Part, Parts
from twinstorm.twin.peaks import Peaks
from twinstorm.twin.resets import Resets
from twinstorm.twin.resolution import Steps
from twinstorm.twin.rows import Rows, blocks, count, devices, shifted
from twinstorm.twin.sampling import Sampler
from twinstorm.twin.sending import Sending
from twinstorm.twin.slots import Slots
from twinstorm.twin.stories import Story
from twinstorm.twin.supply import Supply
from twinstorm.twin.tampering import Tampering
from twinstorm.twin.undelivered import undelivered
from twinstorm.twin.uplink import READING, STATE, Uplinks

BLOCK_DEVICES = 16_384
"""Rows of one pass over a sample group: what fits the L2 cache. No result depends on it."""

UNACKED_WINDOW = 20
"""QoS 1 messages a client has in flight before it queues."""

SAMPLING = "sampling"
READINGS_BETWEEN = "readings_between"
"""Readings at instants at which there are none but for a peak."""

T = TypeVar("T", bound=Part)


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
        self.produced = 0
        self.lost: Counter[str] = Counter()
        self.evidence: dict[str, Counter[str]] = {}
        self.blocked: Mask = np.zeros(len(self.fleet), np.bool_)
        """Online devices whose packets do not reach a broker that knows them."""
        self.retired: Mask = np.zeros(len(self.fleet), np.bool_)
        """Devices that were taken out of service."""
        self.parts = Parts()

        links = self.fleet.links
        self.reading_sizes = {name: links.reading_size(len(channels)) for name, channels in self.channels.items()}
        self._state_size = links.state_size()
        self._datagrams = foreseen and bool(links.datagram.any())
        if self._datagrams:
            # Nobody acknowledges a datagram.
            self.fleet.qos[links.datagram[self.fleet.link]] = 0
        self.gateways: Gateways | None = None
        """What other devices stand behind; None: they all talk with the broker in the cloud."""
        if len(self.fleet.gateway):
            device_end = self.gateways = self._joined(Gateways(self, device_end, year_us))
        self._device_end = device_end
        self.uplinks = Uplinks(self, foreseen)
        hooks = Hooks(self._connected, self._lost, self.uplinks.arriving, self.uplinks.connect_extra_us)
        self.life = Life(self.fleet, seed, device_end, log, hooks, foreseen)

        self.buffers = self._joined(Buffers.of(self.fleet, self.channels, self.bit))
        self.sampler = self._joined(Sampler(self.fleet, self.kinds, seed, year_us, self.bit))
        self.sending = self._joined(Sending(self, foreseen))
        self.payloads = self._joined(Tampering(self, device_end, origin_us, foreseen))
        self.payloads.begin_dialects()
        self.clocks = Clocks(self.fleet, seed, origin_us, self.buffers.depth, self.bit, self.parts)
        self.resets = self._joined(Resets(self))
        hazards.begin(self)
        self.slots: Slots | None = None
        """Boot loaders that can take another image; None: no device has one."""
        if any(part.slots for part in plan.segments):
            self.slots = self._joined(Slots(self))
        self.energy: Energy | None = None
        """Batteries; None: no device has one."""
        if any(part.power for part in plan.segments):
            self.energy = self._joined(Energy(self, year_us))
            self.sampler.gauge = self.energy.gauge
        self.supply = Supply(self)
        self.maintenance: Maintenance | None = None

        self._block_devices = block_devices
        self._uplink = stream(seed, Purpose.READING_LINK)
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
        device_end.open(Identities(self.fleet.names, self.fleet.keep_alive_us, self.fleet.qos))

    def _joined(self, part: T) -> T:
        self.parts.join(part)
        return part

    @property
    def stories(self) -> list[Story]:
        return [self.sampling, *(part.story for part in self.parts if part.story is not None)]

    @property
    def acts(self) -> dict[str, Callable[[Any, int], None]]:
        """Functions of the world's stories, by kind (`twin.stories.Stage`)."""
        return {SAMPLING: self._act_sampling} | {
            part.story.kind: part.act for part in self.parts if part.story is not None
        }

    def maintain(self, plan: MaintenancePlan, device: Device) -> None:
        """Let crews look after these devices; before the run begins."""
        self.maintenance = self._joined(Maintenance(self, plan, device))

    # --- what is asked ------------------------------------------------------------------------------------------------

    def advance_to(self, at_us: int) -> None:
        """Let everything happen to lives that lies before `at_us`."""
        self.life.advance_to(at_us)

    def settle(self, now_us: int) -> None:
        """Let everything happen to readings on their way that lies before `now_us`."""
        for catch_up in self.parts.catch_up:
            catch_up(now_us)

    def online(self) -> Mask:
        """Devices with a session on which their packets get through, to the gateway and beyond: the truth."""
        online: Mask = (self.fleet.state == State.ONLINE) & ~self.blocked
        for reached in self.parts.reached:
            online &= reached()
        return online

    @property
    def held(self) -> int:
        """Readings that wait in devices and gateways."""
        return sum(part.held for part in self.parts)

    @property
    def in_flight(self) -> int:
        """Readings on their way to gateways."""
        return sum(part.in_flight for part in self.parts)

    def told(self, events: SessionEvents, now_us: int) -> SessionEvents:
        """What the core is told of sessions, of which these are `events` of the broker."""
        for told in self.parts.told:
            events = told(events, now_us)
        return events

    def evidence_of(self, step: str) -> Evidence:
        for count_evidence in self.parts.count_evidence:
            count_evidence(step)
        return super().evidence_of(step)

    def notes(self) -> list[str]:
        """Lines for the end of the report."""
        return [note() for note in self.parts.note]

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
        for count_sent in self.parts.count_sent:
            count_sent(rows, direct)
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
        size = self.reading_sizes[group.kind]
        sent = self.sending.transmit(READING, devices(rows, chosen), now_us, seq[chosen], size)
        arrive_us[chosen] = sent.arrive_us
        if not sent.lost.any():
            return direct
        arrives = direct.copy()
        arrives[chosen[sent.lost]] = False
        return arrives

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _connected(self, device: Int, at_us: Int) -> None:
        self.blocked[device] = False
        arrive_us = self.sending.arrive_us(device, at_us)
        if self.uplinks.active:
            paced = np.flatnonzero(self.uplinks.paced[device])
            who = device[paced]
            self.uplinks.restart(who, at_us[paced])
            sent = self.sending.transmit(STATE, who, at_us[paced], self.fleet.tries[who], self._state_size)
            arrive_us[paced] = sent.arrive_us
        self._device_end.announce(device.astype(np.int32), self.fleet.boot[device], arrive_us)
        self.sending.flush(device, at_us)
        for connected in self.parts.connected:
            connected(device, at_us)

    def _lost(self, device: Int, at_us: Int) -> None:
        """These devices gave their session up; where their packets still get through, the broker sees it close."""
        self.blocked[device] = False
        for lost in self.parts.lost:
            lost(device, at_us)
        self.lost[LossCause.QOS0] += self.buffers.drop_stalled(device)
        heard = self.fleet.up_cuts[device] == 0
        self._device_end.disconnect(device[heard].astype(np.int32), at_us[heard], at_us[heard], abrupt=False)

    # --- power and links ----------------------------------------------------------------------------------------------

    def power_off(self, device: Device, at_us: int, cause: LossCause = LossCause.POWER) -> int:
        """Cut the power of these devices; what they hold is lost, for this cause. Returns how many had it."""
        self.settle(at_us)
        fleet = self.fleet
        who = device.astype(np.int64)
        for power_switches in self.parts.power_switches:
            power_switches(who, at_us)
        powered = fleet.power_cuts[who] == 0
        heard = powered & (fleet.state[who] == State.ONLINE) & ~self.blocked[who]
        last_us = np.where(heard, self.life.heard_us(who, at_us), NEVER_US)
        had_power = self.life.power_off(who)
        now = np.full(len(had_power), at_us, np.int64)
        self._device_end.disconnect(had_power.astype(np.int32), now, last_us[powered], abrupt=True)
        self.lost[cause] += self.buffers.drop(had_power)
        self.blocked[had_power] = False
        for power_failed in self.parts.power_failed:
            power_failed(had_power, at_us)
        return len(had_power)

    def power_on(self, device: Device, at_us: int) -> int:
        """Give the power back. Returns how many boot."""
        who = device.astype(np.int64)
        for power_switches in self.parts.power_switches:
            power_switches(who, at_us)
        boots = self.life.power_on(who, at_us)
        for booted in self.parts.booted:
            booted(boots, at_us)
        return len(boots)

    def retire(self, device: Device, at_us: int) -> int:
        """Take these devices out of service for good. Returns how many were in service."""
        leaves = device[~self.retired[device]]
        self.retired[leaves] = True
        self.power_off(leaves, at_us, LossCause.RETIRED)
        return len(leaves)

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
        self._silence(first, silenced, at_us, direction)
        if up:
            self.blocked[who[fleet.state[who] == State.ONLINE]] = True
            self._silence(deaf, silenced, at_us, "both")
        for cut in self.parts.cut:
            cut(who, at_us, up)
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
        heard = who[fleet.up_cuts[who] == 0]
        known = (fleet.state[heard] == State.ONLINE) & (fleet.stale_us[heard] > at_us)
        self._device_end.resume(heard.astype(np.int32), at_us, known)
        deaf = fleet.link_cuts[heard] > 0
        self._silence(heard[deaf], np.empty(0, np.int64), at_us, "down")
        self.blocked[heard[known]] = False
        for healed in self.parts.healed:
            healed(who, heard[known], at_us)
        # At QoS 1 nothing leaves a buffer until its acknowledgement can come back.
        sends = heard[known & (~deaf | (fleet.qos[heard] == 0))]
        self.sending.flush(sends, np.full(len(sends), at_us, np.int64))
        return len(kept)

    # --- the broker in the cloud: `BrokerWatcher` ---------------------------------------------------------------------

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

    def undelivered(self, readings: Readings, rows: Mask) -> int:
        taken = 0
        for take_back in self.parts.take_back:
            again = take_back(readings, rows)
            rows = rows & ~again
            taken += int(np.count_nonzero(again))
        return taken + undelivered(self, readings, rows)

    def unarrived(self, readings: Readings, rows: Mask) -> int:
        """Behind a link cut downwards these wait for an acknowledgement, and are sent again."""
        chosen = np.flatnonzero(rows)
        return self.buffers.disown(readings.device[chosen].astype(np.int64), readings.seq[chosen])
