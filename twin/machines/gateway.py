"""An edge gateway that watches itself: processor, memory, disk, queue, round trip to the cloud, temperature.

Messages come in by the day profile of the site, in bursts that all gateways of a site see together. Each takes
processor time; what the system, a runaway process or paging leaves of the clock is the rate at which they are served.
Below that rate the queue is the one of M/M/1, mean rho / (1 - rho), and waiting grows as 1 / (1 - rho); above it a
backlog grows until the buffer is full and messages are lost.

Log files grow with the messages and are packed every day. Memory fills with garbage until it is collected. The
processor warms the case; too warm, it is slowed down, so that the same messages need a greater share of it. Flash wears
with what is written.

Every `HOLD_S` traffic, clock and paging are decided; between, all inputs are constant and backlog, heat and sums exact.
What is told of queue and round trip is what one probe finds: geometric about the mean, from the noise of the reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import HOUR_US, SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import air
from twinstorm.twin.physics import gateway_storage as storage
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.queueing import mean_queue
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.sensing import disturb, keep_within
from twinstorm.twin.physics.skewed import exponential, geometric
from twinstorm.twin.physics.spread import uniform, whole
from twinstorm.twin.physics.stretches import stretches
from twinstorm.twin.physics.wander import Wander, phase
from twinstorm.twin.physics.weeks import of_week_us, week
from twinstorm.twin.physics.worn_parts import YEAR_H, WornPart, WornParts, sooner

HOLD_S: Final = 60
HOLD_US: Final = HOLD_S * SECOND_US
MEMORY_US: Final = 2 * HOUR_US
"""After which traffic, heat and backlog of the past are forgotten."""

# --- traffic ----------------------------------------------------------------------------------------------------------

_WORKDAY = (22, 20, 20, 20, 21, 26, 48, 72, 90, 98, 100, 97, 84, 94, 99, 97, 92, 78, 62, 52, 44, 36, 30, 25)
_SATURDAY = (22, 20, 20, 20, 20, 22, 28, 36, 44, 48, 50, 48, 44, 42, 40, 38, 34, 30, 28, 26, 25, 24, 23, 22)
_SUNDAY = (21, 20, 20, 20, 20, 20, 22, 24, 26, 28, 30, 30, 28, 27, 26, 26, 25, 24, 24, 23, 22, 22, 22, 22)
DEMAND: Final = week(_WORKDAY, _SATURDAY, _SUNDAY, 60) / np.float32(100.0)
"""Messages as a share of those of the busiest hour, by minutes: a plant with one long shift (assumed)."""
MEAN_DEMAND: Final = float(np.round(sum(DEMAND.tolist()) / len(DEMAND), 6))
BURSTS: Final = Wander(22, HOLD_US, {1: 0.16, 4: 0.12, 32: 0.10})
"""By which more or fewer messages come than the profile says, as a share: minutes to an hour (assumed)."""
QUIETEST: Final = 0.02
"""Share of the busiest hour that always comes: heartbeats."""
BUSY_LOAD: Final = (0.35, 0.65)
"""Of the processor, by the messages of the busiest hour."""
SHIFT_ENTRIES: Final = 64
"""A site's day begins up to half an hour early or late."""

# --- processor and queue ----------------------------------------------------------------------------------------------

MESSAGE_MS: Final = (1.5, 6.0)
"""Processor time of a message: TLS, parsing, a rule, a write (assumed: an ARM Cortex-A53 class processor)."""
SYSTEM_LOAD: Final = 0.06
PLACES: Final = 8_192.0
"""Messages that the buffer holds."""
LEAST_FREE: Final = 0.05
"""Share of the clock that the scheduler leaves for messages whatever else runs."""
HOG_LOAD: Final = 0.75
PAGING_LOAD: Final = 0.45
"""Of the processor, when the swap is full."""
THRASHING, RETRIES = 4.0, 1.5
"""By which a message takes longer when the swap is full, and when the disk takes nothing, as multiples (assumed)."""
UPLINK_MS: Final = (22.0, 90.0)
"""Round trip to the cloud without waiting: cable or fibre, to LTE."""
JITTER: Final = 0.06
"""Mean delay on the way, exponential, as a share of the way."""
UPLINK: Final = Wander(23, HOLD_US, {1: 0.02, 8: 0.04, 128: 0.05})
"""Deviation of the way, as a share, the same for a site (assumed)."""

# --- heat -------------------------------------------------------------------------------------------------------------

IDLE_W, BUSY_W = 3.0, 6.0
"""Of the board at rest, and more with a busy processor at full clock (assumed: a fanless gateway)."""
RISE_K_W: Final = (4.0, 5.2)
SETTLING_S: Final = (150.0, 400.0)
AMBIENT_C: Final = (18.0, 28.0)
CABINET_K: Final = 4.0
"""By which the cabinet is warmer in the afternoon than on the mean of the day."""
PARTS: Final = WornParts(
    # 25 K more are a sixth, 10 K more a half of the life of capacitors (10 K rule), of twelve years.
    WornPart("board", "the board", spoils_h={"overheating": 2.0 * YEAR_H, "cpu-hog": 6.0 * YEAR_H}),
    # Without free blocks the flash cannot level its wear: each write moves much else.
    WornPart("blocks", "the spare blocks of the flash", spoils_h={"disk-full": 1.0 * YEAR_H}),
)
"""Besides what logs wear of the flash (assumed). A leak of memory is over with the next boot."""
BLOCKED: Final = 1.6
"""By which a cabinet without air adds to the thermal resistance, as a share."""
SLOWS_FROM_C, SLOWEST_C, SLOWEST = 80.0, 92.0, 0.4
"""The clock falls from 1 to `SLOWEST` between these (assumed, in the manner of thermal governors)."""

# --- sensors ----------------------------------------------------------------------------------------------------------

CPU_NOISE: Final = 0.08
"""Of what is measured over seconds, times busy times idle share: none at the ends."""
TEMPERATURE_NOISE_K: Final = 0.3


class Gateway:
    """Health of an edge gateway. See `MachineKind` for the contract."""

    name = "gateway"
    summary = "edge gateway's own health: processor, memory, disk, queue, round trip to the cloud, temperature"
    channels: tuple[Channel, ...] = (
        Channel("cpu_pct", "%", 0.0, 100.0, 0.1),
        Channel("memory_pct", "%", 0.0, 100.0, 0.02),
        Channel("disk_pct", "%", 0.0, 100.0, 0.01),
        Channel("queue_depth", "1", 0.0, 10_000.0, 1.0, by_event=True),
        Channel("round_trip_ms", "ms", 0.0, 30_000.0, 0.5, 15_000.0),
        Channel("cpu_temperature_c", "C", -40.0, 125.0, 0.1),
    )
    every_us = 10 * SECOND_US
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("traffic_per_s", "1/s", 0.1, 5_000.0, "messages of the busiest hour"),
        Quantity("message_ms", "ms", 0.01, 100.0, "processor time of a message"),
        Quantity("live_share", "1", 0.05, 0.8, "memory in use after a collection"),
        Quantity("disk_share", "1", 0.05, 0.9, "disk in use after a rotation"),
        Quantity("ambient_c", "C", -30.0, 55.0, "mean temperature in the cabinet"),
        Quantity("worn_at_start", "1", 0.0, 1.0, "share of the flash's life that is over at the start"),
    )
    drives: tuple[Quantity, ...] = (Quantity("traffic_per_s", "1/s", 0.0, 5_000.0, "messages that come in"),)
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "memory-leak",
            "memory grows to the ceiling; then pages go to the disk, processor and delays rise. A reboot clears it",
            ("memory_pct",),
            harms=False,
        ),
        FailureMode(
            "disk-full",
            "a log at its finest level fills the disk; then every write is tried again and messages take longer",
            ("disk_pct",),
        ),
        FailureMode(
            "cpu-hog", "a runaway process takes the clock: by day messages pile up", ("cpu_pct", "cpu_temperature_c")
        ),
        FailureMode(
            "overheating",
            "no air through the cabinet: warm, then slowed down, so that the same traffic needs more of the clock",
            ("cpu_temperature_c",),
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            traffic_per_s, message_ms, live_share, disk_share, ambient_c, worn_at_start: as set.
            shift_min: how late the site's day is. burst_phase, uplink_phase: of the site. uplink_ms: the way.
            rise_k_w, settling_s: of the case. garbage_share, garbage_messages: see `storage`. rotates_s: time of day.
            log_per_day, endurance: see `storage`. garbage_at_start: 1: collected at once.
        """
        message_ms = uniform(draws(0), *MESSAGE_MS)
        return {
            "traffic_per_s": uniform(draws(1), *BUSY_LOAD) * np.float32(1000.0) / message_ms,
            "message_ms": message_ms,
            "live_share": uniform(draws(2), *storage.LIVE_SHARE),
            "disk_share": uniform(draws(3), *storage.DISK_SHARE),
            "ambient_c": uniform(draws(4), *AMBIENT_C),
            "worn_at_start": uniform(draws(5), 0.0, 0.6),
            "shift_min": whole(place.of_site(30), SHIFT_ENTRIES) - np.float32(SHIFT_ENTRIES // 2),
            "burst_phase": phase(place.of_site(31)),
            "uplink_phase": phase(place.of_site(32)),
            "uplink_ms": uniform(draws(6), *UPLINK_MS),
            "rise_k_w": uniform(draws(7), *RISE_K_W),
            "settling_s": uniform(draws(8), *SETTLING_S),
            "garbage_share": uniform(draws(9), *storage.GARBAGE_SHARE),
            "garbage_messages": uniform(draws(10), *storage.GARBAGE_MESSAGES),
            "rotates_s": whole(draws(11), 1024) * np.float32(14.0),
            "log_per_day": uniform(draws(12), *storage.LOG_PER_DAY),
            "endurance": uniform(draws(13), *storage.ENDURANCE),
            "garbage_at_start": uniform(draws(14), 0.0, 0.99),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Up for a while: warm, with some traffic, logs of half a night, somewhere before the next collection."""
        zeros = np.zeros_like(parameters["ambient_c"])
        idle_k = parameters["rise_k_w"] * np.float32(IDLE_W + SYSTEM_LOAD * BUSY_W)
        started = {
            "traffic_per_s": parameters["traffic_per_s"] * DEMAND[0],
            "uplink_ms": parameters["uplink_ms"].copy(),
            "clock": np.ones_like(zeros),
            "paging": zeros,
            "cabinet_c": parameters["ambient_c"].copy(),
            "cpu_c": parameters["ambient_c"] + idle_k,
            "garbage": parameters["garbage_at_start"].copy(),
            "log": np.float32(0.05) * parameters["log_per_day"],
            "worn": parameters["worn_at_start"].copy(),
            **PARTS.initial(zeros),
        }
        sums = ("backlog", "garbage_rest", "leaked", "leaked_rest", "log_rest", "debug", "debug_rest", "worn_rest")
        return started | {name: zeros.copy() for name in sums}

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. Without power a gateway cools down and forgets what it had in memory."""
        PARTS.wear(state, inputs)
        for start_us, end_us in stretches(inputs.now_us, inputs.dt_us, HOLD_US, MEMORY_US):
            if start_us % HOLD_US == 0:
                _decide(state, parameters, inputs, inputs.now_us - start_us)
            service = _serve(state, parameters, inputs, end_us - start_us)
            _warm(state, parameters, inputs, service, end_us - start_us)
            storage.write(state, parameters, inputs, end_us, end_us - start_us)
            storage.remember(state, parameters, inputs, end_us - start_us)
        _measure(state, parameters, service, noise, out)

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. New flash, and a new board if heat has spoilt it."""
        PARTS.renew(state, parameters, rows)
        state["worn"][rows] = 0.0
        state["worn_rest"][rows] = 0.0

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends is the flash, by the logs of a usual week, or the board."""
        return sooner(storage.truth(state, parameters, MEAN_DEMAND), PARTS.truth(state, parameters))


class _Service(NamedTuple):
    """What the processor does at the end of a part.

    Attributes:
        per_s: messages that it could serve. load: offered over that. busy: share of its clock.
        emptied: rows whose backlog ended within the part; they were `more_busy` by so much for their first `until_s`.
    """

    per_s: Values
    load: Values
    busy: Values
    emptied: NDArray[np.intp]
    more_busy: Values
    until_s: Values


def _decide(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int) -> None:
    """Traffic, way to the cloud, clock and paging until the next decision."""
    at_us = inputs.now_us - ago_us
    minute = parameters["shift_min"].astype(np.int32)
    np.subtract(of_week_us(inputs, ago_us) // HOLD_US, minute, out=minute)
    traffic = BURSTS.at(parameters["burst_phase"], at_us)
    traffic += 1.0
    traffic *= DEMAND.take(minute, mode="wrap")
    np.maximum(traffic, QUIETEST, out=traffic)
    traffic *= parameters["traffic_per_s"]
    follow(traffic, inputs, "traffic_per_s")
    np.copyto(state["traffic_per_s"], traffic)

    way_ms = UPLINK.at(parameters["uplink_phase"], at_us)
    way_ms += 1.0
    np.multiply(way_ms, parameters["uplink_ms"], out=state["uplink_ms"])
    afternoon_k = CABINET_K * air.day(inputs.calendar_us - ago_us - 15 * HOUR_US)[0]
    np.add(parameters["ambient_c"], afternoon_k, out=state["cabinet_c"])

    clock = state["clock"]
    np.subtract(SLOWEST_C, state["cpu_c"], out=clock)
    clock *= (1.0 - SLOWEST) / (SLOWEST_C - SLOWS_FROM_C)
    clock += SLOWEST
    clock.clip(SLOWEST, 1.0, out=clock)
    storage.decide_paging(state, parameters)


def _serve(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, dt_us: int) -> _Service:
    """Share the clock out and let what is not served pile up."""
    clock, traffic, backlog = state["clock"], state["traffic_per_s"], state["backlog"]
    other = state["paging"] * PAGING_LOAD
    other += SYSTEM_LOAD
    hog = inputs.failures.get("cpu-hog")
    if hog is not None:
        other += hog * np.float32(HOG_LOAD)
    # Everybody gets less of a slow clock; messages always get a little.
    free = np.maximum(clock - other, clock * LEAST_FREE)
    np.subtract(clock, free, out=other)
    message_s = state["paging"] * THRASHING
    message_s += storage.full(state, parameters) * RETRIES
    message_s += 1.0
    message_s *= parameters["message_ms"]
    message_s *= 1e-3
    per_s = free / message_s

    before = backlog.copy()
    over = traffic - per_s
    over *= np.float32(dt_us / SECOND_US)
    backlog += over
    backlog.clip(0.0, PLACES, out=backlog)
    emptied = np.flatnonzero((before > 0.0) & (backlog <= 0.0))
    idle_per_s = per_s[emptied] - traffic[emptied]

    working = np.minimum(traffic, per_s)
    np.copyto(working, per_s, where=backlog > 0.0)
    if inputs.running is not None:
        working *= inputs.running
    working *= message_s
    working += other
    working /= clock
    return _Service(
        per_s,
        traffic / per_s,
        np.minimum(working, 1.0, out=working),
        emptied,
        idle_per_s * message_s[emptied] / clock[emptied],
        before[emptied] / np.maximum(idle_per_s, np.float32(1e-6)),
    )


def _warm(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, service: _Service, dt_us: int
) -> None:
    """Let the processor go towards where its power takes it: power goes with the cube of the clock (voltage too)."""
    clock, cpu_c = state["clock"], state["cpu_c"]
    way_k = clock * clock
    way_k *= clock
    way_k *= service.busy
    way_k *= BUSY_W
    way_k += IDLE_W
    if inputs.running is not None:
        way_k *= inputs.running
    rise = parameters["rise_k_w"]
    blocked = inputs.failures.get("overheating")
    if blocked is not None:
        rise = rise * (1.0 + np.float32(BLOCKED) * blocked)
    way_k *= rise
    way_k += state["cabinet_c"]
    way_k -= cpu_c
    dt_s = np.float32(dt_us / SECOND_US)
    share = gone(dt_s / parameters["settling_s"])
    way_k *= share
    rows = service.emptied
    if len(rows):
        since_s = np.maximum(dt_s - service.until_s, np.float32(0.0))
        cube = clock[rows] * clock[rows] * clock[rows]
        earlier = share[rows] - gone(since_s / parameters["settling_s"][rows])
        way_k[rows] += service.more_busy * cube * BUSY_W * rise[rows] * earlier
    cpu_c += way_k


def _measure(
    state: Mapping[str, Values], parameters: Mapping[str, Values], service: _Service, noise: Values, out: Values
) -> None:
    """Fill `out` as if all were running."""
    cpu, memory, disk, depth, trip_ms, cpu_c = out
    idle = 1.0 - service.busy
    idle *= service.busy
    idle *= noise[0]
    np.multiply(idle, 100.0 * CPU_NOISE, out=cpu)
    cpu += service.busy * np.float32(100.0)

    np.multiply(state["garbage"], parameters["garbage_share"], out=memory)
    memory += state["leaked"]
    memory += parameters["live_share"]
    memory *= 100.0
    np.add(state["log"], parameters["disk_share"], out=disk)
    disk += state["debug"]
    disk *= 100.0

    found = geometric(exponential(noise[1]), mean_queue(service.load, service.per_s, HOLD_S))
    np.floor(state["backlog"], out=depth)
    depth += found
    np.minimum(depth, PLACES, out=depth)
    np.multiply(exponential(noise[2]), JITTER, out=trip_ms)
    trip_ms += 1.0
    trip_ms *= state["uplink_ms"]
    wait_ms = depth + 1.0  # those in front, and the probe itself
    wait_ms /= service.per_s
    wait_ms *= 1000.0
    trip_ms += wait_ms

    np.copyto(cpu_c, state["cpu_c"])
    disturb(cpu_c, noise[3], TEMPERATURE_NOISE_K)
    keep_within(Gateway.channels, out)
