"""A small storm as an engine would tell it, for tests of record, reports and command line. No engine runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec

from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.record.recorder import Recorder
from twinstorm.scenarios.result import (
    AlarmResult,
    EventRow,
    ExpectationResult,
    FaultResult,
    IncidentResult,
    LedgerResult,
    ObjectiveResult,
    PaneRow,
    RunResult,
    Sink,
)

STORY = "Site fra-2 loses power for two minutes, then 400 machines ask for a session together."


@dataclass(frozen=True)
class FakeFleet:
    devices: int = 1_000
    segments: tuple[object, ...] = ()
    cohort: int | None = None


@dataclass(frozen=True)
class FakeScenario:
    """What record and command line read of a scenario."""

    name: str = "small-storm"
    story: str = STORY
    title: str = ""
    duration_us: int = 600_000_000
    warm_up_us: int = 60_000_000
    fleet: FakeFleet = field(default_factory=FakeFleet)
    path: str = "small-storm.storm.yaml"
    resolved: str = "storm: 1\nname: small-storm\n"
    steps: tuple[object, ...] = ()
    windows: tuple[object, ...] = ()
    joins: tuple[object, ...] = ()
    correlations: tuple[object, ...] = ()
    continuity: None = None
    detectors: None = None


def scenario(**changes: Any) -> Scenario:
    return cast(Scenario, FakeScenario(**changes))


REPEAT = "twinstorm run small-storm.storm.yaml --seed 42"

EVENTS: Sequence[EventRow] = (
    EventRow(at_s=0.0, kind="begin", name="small-storm", text="1,000 devices  10 min simulated"),
    EventRow(at_s=120.0, kind="fault", name="outage", text="power-outage  site=fra-2  400 devices  120 s"),
    EventRow(at_s=161.0, kind="alarm", name="silence", text="site=fra-2  41 s after the fault", severity="page"),
    EventRow(at_s=161.0, kind="incident", name="INC-1", text="silence site=fra-2", severity="page"),
    EventRow(at_s=240.0, kind="fault-end", name="outage", text="power-outage"),
    EventRow(at_s=300.0, kind="steady", name="outage", text="99 % of its devices back  60 s after its end"),
)


def panes(until_s: int = 600) -> list[PaneRow]:
    """400 devices are away from second 121 to 240 and come back, ten a second, from 250 on."""
    rows = []
    for at_s in range(1, until_s + 1):
        away = 400 if 120 < at_s <= 250 else max(400 - 10 * (at_s - 250), 0) if at_s > 250 else 0
        storm = 250 < at_s <= 290
        rows.append(
            PaneRow(
                at_s=at_s,
                online=1_000 - away,
                attempts=60 if storm else 0,
                admitted=10 if storm else 0,
                refused=45 if storm else 0,
                unanswered=5 if storm else 0,
                readings=1_000 - away,
                queue=5 if storm else 0,
                buffered=0,
                slis={"connected": None if at_s <= 60 else (1_000 - away) / 1_000},
            )
        )
    return rows


def result(**changes: Any) -> RunResult:
    """MISSED 1 of 3."""
    base = RunResult(
        scenario="small-storm",
        seed=42,
        version="0.1.0",
        clock="virtual",
        speed=0.0,
        ended="completed",
        verdict="missed",
        digest="5f" * 32,
        devices=1_000,
        simulated_s=600.0,
        wall_s=2.0,
        ledger=LedgerResult(
            produced=600_000, delivered=545_000, buffered=0, in_flight=0, lost={"power": 55_000}, repeated=3
        ),
        objectives=[
            ObjectiveResult(
                name="connected",
                sli="connectivity",
                wanted="at least 99.9 %",
                value=0.9571,
                unit="%",
                verdict="missed",
                missed_from_s=121.0,
                missed_to_s=289.0,
                budget_left=-41.9,
            )
        ],
        expectations=[
            ExpectationResult(
                text="alarm: silence, after: outage, within: 60 s",
                line=14,
                wanted="within 60 s",
                value="41 s after",
                at_s=161.0,
                verdict="held",
            ),
            ExpectationResult(
                text="recovered: 99 %, of: outage, within: 5 min",
                line=15,
                wanted="99 % within 300 s",
                value="after 60 s",
                at_s=300.0,
                verdict="held",
            ),
            ExpectationResult(
                text="objective connected held",
                line=0,
                wanted="at least 99.9 %",
                value="95.71 %",
                at_s=121.0,
                verdict="missed",
            ),
        ],
        faults=[
            FaultResult(
                name="outage",
                fault="power-outage",
                target="site=fra-2",
                from_s=120.0,
                to_s=240.0,
                devices=400,
                evidence={"devices_without_power": 400, "devices_booted": 400},
                bit=True,
                recovered_s=60.0,
            )
        ],
        alarms=[
            AlarmResult(
                name="silence",
                at_s=161.0,
                severity="page",
                group="site=fra-2",
                cause="site=fra-2 (lift 2.5)",
                fault="outage",
                delay_s=41.0,
                incident=1,
                right=True,
            )
        ],
        incidents=[
            IncidentResult(
                number=1,
                title="silence site=fra-2",
                opened_s=161.0,
                resolved_s=300.0,
                severity="page",
                alarms=["silence"],
            )
        ],
        counts={"pages": 1, "tickets": 0, "alarms": 1, "incidents": 1, "attempts": 2_400, "refused": 1_800},
        report=None,
        repeat="",
        notes=["broker model amqtt: 1.07 ms a connect, backlog 1,024"],
    )
    return msgspec.structs.replace(base, **changes)


def tell(sink: Sink, until_s: int = 600) -> None:
    """Everything that the run tells before its end, in order."""
    waiting = list(EVENTS)
    for pane in panes(until_s):
        while waiting and waiting[0].at_s < pane.at_s:
            sink.event(waiting.pop(0))
        sink.pane(pane)


def start(root: Path) -> Recorder:
    return Recorder.start(scenario(), seed=42, out=root, repeat=REPEAT)


def record(root: Path, outcome: RunResult | None = None, until_s: int = 600) -> Recorder:
    """A finished record under `root`."""
    recorder = start(root)
    tell(recorder, until_s)
    recorder.close(result() if outcome is None else outcome)
    return recorder
