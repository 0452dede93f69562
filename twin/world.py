"""The world: fleet, lives, machines, links and buffers in one object that moves through simulated time.

Everything here is the truth. What the core may know leaves through the `DeviceEnd` only. Whoever reads or changes life
calls `advance_to` first; calling it more often changes nothing. A pickle of the world (with its device end) is a
snapshot; derived lists are rebuilt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from twinstorm.twin import calm, hazards
from twinstorm.twin.breaks import Breaks
from twinstorm.twin.buffer import Buffers
from twinstorm.twin.clocks import Clocks
from twinstorm.twin.configuration import Configurations
from twinstorm.twin.energy import Energy
from twinstorm.twin.eventlog import EventLog
from twinstorm.twin.fleet import Fleet, FleetPlan, State, grow
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    UNSAID,
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
    Trunk,
)
from twinstorm.twin.gateways import Gateways
from twinstorm.twin.life import CLOUD, Hooks, Life
from twinstorm.twin.machines.kind import catalogue, is_event_driven
from twinstorm.twin.maintenance import Maintenance, MaintenancePlan
from twinstorm.twin.mesh import Mesh
from twinstorm.twin.output import BLOCK_DEVICES, Output
from twinstorm.twin.parts import EverySecond, Part, Parts
from twinstorm.twin.peaks import Peaks
from twinstorm.twin.resets import Resets
from twinstorm.twin.sampling import Sampler
from twinstorm.twin.sending import Sending
from twinstorm.twin.slots import Slots
from twinstorm.twin.stories import Story
from twinstorm.twin.supply import Supply
from twinstorm.twin.tampering import Tampering
from twinstorm.twin.traffic import Traffic
from twinstorm.twin.trunks import SiteTrunks
from twinstorm.twin.undelivered import accounted_for
from twinstorm.twin.uplink import STATE, Uplinks, Wire

T = TypeVar("T", bound=Part)

LEAST_CALM_US = 4 * SECOND_US
"""Less is not worth being looked at as a whole."""


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
        wire: real sockets that faults of links can slow down; see `Uplinks`.
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
        wire: Wire | None = None,
    ) -> None:
        self.seed = seed
        self.kinds = {name: catalogue()[name] for name in sorted({segment.kind for segment in plan.segments})}
        grids_us = {name: kind.grid_us for name, kind in self.kinds.items() if is_event_driven(kind)}
        self.fleet: Fleet = grow(plan, grids_us)
        self.log = log
        self.channels = {name: kind.channels for name, kind in self.kinds.items()}
        self.produced = 0
        self.lost: Counter[str] = Counter()
        self.lost_each: Int | None = None
        """Readings of each device in `lost` and `buffers.evicted`; None: nobody asks, see `count_each`."""
        self.evidence: dict[str, Counter[str]] = {}
        self.blocked: Mask = np.zeros(len(self.fleet), np.bool_)
        """Online devices whose packets do not reach a broker that knows them."""
        self.retired: Mask = np.zeros(len(self.fleet), np.bool_)
        """Devices that were taken out of service."""
        self.parts = Parts()

        links = self.fleet.links
        self.reading_sizes = {name: links.reading_size(len(channels)) for name, channels in self.channels.items()}
        self._state_size = links.state_size()
        # Live, devices behind gateways have no socket of their own: their connections are modelled all the same.
        self._unforeseen = unforeseen = None if foreseen else self.fleet.carrier == CLOUD
        datagram = links.datagram[self.fleet.link]
        if unforeseen is not None:
            datagram &= ~unforeseen
        self.datagrams = bool(datagram.any())
        if self.datagrams:
            # Nobody acknowledges a datagram.
            self.fleet.qos[datagram] = 0
        sockets = device_end if isinstance(device_end, Trunk) else None
        self.trunks: SiteTrunks | None = None
        """Lines that sites share; None: no site has one."""
        if any(plan.trunks):
            device_end = self.trunks = SiteTrunks(self, device_end)
        self.gateways: Gateways | None = None
        """What other devices stand behind; None: they all talk with the broker in the cloud."""
        if len(self.fleet.gateway):
            device_end = self.gateways = self._joined(Gateways(self, device_end, year_us, sockets))
        self.mesh: Mesh | None = None
        """Ways of devices to their gateways by way of others; None: each has its own."""
        if len(self.fleet.hop_links):
            self.mesh = self._joined(Mesh(self))
        if self.trunks is not None:
            # After gateways: what these forward passes the trunk.
            self._joined(self.trunks)
        self._device_end = device_end
        self.uplinks = Uplinks(self, unforeseen, wire)
        self.breaks = Breaks(self, unforeseen, wire)
        hooks = Hooks(
            self._connected,
            self._lost,
            self.uplinks.arriving,
            self.uplinks.connect_extra_us,
            self.breaks.turned_away,
            self.breaks.close_extra_us,
        )
        self.life = Life(self.fleet, seed, device_end, log, hooks, unforeseen, self.trunks)

        self.buffers = self._joined(Buffers.of(self.fleet, self.channels, self.bit))
        self.sampler = self._joined(Sampler(self.fleet, self.kinds, seed, year_us, self.bit))
        self.sending = self._joined(Sending(self))
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
        self.configurations: Configurations | None = None
        """Which configuration devices have; None: nobody asks any of them."""
        if any(part.configuration != UNSAID for part in plan.segments):
            self.configurations = self._joined(Configurations(self))
        self.traffic = self._joined(Traffic(self))
        self.supply = Supply(self)
        self.maintenance: Maintenance | None = None

        self.peaks = Peaks(self.fleet.groups, self.buffers, self.sampler)
        self.output = self._joined(Output(self, block_devices))
        looks = [self.resets.look, self.sending.look, self.payloads.look, self.breaks.look]
        if self.trunks is not None:
            looks.insert(1, self.trunks.look)
        if self.gateways is not None:
            looks.append(self.gateways.look)
        if self.mesh is not None:
            looks.append(self.mesh.look)
        self.seconds = self._joined(EverySecond(looks))
        device_end.open(Identities(self.fleet.names, self.fleet.keep_alive_us, self.fleet.qos))

    def _joined(self, part: T) -> T:
        self.parts.join(part)
        return part

    def join(self, part: Part) -> None:
        """From now on a part without a story is told what happens: it is needed."""
        self.parts.join(part)

    @property
    def stories(self) -> list[Story]:
        return [part.story for part in self.parts if part.story is not None]

    @property
    def acts(self) -> dict[str, Callable[[Any, int], None]]:
        """Functions of the world's stories, by kind (`twin.stories.Stage`)."""
        return {part.story.kind: part.act for part in self.parts if part.story is not None}

    def maintain(self, plan: MaintenancePlan, device: Device) -> None:
        """Let crews look after these devices; before the run begins."""
        self.maintenance = self._joined(Maintenance(self, plan, device))

    @property
    def is_small(self) -> bool:
        """Calls cost it more than readings: see `calm`."""
        return calm.readings_per_s(self) <= calm.MOST_READINGS_PER_S

    def pass_calmly(self, now_us: int, latest_us: int) -> int:
        """Let everything happen before some whole second up to `latest_us` at once, if devices only sample and send.

        Args:
            now_us: everything before it has happened; a whole second.

        Returns:
            That second; `now_us`: nothing happened.
        """
        end_us = min(latest_us, calm.until_us(self)) // SECOND_US * SECOND_US
        if end_us - now_us < LEAST_CALM_US:
            return now_us
        self.life.rest(end_us)
        calm.pass_to(self, end_us)
        return end_us

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

    # --- losses -------------------------------------------------------------------------------------------------------

    def count_each(self) -> None:
        """From now on count what is lost device by device as well."""
        self.lost_each = self.buffers.lost_each = np.zeros(len(self.fleet), np.int64)

    def lose(self, cause: LossCause, device: Int | Device, number: Int | int = 1) -> None:
        """Readings are gone: so many of each of these devices, which may repeat."""
        total = number * len(device) if isinstance(number, int) else int(number.sum())
        if total:
            self.lost[cause] += total
            if self.lost_each is not None:
                np.add.at(self.lost_each, device, number)

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

    def announce_again(self, device: Int, at_us: int) -> None:
        """These devices, whose packets get through, send their birth once more within their session."""
        since_us = np.full(len(device), at_us, np.int64)
        arrive_us = self.sending.arrive_us(device, since_us)
        self._device_end.announce(device.astype(np.int32), self.fleet.boot[device], arrive_us)

    def _lost(self, device: Int, at_us: Int) -> None:
        """These devices gave their session up; where their packets still get through, the broker sees it close."""
        self.blocked[device] = False
        for lost in self.parts.lost:
            lost(device, at_us)
        self.lose(LossCause.QOS0, device, self.buffers.drop_stalled(device))
        heard = self.fleet.up_cuts[device] == 0
        if self._unforeseen is not None:
            heard |= self._unforeseen[device]  # A client with a socket leaves it, whatever gets through.
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
        self.lose(cause, had_power, self.buffers.drop(had_power))
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

    def break_connections(self, device: Device, at_us: int) -> int:
        """Reset the modelled connections of these devices, for both sides. Returns how many sessions that ends.

        What was under way up arrives.
        """
        self.advance_to(at_us)
        self.settle(at_us)
        ended = self.life.break_off(device.astype(np.int64), at_us)
        self.blocked[ended] = True
        now = np.full(len(ended), at_us, np.int64)
        self._device_end.disconnect(ended.astype(np.int32), now, now, abrupt=False)
        return len(ended)

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
        # At QoS 1 and 2 nothing leaves a buffer until its acknowledgement can come back.
        sends = heard[known & (~deaf | (fleet.qos[heard] == 0))]
        self.sending.flush(sends, np.full(len(sends), at_us, np.int64))
        return len(kept)

    # --- the broker in the cloud: `BrokerWatcher` ---------------------------------------------------------------------

    def broker_stopped(self, at_us: int, silent: bool) -> int:
        """The broker died. Returns how many devices were online with it."""
        self.advance_to(at_us)
        self.settle(at_us)
        cut_off = self.life.broker_stops(at_us, silent)
        if self.trunks is not None:
            self.trunks.broker_died()
        self.blocked[(self.fleet.state == State.ONLINE) & (self.fleet.carrier == CLOUD)] = True
        return len(cut_off)

    def broker_started(self, at_us: int) -> None:
        self.advance_to(at_us)
        self.life.broker_starts(at_us)

    def serves_batches(self, whole: bool) -> None:
        self.output.whole_batches = whole

    def undelivered(self, readings: Readings, rows: Mask) -> int:
        return int(np.count_nonzero(self.give_back(readings, rows)))

    def give_back(self, readings: Readings, rows: Mask) -> Mask:
        """The broker died before these rows had reached it. Returns those that devices and gateways account for."""
        given = np.zeros(len(rows), np.bool_)
        for take_back in self.parts.take_back:
            given |= take_back(readings, rows & ~given)
        given[accounted_for(self, readings, rows & ~given)] = True
        return given

    def unarrived(self, readings: Readings, rows: Mask) -> int:
        """Behind a link cut downwards these wait for an acknowledgement, and are sent again."""
        chosen = np.flatnonzero(rows)
        return self.buffers.disown(readings.device[chosen].astype(np.int64), readings.seq[chosen])
