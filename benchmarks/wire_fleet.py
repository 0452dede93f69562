"""The live fleet alone, in a process of its own: what `bench wire` makes it do, without a world behind it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import numpy as np

from twinstorm.broker.device_end import LiveDeviceEnd
from twinstorm.broker.pauses import spare_pauses
from twinstorm.broker.tls import ClientTls
from twinstorm.twin.fleet import FleetPlan, GatewayPlan, SegmentPlan, grow
from twinstorm.twin.flow import SECOND_US, DeviceEvent, Identities, Readings, Registry, Together
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.reconnect import ReconnectPolicy

AT_ONCE = 64
"""Connects under way: Mosquitto's listen queue has room for a hundred."""
SLICE = 250
"""Readings between two looks at the sockets."""
WINDOW = 2_000
"""Unacknowledged messages of the whole fleet, when it sends as fast as it can."""
GIVE_UP_S = 60.0


@dataclass(frozen=True)
class Order:
    """What the process is to do.

    Attributes:
        tls: certificates by name; None: plain.
        prefix: of the names of sites, so that two fleets may be on one broker.
        gateways: that speak for the devices; 0: each speaks for itself.
    """

    host: str
    port: int
    devices: int
    qos: int
    tls: Mapping[str, ClientTls] | None = None
    prefix: str = "s"
    gateways: int = 0


def plan_of(devices: int, qos: int, prefix: str = "s", gateways: int = 0) -> FleetPlan:
    """Motors at one reading a second, on five sites, behind gateways if there are any."""
    sites = tuple((f"{prefix}-{number}", "eu") for number in range(5))

    def on_sites(count: int) -> tuple[int, ...]:
        return tuple(count // 5 + (number < count % 5) for number in range(5))

    part = SegmentPlan(
        name="motors",
        kind="motor",
        devices=on_sites(devices),
        every_us=SECOND_US,
        link="ethernet",
        keep_alive_us=300 * SECOND_US,
        boot_us=(SECOND_US, SECOND_US),
        reconnect=ReconnectPolicy("none", "none", SECOND_US, SECOND_US, 10 * SECOND_US),
        buffer_readings=0,
        evict_oldest=True,
        qos=qos,
        firmware="1.0.0",
    )
    if not gateways:
        return FleetPlan(sites=sites, segments=(part,))
    edge = replace(part, name="edge", kind="gateway", devices=on_sites(gateways), gateway=GatewayPlan())
    return FleetPlan(sites=sites, segments=(edge, replace(part, through="edge")))


def registry_of(devices: int, qos: int, gateways: int = 0) -> Registry:
    plan = plan_of(devices, qos, gateways=gateways)
    return grow(plan).registry({part.kind: catalogue()[part.kind].channels for part in plan.segments})


class FleetProcess:
    """A fleet that does what it is told, one call at a time."""

    def __init__(self, order: Order) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(order, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> FleetProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(timeout=20.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def connect(self) -> float:
        """Connect everybody as fast as it goes; connects a second."""
        return float(self._ask("connect"))

    def hang_up(self) -> None:
        """Close every connection, as a cut of the network does: clients stay, with their certificates."""
        self._ask("hang_up")

    def publish(self, lasts_s: float) -> float:
        """As many documents as it can; a second, at QoS 1 acknowledged ones."""
        return float(self._ask("publish", lasts_s))

    def pace(self, per_s: float, lasts_s: float) -> tuple[int, float]:
        """Documents at a rate, stamped with the monotonic clock; how many, and by how many seconds it was late."""
        sent, late_s = self._ask("pace", per_s, lasts_s)
        return int(sent), float(late_s)

    def online(self) -> int:
        return int(self._ask("online"))

    def _ask(self, *words: Any) -> Any:
        self._pipe.send(words)
        found = self._pipe.recv()
        if isinstance(found, str):
            raise RuntimeError(found)
        return found


def _serve(order: Order, pipe: Connection) -> None:
    fleet = _Gateways(order) if order.gateways else _Fleet(order)
    spare_pauses()  # as the worker of a live run does
    try:
        while True:
            while not pipe.poll(0.005):
                fleet.look()
            word, *rest = pipe.recv()
            try:
                pipe.send(getattr(fleet, word)(*rest))
            except TimeoutError as error:
                pipe.send(str(error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        fleet.end.close()


class _Fleet:
    AT_A_TIME = 20
    """Messages between two looks at the clock and the sockets."""

    def __init__(self, order: Order) -> None:
        plan = plan_of(order.devices, order.qos, order.prefix, order.gateways)
        grown = grow(plan)
        self.end = LiveDeviceEnd(
            host=order.host,
            port=order.port,
            passwords=("",) * len(grown),
            plan=plan,
            speed=Fraction(1),
            now_us=lambda: 0,
            username="bench",
            tls=order.tls,
        )
        speaker = grown.speaker if order.gateways else None
        self.end.open(Identities(grown.names, grown.keep_alive_us, grown.qos, speaker=speaker))
        self._clients = np.arange(order.devices) if speaker is None else grown.gateway
        self._carrier = grown.carrier
        self._qos, self._count = order.qos, len(self._clients)
        self._live = np.zeros(len(grown), np.bool_)
        self._seq = np.zeros(len(grown), np.int64)
        channels = catalogue()["motor"].channels
        draw = np.random.default_rng(1).random((len(grown), len(channels)))
        low = np.array([channel.lowest for channel in channels])
        self._values = (low + draw * np.array([channel.highest - channel.lowest for channel in channels])).astype(
            np.float32
        )

    def look(self) -> int:
        """Answers that came."""
        outcome = self.end.poll(0)
        self._live[outcome.device] = outcome.what == DeviceEvent.CONNECTED
        return len(outcome.device)

    def online(self) -> int:
        for _ in range(20):
            self.look()
        return int(np.count_nonzero(self._live))

    def hang_up(self) -> None:
        zeros = np.zeros(self._count, np.int64)
        self.end.disconnect(self._clients.astype(np.int32), zeros, zeros, abrupt=False)
        self._live[:] = False
        for _ in range(20):
            self.look()

    def connect(self) -> float:
        began = time.perf_counter()
        device = self._clients.astype(np.int32)
        asked = answered = 0
        while answered < self._count:
            more = min(AT_ONCE - (asked - answered), self._count - asked)
            if more > 0:
                some = device[asked : asked + more]
                zeros = np.zeros(more, np.int64)
                self.end.offer(zeros, some, zeros, zeros)
                self.end.commit(more)
                asked += more
            answered += self.look()
            if time.perf_counter() - began > GIVE_UP_S:
                raise TimeoutError(f"{answered} of {self._count} devices were answered within {GIVE_UP_S:.0f} s")
        taken = time.perf_counter() - began
        if not self._live[self._clients].all():
            raise TimeoutError(f"only {int(self._live.sum())} of {self._count} devices are online")
        return self._count / taken

    def publish(self, lasts_s: float) -> float:
        began = time.perf_counter()
        sent = at = 0
        while (now := time.perf_counter()) - began < lasts_s:
            if self._qos and self.end.unacknowledged() >= WINDOW:
                self.look()
                continue
            sent += self._send(at, int(now * 1e6))
            at = (at + SLICE) % self._count
            self.look()
        while self.end.unwritten() and time.perf_counter() - began < GIVE_UP_S:
            self.look()
        return (sent - self.end.unacknowledged()) / (time.perf_counter() - began)

    def pace(self, per_s: float, lasts_s: float) -> tuple[int, float]:
        began = time.monotonic()
        sent, at, late_s, every = 0, 0, 0.0, self.AT_A_TIME
        while sent < per_s * lasts_s:
            due = began + sent / per_s
            now = time.monotonic()
            if now < due:
                self.look()
                time.sleep(0.0005)
                continue
            late_s = max(late_s, now - due)
            sent += self._send(at, int(now * 1e6), every)
            at = (at + every) % self._count
            self.look()
        until = time.monotonic() + 10.0
        while self._qos and self.end.unacknowledged() and time.monotonic() < until:
            self.look()
        return sent, late_s

    def _send(self, at: int, now_us: int, count: int = SLICE) -> int:
        """Documents of these devices. They are on the air for no time: `self.end` knows instant 0 alone."""
        device = np.arange(at, min(at + count, self._count), dtype=np.int32)
        self._seq[device] += 1
        stamp = np.full(len(device), now_us, np.int64)
        rows = Readings(
            kind="motor",
            device=device,
            boot=np.ones(len(device), np.int32),
            seq=self._seq[device],
            device_time_us=stamp,
            sent_us=stamp,
            values=self._values[device],
        )
        self.end.publish(rows, np.zeros_like(stamp))
        return len(device)


class _Gateways(_Fleet):
    """Gateways, each of which sends a reading of every device behind it at once."""

    AT_A_TIME = 4

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._behind = [np.flatnonzero(self._carrier == 1 + row).astype(np.int32) for row in range(self._count)]
        self._sent = np.zeros(self._count, np.int64)

    def _send(self, at: int, now_us: int, count: int = SLICE) -> int:
        gateway = np.arange(at, min(at + count, self._count))
        self._sent[gateway] += 1
        behind = [self._behind[row] for row in gateway.tolist()]
        device = np.concatenate(behind)
        self._seq[device] += 1
        stamp = np.full(len(device), now_us, np.int64)
        message = np.repeat(np.arange(len(gateway)), [len(rows) for rows in behind])
        rows = Readings(
            kind="motor",
            device=device,
            boot=np.ones(len(device), np.int32),
            seq=self._seq[device],
            device_time_us=stamp,
            sent_us=stamp,
            values=self._values[device],
            together=Together(message, self._clients[gateway].astype(np.int32), self._sent[gateway]),
        )
        self.end.publish(rows, np.zeros_like(stamp))
        return len(gateway)
