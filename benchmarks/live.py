"""The live path: 500 twins over real sockets on the embedded broker, from publish to processed, and to the alarm."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.harness import Result, at_least, at_most
from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load, read
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult
from twinstorm.twin.flow import SECOND_US, Delivery

DEVICES = 500
SECONDS = 30
SETTLE_S = 5

SCENARIO = f"""storm: 1
name: bench-live
story: Five hundred motors at one reading a second over real sockets, nothing else.
duration: {SECONDS} s
fleet:
  devices: {DEVICES}
  phases: PHASES
  sites: 5
  segments:
    motors: {{kind: motor, share: 100 %, every: 1 s, link: ethernet}}
objectives:
  connected: {{sli: connectivity, at_least: 90 %}}
"""


def bench() -> list[Result]:
    """About 2 min, most of it wall time of the runs themselves."""
    return [
        *_play("spread over the second", 100, wanted_ms=50),
        *_play("in ten bursts a second", 10, wanted_ms=None),
        _alarmed(),
    ]


class _Alarms:
    """A sink that looks at the clock of a run whenever an alarm is told."""

    def __init__(self) -> None:
        self.clock: Callable[[], int] = lambda: 0
        self.late_s: list[float] = []

    def event(self, row: EventRow) -> None:
        if row.kind == "alarm":
            self.late_s.append(self.clock() / SECOND_US - row.at_s)

    def pane(self, row: PaneRow) -> None:
        """Nothing."""

    def close(self, result: RunResult | None, why: str = "") -> None:
        """Nothing."""


def _alarmed() -> Result:
    """From the end of the second of which the core decides that something is wrong until people are told, at 1 Hz."""
    from twinstorm.scenarios.engine.live_wiring import LiveWiring

    alarms, opened = _Alarms(), LiveWiring.go

    def go(wiring: LiveWiring, *arguments: Any) -> None:
        alarms.clock = wiring.now_us
        opened(wiring, *arguments)

    cut = "steps: [{name: dark, at: 8 s, fault: power-outage, target: site=site-1, lasts: 15 s}]\n"
    with patch.object(LiveWiring, "go", go):
        scenario = read(SCENARIO.replace("PHASES", "10") + cut, "bench-live.storm.yaml")
        Run(scenario, RunOptions(live=True, speed=1.0), [alarms]).execute()
    most_s = max(alarms.late_s, default=float("inf"))
    required, met = at_most(2, most_s)
    name = f"{DEVICES} twins, one site dark: decision to alarm, the latest of {len(alarms.late_s)}"
    return Result(name=name, value=round(most_s, 3), unit="s", required=required, met=met)


def _play(when: str, phases: int, wanted_ms: float | None) -> list[Result]:
    """One run; its readings are taken at this many instants of each second."""
    late_ms: list[np.ndarray] = []
    ingest = Core.ingest

    def measured(core: Core, delivery: Delivery) -> None:
        ingest(core, delivery)
        readings = delivery.readings
        if readings is not None and len(readings):
            # The twin publishes at its sampling instant; the core has processed the reading now.
            now_us = run_now()
            settled = readings.device_time_us > SETTLE_S * SECOND_US
            late_ms.append((now_us - readings.device_time_us[settled]) / 1_000)

    from twinstorm.scenarios.engine.live_wiring import LiveWiring

    clock: list[LiveWiring] = []
    opened = LiveWiring.go

    def go(wiring: LiveWiring, *arguments: Any) -> None:
        clock.append(wiring)
        opened(wiring, *arguments)

    def run_now() -> int:
        return clock[0].now_us()

    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(Core, "ingest", measured),
        patch.object(LiveWiring, "go", go),
    ):
        path = Path(folder) / "bench-live.storm.yaml"
        path.write_text(SCENARIO.replace("PHASES", str(phases)), encoding="utf-8")
        result = Run(load(str(path)), RunOptions(live=True, speed=1.0)).execute()
    ledger = result.ledger
    late = np.concatenate(late_ms)
    p50, p99 = np.percentile(late, [50, 99]).tolist()
    lost = ledger.produced - ledger.delivered
    rate = ledger.delivered / result.simulated_s
    figures = (
        ("readings a second through the embedded broker", rate, "1/s", at_least(495, rate)),
        ("readings lost", float(lost), "readings", at_most(0, lost)),
        ("publish to processed, p50", p50, "ms", ("", None)),
        ("publish to processed, p99", p99, "ms", ("", None) if wanted_ms is None else at_most(wanted_ms, p99)),
    )
    return [
        Result(name=f"{DEVICES} twins {when}: {name}", value=round(value, 2), unit=unit, required=required, met=met)
        for name, value, unit, (required, met) in figures
    ]
