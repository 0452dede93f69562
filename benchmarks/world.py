"""Virtual time: fleets with and without the core, storms, memory; beside one SimPy process per device."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import simpy

from benchmarks.harness import Result, at_least, at_most, median_s
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.language.reader import load
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.stories import Stage

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
MOTORS = "    motors: {kind: motor, share: 100 %, every: 1 s}"
PLANT = """    temperature: {kind: environment, share: 60 %, every: 30 s}
    vibration: {kind: motor, share: 10 %, every: 10 s}
    pressure: {kind: pump, share: 6.5 %, every: 5 s}
    trackers: {kind: vehicle, share: 20 %, every: 60 s}
    controllers: {kind: controller, share: 3 %, every: 30 s}
    cameras: {kind: camera, share: 0.5 %, every: 5 min}"""
"""Controllers and cameras speak when something happens, about every 8 s and every minute, at the latest by `every`."""
PLANT_READINGS_PER_S = 0.6 / 30 + 0.1 / 10 + 0.065 / 5 + 0.2 / 60 + 0.03 / 8 + 0.005 / 60
"""A device."""
PEAK_FROM_S = 60
"""By then every device knows the core, and nobody's period is longer."""
PEAK = f"steps: [{{name: peak, at: {PEAK_FROM_S} s, fault: peak, target: all, with: {{factor: 4}}}}]\n"
STORM_LIMITS = ("broker.model=mosquitto", "broker.connects={rate: 5000/s, burst: 5000, queue: 5000}")
"""Its handshakes allow 27,000 connects/s, so that the rate is what limits."""


def scenario(devices: int, duration: str, segments: str = MOTORS, steps: str = "") -> Any:
    """A scenario of the bench's own, read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.storm.yaml"
        text = HEAD.format(duration=duration, devices=devices, segments=segments, steps=steps)
        path.write_text(text, encoding="utf-8")
        return load(str(path))


def play(devices: int, seconds: int, segments: str = MOTORS) -> float:
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


def play_without_core(devices: int, seconds: int, settings: list[str] | None = None) -> float:
    """The same world with nobody to receive what it sends; `settings`: play the reboot storm with them instead."""
    one = scenario(devices, f"{seconds} s") if settings is None else load("reboot-storm", settings, devices)
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


def play_processes(devices: int, seconds: int) -> float:
    """The peer: one SimPy process per device, one device at a time in Python. Its physics are simpler than ours (two
    exponentials, linear wear), and its noise is NumPy's.
    """
    rng = np.random.default_rng(1)
    env = simpy.Environment()

    def motor(load_share: float, phase: float) -> Generator[simpy.Event, None, None]:
        winding, case, wear = 40.0, 30.0, 0.1
        fast, slow = math.exp(-1 / 120), math.exp(-1 / 1800)
        seq = 0
        while True:
            yield env.timeout(SECOND_US)
            heat = load_share * load_share
            winding = case + 40 * heat + (winding - case - 40 * heat) * fast
            case = 25 + 20 * heat + (case - 25 - 20 * heat) * slow
            wear += 1e-8 * load_share
            noise = rng.standard_normal(6)
            seq += 1
            reading = [
                winding + 0.3 * noise[0],
                1 + 5 * wear + 0.05 * noise[1],
                1 + 4 * wear + 0.05 * noise[2],
                1 + 3 * wear + 0.05 * noise[3],
                10 * load_share + 0.1 * noise[4],
                1480 - 20 * load_share + 2 * noise[5] + phase,
            ]
            if not all(map(math.isfinite, reading)):
                raise ValueError(seq)

    for load_share in rng.random(devices):
        env.process(motor(float(load_share), 0.0))
    start = time.perf_counter()
    env.run(until=seconds * SECOND_US + 1)
    return time.perf_counter() - start


def in_fresh_process(call: str) -> Any:
    """What an expression of this module gives in a process of its own: nothing is warm, and memory is its own."""
    code = f"import json\nfrom benchmarks import world\nprint(json.dumps(world.{call}))\n"
    checkout = Path(__file__).resolve().parents[1]  # where the child finds `benchmarks`, wherever we stand
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=checkout).stdout
    return json.loads(said)


def memory_bytes(devices: int) -> int:
    """Largest resident size of a process that plays this fleet for 5 s."""
    return int(in_fresh_process(f"peak_bytes({devices})"))


def peak_bytes(devices: int) -> int:
    import resource

    play(devices, 5)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def first_tick_s(devices: int) -> float:
    """From a read scenario to the end of the first simulated second."""
    one = scenario(devices, "10 s")
    start = time.perf_counter()
    build(one, RunOptions(seed=1)).advance(SECOND_US)
    return time.perf_counter() - start


def settled_ns(devices: int) -> float:
    """Cost of a reading once every device is known to the core."""
    seconds = max(6_000_000 // devices, 6)
    engine = build(scenario(devices, f"{seconds + 10} s"), RunOptions(seed=1))
    engine.advance(5 * SECOND_US)
    start = time.perf_counter()
    engine.advance((5 + seconds) * SECOND_US)
    return (time.perf_counter() - start) / seconds / devices * 1e9


def _fast(name: str, value: float, least: float, peer: float | None = None, peer_name: str = "") -> Result:
    required, met = at_least(least, value)
    if peer is None:
        return Result(name=name, value=round(value, 1), unit="x real time", required=required, met=met)
    return Result(
        name=name,
        value=round(value, 1),
        unit="x real time",
        peer=peer_name,
        peer_value=round(peer, 3),
        ratio=round(value / peer, 1),
        required=required,
        met=met,
    )


def _short(name: str, value: float, most: float, unit: str = "s", digits: int | None = 2) -> Result:
    required, met = at_most(most, value)
    return Result(name=name, value=round(value, digits), unit=unit, required=required, met=met)


def bench() -> Iterator[Result]:
    """Figures of fleets from 1,000 to 1,000,000 devices, the longest last; half an hour."""
    peer_devices, seconds = 5_000, 30
    process_s = play_processes(peer_devices, seconds)
    peer = f"one SimPy process per device, {peer_devices:,} of them, scaled"

    def peer_speed(devices: int) -> float:
        return seconds / process_s * peer_devices / devices

    million, most = 1_000_000, 100_000

    def alone(call: str) -> float:
        """Median of three, each in a process of its own: a million devices leave no room for those of the last run."""
        return statistics.median(in_fresh_process(call) for _ in range(3))

    def library_storm() -> Engine:
        return build(load("reboot-storm", devices=10_000), RunOptions(seed=42))

    engine = library_storm()
    engine.play()
    name = "reboot storm, 10,000 devices, 30 min, exponential full jitter, 100 admissions/s"
    name = f"{name}, {engine.counts()['attempts']:,} attempts"
    yield _short(name, median_s(lambda: timed(library_storm())), 3)
    yield _fast("100,000 motors at 1 Hz with the core", 30 / alone(f"play({most}, 30)"), 40, peer_speed(most), peer)
    with_core = 20 / alone(f"play({million}, 20)")
    yield _fast("1,000,000 motors at 1 Hz with the core", with_core, 4, peer_speed(million), peer)
    without = 20 / alone(f"play_without_core({million}, 20)")
    yield _fast("1,000,000 motors at 1 Hz without the core", without, 10, peer_speed(million), peer)
    few, many = alone("settled_ns(10_000)"), alone(f"settled_ns({million})")
    yield Result(name="cost of a reading, 1,000,000 devices", value=round(many), unit="ns")
    yield _short("cost of a reading, 10,000 devices over 1,000,000", few / many, 1.25, "times")
    yield _short("start to first tick, 1,000,000 motors", alone(f"first_tick_s({million})"), 5)
    large, small = memory_bytes(million), memory_bytes(most)
    yield _short("memory, 1,000,000 motors with the core", large / 2**20, 1024, "MiB", 0)
    slope = (large - small) / (million - most)
    yield _short("memory slope from 100,000 to 1,000,000 motors", slope, 1_000, "B a device", 0)
    plant = 120 / in_fresh_process(f"play({million}, 120, world.PLANT)")
    yield _fast("plant mix, 1,000,000 devices, with the core", plant, 20)
    peak_s, rate = in_fresh_process(f"play_peak({million}, 600)")
    yield _fast(f"plant mix, 1,000,000 devices, ten minutes of `peak`, {rate:,.0f} readings/s", 600 / peak_s, 1)
    policy = "1,000,000 devices, 30 min, exponential full jitter, 5,000 admissions/s"
    bare_s, attempts = in_fresh_process(f"play_bare_storm({million})")
    yield _short(f"storm of {policy}, {attempts:,} attempts, no telemetry", bare_s, 30)
    full_s, attempts = in_fresh_process(f"play_full_storm({million}, 0)")
    yield _short(f"storm of {policy}, {attempts:,} attempts, 1 Hz and the core, no buffers", full_s, 150)
    stored_s, attempts = in_fresh_process(f"play_full_storm({million}, 300)")
    name = f"storm of {policy}, {attempts:,} attempts, 1 Hz and the core, buffers of 300 readings"
    yield Result(name=name, value=round(stored_s), unit="s")
    week_s = in_fresh_process("play(1_000, 7 * 86_400, world.PLANT)")
    yield _short("plant mix, 1,000 devices, one simulated week", week_s, 90)
