"""What the parts of the processing core cost: a core with a part beside one without it, a second each in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.core import CHANNELS, DETECTORS, NAMES, WARM, deliveries, registry, tables
from benchmarks.harness import Result
from twinstorm.detectors.core import Core
from twinstorm.detectors.event_time import Asked
from twinstorm.detectors.windows import Span
from twinstorm.twin.flow import SECOND_US, BrokerCounters

DEVICES, LOOKED, LOOKED_QUICKLY = 100_000, 21, 7
LOOPS, TIMES = 200_000, 10
PEER = "an iteration of an empty loop"
CALM: Mapping[str, Any] = {"adaptive": "false", "threshold": 50.0}

Make = Callable[[], Core]


def core_of(detectors: Mapping[str, Mapping[str, Any]] | None = None, windows: str = "", width_s: int = 60) -> Core:
    """
    Args:
        windows: by what they are; empty: there are none.
    """
    core = Core(registry(DEVICES), [], detectors or {}, warm_up_us=SECOND_US)
    if windows:
        core.keep_windows([Asked(windows, Span.tumbling(width_s * SECOND_US))], lateness_us=5 * SECOND_US)
    return core


def on_values(name: str) -> Make:
    return lambda: core_of({name: {**CALM, **DETECTORS.get(name, {})}})


def like_others() -> Core:
    return core_of({"fleet-relative": {**CALM, "channels": NAMES, "window": 60 * SECOND_US}})


PARTS: tuple[tuple[str, Make | None, bool, int], ...] = (
    # name, the core with it (None: the bare core by itself), whether in order of devices, values of a reading
    ("door and ledger, dense, a reading", None, True, 1),
    ("door and ledger, in arbitrary order, a reading", None, False, 1),
    ("windows of 1 min of each device, dense, a reading", lambda: core_of(windows="device"), True, 1),
    ("windows of 1 s of each device, dense, a reading", lambda: core_of(windows="device", width_s=1), True, 1),
    ("windows of 1 min by site, dense, a reading", lambda: core_of(windows="site"), True, 1),
    ("windows of 1 min of each device, in arbitrary order, a reading", lambda: core_of(windows="device"), False, 1),
    ("flat-line, dense, a value", on_values("flat-line"), True, CHANNELS),
    ("ewma, dense, a value", on_values("ewma"), True, CHANNELS),
    ("cusum, dense, a value", on_values("cusum"), True, CHANNELS),
    ("fleet-relative, dense, a value", like_others, True, CHANNELS),
    ("fleet-relative, in arbitrary order, a value", like_others, False, CHANNELS),
)


def measured(quick: bool) -> Iterator[Result]:
    """Nanoseconds of each part, beside an iteration of an empty loop."""
    for name, make, ordered, values in PARTS:
        loop_ns = empty_loop_ns()
        took_ns = cost_s(make, ordered, LOOKED_QUICKLY if quick else LOOKED) * 1e9 / DEVICES / values
        yield Result(
            name=name,
            value=round(took_ns, 1),
            unit="ns",
            peer=PEER,
            peer_value=round(loop_ns, 1),
            ratio=round(took_ns / loop_ns, 2),
        )


def cost_s(make: Make | None, ordered: bool, looked: int) -> float:
    """What the quickest second of the fleet takes more with a part than without it: whatever else the machine does only
    adds to one."""
    without, beside = core_of(), None if make is None else make()
    noise = tables(DEVICES)
    order = None if ordered else np.random.default_rng(2).permutation(DEVICES)
    bare_s, with_s = [], []
    for second in range(WARM + 8 + looked):
        bare_s.append(played_s(without, second, order, noise))
        with_s.append(0.0 if beside is None else played_s(beside, second, order, noise))
    if beside is None:
        return min(bare_s[-looked:])
    return min(with_s[-looked:]) - min(bare_s[-looked:])


def played_s(core: Core, second: int, order: Any, noise: list[Any]) -> float:
    batch = deliveries(second, order, noise[second % len(noise)])
    begun = time.perf_counter()
    for delivery in batch:
        core.ingest(delivery)
    core.close_pane((second + 1) * SECOND_US, BrokerCounters())
    return time.perf_counter() - begun


def empty_loop_ns() -> float:
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        for _ in range(LOOPS):
            pass
        taken.append(time.perf_counter() - begun)
    return min(taken) * 1e9 / LOOPS
