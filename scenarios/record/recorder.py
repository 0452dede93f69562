"""The record of a run as it happens: a sink that appends rows, and the state of the run's folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Table

from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.language.stored import STORE, models_of
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
from twinstorm.scenarios.result import EventRow, JudgedRow, LetterRow, PaneRow, RoutedRow, RunResult

if TYPE_CHECKING:
    from twinstorm.scenarios.language.model import Scenario


MOST_LETTERS = 10_000
MOST_ROUTED = 10_000
"""Dead letters that a record keeps, of 4 kB at most."""
MOST_JUDGED = 100_000
"""Seconds in which something counted against an objective: a day, and some."""


class Recorder:
    """A `Sink` that keeps a run: appends while it goes on, writes the reports and marks it finished at the end.

    A process that is killed leaves a readable record that is half a second old at most.

    Attributes:
        folder: the run's folder.
        result: the result as recorded, with the path and the command that only the recorder knows; None before the
            end and after a bug.
        report: the HTML report; None until it is written.
    """

    def __init__(self, folder: Path, run_file: RunFile) -> None:
        """Record into a folder that holds the scenario already; `start` makes it.

        Raises:
            Unavailable: the database cannot be written.
        """
        self.folder = folder
        self.result: RunResult | None = None
        self.report: Path | None = None
        self._run_file = run_file
        self._closed = False
        self._events = 0
        self._letters = self._routed = self._judged = 0
        self._writer = Writer(folder / DATABASE, _first_row(run_file))

    @classmethod
    def start(
        cls,
        scenario: Scenario,
        *,
        seed: int,
        clock: str = "virtual",
        out: Path | str = "runs",
        until_us: int | None = None,
        repeat: str = "",
        project: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Recorder:
        """Make the first free folder for this scenario and seed under `out`, and everything in it.

        Args:
            clock: virtual or live.
            until_us: where the run is cut short; None: its whole duration.
            repeat: the command that repeats the run; empty: the one that the result names.

        Raises:
            Unavailable: the folder or the database cannot be written, or a model of the scenario cannot be read.
        """
        from twinstorm.scenarios.models.store import copy, needed

        # Before there is a folder: without its models the run cannot be.
        models = [(stored, needed(stored)) for stored in models_of(scenario.detectors).values()]
        folder = create_folder(Path(out), scenario.name, seed)
        for stored, model in models:
            # The record needs no store: in it the scenario finds its models beside itself.
            copy(stored, model, folder / STORE)
        write_whole(folder / SCENARIO, scenario.resolved)
        run_file = RunFile(
            run=uuid.uuid4().hex,
            state="running",
            scenario=scenario.name,
            seed=seed,
            version=version("twinstorm"),
            protocol=PROTOCOL,
            clock=clock,
            devices=scenario.fleet.devices,
            story=scenario.story,
            duration_s=(scenario.duration_us if until_us is None else min(until_us, scenario.duration_us)) / 1e6,
            warm_up_s=scenario.warm_up_us / 1e6,
            pid=os.getpid(),
            host=process.host(),
            born=process.born(os.getpid()),
            started_at=_written_at(folder / SCENARIO),
            repeat=repeat,
            project=project,
            labels=dict(labels or {}),
        )
        recorder = cls(folder, run_file)
        write_run_file(folder, run_file)  # Last: it makes the folder a run.
        return recorder

    @property
    def started_at(self) -> str:
        """Wall time, RFC 3339."""
        return self._run_file.started_at

    @property
    def has_rows(self) -> bool:
        """The run had begun: there is something to report of."""
        return self._events > 0

    def event(self, row: EventRow) -> None:
        self._events += 1
        self._writer.put(tables.events, {"number": self._events, **msgspec.structs.asdict(row)})

    def pane(self, row: PaneRow) -> None:
        self._writer.put(tables.panes, msgspec.structs.asdict(row))

    def letters(self, rows: Sequence[LetterRow]) -> None:
        """See `LetterSink`. The first `MOST_LETTERS` of a run are kept."""
        for row in rows[: MOST_LETTERS - self._letters]:
            self._letters += 1
            self._writer.put(tables.dead_letters, {"number": self._letters, **msgspec.structs.asdict(row)})

    def routed(self, rows: Sequence[RoutedRow]) -> None:
        """See `RoutedSink`. The first `MOST_ROUTED` of a run are kept."""
        for row in rows[: MOST_ROUTED - self._routed]:
            self._routed += 1
            self._writer.put(tables.routed, {"number": self._routed, **msgspec.structs.asdict(row)})

    def judged(self, rows: Sequence[JudgedRow]) -> None:
        """See `JudgedSink`. The first `MOST_JUDGED` of a run are kept."""
        for row in rows[: MOST_JUDGED - self._judged]:
            self._judged += 1
            self._writer.put(tables.judged, {"number": self._judged, **msgspec.to_builtins(row)})

    def close(self, result: RunResult | None, why: str = "") -> None:
        """Write the end, then the reports. A second call does nothing.

        Args:
            why: with a result, what made the run end early if no person did; without one, what has gone.

        Raises:
            Unavailable: disk full; the record stays readable up to its last commit and is marked interrupted.
        """
        if self._closed:
            return
        self._closed = True
        finished = result is not None and result.ended != "interrupted"
        last: dict[str, Any] = {"state": "finished" if finished else "interrupted"}
        stopped = why if result is not None else why or "twinstorm itself failed"
        try:
            if result is not None:
                last |= self._put_result(result)
            self._writer.close(last)
        except Unavailable as error:
            self.result = None
            self._mark("interrupted", f"{error.what} is not available: {error.why}")
            raise
        except KeyboardInterrupt as error:
            self._mark("interrupted", str(error) or "interrupted")
            raise
        self._mark(last["state"], stopped)
        if self.result is not None:
            self._write_reports()

    def _put_result(self, result: RunResult) -> dict[str, Any]:
        """Put the rows of the result's lists; return the columns of the run's own row."""
        from twinstorm.scenarios.reports.files import path_of

        self.result = complete = msgspec.structs.replace(
            result, report=str(path_of(self.folder, "html")), repeat=self._run_file.repeat or result.repeat
        )
        lists: list[tuple[Table, Sequence[msgspec.Struct]]] = [
            (tables.faults, complete.faults),
            (tables.alarms, complete.alarms),
            (tables.incidents, complete.incidents),
            (tables.objectives, complete.objectives),
            (tables.expectations, complete.expectations),
            (tables.maintenance, complete.maintenance_log),
        ]
        for table, rows in lists:
            for number, row in enumerate(rows, 1):
                # An incident brings its own number.
                values = {"number": number, **msgspec.structs.asdict(row)}
                # What is told of a row beyond its columns stands in the document.
                self._writer.put(table, {name: value for name, value in values.items() if name in table.columns})
        columns = {name: getattr(complete, name) for name in ("ended", "verdict", "digest", "simulated_s", "wall_s")}
        return {**columns, "result": msgspec.json.encode(complete).decode()}

    def _write_reports(self) -> None:
        from twinstorm.scenarios.record.read import open_run
        from twinstorm.scenarios.reports.files import path_of, write_reports

        write_reports(open_run(str(self.folder)))
        self.report = path_of(self.folder, "html")

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


def _written_at(path: Path) -> str:
    """Wall time of a file's last change, RFC 3339: the start of the run, without a look at a clock of our own."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="microseconds")
