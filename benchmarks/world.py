"""Virtual time: fleets with and without the core, storms, memory; each beside SimPy with one process a device.

Peers (`benchmarks.world_peers`) are of a size that SimPy carries, and are told at ours: by readings, attempts or
devices.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Result, at_least, at_most, median_s, peak_resident_bytes
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.language.reader import load
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.stories import Stage

MILLION = 1_000_000

HEAD = """storm: 1
name: bench
story: A fleet that works, and the core that watches it.
duration: {duration}
{steps}fleet:
  devices: {devices}
  sites: 5
  link: ethernet
  segments:
{segments}
broker: {{model: ideal}}
objectives:
  connected: {{sli: connectivity, at_least: 90 %}}
  fresh: {{sli: freshness, within: 60 s, at_least: 90 %}}
"""
FIELD = "    motors: {kind: motor, share: 100 %, every: 1 s, link: lte-m, power: {battery: 40 Wh}}"
"""Batteries, and a network that is late, loses messages and lets those of a device wait for each other."""
WIFI = FIELD.replace("lte-m", "wifi")
WEAK = FIELD.replace("lte-m", "weak-wifi")
"""Losses in bursts."""
MOTORS = "    motors: {kind: motor, share: 100 %, every: 1 s}"
"""On ethernet, without batteries."""
PLANT = """    temperature: {kind: environment, share: 60 %, every: 30 s}
    vibration: {kind: motor, share: 10 %, every: 10 s}
    pressure: {kind: pump, share: 6.5 %, every: 5 s}
    trackers: {kind: vehicle, share: 20 %, every: 60 s}
    controllers: {kind: controller, share: 3 %, every: 30 s}
    cameras: {kind: camera, share: 0.5 %, every: 5 min}"""
"""Controllers and cameras speak when something happens, about every 8 s and every minute, at the latest by `every`."""
PLANT_READINGS_PER_S = 0.6 / 30 + 0.1 / 10 + 0.065 / 5 + 0.2 / 60 + 0.03 / 8 + 0.005 / 60
"""A device."""
PLANT_PROCESSES = (
    ("environment", 0.6, 30.0),
    ("motor", 0.1, 10.0),
    ("pump", 0.065, 5.0),
    ("vehicle", 0.2, 60.0),
    ("controller", 0.03, 8.0),
    ("camera", 0.005, 60.0),
)
"""The same for the peer: kind, share, mean time between readings in seconds."""
PEAK_FROM_S = 60
"""By then every device knows the core, and nobody's period is longer."""
PEAK = f"steps: [{{name: peak, at: {PEAK_FROM_S} s, fault: peak, target: all, with: {{factor: 4}}}}]\n"
STORM_LIMITS = ("broker.model=mosquitto", "broker.connects={rate: 5000/s, burst: 5000, queue: 5000}")
"""Its handshakes allow 27,000 connects/s, so that the rate is what limits."""


def scenario(devices: int, duration: str, segments: str = FIELD, steps: str = "") -> Any:
    """A scenario of the bench's own, read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.storm.yaml"
        text = HEAD.format(duration=duration, devices=devices, segments=segments, steps=steps)
        path.write_text(text, encoding="utf-8")
        return load(str(path))


def play(devices: int, seconds: int, segments: str = FIELD) -> float:
    """Wall seconds of a run with the core, without its start."""
    engine = build(scenario(devices, f"{seconds} s", segments), RunOptions(seed=1))
    return timed(engine)


def play_peak(devices: int, seconds: int) -> tuple[float, float]:
    """The plant mix with the core, in a peak that every device has taken up.

    Returns:
        Wall seconds, and readings a simulated second.
    """
    settled_s = 2 * PEAK_FROM_S
    engine = build(scenario(devices, f"{settled_s + seconds + 1} s", PLANT, PEAK), RunOptions(seed=1))
    engine.advance(settled_s * SECOND_US)
    before = engine.ledger().produced
    start = time.perf_counter()
    engine.advance((settled_s + seconds) * SECOND_US)
    return time.perf_counter() - start, (engine.ledger().produced - before) / seconds


def timed(engine: Engine) -> float:
    start = time.perf_counter()
    engine.play()
    return time.perf_counter() - start


def play_without_core(devices: int, seconds: int, segments: str = FIELD) -> float:
    """The same world with nobody to receive what it sends."""
    one = scenario(devices, f"{seconds} s", segments)
    wiring = ModelledWiring(fleet_plan(one), broker_settings(one), 1)
    stage = Stage(wiring.acts, wiring.stories, 0)
    start = time.perf_counter()
    next_pane_us = SECOND_US
    while (due_us := stage.next_us()) <= seconds * SECOND_US:
        while next_pane_us <= due_us:
            wiring.broker.collect(next_pane_us)
            wiring.log.seal(next_pane_us)
            next_pane_us += SECOND_US
        wiring.advance_to(due_us)
        stage.step()
    return time.perf_counter() - start


def play_bare_storm(devices: int) -> tuple[float, int]:
    """Everybody loses power at 5 min, gets it back at 7 min and asks for a session; no telemetry, 30 simulated minutes.

    Returns:
        Wall seconds and attempts.
    """
    one = load(
        "reboot-storm", [*STORM_LIMITS, "fleet.segments.motors.every=1d", "fleet.segments.climate.every=1d"], devices
    )
    wiring = ModelledWiring(fleet_plan(one), broker_settings(one), 42)
    everybody = np.arange(devices, dtype=np.int32)
    start = time.perf_counter()
    wiring.advance_to(300 * SECOND_US)
    wiring.world.power_off(everybody, 300 * SECOND_US)
    wiring.advance_to(420 * SECOND_US)
    wiring.world.power_on(everybody, 420 * SECOND_US)
    for second in range(421, 1_801):
        wiring.advance_to(second * SECOND_US)
        wiring.broker.collect(second * SECOND_US)
        wiring.log.seal(second * SECOND_US)
    return time.perf_counter() - start, wiring.broker.count["attempts"]


def play_full_storm(devices: int, buffer: int) -> tuple[float, int]:
    """The reboot storm of everybody with telemetry at 1 Hz and the core.

    Args:
        buffer: readings that a device keeps while it has no session, and sends when it is back.

    Returns:
        Wall seconds and attempts.
    """
    settings = [*STORM_LIMITS, "steps.outage.target=all", "fleet.segments.climate.every=1s"]
    settings.append(f"fleet.buffer={{readings: {buffer}, evict: oldest}}")
    engine = build(load("reboot-storm", settings, devices), RunOptions(seed=42))
    return timed(engine), engine.counts()["attempts"]


def in_fresh_process(call: str) -> Any:
    """What an expression of the bench gives in a process of its own: nothing is warm, and memory is its own."""
    code = f"import json\nfrom benchmarks import world, world_peers\nprint(json.dumps({call}))\n"
    checkout = Path(__file__).resolve().parents[1]  # where the child finds `benchmarks`, wherever we stand
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=checkout).stdout
    return json.loads(said)


def memory_bytes(devices: int) -> int:
    """Largest resident size of a process that plays this fleet for 5 s."""
    return int(in_fresh_process(f"world.peak_bytes({devices})"))


def peak_bytes(devices: int) -> int:
    play(devices, 5)
    return peak_resident_bytes()


def first_tick_s(devices: int) -> float:
    """From a read scenario to the end of the first simulated second."""
    one = scenario(devices, "10 s", FIELD)
    start = time.perf_counter()
    build(one, RunOptions(seed=1)).advance(SECOND_US)
    return time.perf_counter() - start


def settled_ns(devices: int) -> float:
    """Cost of a reading once every device is known to the core; batteries are looked at at least once."""
    seconds = max(6_000_000 // devices, 60)
    engine = build(scenario(devices, f"{seconds + 10} s"), RunOptions(seed=1))
    engine.advance(5 * SECOND_US)
    start = time.perf_counter()
    engine.advance((5 + seconds) * SECOND_US)
    return (time.perf_counter() - start) / seconds / devices * 1e9


# --- pieces -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """What a row is compared with, at our size and in the unit of the row."""

    name: str
    value: float


def _fast(name: str, value: float, least: float | None, peer: Peer) -> Result:
    """Times real time: more is better."""
    return _row(name, value, "x real time", peer, value / peer.value, least and at_least(least, value), 1)


def _short(
    name: str, value: float, most: float | None, peer: Peer | None = None, unit: str = "s", digits: int | None = 2
) -> Result:
    """Less is better."""
    ratio = None if peer is None else peer.value / value
    return _row(name, value, unit, peer, ratio, most and at_most(most, value), digits)


def _row(
    name: str,
    value: float,
    unit: str,
    peer: Peer | None,
    ratio: float | None,
    bound: tuple[str, bool] | float | None,
    digits: int | None,
) -> Result:
    required, met = bound if isinstance(bound, tuple) else ("", None)
    return Result(
        name=name,
        value=round(value, digits),
        unit=unit,
        peer="" if peer is None else peer.name,
        peer_value=None if peer is None else float(f"{peer.value:.3g}"),
        ratio=None if ratio is None else float(f"{ratio:.3g}"),
        required=required,
        met=met,
    )


def _several(call: str, quick: bool) -> float:
    """Median of three, each in a process of its own: a million devices leave no room for those of the last run."""
    return statistics.median(in_fresh_process(call) for _ in range(1 if quick else 3))


def _all(quick: bool) -> int:
    """What stands for a million."""
    return 100_000 if quick else MILLION


_OF_READINGS = "one SimPy process a device, same physics, link and battery, {} of them, scaled"


def _reading_peer(call: str, per_s: float, devices: int) -> Peer:
    """As times real time, at `per_s` readings a simulated second."""
    return Peer(_OF_READINGS.format(f"{devices:,}"), 1.0 / (in_fresh_process(call) * per_s))


def storm_of_the_library(quick: bool) -> Iterator[Result]:
    """The reboot storm as it is told in the README."""

    def one() -> Engine:
        return build(load("reboot-storm", devices=10_000), RunOptions(seed=42))

    engine = one()
    engine.play()
    name = "reboot storm, 10,000 devices, 30 min, exponential full jitter, 100 admissions/s"
    name = f"{name}, {engine.counts()['attempts']:,} attempts"
    devices = 60
    peer_s, _ = in_fresh_process(f"world_peers.storm_s({devices}, True, 10_000)")
    # 80 % speak every second, the others every 30 s.
    peer = Peer(_STORM.format(devices), peer_s / devices * 10_000 * (0.8 + 0.2 / 30))
    yield _short(name, median_s(lambda: timed(one()), 1 if quick else 3), 3, peer)


def hundred_thousand(quick: bool) -> Iterator[Result]:
    """100,000 devices in the field."""
    peer = _reading_peer("world_peers.reading_s(2_000, 20, 'lte-m', True, True)", 100_000, 2_000)
    name = "100,000 motors at 1 Hz on lte-m and batteries, with the core"
    yield _fast(name, 65 / _several("world.play(100_000, 65)", quick), 40, peer)


def million(quick: bool) -> Iterator[Result]:
    """A million in the field, with and without the core; and on easier and worse networks."""
    devices = _all(quick)
    with_core = _reading_peer("world_peers.reading_s(2_000, 20, 'lte-m', True, True)", devices, 2_000)
    without = _reading_peer("world_peers.reading_s(2_000, 20, 'lte-m', True, False)", devices, 2_000)
    name = f"{devices:,} motors at 1 Hz on {{}}, {{}} the core"
    field = name.format("lte-m and batteries", "with")
    yield _fast(field, 65 / _several(f"world.play({devices}, 65)", quick), 4, with_core)
    speed = 65 / _several(f"world.play_without_core({devices}, 65)", quick)
    yield _fast(name.format("lte-m and batteries", "without"), speed, 10, without)
    speed = 65 / in_fresh_process(f"world.play_without_core({devices}, 65, world.WIFI)")
    yield _fast(name.format("wifi and batteries", "without"), speed, 10, without)
    speed = 65 / in_fresh_process(f"world.play_without_core({devices}, 65, world.MOTORS)")
    yield _fast(name.format("ethernet and mains", "without"), speed, 10, without)
    speed = 65 / in_fresh_process(f"world.play_without_core({devices}, 65, world.WEAK)")
    yield _fast(name.format("weak-wifi (bursts) and batteries", "without"), speed, None, without)


def flat(quick: bool) -> Iterator[Result]:
    """What a reading costs in a small fleet and in a large one."""
    devices = _all(quick)
    few, many = _several("world.settled_ns(10_000)", quick), _several(f"world.settled_ns({devices})", quick)
    reading_s = in_fresh_process("world_peers.reading_s(2_000, 20, 'lte-m', True, True)")
    peer = Peer(_OF_READINGS.format("2,000"), reading_s * 1e9)
    yield _short(f"cost of a reading, {devices:,} devices, lte-m, batteries, core", many, None, peer, "ns", 0)
    ratio = max(few, many) / min(few, many)
    yield _short(f"cost of a reading, 10,000 devices ({few:.0f} ns) and {devices:,}", ratio, 1.25, None, "times")


def start(quick: bool) -> Iterator[Result]:
    """From a read scenario to the end of the first second."""
    devices = _all(quick)
    carried = 10_000
    peer_s = in_fresh_process(f"world_peers.start_s({carried})") * devices / carried
    peer = Peer(f"one SimPy process a device, {carried:,} of them, scaled", peer_s)
    yield _short(
        f"start to first tick, {devices:,} motors, lte-m, batteries",
        _several(f"world.first_tick_s({devices})", quick),
        5,
        peer,
    )


def memory(quick: bool) -> Iterator[Result]:
    """Resident size, and what a device more takes."""
    devices, few = _all(quick), 100_000 if not quick else 20_000
    large, small = memory_bytes(devices), memory_bytes(few)
    carried = 20_000
    device_bytes = in_fresh_process(f"world_peers.memory_bytes({carried})")
    said = f"one SimPy process a device, {carried:,} of them, scaled"
    name = f"memory, {devices:,} motors, lte-m, batteries, with the core"
    peer = Peer(said, device_bytes * devices / 2**20)
    yield _short(name, large / 2**20, 1024, peer, "MiB", 0)
    slope = (large - small) / (devices - few)
    yield _short(f"memory slope from {few:,} devices on", slope, 1_000, Peer(said, device_bytes), "B a device", 0)


_MIX = "the mix as SimPy processes, {} devices, kinds but motors simpler than ours, scaled"


def _mix_peer(per_s: float) -> Peer:
    devices = 2_000
    call = f"world_peers.reading_s({devices}, 300, 'ethernet', False, True, world.PLANT_PROCESSES)"
    return Peer(_MIX.format(f"{devices:,}"), 1.0 / (in_fresh_process(call) * per_s))


def mix(quick: bool) -> Iterator[Result]:
    """The plant mix, at its own rate and in a peak."""
    devices = _all(quick)
    seconds = 120 if not quick else 60
    speed = seconds / in_fresh_process(f"world.play({devices}, {seconds}, world.PLANT)")
    peer = _mix_peer(PLANT_READINGS_PER_S * devices)
    yield _fast(f"plant mix, {devices:,} devices, with the core", speed, 20, peer)
    seconds = 600 if not quick else 60
    peak_s, rate = in_fresh_process(f"world.play_peak({devices}, {seconds})")
    peer = Peer(peer.name, peer.value * PLANT_READINGS_PER_S * devices / rate)
    yield _fast(
        f"plant mix, {devices:,} devices, {seconds} s of `peak`, {rate:,.0f} readings/s", seconds / peak_s, 1, peer
    )


_STORM = "one SimPy process a device at a SimPy resource, {} of them, same back-off, scaled"


def storms(quick: bool) -> Iterator[Result]:
    """A million lose power together and reconnect."""
    devices = _all(quick)
    policy = f"{devices:,} devices, 30 min, exponential full jitter, 5,000 admissions/s"
    carried = 2_000
    peer_s, peer_attempts = in_fresh_process(f"world_peers.storm_s({carried}, False)")
    bare_s, attempts = in_fresh_process(f"world.play_bare_storm({devices})")
    peer = Peer(f"{_STORM.format(f'{carried:,}')} by attempts", peer_s / peer_attempts * attempts)
    yield _short(f"storm of {policy}, {attempts:,} attempts, no telemetry", bare_s, 30, peer)
    carried = 60
    peer_s, _ = in_fresh_process(f"world_peers.storm_s({carried}, True)")
    peer = Peer(_STORM.format(f"{carried:,}"), peer_s / carried * devices)
    full_s, attempts = in_fresh_process(f"world.play_full_storm({devices}, 0)")
    yield _short(f"storm of {policy}, {attempts:,} attempts, 1 Hz and the core, no buffers", full_s, 150, peer)
    stored_s, attempts = in_fresh_process(f"world.play_full_storm({devices}, 300)")
    name = f"storm of {policy}, {attempts:,} attempts, 1 Hz and the core, buffers of 300 readings"
    yield _short(name, stored_s, 150, peer)


def week(quick: bool) -> Iterator[Result]:
    """A small fleet for long."""
    days = 7 if not quick else 1
    week_s = in_fresh_process(f"world.play(1_000, {days} * 86_400, world.PLANT)")
    peer = _mix_peer(PLANT_READINGS_PER_S * 1_000)
    peer = Peer(peer.name, days * 86_400 / peer.value)
    yield _short(f"plant mix, 1,000 devices, {days} simulated days", week_s, 90 * days / 7, peer)


PIECES: dict[str, Callable[[bool], Iterator[Result]]] = {
    "library": storm_of_the_library,
    "hundred": hundred_thousand,
    "million": million,
    "flat": flat,
    "start": start,
    "memory": memory,
    "mix": mix,
    "storms": storms,
    "week": week,
}


def bench(pieces: Sequence[str] = (), quick: bool = False) -> Iterator[Result]:
    """Figures of fleets from 1,000 to 1,000,000 devices, the longest last; all take half an hour. With `quick` 100,000
    devices stand for a million, and bounds are what they are for these."""
    for name in pieces or PIECES:
        yield from PIECES[name](quick)
