"""Gateways: devices that carry others. A device end between the world and the broker's, with what happens in between.

A gateway is a device of the fleet: its session, its link and its power are those of any other. In it work four
services, which fail apart (``docs/storm-model.md``): its *broker* has the sessions of the devices behind it, its
*processor* takes their readings in, its *buffer* keeps them, and its *forwarder* sends them on, oldest first, while the
session of the gateway lasts. `World` tells of what happens to the machine; readings move when somebody must know where
they are, at the latest once a second. As each starts at the earliest instant that it can, no result depends on when.

Live, only the uplink is real: devices and gateways talk as modelled, and the connection of a gateway carries all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.backlog import Backlog, Messages, Parcels, joined, nothing, runs
from twinstorm.twin.chance import Purpose
from twinstorm.twin.edge import EdgeProcessors
from twinstorm.twin.fleet import GatewayPlan, State
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    Answer,
    Device,
    DeviceEnd,
    DeviceOutcome,
    Identities,
    Int,
    LossCause,
    Mask,
    Outcome,
    Readings,
    SessionEvent,
    SessionEvents,
    Trunk,
)
from twinstorm.twin.forwarder import Forwarder
from twinstorm.twin.parts import Part
from twinstorm.twin.places import place
from twinstorm.twin.presence import MUTE, RISE, SYNC, Presence
from twinstorm.twin.sessions import NO_EVENTS, Sessions
from twinstorm.twin.solar import STEP_US, SolarSupply
from twinstorm.twin.undelivered import accounted_for

if TYPE_CHECKING:
    from twinstorm.twin.world import World

BROKER, PROCESSOR, BUFFER, FORWARDER = range(4)
SERVICES: Final = ("broker", "processor", "buffer", "forwarder")


@dataclass
class _FullDisk:
    """Buffers of these gateways that a step keeps from growing: int64 rows, and the places that each has."""

    step: str
    gateway: Int
    places: Int


class Gateways(Part):
    """Implements `DeviceEnd`; rows of all columns are gateways, in the order of `Fleet.gateway`.

    Args:
        inner: the device end of those that no gateway carries, and of the gateways themselves.
        year_us: as in `World`.
        sockets: real ones behind `inner`; None: a broker that is modelled.

    Attributes:
        up: the machine has booted, and is not down.
        stopped: uint8 (services, n), faults that hold each service down.
        killed: how often memory ran out.
        broken: machines of the pair that failed for good. dead: the active one did, and none has taken over yet.
        takes_over_us: when the spare does.
    """

    def __init__(self, world: World, inner: DeviceEnd, year_us: int, sockets: Trunk | None = None) -> None:
        fleet = world.fleet
        self._world, self._inner, self._fleet = world, inner, fleet
        self._trunk = sockets
        """Real sockets; None: a broker that is modelled, to which `told` is what gateways say."""
        n = len(fleet.gateway)
        self.device = fleet.gateway
        self.up: Mask = np.ones(n, np.bool_)
        self.stopped: NDArray[np.uint8] = np.zeros((len(SERVICES), n), np.uint8)
        self.broken: Int = np.zeros(n, np.int64)
        self.dead: Mask = np.zeros(n, np.bool_)
        self._machines: Int = np.ones(n, np.int64)
        self.takes_over_us: Int = np.full(n, NEVER_US, np.int64)
        self.killed = 0
        self.moved_us = 0
        self.sessions = Sessions()
        self.presence = Presence(fleet.gateway, fleet.carrier)
        kinds = [part.kind for part in fleet.plan.segments]
        self._parcels = Parcels(world.channels, kinds, fleet.segment.astype(np.int64))
        self.backlog = Backlog(2 * n, self._parcels.widest)
        """Queue i is the buffer of gateway i, queue n + i waits for its processor."""
        self._inbox: list[Messages] = []
        self._returned: list[Messages] = []
        self._full_disks: list[_FullDisk] = []
        self._offered: tuple[Int, Device] = (np.empty(0, np.int64), np.empty(0, np.int32))
        self._edge: EdgeProcessors | None = None
        """What makes fewer readings of many; None: all gateways pass on all."""
        self._plan_columns()
        self._solar = self._solar_rows(year_us)

    def _plan_columns(self) -> None:
        fleet = self._fleet
        plans: list[GatewayPlan] = []
        for device in self.device.tolist():
            plan = fleet.plan.segments[int(fleet.segment[device])].gateway
            assert plan is not None
            plans.append(plan)
        if EdgeProcessors.needed(plans):
            parcels = self._parcels
            self._edge = EdgeProcessors(
                plans, len(fleet), parcels.kinds, self._world.channels, parcels.widest, self._world.lose
            )
        self.forwarder = Forwarder(self._world, self._inner, plans, self._parcels, self.backlog)
        self._queue_places = np.array([plan.queue_readings for plan in plans], np.int64)
        self._evict_oldest = np.array([plan.evict_oldest for plan in plans], np.bool_)
        self._durable = np.array([plan.durable for plan in plans], np.bool_)
        # The largest message that its devices send is what a place takes.
        largest = np.ones(1 + len(plans), np.int64)
        np.maximum.at(largest, fleet.carrier, self.forwarder.cargo.stored_bytes[fleet.segment])
        self._place_bytes = largest[1:]
        endless = float(NEVER_US)
        memory = np.array([endless if plan.memory_bytes is None else plan.memory_bytes for plan in plans])
        self._memory_places = (memory / self._place_bytes).astype(np.int64)
        disk = np.array(
            [plan.disk_bytes if plan.durable and plan.disk_bytes is not None else endless for plan in plans]
        )
        places = np.array([plan.buffer_readings for plan in plans], np.float64)
        self._places = np.minimum(places, disk / self._place_bytes).astype(np.int64)
        self._machines[:] = [1 + plan.spare for plan in plans]

    def _solar_rows(self, year_us: int) -> tuple[Int, SolarSupply] | None:
        fleet = self._fleet
        plans = [part.gateway for part in fleet.plan.segments]
        sunny = np.array([plan is not None and plan.solar for plan in plans], np.bool_)
        rows = np.flatnonzero(sunny[fleet.segment[self.device]])
        if not len(rows):
            return None
        device = self.device[rows]
        panel_w = np.array([0.0 if plan is None else plan.panel_w for plan in plans], np.float32)
        battery_wh = np.array([0.0 if plan is None else plan.battery_wh for plan in plans], np.float32)
        segment = fleet.segment[device]
        sites = [name for name, _ in fleet.plan.sites]
        where = place(self._world.seed, Purpose.SITE, sites, fleet.site[device])
        return rows, SolarSupply(where, panel_w[segment], battery_wh[segment], year_us)

    # --- device end: sessions -----------------------------------------------------------------------------------------

    def open(self, identities: Identities) -> None:
        self.sessions.open(identities.keep_alive_us, np.flatnonzero(self._fleet.carrier > 0))
        self._inner.open(replace(identities, speaker=self._fleet.speaker))
        if self._trunk is not None:
            # A live fleet gathers, and is announced, before the run begins.
            self.presence.note(np.arange(len(self.device)), 0, RISE)
            self.told(NO_EVENTS, 0)

    def offer(self, at_us: Int, device: Device, tries: Int, begin_us: Int) -> Outcome:
        """A gateway has a place for each of its devices, and answers at once."""
        direct = np.flatnonzero(self._fleet.carrier[device] == 0)
        answer = np.full(len(device), Answer.ADMITTED, np.uint8)
        answer_us = at_us.copy()
        if len(direct):
            outcome = self._inner.offer(at_us[direct], device[direct], tries[direct], begin_us[direct])
            answer[direct] = outcome.answer
            answer_us[direct] = outcome.answer_us
        self._offered = (at_us, device)
        return Outcome(answer, answer_us)

    def commit(self, count: int) -> None:
        at_us, device = self._offered
        inside = self._fleet.carrier[device[:count]] > 0
        self.sessions.admit(device[:count][inside], at_us[:count][inside])
        direct = count - int(np.count_nonzero(inside))
        if direct:
            self._inner.commit(direct)

    def disconnect(self, device: Device, at_us: Int, last_packet_us: Int, abrupt: bool) -> None:
        inside = self._fleet.carrier[device] > 0
        if self._trunk is not None:
            self._note(device, at_us, MUTE)
        self.sessions.disconnect(device[inside], at_us[inside], last_packet_us[inside], abrupt)
        self._inner.disconnect(device[~inside], at_us[~inside], last_packet_us[~inside], abrupt)

    def silence(self, device: Device, at_us: int, last_packet_us: Int, direction: str) -> None:
        inside = self._fleet.carrier[device] > 0
        self.sessions.silence(device[inside], at_us, last_packet_us[inside], direction)
        self._inner.silence(device[~inside], at_us, last_packet_us[~inside], direction)

    def resume(self, device: Device, at_us: int, kept: Mask) -> None:
        inside = self._fleet.carrier[device] > 0
        self.sessions.resume(device[inside], at_us, kept[inside])
        self._inner.resume(device[~inside], at_us, kept[~inside])

    def announce(self, device: Device, boot: Device, at_us: Int) -> None:
        inside = self._fleet.carrier[device] > 0
        self.sessions.announce(device[inside], boot[inside], at_us[inside])
        self._inner.announce(device[~inside], boot[~inside], at_us[~inside])
        if self._trunk is not None:
            # Whether the core has seen the last session end or not: what is no longer true is told as well.
            self._note(device, self._fleet.connected_us[device], RISE)

    def poll(self, now_us: int) -> DeviceOutcome:
        return self._inner.poll(now_us)

    def told(self, events: SessionEvents, now_us: int) -> SessionEvents:
        """What the core is told up to `now_us`: `events` of the broker in the cloud, and what gateways forward."""
        return self.presence.told_of(events, self.sessions.until(now_us))

    def _forward(self, trunk: Trunk, now_us: int) -> None:
        """Let gateways tell over their own connections what became of sessions inside: of each device its last word."""
        told = self.told(NO_EVENTS, now_us)
        if not len(told):
            return
        rows = np.flatnonzero(told.what != SessionEvent.TAKEN_OVER)
        _, last = np.unique(told.device[rows[::-1]], return_index=True)
        rows = np.sort(rows[len(rows) - 1 - last])
        trunk.forward(SessionEvents(told.at_us[rows], told.device[rows], told.what[rows], told.boot[rows]))

    def _note(self, device: Device, at_us: Int, what: int) -> None:
        """Of these devices' sessions in the cloud; those of gateways are the ones that matter."""
        row = np.searchsorted(self.device, device)
        row[row == len(self.device)] = 0
        mine = self.device[row] == device
        self.presence.note(row[mine], at_us[mine], what)

    # --- device end: readings -----------------------------------------------------------------------------------------

    def publish(self, readings: Readings, at_broker_us: Int, kept: Mask | None = None) -> Mask | None:
        """See `DeviceEnd`.

        Gateways take what both sides know of, as at QoS 2: a reading that its device keeps as well, because no
        acknowledgement can reach it, is not taken.
        """
        inside = self._fleet.carrier[readings.device] > 0
        if not inside.any():
            return self._inner.publish(readings, at_broker_us, kept)
        if readings.wire or readings.duplicate:
            return self._pass_on(readings, at_broker_us, kept)
        present = np.ones(len(inside), np.bool_) if readings.present is None else readings.present
        mine = present & inside
        taken = mine if kept is None else mine & ~kept
        if taken.any():
            rows = np.flatnonzero(taken)
            self._inbox.append(self._messages(readings, rows, at_broker_us[rows]))
        dropped: Mask = mine & ~taken
        direct = np.flatnonzero(present & ~inside)
        if len(direct):
            part = readings.taken(direct)
            refused = self._inner.publish(part, at_broker_us[direct], None if kept is None else kept[direct])
            if refused is not None:
                dropped[direct] = refused
        return dropped if dropped.any() else None

    def _pass_on(self, readings: Readings, at_broker_us: Int, kept: Mask | None) -> Mask | None:
        """Sparse messages that are not what their device measured, or repeat it: gateways forward the former as they
        come, and no message twice.

        Behind one that cannot, a reading is carried as it was measured.
        """
        through = self.lets_pass(readings.device, rewritten=bool(readings.wire))
        held = np.flatnonzero(~through)
        if len(held) and not readings.duplicate:
            self._inbox.append(self._messages(readings, held, at_broker_us[held]))
        chosen = np.flatnonzero(through)
        refused = None
        if len(chosen):
            part = readings.taken(chosen)
            refused = self._inner.publish(part, at_broker_us[chosen], None if kept is None else kept[chosen])
        if refused is None:
            return None
        dropped = np.zeros(len(through), np.bool_)
        dropped[chosen] = refused
        return dropped

    def lets_pass(self, device: Device | Int, *, rewritten: bool) -> Mask:
        """Of which of these devices a message goes on as it is: of those without a gateway, and through one that can
        if it is `rewritten`, not what the device measured."""
        carrier = self._fleet.carrier[device]
        through: Mask = np.append(True, self._sending & self._passing)[carrier] if rewritten else carrier == 0
        return through

    def _messages(self, readings: Readings, rows: Int, at_us: Int) -> Messages:
        carrier = (self._fleet.carrier[readings.device[rows]] - 1).astype(np.int64)
        return self._parcels.messages(readings, rows, at_us, carrier)

    # --- where readings are -------------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Readings in gateways."""
        edge = 0 if self._edge is None else self._edge.held
        return self.backlog.held + edge + sum(len(part) for part in self._returned)

    @property
    def in_flight(self) -> int:
        """Readings between their devices and gateways."""
        return sum(len(part) for part in self._inbox)

    def held_each(self) -> Int:
        """The former, one row a device."""
        edge = [] if self._edge is None else [self._edge.devices()]
        waiting = np.concatenate([self.backlog.devices(), *edge, *(part.device for part in self._returned)])
        return np.bincount(waiting, minlength=len(self._fleet)).astype(np.int64)

    def in_flight_each(self) -> Int:
        """The latter, one row a device."""
        travelling = np.concatenate([np.empty(0, np.int32), *(part.device for part in self._inbox)])
        return np.bincount(travelling, minlength=len(self._fleet)).astype(np.int64)

    @property
    def _passing(self) -> Mask:
        """Gateways that take in what arrives."""
        passing: Mask = self.up & (self.stopped[PROCESSOR] == 0) & (self.stopped[BUFFER] == 0)
        return passing

    def heard(self) -> Mask:
        """Gateways with a session in the cloud on which packets get through."""
        fleet, device = self._fleet, self.device
        online = (fleet.state[device] == State.ONLINE) & ~self._world.blocked[device]
        heard: Mask = online & (fleet.link_cuts[device] == 0)
        return heard

    @property
    def _sending(self) -> Mask:
        sending: Mask = self.heard() & self.up & (self.stopped[BUFFER] == 0) & (self.stopped[FORWARDER] == 0)
        if self._trunk is not None:
            sending &= ~self._trunk.backed_up(self.device)
        if self._world.trunks is not None:
            sending &= ~self._world.trunks.full[self.device]
        return sending

    def reached(self) -> Mask:
        """bool, one a device: nothing is known to stop what it sends at its gateway; True for those that need none."""
        open_ = np.append(True, self.heard())
        reached: Mask = open_[self._fleet.carrier]
        return reached

    def catch_up(self, now_us: int) -> None:
        if self._returned:
            self._put_returned()
        if self._trunk is not None:
            self._forward(self._trunk, now_us)
        while self.moved_us < now_us:
            if not self._inbox and not self.backlog.held and not (self._edge and self._edge.held):
                self.moved_us = now_us
                return
            to_us = min(now_us, (self.moved_us // SECOND_US + 1) * SECOND_US)
            self._move(to_us)
            self.moved_us = to_us
            if to_us % SECOND_US == 0:
                self._trim()

    def _move(self, to_us: int) -> None:
        arrived = self._arrived(to_us)
        if self._edge is not None:
            arrived = self._condensed(self._edge, arrived)
        sending = self._sending
        parts = []
        if len(arrived):
            passing = self._passing[arrived.gateway]
            if not passing.all():
                self._queue_up(arrived.take(~passing))
                arrived = arrived.take(passing)
            # Where nothing waits, a reading need not go through the buffer.
            empty = self.backlog.depth[: len(self.device)] == 0
            through = (sending & self.forwarder.sends_at_once() & empty)[arrived.gateway]
            if through.any():
                parts.append(arrived.take(through))
            if not through.all():
                rest = arrived.take(~through)
                self.backlog.put(rest.gateway, rest)
        waiting = np.flatnonzero(sending & (self.backlog.depth[: len(self.device)] > 0))
        self.forwarder.send(joined(parts) if parts else None, waiting, self.moved_us, to_us)

    def _condensed(self, edge: EdgeProcessors, arrived: Messages) -> Messages:
        """What processors make of what arrived; what they cannot take yet stays as it is."""
        passing = self._passing
        taken = passing[arrived.gateway]
        parts = [edge.finished(self.moved_us, passing), edge.take(arrived.take(taken)), arrived.take(~taken)]
        found = joined([part for part in parts if len(part)] or parts[:1])
        return found.take(np.lexsort((found.seq, found.device, found.at_us, found.gateway)))

    def _arrived(self, to_us: int) -> Messages:
        """What reached gateways before `to_us`, by gateway in order of arrival."""
        if not self._inbox:
            return nothing(self._parcels.widest)
        inbox = joined(self._inbox)
        here = inbox.at_us < to_us
        self._inbox = [] if here.all() else [inbox.take(~here)]
        arrived = inbox.take(here)
        return arrived.take(np.lexsort((arrived.seq, arrived.device, arrived.at_us, arrived.gateway)))

    def _queue_up(self, messages: Messages) -> None:
        """In front of the processor; what finds no place is lost."""
        queue = messages.gateway + len(self.device)
        _, _, nth = runs(queue)
        fits = self.backlog.depth[queue] + nth < self._queue_places[messages.gateway]
        self._world.lose(LossCause.QUEUE_FULL, messages.device[~fits])
        self.backlog.put(queue[fits], messages.take(fits))

    def _trim(self) -> None:
        """Once a second: let buffers lose what is too much for them."""
        depth = self.backlog.depth[: len(self.device)]
        places = self._places.copy()
        for full in self._full_disks:
            places[full.gateway] = np.minimum(places[full.gateway], full.places)
        over = np.flatnonzero(depth > places)
        if not len(over):
            return
        count = depth[over] - places[over]
        for full in self._full_disks:
            mine = np.isin(over, full.gateway)
            if mine.any():
                self._world.bit(full.step, "readings_evicted", int(count[mine].sum()))
        oldest = self._evict_oldest[over]
        self._world.lose(LossCause.EVICTED, self.backlog.drop(over[oldest], count[oldest]))
        self._world.lose(LossCause.EVICTED, self.backlog.drop(over[~oldest], count[~oldest], newest=True))

    def take_back(self, readings: Readings, rows: Mask) -> Mask:
        """What a gateway had sent, it has still."""
        mine = rows & (self._fleet.carrier[readings.device] > 0)
        if mine.any():
            chosen = np.flatnonzero(mine)
            self._returned.append(self._messages(readings, chosen, readings.sent_us[chosen]))
        return mine

    def _put_returned(self) -> None:
        """Put back what came back, in front of what waits; it came in the order in which it was sent."""
        messages = joined(self._returned)
        self._returned = []
        messages = messages.take(np.argsort(messages.gateway, kind="stable"))
        gone = ~self.up[messages.gateway] & ~self._durable[messages.gateway]
        self._world.lose(LossCause.POWER, messages.device[gone])
        kept = messages.take(~gone)
        self.backlog.put_back(kept.gateway, kept)

    # --- the machine --------------------------------------------------------------------------------------------------

    def rows_of(self, device: Int | Device) -> Int:
        """Gateways among these devices."""
        return np.flatnonzero(np.isin(self.device, device))

    def connected(self, device: Int, at_us: Int) -> None:
        self._opened(device, at_us)

    def healed(self, device: Int, heard: Int, at_us: int) -> None:  # noqa: ARG002
        self._opened(heard, at_us)

    def _opened(self, device: Int, at_us: Int | int) -> None:
        """Packets of these devices get through, from these instants on."""
        at = np.zeros(len(self._fleet), np.int64)
        at[device] = at_us
        rows = self.rows_of(device)
        self.forwarder.wait(rows, at[self.device[rows]])
        self.presence.note(rows, at[self.device[rows]], SYNC)

    def cut(self, device: Int, at_us: int, up: bool) -> None:
        if up:
            self.presence.note(self.rows_of(device), at_us, MUTE)

    def power_failed(self, device: Int, at_us: int) -> None:
        """What is volatile is gone, and nobody answers their devices."""
        rows = self.rows_of(device)
        rows = rows[self.up[rows]]
        if not len(rows):
            return
        self.up[rows] = False
        n = len(self.device)
        self._world.lose(LossCause.POWER, self.backlog.drop(n + rows, self.backlog.depth[n + rows]))
        if self._edge is not None:
            self._edge.stop(rows, LossCause.POWER)
        volatile = rows[~self._durable[rows]]
        self._world.lose(LossCause.POWER, self.backlog.drop(volatile, self.backlog.depth[volatile]))
        self.presence.note(rows, at_us, MUTE)
        self._broker_dies(rows, at_us, silent=True)

    def _broker_dies(self, rows: Int, at_us: int, silent: bool) -> int:
        """Returns how many devices were online with these brokers."""
        world, fleet = self._world, self._fleet
        cost = world.life.broker_stops(at_us, silent, 1 + rows)
        named = np.zeros(1 + len(self.device), np.bool_)
        named[1 + rows] = True
        clients = np.flatnonzero(named[fleet.carrier])
        world.blocked[clients[fleet.state[clients] == State.ONLINE]] = True
        self.sessions.forget(at_us, clients)
        if self._inbox:
            inbox = joined(self._inbox)
            unread = named[1 + inbox.gateway]
            self._inbox = [inbox.take(~unread)] if not unread.all() else []
            for readings, every in self._parcels.readings(inbox.take(unread)):
                told = accounted_for(world, readings, np.ones(len(every), np.bool_))
                world.lose(LossCause.OUTAGE, np.delete(readings.device, told))
        return len(cost)

    def _broker_returns(self, rows: Int, at_us: int) -> None:
        """Their machines are up; where the service is down, its port is closed."""
        broken = self.stopped[BROKER][rows] > 0
        if broken.any():
            self._world.life.broker_stops(at_us, False, 1 + rows[broken])
        if not broken.all():
            self._world.life.broker_starts(at_us, 1 + rows[~broken])

    # --- what faults do -----------------------------------------------------------------------------------------------

    def crash(self, device: Device, at_us: int) -> dict[str, int]:
        """The gateways among these devices stop as a whole. Returns evidence."""
        return {"gateways_stopped": self._world.power_off(self._gateways_among(device), at_us)}

    def restart(self, device: Device, at_us: int) -> None:
        """They boot."""
        self._world.power_on(self._gateways_among(device), at_us)

    def _gateways_among(self, device: Device) -> Device:
        return self.device[self.rows_of(device)].astype(np.int32)

    def stop(self, device: Device, service: int, at_us: int) -> dict[str, int]:
        """Stop one service of the gateways among these devices. Returns evidence."""
        self.catch_up(at_us)
        rows = self.rows_of(device)
        self.stopped[service][rows] += 1
        rows = rows[self.stopped[service][rows] == 1]
        if service == FORWARDER:
            self._hang_up(rows, at_us)
        rows = rows[self.up[rows]]
        found = {"services_stopped": len(rows)}
        n = len(self.device)
        if not len(rows):
            return found
        if service == BROKER:
            lost = self.backlog.drop(n + rows, self.backlog.depth[n + rows])
            self._world.lose(LossCause.OUTAGE, lost)
            found["sessions_ended"] = self._broker_dies(rows, at_us, silent=False)
            found["readings_lost"] = len(lost)
        elif service == PROCESSOR and self._edge is not None:
            found["readings_lost"] = self._edge.stop(rows, LossCause.OUTAGE)
        elif service == BUFFER:
            volatile = rows[~self._durable[rows]]
            lost = self.backlog.drop(volatile, self.backlog.depth[volatile])
            self._world.lose(LossCause.OUTAGE, lost)
            found["readings_lost"] = len(lost)
        return found

    def _hang_up(self, rows: Int, at_us: int) -> None:
        """They close their connection and make no other, until `World.heal`: to the broker it is no silence."""
        fleet, device = self._fleet, self.device[rows]
        had_one = device[(fleet.state[device] == State.ONLINE) & ~self._world.blocked[device]]
        now = np.full(len(had_one), at_us, np.int64)
        self.disconnect(had_one.astype(np.int32), now, now, abrupt=False)
        self._world.cut(device.astype(np.int32), at_us, "both")
        fleet.stale_us[had_one] = at_us

    def start(self, device: Device, service: int, at_us: int) -> None:
        """Let go of a service again; it works when nothing else holds it down."""
        self.catch_up(at_us)
        rows = self.rows_of(device)
        self.stopped[service][rows] -= 1
        rows = rows[self.stopped[service][rows] == 0]
        if service == BROKER:
            self._broker_returns(rows[self.up[rows]], at_us)
        elif service == FORWARDER:
            self._world.heal(self.device[rows].astype(np.int32), at_us, "both")
        else:
            self._take_in(rows, at_us)

    def _take_in(self, rows: Int, at_us: int) -> None:
        """What waited for these processors goes on to their buffers."""
        rows = rows[self._passing[rows]]
        queue = len(self.device) + rows
        if self._edge is None:
            self.backlog.move(queue, rows)
        else:
            waited = self.backlog.take(queue, self.backlog.depth[queue])
            waited.at_us[:] = at_us
            passed = self._edge.take(waited)
            self.backlog.put(passed.gateway, passed)
        self.forwarder.wait(rows, at_us)

    def fail_over(self, device: Device, at_us: int, takeover_us: int) -> dict[str, int]:
        """The active machines of these gateways die; where a spare stands by, it takes over. Returns evidence."""
        rows = self.rows_of(device)
        self.broken[rows] += 1
        rows = rows[~self.dead[rows]]
        failed = self._world.power_off(self.device[rows].astype(np.int32), at_us)
        self.dead[rows] = True
        spared = rows[self.broken[rows] < self._machines[rows]]
        self.takes_over_us[spared] = at_us + takeover_us
        return {"machines_failed": failed, "spares_called": len(spared)}

    def repaired(self, device: Device, at_us: int) -> None:
        """Of each pair one machine that died is whole again: a spare, or it boots if nobody took over or will."""
        rows = self.rows_of(device)
        self.broken[rows] -= 1
        alone = rows[self.dead[rows] & (self.takes_over_us[rows] == NEVER_US)]
        self.dead[alone] = False
        self._world.power_on(self.device[alone].astype(np.int32), at_us)

    def _take_over(self, rows: Int, at_us: int) -> None:
        """Spares had booted long ago."""
        self.takes_over_us[rows] = NEVER_US
        self.dead[rows] = False
        self._world.life.power_on(self.device[rows], at_us, at_once=True)

    def fill_disks(self, step: str, device: Device, at_us: int) -> int:
        """Durable buffers of the gateways among these devices cannot grow any more. Returns how many."""
        self.catch_up(at_us)
        rows = self.rows_of(device)
        rows = rows[self._durable[rows]]
        self._full_disks.append(_FullDisk(step, rows, self.backlog.depth[rows].copy()))
        return len(rows)

    def clear_disks(self, step: str, at_us: int) -> None:
        self.catch_up(at_us)
        self._full_disks = [full for full in self._full_disks if full.step != step]

    # --- once a second ------------------------------------------------------------------------------------------------

    def look(self, now_us: int) -> None:
        """Machines that have booted, that run out of memory, that lose or get the sun; spares that take over."""
        world = self._world
        world.advance_to(now_us)
        self.catch_up(now_us)
        due = np.flatnonzero(self.takes_over_us <= now_us)
        if len(due):
            self._take_over(due, now_us)
        booted = np.flatnonzero(~self.up & (self._fleet.state[self.device] >= State.CONNECTING))
        if len(booted):
            self.up[booted] = True
            self._broker_returns(booted, now_us)
        n = len(self.device)
        volatile = self.backlog.depth[n:] + np.where(self._durable, 0, self.backlog.depth[:n])
        killed = np.flatnonzero(self.up & (volatile > self._memory_places))
        if len(killed):
            self.killed += len(killed)
            device = self.device[killed].astype(np.int32)
            world.power_off(device, now_us)
            world.power_on(device, now_us)
        if self._solar is not None and now_us % STEP_US == 0:
            self._follow_the_sun(*self._solar, now_us)

    def _follow_the_sun(self, rows: Int, supply: SolarSupply, now_us: int) -> None:
        was_on = supply.on
        supply.step(now_us)
        for change, act in (
            (was_on & ~supply.on, self._world.power_off),
            (~was_on & supply.on, self._world.power_on),
        ):
            if change.any():
                act(self.device[rows[change]].astype(np.int32), now_us)
