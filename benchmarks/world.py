"""Virtual time: the fleet with the core, the reboot storm, memory; beside one SimPy process per device."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import simpy

from benchmarks.harness import Result, at_least, at_most, median_s
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import load
from twinstorm.twin.flow import SECOND_US

MOTORS = """storm: 1
name: bench-motors
story: Motors at one reading a second with the core, nothing else.
duration: {seconds} s
fleet:
  devices: {devices}
  sites: 5
  segments:
    motors: {{kind: motor, share: 100 %, every: 1 s, link: ethernet}}
broker: {{model: ideal}}
objectives:
  connected: {{sli: connectivity, at_least: 90 %}}
  fresh: {{sli: freshness, within: 60 s, at_least: 90 %}}
"""


def play_motors(devices: int, seconds: int) -> float:
    """Wall seconds of a run without its start."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench-motors.storm.yaml"
        path.write_text(MOTORS.format(devices=devices, seconds=seconds), encoding="utf-8")
        engine = build(load(str(path)), RunOptions(seed=1))
    start = time.perf_counter()
    engine.play()
    return time.perf_counter() - start


def play_processes(devices: int, seconds: int) -> float:
    """The peer: one SimPy process per device doing the same physics, one device at a time in plain Python."""
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


def play_storm(devices: int) -> float:
    engine = build(load("reboot-storm", devices=devices), RunOptions(seed=42))
    start = time.perf_counter()
    engine.play()
    return time.perf_counter() - start


def memory_bytes(devices: int) -> int:
    """Largest resident size of a fresh process that plays this fleet for 5 s."""
    code = (
        "import resource\n"
        "from benchmarks.world import play_motors\n"
        f"play_motors({devices}, 5)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    checkout = Path(__file__).resolve().parents[1]  # where the child finds `benchmarks`, wherever we stand
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=checkout).stdout
    return int(said) * (1 if sys.platform == "darwin" else 1024)


def bench() -> list[Result]:
    """Figures of issue-sized fleets; about a minute."""
    seconds = 30
    speed = seconds / median_s(lambda: play_motors(100_000, seconds))
    peer_devices = 5_000
    peer_speed = seconds / play_processes(peer_devices, seconds) * peer_devices / 100_000
    required, met = at_least(30, speed)
    results = [
        Result(
            name="100,000 motors at 1 Hz with the core",
            value=round(speed, 1),
            unit="x real time",
            peer=f"one SimPy process per device, {peer_devices:,} of them, scaled",
            peer_value=round(peer_speed, 3),
            ratio=round(speed / peer_speed, 1),
            required=required,
            met=met,
        )
    ]
    storm_s = median_s(lambda: play_storm(10_000))
    required, met = at_most(3, storm_s)
    results.append(
        Result(
            name="reboot storm, 10,000 devices, 30 min, exponential full jitter, 100 admissions/s",
            value=round(storm_s, 2),
            unit="s",
            required=required,
            met=met,
        )
    )
    slope = (memory_bytes(1_000_000) - memory_bytes(100_000)) / 900_000
    required, met = at_most(1_000, slope)
    results.append(
        Result(
            name="memory slope from 100,000 to 1,000,000 motors",
            value=round(slope),
            unit="B a device",
            required=required,
            met=met,
        )
    )
    return results
