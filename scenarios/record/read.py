"""Read a run record, finished, going on, or left behind by a process that was killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Row, Select, Table, func, inspect, select
from sqlalchemy.exc import DatabaseError

from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.record import process
from twinstorm.scenarios.record.database import open_to_read
from twinstorm.scenarios.record.folder import (
    DATABASE,
    RECORD,
    RUN_FILE,
    SCENARIO,
    RunFile,
    read_run_file,
    write_run_file,
)
from twinstorm.scenarios.record.tables import dead_letters, events, judged, panes, routed, runs
from twinstorm.scenarios.result import EventRow, ExampleResult, JudgedRow, LetterRow, PaneRow, RoutedRow, RunResult

RUNS = Path("runs")
_READ_AT_ONCE = 2_000


class NoSuchRun(Exception):
    """RUN names no readable record. A mistake of the caller: exit code 2.

    Attributes:
        what, hint: for people; the hint may be empty.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


@dataclass(frozen=True)
class RecordedRun:
    """A record as it is now.

    Attributes:
        about: its state is already corrected for a process that is gone.
        result: None until the run has ended, and for good if it was killed.
        scenario_text: as resolved, YAML.
    """

    folder: Path
    about: RunFile
    result: RunResult | None
    scenario_text: str

    def events(self) -> list[EventRow]:
        """Every event, in the order in which the run told them."""
        columns = [events.c[name] for name in EventRow.__struct_fields__]
        statement = select(*columns).where(events.c.run == self.about.run).order_by(events.c.number)
        return [EventRow(**row._mapping) for row in self._read(statement)]

    def panes(self, after_s: int = 0, to_s: int | None = None) -> Iterator[PaneRow]:
        """Recorded seconds in order, read piece by piece: a fleet-week has 600,000 of them.

        Args:
            after_s, to_s: seconds that end in (after_s, to_s]; None: to the last one.
        """
        columns = [panes.c[name] for name in PaneRow.__struct_fields__]
        statement = select(*columns).where(panes.c.run == self.about.run, panes.c.at_s > after_s)
        if to_s is not None:
            statement = statement.where(panes.c.at_s <= to_s)
        statement = statement.order_by(panes.c.at_s)
        for row in self._read(statement):
            yield PaneRow(**row._mapping)

    def letters(self) -> list[LetterRow]:
        """What the core refused, as far as it is recorded, by arrival at the core; nothing in records of versions that
        kept none."""
        if not self._has(dead_letters):
            return []
        columns = [dead_letters.c[name] for name in LetterRow.__struct_fields__]
        statement = select(*columns).where(dead_letters.c.run == self.about.run).order_by(dead_letters.c.number)
        return [LetterRow(**row._mapping) for row in self._read(statement)]

    def routed(self) -> list[RoutedRow]:
        """What routes delivered to the store or as commands, as far as it is recorded, in that order."""
        if not self._has(routed):
            return []
        columns = [routed.c[name] for name in RoutedRow.__struct_fields__]
        statement = select(*columns).where(routed.c.run == self.about.run).order_by(routed.c.number)
        return [RoutedRow(**row._mapping) for row in self._read(statement)]

    def judged(self, objective: str) -> list[JudgedRow]:
        """Seconds in which something counted against an objective, as far as they are recorded, in order; nothing in
        records of versions that kept none."""
        if not self._has(judged):
            return []
        columns = [judged.c[name] for name in JudgedRow.__struct_fields__]
        statement = select(*columns).where(judged.c.run == self.about.run, judged.c.objective == objective)
        found = self._read(statement.order_by(judged.c.number))
        return [
            JudgedRow(**{**row._mapping, "devices": msgspec.convert(row.devices, list[ExampleResult])}) for row in found
        ]

    def _has(self, table: Table) -> bool:
        """Records of earlier versions lack some tables."""
        engine = open_to_read(self.folder / DATABASE)
        try:
            return inspect(engine).has_table(table.name)
        except DatabaseError as error:
            raise _unreadable(self.folder, str(error.orig)) from error
        finally:
            engine.dispose()

    def last_second(self) -> int:
        """End of the last recorded second, 0 if none was."""
        statement = select(func.max(panes.c.at_s)).where(panes.c.run == self.about.run)
        return next(iter(self._read(statement)))[0] or 0

    def _read(self, statement: Select[Any]) -> Iterator[Row[Any]]:
        engine = open_to_read(self.folder / DATABASE)
        try:
            with engine.connect() as connection:
                yield from connection.execution_options(yield_per=_READ_AT_ONCE).execute(statement)
        except DatabaseError as error:
            raise _unreadable(self.folder, str(error.orig)) from error
        finally:
            engine.dispose()


def open_run(name: str, root: Path = RUNS) -> RecordedRun:
    """Find a record by `last`, by the name of its folder under `root`, or by a path.

    A run that its process left without an end is marked interrupted, here and, if the folder can be written, for good.

    Raises:
        NoSuchRun: there is none of that name, or it cannot be read.
    """
    folder = _find(name, root)
    try:
        about = read_run_file(folder)
        scenario_text = (folder / SCENARIO).read_text(encoding="utf-8")
    except (OSError, msgspec.MsgspecError) as error:
        raise _unreadable(folder, str(error)) from error
    if about.record > RECORD:
        raise _unreadable(folder, f"it was written by twinstorm {about.version}, which is newer than this one")
    result = _read_result(folder, about)
    if about.state == "running" and not process.is_alive(about.pid, about.host, about.born):
        about = _mark_interrupted(folder, about, result)
    return RecordedRun(folder, about, result, scenario_text)


def recorded_runs(root: Path = RUNS) -> list[str]:
    """Names of the run folders under `root`, the newest first."""
    found = []
    for file in sorted(root.glob(f"*/{RUN_FILE}")):
        try:
            about = read_run_file(file.parent)
        except (OSError, msgspec.MsgspecError):
            continue  # Not ours, or damaged: `open_run` says so when asked for it by name.
        found.append((about.started_at, file.parent.name))
    return [name for _, name in sorted(found, reverse=True)]


def _find(name: str, root: Path) -> Path:
    if name == "last":
        names = recorded_runs(root)
        if not names:
            raise NoSuchRun(f"no run is recorded under {root}/", "twinstorm run reboot-storm makes one")
        return root / names[0]
    for folder in (Path(name), root / name):
        if (folder / RUN_FILE).is_file():
            return folder
    names = recorded_runs(root)
    close = get_close_matches(name, names, n=3) or names[:3]
    raise NoSuchRun(f"no run `{name}`", f"runs: {', '.join(close)}" if close else f"nothing is recorded under {root}/")


def _read_result(folder: Path, about: RunFile) -> RunResult | None:
    engine = open_to_read(folder / DATABASE)
    try:
        with engine.connect() as connection:
            document = connection.scalar(select(runs.c.result).where(runs.c.run == about.run))
        return None if document is None else msgspec.json.decode(document, type=RunResult)
    except (DatabaseError, msgspec.MsgspecError) as error:
        raise _unreadable(folder, str(getattr(error, "orig", error))) from error
    finally:
        engine.dispose()


def _mark_interrupted(folder: Path, about: RunFile, result: RunResult | None) -> RunFile:
    # Between the last commit of the database and the last writing of run.json the result is there already.
    finished = result is not None and result.ended != "interrupted"
    marked = msgspec.structs.replace(
        about,
        state="finished" if finished else "interrupted",
        # A disk without room for one small file looks the same: the recorder could not mark the end itself.
        stopped="" if result is not None else "its process was killed, or the disk was full",
    )
    with suppress(Unavailable):  # A folder that cannot be written is still worth reading.
        write_run_file(folder, marked)
    return marked


def _unreadable(folder: Path, why: str) -> NoSuchRun:
    return NoSuchRun(f"cannot read the run in {folder}", why)
