"""Trunks of sites: the one line over which all that a site sends reaches the broker in the cloud.

A trunk is a server with a rate: messages and CONNECTs that reach it wait in one line, first come, first served, and
travel a latency later (``docs/storm-model.md``). Whoever talks with a gateway inside the site is not concerned; the
gateway is. While more waits than the queue holds, connections slow their senders down: devices keep what they sample,
and go on in turn when there is room. What nobody holds back (a datagram, a CONNECT) is lost then.

`SiteTrunks` is a device end between the world and the broker's. What waits moves when somebody must know where it is,
at the latest once a second. Each message leaves at the earliest instant that it can, so no result depends on when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.backlog import Messages, Parcels, highest_so_far, joined, nothing, runs
from twinstorm.twin.cargo import Cargo
from twinstorm.twin.flow import (
    SECOND_US,
    Device,
    DeviceEnd,
    DeviceOutcome,
    Identities,
    Int,
    LossCause,
    Mask,
    Outcome,
    Readings,
)
from twinstorm.twin.network import HANDSHAKE_BYTES
from twinstorm.twin.parts import Part

if TYPE_CHECKING:
    from twinstorm.twin.world import World

NS: Final = 1_000
"""Nanoseconds of a microsecond: service times are short."""

_CONNECT, _SEALED = -1, -2
"""In place of the kind of a message: a CONNECT, which takes its time on the line and carries nothing; a message that
faults changed or repeat, of which `_sealed` has the original."""

DELAYED: Final = "messages_delayed"


@dataclass(frozen=True)
class TrunkPlan:
    """The line of a site.

    Attributes:
        bytes_per_s: from the site to the cloud, all together, > 0.
        queue_bytes: what waits for it before senders are slowed down.
        latency_us: from its end to the broker, on top of that of the devices' links; >= 1.
    """

    bytes_per_s: float
    queue_bytes: float
    latency_us: int


@dataclass
class _Squeeze:
    """A step that leaves these trunks so much."""

    step: str
    trunk: Int
    bytes_per_s: float


@dataclass
class _Sealed:
    """Messages that are not, or not only, what their columns say; `left` of them wait."""

    readings: Readings
    left: int


class SiteTrunks(Part):
    """Implements `DeviceEnd`; rows of columns are trunks unless said otherwise.

    Attributes:
        of: int64, one a device: its trunk; -1: none.
        sends: bool, one a device: its own connection passes the trunk.
        full: bool, one a device: it sends over a trunk for which too much waited at the last whole second.
        passed: bool, one a device: its CONNECT is between trunk and broker.
        moved_bytes: that left so far.
    """

    def __init__(self, world: World, inner: DeviceEnd) -> None:
        fleet = world.fleet
        self._world, self._inner = world, inner
        plans = fleet.plan.trunks
        sites = [site for site, plan in enumerate(plans) if plan is not None]
        own = [plan for plan in plans if plan is not None]
        of_site = np.full(len(fleet.plan.sites), -1, np.int64)
        of_site[sites] = np.arange(len(sites))
        self._site = np.array(sites, np.int64)
        self.of: Int = of_site[fleet.site]
        self.sends = fleet.shares_a_line
        n = len(own)
        self._own_rate = np.array([plan.bytes_per_s for plan in own], np.float64)
        self._queue_bytes = np.array([plan.queue_bytes for plan in own], np.float64)
        self._latency_us = np.array([plan.latency_us for plan in own], np.int64)
        self.rate = self._own_rate.copy()
        self.moved_bytes: Int = np.zeros(n, np.int64)
        self.full: Mask = np.zeros(len(fleet), np.bool_)
        self.passed: Mask = np.zeros(len(fleet), np.bool_)
        self._free_ns: Int = np.zeros(n, np.int64)
        """When the newest message that left had left."""
        self._connect_free_ns: Int = np.zeros(n, np.int64)
        """When a CONNECT that comes now may leave: behind what waited at the last whole second, and those since."""
        self._beside_us: Int = np.zeros(n, np.int64)
        """How long a birth takes longer, by what waited at the last whole second."""
        self._waiting_bytes: Int = np.zeros(n, np.int64)
        self._last_served: Int = np.full(n, -1, np.int64)
        """Device that was let in last when there was not room for all."""
        kinds = [part.kind for part in fleet.plan.segments]
        self._parcels = Parcels(world.channels, kinds, fleet.segment.astype(np.int64))
        self._inbox: list[Messages] = []
        self._sealed: dict[int, _Sealed] = {}
        self._seals = 0
        self._squeezes: list[_Squeeze] = []
        self._sizes()

    def _sizes(self) -> None:
        """Bytes of one reading and one CONNECT of each device, on the link of whoever sends it to the trunk."""
        fleet = self._world.fleet
        self._reading_bytes: Int = Cargo(fleet, self._world.channels).total_bytes(fleet.link[fleet.speaker])
        packed = np.array([each.packed for each in fleet.links.classes], np.bool_)
        # Half of a handshake goes up.
        connect = fleet.links.connect_bytes() + np.where(packed, 0, HANDSHAKE_BYTES // 2)
        self._connect_bytes: Int = connect[fleet.link]

    # --- device end: sessions -----------------------------------------------------------------------------------------

    def open(self, identities: Identities) -> None:
        self._inner.open(identities)

    def offer(self, at_us: Int, device: Device, tries: Int, begin_us: Int) -> Outcome:
        return self._inner.offer(at_us, device, tries, begin_us)

    def commit(self, count: int) -> None:
        self._inner.commit(count)

    def disconnect(self, device: Device, at_us: Int, last_packet_us: Int, abrupt: bool) -> None:
        self._inner.disconnect(device, at_us, last_packet_us, abrupt)

    def silence(self, device: Device, at_us: int, last_packet_us: Int, direction: str) -> None:
        self._inner.silence(device, at_us, last_packet_us, direction)

    def resume(self, device: Device, at_us: int, kept: Mask) -> None:
        self._inner.resume(device, at_us, kept)

    def announce(self, device: Device, boot: Device, at_us: Int) -> None:
        later_us = np.append(self._beside_us + self._latency_us, 0)[self.of[device]]
        self._inner.announce(device, boot, at_us + later_us)

    def poll(self, now_us: int) -> DeviceOutcome:
        return self._inner.poll(now_us)

    # --- CONNECTs, which `Life` lets pass before it offers them to the broker -----------------------------------------

    def foresee_connects(self, at_us: Int, device: Int) -> tuple[Int, Mask]:
        """When CONNECTs that reach their trunks at these instants (ascending) would reach the broker, and which are
        lost because too much waits. Changes nothing."""
        lost = self.full[device]
        reach_us = at_us.copy()
        passes = np.flatnonzero(~lost)
        if len(passes):
            order, finish_ns = self._connects(at_us[passes], device[passes])
            rows = passes[order]
            reach_us[rows] = -(-finish_ns // NS) + self._latency_us[self.of[device[rows]]]
        return reach_us, lost

    def let_pass(self, at_us: Int, device: Int) -> None:
        """These CONNECTs, which are not lost, did reach their trunks."""
        order, finish_ns = self._connects(at_us, device)
        trunk = self.of[device[order]]
        # Ascending in each run, so that the last one counts.
        self._connect_free_ns[trunk] = finish_ns
        self.passed[device] = True
        zero = np.zeros(len(device), np.int64)
        none = np.full((len(device), self._parcels.widest), np.nan, np.float32)
        codes = np.full(len(device), _CONNECT, np.int16)
        who = device.astype(np.int32)
        self._inbox.append(Messages(self.of[device], codes, who, who, zero, zero, zero, at_us, none))

    def _connects(self, at_us: Int, device: Int) -> tuple[Int, Int]:
        """Their order by trunk, and when each has left it."""
        trunk = self.of[device]
        order = np.argsort(trunk, kind="stable")
        trunk = trunk[order]
        service_ns = self._service_ns(trunk, self._connect_bytes[device[order]])
        ready_ns = np.maximum(at_us[order] * NS, self._connect_free_ns[trunk])
        return order, _served(trunk, ready_ns, service_ns)

    def _service_ns(self, trunk: Int, size_bytes: Int) -> Int:
        return np.ceil(size_bytes * (SECOND_US * NS / self.rate[trunk])).astype(np.int64)

    # --- readings -----------------------------------------------------------------------------------------------------

    def publish(self, readings: Readings, at_broker_us: Int, kept: Mask | None = None) -> Mask | None:
        """See `DeviceEnd`; `at_broker_us` is when each reaches the trunk.

        A reading that its device keeps as well, because no acknowledgement can reach it, is not taken.
        """
        trunk = self.of[readings.device]
        if not (trunk >= 0).any():
            return self._inner.publish(readings, at_broker_us, kept)
        present = np.ones(len(trunk), np.bool_) if readings.present is None else readings.present
        mine = present & (trunk >= 0)
        dropped: Mask = np.zeros(len(trunk), np.bool_) if kept is None else mine & kept
        enters = mine & ~dropped
        gone = enters & self.full[readings.device] & self._is_datagram(readings.device)
        if gone.any():
            enters &= ~gone
            if not readings.duplicate:
                self._world.lose(LossCause.QUEUE_FULL, readings.device[gone])
        rows = np.flatnonzero(enters)
        if len(rows):
            messages = self._parcels.messages(readings, rows, at_broker_us[rows], trunk[rows])
            if readings.wire or readings.duplicate:
                messages = self._seal(readings.taken(rows), messages)
            self._inbox.append(messages)
        rest = np.flatnonzero(present & (trunk < 0))
        if len(rest):
            part = readings.taken(rest)
            refused = self._inner.publish(part, at_broker_us[rest], None if kept is None else kept[rest])
            if refused is not None:
                dropped[rest] = refused
        return dropped if dropped.any() else None

    def _is_datagram(self, device: Device) -> Mask:
        fleet = self._world.fleet
        datagram: Mask = fleet.links.datagram[fleet.link[device]] & self.sends[device]
        return datagram

    def _seal(self, readings: Readings, messages: Messages) -> Messages:
        """Keep the originals; a message then says which it is by `boot` and `sent_us`."""
        self._seals += 1
        self._sealed[self._seals] = _Sealed(readings, len(messages))
        n = len(messages)
        return Messages(
            messages.gateway,
            np.full(n, _SEALED, np.int16),
            messages.device,
            np.full(n, self._seals, np.int32),
            messages.seq,
            messages.device_time_us,
            np.arange(n, dtype=np.int64),
            messages.at_us,
            messages.values,
        )

    @property
    def in_flight(self) -> int:
        """Readings between devices and the ends of their trunks."""
        plain = sum(int(np.count_nonzero(part.kind >= 0)) for part in self._inbox)
        return plain + sum(each.left for each in self._sealed.values() if not each.readings.duplicate)

    def in_flight_each(self) -> Int:
        """The same, one row a device."""
        each = np.zeros(len(self.of), np.int64)
        for part in self._inbox:
            repeats = [number for number, sealed in self._sealed.items() if sealed.readings.duplicate]
            counts = (part.kind >= 0) | ((part.kind == _SEALED) & ~np.isin(part.boot, repeats))
            np.add.at(each, part.device[counts], 1)
        return each

    def catch_up(self, now_us: int) -> None:
        """Let leave what leaves before `now_us`."""
        if not self._inbox:
            return
        waiting = joined(self._inbox)
        here = waiting.at_us < now_us
        arrived = waiting.take(here)
        arrived = arrived.take(np.lexsort((arrived.seq, arrived.device, arrived.at_us, arrived.gateway)))
        finish_ns = self._finish_ns(arrived)
        leaves = finish_ns < now_us * NS
        rest = [part for part in (arrived.take(~leaves), waiting.take(~here)) if len(part)]
        self._inbox = rest
        if not leaves.any():
            return
        finish_ns, gone = finish_ns[leaves], arrived.take(leaves)
        self._free_ns[gone.gateway] = finish_ns
        self.moved_bytes += np.bincount(gone.gateway, self._bytes(gone), len(self.rate)).astype(np.int64)
        self._count(gone)
        order = np.argsort(finish_ns, kind="stable")
        gone, finish_ns = gone.take(order), finish_ns[order]
        self._hand_over(gone, -(-finish_ns // NS) + self._latency_us[gone.gateway])

    def _finish_ns(self, arrived: Messages) -> Int:
        """When messages, sorted by trunk and arrival, have left it."""
        trunk = arrived.gateway
        ready_ns = np.maximum(arrived.at_us * NS, self._free_ns[trunk])
        return _served(trunk, ready_ns, self._service_ns(trunk, self._bytes(arrived)))

    def _bytes(self, messages: Messages) -> Int:
        of_readings = self._reading_bytes[messages.device]
        return np.where(messages.kind == _CONNECT, self._connect_bytes[messages.device], of_readings)

    def _hand_over(self, messages: Messages, arrive_us: Int) -> None:
        plain = np.flatnonzero(messages.kind >= 0)
        dropped: set[tuple[int, int]] = set()
        for readings, rows in self._parcels.readings(messages.take(plain)):
            self._publish(readings, arrive_us[plain[rows]], dropped)
        sealed = np.flatnonzero(messages.kind == _SEALED)
        repeats: list[tuple[Readings, Int]] = []
        for seal in np.unique(messages.boot[sealed]).tolist():
            rows = sealed[messages.boot[sealed] == seal]
            original = self._sealed[seal]
            part = original.readings.taken(messages.sent_us[rows])
            self._open(seal, len(rows))
            if part.duplicate:
                repeats.append((part, arrive_us[rows]))
            else:
                self._publish(part, arrive_us[rows], dropped)
        for part, at_us in repeats:
            self._publish_again(part, at_us, dropped)
        if dropped:
            self._recall(dropped)

    def _open(self, seal: int, count: int) -> None:
        self._sealed[seal].left -= count
        if not self._sealed[seal].left:
            del self._sealed[seal]

    def _publish(self, readings: Readings, at_us: Int, dropped: set[tuple[int, int]]) -> None:
        refused = self._inner.publish(readings, at_us)
        if refused is not None and refused.any():
            dropped.update(_names(readings.device[refused], readings.seq[refused]))

    def _publish_again(self, repeats: Readings, at_us: Int, dropped: set[tuple[int, int]]) -> None:
        """What the broker did not take, it is not sent again."""
        told = np.array([name not in dropped for name in _names(repeats.device, repeats.seq)], np.bool_)
        if told.any():
            self._inner.publish(repeats.taken(told), at_us[told])

    def _recall(self, dropped: set[tuple[int, int]]) -> None:
        """Take repeats of what the broker has just dropped out of the line."""
        if not self._sealed or not self._inbox:
            return
        waiting = joined(self._inbox)
        stays = np.ones(len(waiting), np.bool_)
        for row in np.flatnonzero(waiting.kind == _SEALED).tolist():
            seal = int(waiting.boot[row])
            if self._sealed[seal].readings.duplicate and (int(waiting.device[row]), int(waiting.seq[row])) in dropped:
                stays[row] = False
                self._open(seal, 1)
        self._inbox = [waiting.take(stays)] if stays.any() else []

    def broker_died(self) -> None:
        """What had not reached it is still its device's or gateway's, or lost."""
        waiting = joined(self._inbox) if self._inbox else nothing(self._parcels.widest)
        self._inbox = []
        batches = [readings for readings, _ in self._parcels.readings(waiting.take(waiting.kind >= 0))]
        sealed = np.flatnonzero(waiting.kind == _SEALED)
        for seal in np.unique(waiting.boot[sealed]).tolist():
            rows = sealed[waiting.boot[sealed] == seal]
            batches.append(self._sealed[seal].readings.taken(waiting.sent_us[rows]))
        self._sealed.clear()
        for readings in batches:
            if readings.duplicate:
                continue
            given = self._world.give_back(readings, np.ones(len(readings), np.bool_))
            self._world.lose(LossCause.OUTAGE, readings.device[~given])

    # --- once a second ------------------------------------------------------------------------------------------------

    def look(self, now_us: int) -> None:
        """See how much waits: who is slowed down in the second to come, and how long CONNECTs will take."""
        self._world.advance_to(now_us)
        self._world.settle(now_us)
        n = len(self.rate)
        ends_ns = np.maximum(self._free_ns, now_us * NS)
        self._waiting_bytes = np.zeros(n, np.int64)
        if self._inbox:
            waiting = joined(self._inbox)
            waiting = waiting.take(waiting.at_us < now_us)
            waiting = waiting.take(np.lexsort((waiting.seq, waiting.device, waiting.at_us, waiting.gateway)))
            ends_ns[waiting.gateway] = self._finish_ns(waiting)
            self._waiting_bytes = np.bincount(waiting.gateway, self._bytes(waiting), n).astype(np.int64)
        self._connect_free_ns = ends_ns
        self._beside_us = np.maximum(ends_ns // NS - now_us, 0)
        full = self._waiting_bytes > self._queue_bytes
        if full.any() or self.full.any():
            np.copyto(self.full, np.append(full, False)[self.of] & self.sends)

    def turns(self, device: Int, depth: Int) -> Int:
        """How many messages each of these devices (ascending), of which so many wait in each, may begin in this second:
        all, or what there is room for, shared out evenly and in turn."""
        most = depth.copy()
        mine = np.flatnonzero(self.sends[device])
        if not len(mine):
            return most
        n = len(self.rate)
        trunk, size = self.of[device[mine]], self._reading_bytes[device[mine]]
        room = np.maximum(self._queue_bytes + self.rate - self._waiting_bytes, 0.0).astype(np.int64)
        wanted = np.bincount(trunk, depth[mine] * size, n)
        for tight in np.flatnonzero(wanted > room).tolist():
            rows = mine[trunk == tight]
            each = size[trunk == tight]
            rounds, over = divmod(int(room[tight]), int(each.sum()))
            most[rows] = np.minimum(depth[rows], rounds)
            # Those behind the one that was let in last come first.
            first = int(np.searchsorted(device[rows], self._last_served[tight], side="right"))
            row, order = np.roll(rows, -first), np.roll(each, -first)
            row = row[np.cumsum(order) <= over]
            if len(row):
                most[row] = np.minimum(depth[row], rounds + 1)
                self._last_served[tight] = device[row[-1]]
        return most

    # --- what faults do -----------------------------------------------------------------------------------------------

    def squeeze(self, step: str, device: Device, at_us: int, bytes_per_s: float) -> int:
        """Leave so much of the trunks of these devices' sites. Returns how many there are."""
        self._world.settle(at_us)
        trunk = self._trunks_of(device)
        if len(trunk):
            self._squeezes.append(_Squeeze(step, trunk, bytes_per_s))
        self._change_rates(at_us)
        return len(trunk)

    def let_go(self, step: str, device: Device, at_us: int) -> None:
        """A step no longer holds the trunks of these devices' sites."""
        self._world.settle(at_us)
        trunk = self._trunks_of(device)
        for order in self._squeezes:
            if order.step == step:
                order.trunk = order.trunk[~np.isin(order.trunk, trunk)]
        self._squeezes = [order for order in self._squeezes if len(order.trunk)]
        self._change_rates(at_us)

    def _trunks_of(self, device: Device) -> Int:
        trunk = np.unique(self.of[device])
        return trunk[trunk >= 0]

    def _change_rates(self, at_us: int) -> None:
        """What is on a line begins anew at its new rate."""
        rate = self._own_rate.copy()
        for order in self._squeezes:
            rate[order.trunk] = np.minimum(rate[order.trunk], order.bytes_per_s)
        changed = rate != self.rate
        self._free_ns[changed] = np.maximum(self._free_ns[changed], at_us * NS)
        self.rate = rate

    def _count(self, gone: Messages) -> None:
        """Messages that left more slowly than the trunk would have let them."""
        for order in self._squeezes:
            slower = order.trunk[order.bytes_per_s < self._own_rate[order.trunk]]
            delayed = np.isin(gone.gateway, slower) & (gone.kind != _CONNECT)
            if delayed.any():
                self._world.bit(order.step, DELAYED, int(np.count_nonzero(delayed)))


def _served(trunk: Int, ready_ns: Int, service_ns: Int) -> Int:
    """When each has been served, first come, first served, of rows sorted by trunk and arrival."""
    if not len(trunk):
        return ready_ns
    _, count, _ = runs(trunk)
    run = np.repeat(np.arange(len(count)), count)
    before_ns = np.cumsum(service_ns) - service_ns
    # Counted from the first of each run, so that many long runs stay within 64 bits.
    first = (np.cumsum(count) - count)[run]
    base_ns = ready_ns[first] - before_ns[first]
    return highest_so_far(ready_ns - before_ns - base_ns, run) + base_ns + before_ns + service_ns


def _names(device: NDArray[np.integer], seq: Int) -> list[tuple[int, int]]:
    return list(zip(device.tolist(), seq.tolist(), strict=True))
