"""What `twinstorm bench world` is compared with: the same devices as SimPy processes, one generator each.

A motor does what ours does, with the same constants: two-node heat, duty profile, wear by the cube of the load, six
channels with noise and resolution; its link delays, repeats and orders its messages; its battery is drained and looked
at once a minute. The core takes one reading after the other: number, range, arrival. Numbers are Python's, chance is
`random.Random`, one for all. What other kinds of the plant mix do is simpler than ours: a daily cycle and a wandering
rest for each channel.

Sizes are what SimPy can carry; results are scaled by readings, attempts or devices.
"""

from __future__ import annotations

import math
import random
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from benchmarks.harness import peak_resident_bytes
from twinstorm.twin.cells import CELLS, PowerPlan
from twinstorm.twin.flow import DAY_US, SECOND_US
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.machines.motor import CURRENT_NOISE_A, SPEED_NOISE_RPM, TEMPERATURE_NOISE_K
from twinstorm.twin.network import LINKS, LinkClass
from twinstorm.twin.physics import motor_body as body
from twinstorm.twin.physics.battery import self_discharge_w
from twinstorm.twin.physics.motor_duty import LEVEL_S, LEVEL_US, PROFILE

Life = Generator[simpy.Event, Any, None]

_PROFILE: Final = PROFILE.tolist()
_LIMITS: Final = {
    kind: [(channel.lowest, channel.highest) for channel in catalogue()[kind].channels]
    for kind in ("motor", "environment", "pump", "vehicle", "controller", "camera")
}
_BOOT_S: Final = (8.0, 12.0)
_BASE_S, _CAP_S = 1.0, 120.0
_HANDSHAKE_US: Final = 37
"""Mosquitto's, of a fleet of a million."""
MILLION: Final = 1_000_000


@dataclass
class Core:
    """Takes readings one at a time."""

    newest: dict[int, int] = field(default_factory=dict)
    arrived_us: dict[int, int] = field(default_factory=dict)
    accepted: int = 0
    refused: int = 0

    def take(self, device: int, seq: int, arrived_us: int, values: Sequence[float], kind: str) -> None:
        if seq <= self.newest.get(device, 0):
            self.refused += 1
            return
        self.newest[device] = seq
        for value, (low, high) in zip(values, _LIMITS[kind], strict=True):
            if not low <= value <= high:
                self.refused += 1
                return
        self.arrived_us[device] = arrived_us
        self.accepted += 1


class Battery:
    """Charge in joules, by what its device does; looked at once a minute."""

    def __init__(self, power: PowerPlan, link: LinkClass, channels: int) -> None:
        cell = CELLS[power.cell]
        self.left_j = self.full_j = power.full_j
        self.reading_j, self.message_j = power.reading_j, link.message_j(link.reading_bytes(channels))
        self.idle_w = power.floor_w + self_discharge_w(power.full_j, cell.self_discharge)
        self.open_at, self.open_v = zip(*cell.open_v, strict=True)
        self.nominal_v, self.lowest_v = power.nominal_v, power.lowest_v
        self.sag_v = link.burst_w / power.nominal_v * cell.resistance_ohm
        self.looked_s = 0.0
        self.weak = False

    def spend(self, now_s: float) -> None:
        self.left_j -= self.reading_j + self.message_j
        if now_s - self.looked_s < 60.0:
            return
        self.left_j -= self.idle_w * (now_s - self.looked_s)
        self.looked_s = now_s
        charge = max(self.left_j / self.full_j, 0.0)
        above = min(bisect_right(self.open_at, charge), len(self.open_at) - 1)
        low, high = self.open_at[above - 1], self.open_at[above]
        share = (charge - low) / (high - low)
        volts = self.nominal_v * (self.open_v[above - 1] + (self.open_v[above] - self.open_v[above - 1]) * share)
        self.weak = volts - self.sag_v < self.lowest_v


class Station:
    """A device without its machine: link, battery, buffer, session."""

    def __init__(
        self, device: int, kind: str, link: LinkClass, chance: random.Random, core: Core | None, power: PowerPlan | None
    ) -> None:
        channels = len(_LIMITS[kind])
        self.device, self.kind, self.link, self.chance, self.core = device, kind, link, chance, core
        self.battery = None if power is None else Battery(power, link, channels)
        self.air_us = link.air_us(link.reading_bytes(channels))
        self.loss = link.retry_per_65536 / 65_536
        self.seq = 0
        self.free_us = self.last_us = 0
        self.powered = self.online = True
        self.buffer: deque[tuple[int, list[float]]] = deque(maxlen=300)

    def tell(self, now_us: int, values: list[float]) -> None:
        """A reading is there: send it, or keep it."""
        if not self.powered:
            return
        self.seq += 1
        if self.battery is not None:
            self.battery.spend(now_us / SECOND_US)
        if self.online:
            self.send(now_us, self.seq, values)
        else:
            self.buffer.append((self.seq, values))

    def send(self, now_us: int, seq: int, values: Sequence[float]) -> None:
        link, chance = self.link, self.chance.random
        self.free_us = max(self.free_us, now_us) + self.air_us
        arrive_us = self.free_us + link.base_us + int(link.jitter_us * chance())
        if self.loss and chance() < self.loss:
            arrive_us += link.retry_us
        self.last_us = arrive_us = max(arrive_us, self.last_us)
        if self.core is not None:
            self.core.take(self.device, seq, arrive_us, values, self.kind)

    def flush(self, now_us: int) -> None:
        while self.buffer:
            self.send(now_us, *self.buffer.popleft())


@dataclass
class Bearing:
    """Parameters of one motor; see `Motor.parameters`."""

    phase_level: int
    phase_s: float
    duty: float
    ambient_c: float
    rise: float
    life_rate_per_s: float
    smooth_mm_s: float
    x_share: float
    y_share: float
    z_share: float
    wear: float

    @classmethod
    def drawn(cls, chance: random.Random) -> Bearing:
        life_s = body.LIFE_SCALE_S * (-math.log(1.0 - chance.random())) ** (1.0 / body.LIFE_SHAPE)
        return cls(
            chance.randrange(len(_PROFILE)),
            chance.randrange(LEVEL_S * 1_024) / 1_024,
            chance.uniform(0.85, 1.0),
            chance.uniform(18.0, 30.0),
            chance.uniform(0.92, 1.08),
            1.0 / max(life_s, body.SHORTEST_LIFE_S),
            chance.uniform(0.45, 0.95),
            chance.uniform(0.85, 1.0),
            chance.uniform(0.70, 0.90),
            chance.uniform(0.35, 0.60),
            chance.uniform(body.NEWEST_WEAR, body.OLDEST_WEAR),
        )


def motor(
    env: simpy.Environment, station: Station, of: Bearing, every_us: int, noise: bool = True, winding_c: float = 60.0
) -> Life:
    """A motor that is stepped and measured every so often."""
    gauss = station.chance.gauss if noise else lambda mean, deviation: mean  # noqa: ARG005
    dt_s = every_us / SECOND_US
    from_winding, winding_from_case, case_from_winding, from_case = body.RUNNING.transition(dt_s)
    winding_k, case_k = body.LOAD_RISES_K
    load = _PROFILE[of.phase_level] * of.duty
    winding, case, wear, phase_us = winding_c, winding_c - 10.0, of.wear, int(of.phase_s * SECOND_US)
    while True:
        yield env.timeout(every_us)
        winding_end = of.ambient_c + of.rise * (load * load * winding_k + body.CONSTANT_RISE_K)
        case_end = of.ambient_c + of.rise * (load * load * case_k + body.CONSTANT_RISE_K)
        above, case_above = winding - winding_end, case - case_end
        winding = winding_end + from_winding * above + winding_from_case * case_above
        case = case_end + case_from_winding * above + from_case * case_above
        worn = _wear_rate(load, of) * dt_s
        levels, into_us = divmod(int(env.now) + phase_us, LEVEL_US)
        if into_us < every_us:
            new, ago_s = _PROFILE[(of.phase_level + levels) % len(_PROFILE)] * of.duty, into_us / SECOND_US
            worn += (_wear_rate(new, of) - _wear_rate(load, of)) * ago_s
            heat = of.rise * (new * new - load * load)
            ww, wc, cw, cc = body.RUNNING.transition(ago_s) if ago_s else (1.0, 0.0, 0.0, 1.0)
            winding += heat * (winding_k - ww * winding_k - wc * case_k)
            case += heat * (case_k - cw * winding_k - cc * case_k)
            load = new
        wear = min(wear + worn, body.WORST_WEAR)
        severity = of.smooth_mm_s * (1.0 + body.WORN_OUT_FACTOR * wear**8)
        current = body.RATED_A * math.sqrt(load * load * (1.0 - body.MAGNETISING_SHARE**2) + body.MAGNETISING_SHARE**2)
        values = [
            round(winding + gauss(0.0, TEMPERATURE_NOISE_K), 1),
            round(severity * of.x_share * (1.0 + gauss(0.0, body.VIBRATION_NOISE)), 2),
            round(severity * of.y_share * (1.0 + gauss(0.0, body.VIBRATION_NOISE)), 2),
            round(severity * of.z_share * (1.0 + gauss(0.0, body.VIBRATION_NOISE)), 2),
            round(current + gauss(0.0, CURRENT_NOISE_A), 2),
            round(body.SYNCHRONOUS_RPM - body.RATED_SLIP_RPM * load + gauss(0.0, SPEED_NOISE_RPM), 1),
        ]
        station.tell(int(env.now), values)


def _wear_rate(load: float, of: Bearing) -> float:
    pull = body.BELT_SHARE + (1.0 - body.BELT_SHARE) * load
    return pull * pull * pull * of.life_rate_per_s


def simple(env: simpy.Environment, station: Station, every_us: int, at_random: bool = False) -> Life:
    """Another kind: each channel follows the day and wanders; at random: it speaks when it likes, at that mean."""
    chance = station.chance
    limits = _LIMITS[station.kind]
    wander = [0.0] * len(limits)
    while True:
        yield env.timeout(max(int(chance.expovariate(1.0) * every_us), 1) if at_random else every_us)
        day = math.sin(2.0 * math.pi * (env.now % DAY_US) / DAY_US)
        values = []
        for place, (low, high) in enumerate(limits):
            wander[place] = 0.95 * wander[place] + chance.gauss(0.0, 0.01)
            values.append(round((low + high) / 2 + (high - low) * (0.2 * day + 0.1 * wander[place]), 2))
        station.tell(int(env.now), values)


@dataclass
class Desk:
    """A broker's door: one handshake at a time, then a bucket of admissions, then a refusal."""

    env: simpy.Environment
    handshake: simpy.Resource
    handshake_us: int
    interval_us: float
    patience_us: float
    next_us: float = 0.0
    attempts: int = 0

    def connect(self) -> Generator[simpy.Event, Any, bool]:
        self.attempts += 1
        with self.handshake.request() as turn:
            yield turn
            yield self.env.timeout(self.handshake_us)
        begin_us = max(self.next_us, float(self.env.now))
        if begin_us - self.env.now > self.patience_us:
            return False
        self.next_us = begin_us + self.interval_us
        yield self.env.timeout(int(begin_us) - int(self.env.now) if begin_us > self.env.now else 0)
        return True


def outage(env: simpy.Environment, station: Station, desk: Desk) -> Life:
    """Power goes at 5 min and comes back at 7 min; boot, and ask for a session with full jitter."""
    chance = station.chance
    yield env.timeout(300 * SECOND_US)
    station.powered = station.online = False
    station.buffer.clear()
    yield env.timeout(120 * SECOND_US)
    yield env.timeout(int(chance.uniform(*_BOOT_S) * SECOND_US))
    station.powered = True
    tries = 0
    while not (yield from desk.connect()):
        yield env.timeout(int(chance.random() * min(_CAP_S, _BASE_S * 2.0**tries) * SECOND_US))
        tries += 1
    station.online = True
    station.flush(int(env.now))


# --- what is measured -------------------------------------------------------------------------------------------------


def begun(
    devices: int, link: str, battery: bool, core: bool, kinds: Sequence[tuple[str, float, float]] = (("motor", 1, 1.0),)
) -> tuple[simpy.Environment, list[Station], Core | None]:
    """A fleet that is ready.

    Args:
        kinds: each with its share and its period in seconds; controllers and cameras speak at random.
    """
    env, chance, desk = simpy.Environment(), random.Random(1), Core() if core else None
    stations: list[Station] = []
    power = PowerPlan(full_j=144_000.0) if battery else None
    for kind, share, every_s in kinds:
        for _ in range(max(round(devices * share), 1)):
            station = Station(len(stations), kind, LINKS[link], chance, desk, power)
            stations.append(station)
            every_us = int(every_s * SECOND_US)
            if kind == "motor":
                env.process(motor(env, station, Bearing.drawn(chance), every_us))
            else:
                env.process(simple(env, station, every_us, kind in ("controller", "camera")))
    return env, stations, desk


def reading_s(
    devices: int,
    seconds: int,
    link: str,
    battery: bool,
    core: bool,
    kinds: Sequence[tuple[str, float, float]] = (("motor", 1, 1.0),),
) -> float:
    """What a reading takes, in seconds: a mean over a run without its start."""
    env, stations, desk = begun(devices, link, battery, core, kinds)
    start = time.perf_counter()
    env.run(until=seconds * SECOND_US + 1)
    taken_s = time.perf_counter() - start
    readings = sum(station.seq for station in stations)
    if desk is not None and desk.accepted != readings:
        raise ValueError(f"the peer lost readings: {desk.accepted} of {readings}")
    return taken_s / readings


def start_s(devices: int) -> float:
    """From nothing to the end of the first second."""
    start = time.perf_counter()
    env, _, _ = begun(devices, "lte-m", battery=True, core=True)
    env.run(until=SECOND_US + 1)
    return time.perf_counter() - start


def memory_bytes(devices: int) -> float:
    """What a device takes, once it has played for 3 s; in a process of its own."""
    before = peak_resident_bytes()
    env, _, _ = begun(devices, "lte-m", battery=True, core=True)
    env.run(until=3 * SECOND_US + 1)
    return (peak_resident_bytes() - before) / devices


def storm_s(devices: int, telemetry: bool, per_s: float = 5_000.0) -> tuple[float, int]:
    """The storm of all, 30 simulated minutes; a million devices would meet `per_s` admissions a second.

    Returns:
        Wall seconds and attempts.
    """
    env, chance, core = simpy.Environment(), random.Random(1), Core()
    scale = MILLION / devices
    interval_us = SECOND_US / per_s * scale
    desk = Desk(
        env, simpy.Resource(env), max(round(_HANDSHAKE_US * scale), 1), interval_us, per_s / scale * interval_us
    )
    for number in range(devices):
        station = Station(number, "motor", LINKS["ethernet"], chance, core, None)
        env.process(outage(env, station, desk))
        if telemetry:
            env.process(motor(env, station, Bearing.drawn(chance), SECOND_US))
    start = time.perf_counter()
    env.run(until=1_800 * SECOND_US)
    return time.perf_counter() - start, desk.attempts
