"""The record of a run as it happens: a sink that appends rows, and the state of the run's folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Table

from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.protocol import PROTOCOL
from twinstorm.scenarios.record import process, tables
from twinstorm.scenarios.record.folder import (
    DATABASE,
    SCENARIO,
    RunFile,
    create_folder,
    write_run_file,
    write_whole,
)
from twinstorm.scenarios.record.writer import Writer
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult

REPORT = "report.html"


@dataclass(frozen=True)
class About:
    """What a record says of a run beside the scenario and the result.

    Attributes:
        started_at: wall time of the start, RFC 3339 with an offset. The caller reads the clock.
        repeat: the command that repeats the run.
        clock: virtual or live.
        until_us: where the run is cut short; None: its whole duration.
    """

    seed: int
    version: str
    started_at: str
    repeat: str
    clock: str = "virtual"
    until_us: int | None = None
    project: str = ""
    labels: Mapping[str, str] | None = None


class Recorder:
    """A `Sink` that keeps a run: makes the folder, appends while the run goes on, marks it finished at the end.

    A process that is killed leaves a readable record that is half a second old at most.

    Attributes:
        folder: the run's folder.
        result: the result as recorded, with the paths and the command that only the recorder knows; None before the
            end and after a bug.
    """

    def __init__(self, root: Path, scenario: Scenario, about: About) -> None:
        """Make the folder under `root` and everything in it that is known before the start.

        Raises:
            Unavailable: the folder or the database cannot be written.
        """
        self.result: RunResult | None = None
        self.folder = create_folder(root, scenario.name, about.seed)
        self._closed = False
        self._events = 0
        duration_us = scenario.duration_us if about.until_us is None else about.until_us
        self._run_file = RunFile(
            run=uuid.uuid4().hex,
            state="running",
            scenario=scenario.name,
            seed=about.seed,
            version=about.version,
            protocol=PROTOCOL,
            clock=about.clock,
            devices=scenario.fleet.devices,
            duration_s=duration_us / 1e6,
            warm_up_s=scenario.warm_up_us / 1e6,
            pid=os.getpid(),
            host=process.host(),
            born=process.born(os.getpid()),
            started_at=about.started_at,
            repeat=about.repeat,
            project=about.project,
            labels=dict(about.labels or {}),
        )
        write_whole(self.folder / SCENARIO, scenario.resolved)
        self._writer = Writer(self.folder / DATABASE, _first_row(self._run_file))
        write_run_file(self.folder, self._run_file)  # Last: it makes the folder a run.

    def event(self, row: EventRow) -> None:
        self._events += 1
        self._writer.put(tables.events, {"number": self._events, **msgspec.structs.asdict(row)})

    def pane(self, row: PaneRow) -> None:
        self._writer.put(tables.panes, msgspec.structs.asdict(row))

    def close(self, result: RunResult | None) -> None:
        """Write the end. A second call does nothing.

        Raises:
            Unavailable: disk full; the record stays readable up to its last commit and is marked interrupted.
        """
        if self._closed:
            return
        self._closed = True
        finished = result is not None and result.ended != "interrupted"
        last: dict[str, Any] = {"state": "finished" if finished else "interrupted"}
        stopped = "" if result is not None else "twinstorm itself failed"
        try:
            if result is not None:
                last |= self._put_result(result)
            self._writer.close(last)
        except Unavailable as error:
            self.result = None
            self._mark("interrupted", f"{error.what}: {error.why}")
            raise
        self._mark(last["state"], stopped)

    def _put_result(self, result: RunResult) -> dict[str, Any]:
        """Put the rows of the result's lists; return the columns of the run's own row."""
        self.result = complete = msgspec.structs.replace(
            result, report=str(self.folder / REPORT), repeat=self._run_file.repeat or result.repeat
        )
        lists: list[tuple[Table, Sequence[msgspec.Struct]]] = [
            (tables.faults, complete.faults),
            (tables.alarms, complete.alarms),
            (tables.incidents, complete.incidents),
            (tables.objectives, complete.objectives),
            (tables.expectations, complete.expectations),
        ]
        for table, rows in lists:
            for number, row in enumerate(rows, 1):
                self._writer.put(table, {"number": number, **msgspec.structs.asdict(row)})
        columns = {name: getattr(complete, name) for name in ("ended", "verdict", "digest", "simulated_s", "wall_s")}
        return {**columns, "result": msgspec.json.encode(complete).decode()}

    def _mark(self, state: str, stopped: str) -> None:
        try:
            write_run_file(self.folder, msgspec.structs.replace(self._run_file, state=state, stopped=stopped))
        except Unavailable:
            # A disk without room for one small file: the reader sees that this process has gone and marks it then.
            if state == "finished":
                raise


def _first_row(run_file: RunFile) -> dict[str, Any]:
    known = msgspec.structs.asdict(run_file)
    return {column.name: known[column.name] for column in tables.runs.columns if column.name in known}
