"""Small worlds with a modelled broker, for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Self

import numpy as np

from twinstorm.broker.modelled import BrokerSettings, ModelledBroker
from twinstorm.twin.eventlog import EventLog
from twinstorm.twin.fleet import FleetPlan, GatewayPlan, SegmentPlan
from twinstorm.twin.flow import SECOND_US, Delivery
from twinstorm.twin.reconnect import ReconnectPolicy
from twinstorm.twin.stories import Stage
from twinstorm.twin.world import World

SITES = (("arn-1", "arn"), ("fra-1", "fra"))
FULL = ReconnectPolicy("exponential", "full", SECOND_US, 60 * SECOND_US, 10 * SECOND_US)


def plan(motors: int = 30, climate: int = 10, qos: int = 1, buffer: int = 40, **changes: Any) -> FleetPlan:
    common: dict[str, Any] = {
        "keep_alive_us": 60 * SECOND_US,
        "boot_us": (8 * SECOND_US, 12 * SECOND_US),
        "reconnect": FULL,
        "buffer_readings": buffer,
        "evict_oldest": True,
        "qos": qos,
        "firmware": "1.0.0",
    } | changes
    return FleetPlan(
        SITES,
        (
            SegmentPlan("motors", "motor", (motors - motors // 2, motors // 2), SECOND_US, "ethernet", **common),
            SegmentPlan(
                "climate", "environment", (climate - climate // 2, climate // 2), 7 * SECOND_US, "wifi", **common
            ),
        ),
    )


def carried(motors: int = 24, climate: int = 8, gateways: int = 4, qos: int = 1, **gateway: Any) -> FleetPlan:
    """As `plan`, with motors and climate behind gateways: half of them on each site."""
    made = plan(motors, climate, qos=qos, buffer=200)
    one = made.segments[0]
    edge = replace(
        one,
        name="edge",
        kind="gateway",
        devices=(gateways - gateways // 2, gateways // 2),
        every_us=10 * SECOND_US,
        gateway=GatewayPlan(**gateway),
    )
    return replace(made, segments=(edge, *(replace(part, through="edge") for part in made.segments)))


def broker_settings(**changes: Any) -> BrokerSettings:
    limits: dict[str, Any] = {
        "model": "test",
        "handshake_ns": 1_000_000,
        "backlog": 64,
        "connect_rate": Fraction(5),
        "connect_burst": 3,
        "connect_queue": 2,
    } | changes
    return BrokerSettings(**limits)


@dataclass
class Lab:
    """A world, its broker and its log, moved by hand."""

    world: World
    broker: ModelledBroker
    log: EventLog
    stage: Stage
    delivered: dict[tuple[int, int], bytes] = field(default_factory=dict)
    repeated: int = 0
    order: dict[int, list[int]] = field(default_factory=dict)
    told: list[tuple[int, int, int]] = field(default_factory=list)
    """Instant, device and `SessionEvent` of all that a core would hear of sessions."""
    arrived_us: dict[tuple[int, int], int] = field(default_factory=dict)
    device_time_us: dict[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def make(
        cls, fleet: FleetPlan | None = None, seed: int = 7, block: int = 16_384, origin_us: int = 0, **limits: Any
    ) -> Self:
        log = EventLog(keep=[])
        broker = ModelledBroker(broker_settings(**limits))
        world = World(fleet or plan(), seed, broker, log, block_devices=block, origin_us=origin_us)
        broker.watch(world)
        world.count_each()
        return cls(world, broker, log, Stage(world.acts, world.stories, 0))

    def until(self, at_us: int, watch: Callable[[int], None] | None = None) -> None:
        """Everything before `at_us`; then whoever acts at it may act."""
        while (due_us := self.stage.next_us()) < at_us:
            if watch is not None:
                watch(due_us)
            self.world.advance_to(due_us)
            self.stage.step()
        self.world.advance_to(at_us)
        self.take(at_us)
        self.log.seal(at_us)

    def take(self, now_us: int) -> None:
        """Receive what arrived, as a core would."""
        self.world.settle(now_us)
        outcome = self.broker.collect(now_us)
        for delivery in outcome.deliveries:
            self._receive(delivery)
        told = self.world.told(outcome.sessions, now_us)
        self.told += list(zip(told.at_us.tolist(), told.device.tolist(), told.what.tolist(), strict=True))

    def _receive(self, delivery: Delivery) -> None:
        readings = delivery.readings
        assert readings is not None
        rows = range(len(readings.device)) if readings.present is None else np.flatnonzero(readings.present).tolist()
        for row in rows:
            who, seq = int(readings.device[row]), int(readings.seq[row])
            if (who, seq) in self.delivered:
                self.repeated += 1
                continue
            self.delivered[who, seq] = readings.values[row].tobytes()
            self.arrived_us[who, seq] = int(delivery.arrived_us[row])
            self.device_time_us[who, seq] = int(readings.device_time_us[row])
            self.order.setdefault(who, []).append(seq)

    def missing(self) -> int:
        """produced - (delivered + buffered + in flight + lost); 0 or the ledger does not close."""
        world, broker = self.world, self.broker
        lost = sum(world.lost.values()) + world.buffers.evicted
        assert world.lost_each is None or int(world.lost_each.sum()) == lost, "device by device it is as much"
        lost += sum(broker.lost.values())
        in_flight = broker.in_flight + world.in_flight
        return world.produced - len(self.delivered) - world.held - in_flight - lost
