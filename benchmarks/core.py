"""The processing core alone: what it takes in a second on one core, dense and in arbitrary order, with everything on.

Ingest (validation, de-duplication), counts for the ledger, indicators with two objectives, the detectors on sessions
and silence, three on values (`flat-line`, `ewma` and `cusum` over five channels), and windows of a minute of each
device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import Result, at_least
from twinstorm.detectors.core import Core
from twinstorm.detectors.event_time import Asked
from twinstorm.detectors.objectives import Objective
from twinstorm.detectors.windows import Span
from twinstorm.twin.flow import SECOND_US, BrokerCounters, Channel, Delivery, Int, Readings, Registry, Values

CHANNELS = 5
BLOCK = 16_384
"""Devices of one dense batch, as the engine gives them."""
PATTERNS = 8
"""Different tables of values that are told in turn."""
WARM, LOOKED = 3, 5
"""Seconds that are played before, and while, the clock runs."""
PEER_READINGS = 20_000

NAMES = [f"c{number}" for number in range(CHANNELS)]
"""Named, so that each detector has its own limit, and series learn none."""

DETECTORS: Mapping[str, Mapping[str, Any]] = {
    "silence": {},
    "connect-storm": {},
    "reboot-storm": {},
    "flat-line": {"adaptive": "false"},
    "ewma": {"train": 8, "threshold": 50.0, "adaptive": "false"},
    "cusum": {"train": 8, "threshold": 50.0, "adaptive": "false"},
}
"""Those on values are past their training while the clock runs, and find nothing."""


def registry(devices: int) -> Registry:
    """Devices of one kind at 1 Hz on twenty sites."""
    zeros = np.zeros(devices, np.uint8)
    site = (np.arange(devices) * 20 // devices).astype(np.int32)
    return Registry(
        names=range(devices),  # type: ignore[arg-type] # nobody asks for a name
        kind=zeros,
        kinds=("motor",),
        segment=zeros.astype(np.int16),
        segments=("all",),
        site=site,
        sites=tuple(f"s-{number}" for number in range(20)),
        region=np.zeros(devices, np.int32),
        regions=("r",),
        link=zeros,
        links=("ethernet",),
        firmware=zeros,
        firmwares=("1.0",),
        origin=zeros,
        every_us=np.full(devices, SECOND_US, np.int64),
        keep_alive_us=np.full(devices, 60 * SECOND_US, np.int64),
        channels={"motor": tuple(Channel(name, "1", -100.0, 100.0, 0.01) for name in NAMES)},
    )


def core_of(devices: int) -> Core:
    objectives = [
        Objective("fresh", "freshness", at_least=0.95, within_us=120 * SECOND_US),
        Objective("connected", "connectivity", at_least=0.9),
    ]
    core = Core(registry(devices), objectives, DETECTORS, warm_up_us=SECOND_US)
    core.keep_windows([Asked("device", Span.tumbling(60 * SECOND_US))], lateness_us=5 * SECOND_US)
    return core


def tables(devices: int) -> list[Values]:
    """Noise, (devices, channels) with contiguous columns."""
    noise = np.random.default_rng(1).normal(0.0, 1.0, (CHANNELS, devices + PATTERNS * 64)).astype(np.float32)
    return [noise[:, 64 * number : 64 * number + devices].T for number in range(PATTERNS)]


def deliveries(second: int, order: Int | None, values: Values) -> list[Delivery]:
    """One reading of each device: in slices of the fleet, or in this order."""
    n = len(values)
    at_us = second * SECOND_US + 20_000
    step = BLOCK if order is None else n
    found = []
    for first in range(0, n, step):
        rows = slice(first, min(first + step, n))
        size = rows.stop - rows.start
        who = np.arange(rows.start, rows.stop, dtype=np.int32) if order is None else order.astype(np.int32)
        stamp = np.broadcast_to(np.int64(at_us), size)
        readings = Readings(
            kind="motor",
            device=who,
            boot=np.broadcast_to(np.int32(1), size),
            seq=np.broadcast_to(np.int64(second + 1), size),
            device_time_us=stamp,
            sent_us=stamp,
            values=values[rows] if order is None else values[order],
            dense_from=first if order is None else -1,
        )
        found.append(Delivery(readings, stamp, at_us))
    return found


def values_per_s(devices: int, ordered: bool) -> float:
    """Median over some simulated seconds; making the readings is not counted."""
    core, noise = core_of(devices), tables(devices)
    order = None if ordered else np.random.default_rng(2).permutation(devices)
    counters = BrokerCounters()
    taken = []
    for second in range(WARM + PATTERNS + LOOKED):
        batch = deliveries(second, order, noise[second % PATTERNS])
        begun = time.perf_counter()
        for delivery in batch:
            core.ingest(delivery)
        core.close_pane((second + 1) * SECOND_US, counters)
        taken.append(time.perf_counter() - begun)
    assert core.accepted == devices * len(taken)
    assert all(each.judged == core.accepted * CHANNELS for each in core.on_values)
    assert not core.alarms
    return devices * CHANNELS / sorted(taken[-LOOKED:])[LOOKED // 2]


class Peer:
    """The same work in plain Python, an object for each series: what one writes first."""

    def __init__(self) -> None:
        self.last_seq: dict[int, int] = {}
        self.series: dict[tuple[int, int], list[float]] = {}

    def take(self, device: int, seq: int, values: Sequence[float]) -> int:
        """Returns findings."""
        if seq <= self.last_seq.get(device, 0):
            return 0
        self.last_seq[device] = seq
        found = 0
        for channel, value in enumerate(values):
            if not -100.0 <= value <= 100.0:
                return found
            state = self.series.get((device, channel))
            if state is None:
                state = self.series[device, channel] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, value, 0.0]
            count, mean, squares, average, up, down, last, run = state
            count += 1.0
            away = value - mean
            mean += away / count
            squares += away * (value - mean)
            deviation = (squares / max(count - 1.0, 1.0)) ** 0.5 or 1e-9
            z = (value - mean) / deviation
            average += 0.1 * (z - average)
            up, down = max(up + z - 0.5, 0.0), max(down - z - 0.5, 0.0)
            run = run + 1.0 if value == last else 1.0
            found += average > 50.0 or up > 200.0 or down > 200.0 or run > 20.0
            state[:] = count, mean, squares, average, up, down, value, run
        return found


def peer_values_per_s() -> float:
    """One pass of a plain loop over readings of a thousand devices."""
    peer = Peer()
    rows = tables(1_000)[0].tolist()
    begun = time.perf_counter()
    for number in range(PEER_READINGS):
        peer.take(number % 1_000, 1 + number // 1_000, rows[number % 1_000])
    return PEER_READINGS * CHANNELS / (time.perf_counter() - begun)


def figure(name: str, devices: int, ordered: bool, wanted: float) -> Callable[[], Result]:
    def measure() -> Result:
        peer = peer_values_per_s()
        value = values_per_s(devices, ordered)
        required, met = at_least(wanted, value)
        return Result(
            name=name,
            value=value,
            unit="values/s",
            peer="a plain loop",
            peer_value=peer,
            ratio=value / peer,
            required=required,
            met=met,
        )

    return measure


def bench(pieces: Sequence[str] = (), quick: bool = False) -> Iterator[Result]:
    """Figures one by one; with `quick` of the smaller fleet alone."""
    for name in pieces or PIECES:
        yield from PIECES[name](quick)


def everything(quick: bool) -> Iterator[Result]:
    """The whole core."""
    for devices in (100_000,) if quick else (100_000, 1_000_000):
        for ordered, wanted in ((True, 20e6), (False, 8e6)):
            way = "dense" if ordered else "in arbitrary order"
            name = f"core, {way}, {devices:,} devices, 3 detectors on 5 channels, windows"
            yield figure(name, devices, ordered, wanted)()


def parts(quick: bool) -> Iterator[Result]:
    """What each part of it costs."""
    from benchmarks.core_parts import measured

    yield from measured(quick)


PIECES: Mapping[str, Callable[[bool], Iterator[Result]]] = {"everything": everything, "parts": parts}
