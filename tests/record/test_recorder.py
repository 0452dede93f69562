"""Writing a run: what is kept, when, and what a full disk or a second run does."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, event

from tests.record.recorded import EVENTS, REPEAT, panes, record, result, start, tell
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.record import folder as folders
from twinstorm.scenarios.record import writer
from twinstorm.scenarios.record.database import open_to_write
from twinstorm.scenarios.record.read import open_run
from twinstorm.scenarios.record.recorder import Recorder

FEW_PAGES = 40
"""Room of a small disk, in pages of the database: enough for its tables and some rows."""


def rows(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """What another program finds in the database, without any code of ours."""
    connection = sqlite3.connect(folder / "run.db")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_the_first_run_takes_the_plain_name_and_later_ones_a_number(tmp_path: Path) -> None:
    names = [record(tmp_path).folder.name for _ in range(3)]
    assert names == ["small-storm-42", "small-storm-42-2", "small-storm-42-3"]


def test_runs_that_start_together_never_share_a_folder(tmp_path: Path) -> None:
    together = threading.Barrier(8)
    made: list[Path] = []

    def make() -> None:
        together.wait()
        made.append(folders.create_folder(tmp_path, "storm", 1))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8


def test_a_finished_run_is_read_as_it_was_told(tmp_path: Path) -> None:
    recorder = record(tmp_path)
    run = open_run("small-storm-42", tmp_path)
    assert run.about.state == "finished"
    assert run.events() == list(EVENTS)
    assert list(run.panes()) == panes()
    assert run.last_second() == 600
    assert run.result == recorder.result
    assert run.scenario_text == "storm: 1\nname: small-storm\n"


def test_the_recorder_adds_what_only_it_knows(tmp_path: Path) -> None:
    told = result()
    recorder = record(tmp_path, told)
    report = str(tmp_path / "small-storm-42" / "report.html")
    assert recorder.result == msgspec.structs.replace(told, report=report, repeat=REPEAT)
    assert Path(report).is_file()


def test_a_run_without_a_repeat_command_keeps_the_one_of_its_result(tmp_path: Path) -> None:
    started = start(tmp_path)
    recorder = Recorder(started.folder, msgspec.structs.replace(started._run_file, repeat="", run="another"))
    recorder.close(result(repeat="twinstorm run x --seed 42"))
    started.close(None)
    assert recorder.result is not None
    assert recorder.result.repeat == "twinstorm run x --seed 42"


def test_every_row_names_its_run_and_plain_sql_finds_it(tmp_path: Path) -> None:
    folder = record(tmp_path).folder
    run = json.loads((folder / "run.json").read_text())["run"]
    expected = {
        "panes": 600,
        "events": len(EVENTS),
        "alarms": 1,
        "incidents": 1,
        "faults": 1,
        "objectives": 1,
        "expectations": 3,
        "runs": 1,
    }
    for table, count in expected.items():
        assert rows(folder, f"select count(*), min(run), max(run) from {table}") == [(count, run, run)], table
    assert rows(folder, "select scenario, verdict, state from runs") == [("small-storm", "missed", "finished")]


def test_a_run_that_was_made_to_end_early_says_why_beside_its_result(tmp_path: Path) -> None:
    recorder = start(tmp_path)
    tell(recorder)
    recorder.close(result(ended="interrupted"), "whoever read standard output has gone")
    run = open_run("last", tmp_path)
    assert (run.about.state, run.about.stopped) == ("interrupted", "whoever read standard output has gone")
    assert run.result is not None


def test_who_leaves_while_the_end_is_written_leaves_a_marked_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = start(tmp_path)

    def close(last: object) -> None:
        raise KeyboardInterrupt("interrupted twice")

    real = recorder._writer.close
    monkeypatch.setattr(recorder._writer, "close", close)
    with pytest.raises(KeyboardInterrupt):
        recorder.close(result())
    real({"state": "interrupted"})
    assert folders.read_run_file(recorder.folder).state == "interrupted"
    assert folders.read_run_file(recorder.folder).stopped == "interrupted twice"


def test_a_finished_record_is_one_plain_file(tmp_path: Path) -> None:
    folder = record(tmp_path).folder
    assert rows(folder, "pragma journal_mode") == [("delete",)]
    assert sorted(path.name for path in folder.iterdir()) == [
        "report.html",
        "report.md",
        "run.db",
        "run.json",
        "scenario.storm.yaml",
    ]


def test_another_process_sees_rows_while_the_run_goes_on(tmp_path: Path, commits: threading.Semaphore) -> None:
    recorder = start(tmp_path)
    recorder.event(EVENTS[0])
    assert commits.acquire(timeout=10)
    run = open_run("last", tmp_path)
    assert run.about.state == "running"
    assert run.events() == [EVENTS[0]]
    assert run.result is None
    recorder.close(result())


def test_rows_are_committed_at_least_once_a_second() -> None:
    assert writer.COMMIT_EVERY_S <= 1.0


def test_a_bug_leaves_an_interrupted_record_without_a_result(tmp_path: Path) -> None:
    recorder = start(tmp_path)
    tell(recorder, 200)
    recorder.close(None)
    run = open_run("last", tmp_path)
    assert (run.about.state, run.about.stopped) == ("interrupted", "twinstorm itself failed")
    assert run.last_second() == 200
    assert recorder.result is None
    assert recorder.report is None


def test_an_interrupted_run_has_its_result_and_its_report(tmp_path: Path) -> None:
    recorder = record(tmp_path, result(ended="interrupted", simulated_s=200.0), until_s=200)
    run = open_run("last", tmp_path)
    assert run.about.state == "interrupted"
    assert run.result is not None
    assert recorder.report is not None


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    recorder = record(tmp_path)
    recorder.close(None)
    assert open_run("last", tmp_path).about.state == "finished"


def test_a_full_disk_ends_the_run_and_keeps_what_was_committed(tmp_path: Path, small_disk: None) -> None:
    recorder = start(tmp_path)

    def write_on() -> None:
        while True:
            for row in EVENTS:
                recorder.event(row)
            recorder._writer._thread.join(timeout=0.01)  # lets it write; returns at once when it has failed

    with pytest.raises(Unavailable, match="database or disk is full") as caught:
        write_on()
    assert "run.db" in caught.value.what
    with pytest.raises(Unavailable):
        recorder.close(result())
    run = open_run("last", tmp_path)
    assert run.about.state == "interrupted"
    assert "disk is full" in run.about.stopped
    assert run.result is None
    assert not list(recorder.folder.glob("report.*"))


def test_a_disk_without_room_for_a_report_leaves_no_half_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(28, "No space left on device")
    sync = os.fsync

    def fsync(number: int) -> None:
        if "report" in Path(f"/proc/self/fd/{number}").resolve().name:
            raise full
        sync(number)

    monkeypatch.setattr(os, "fsync", fsync)
    recorder = start(tmp_path)
    tell(recorder, 100)
    with pytest.raises(Unavailable, match="No space left"):
        recorder.close(result())
    names = sorted(path.name for path in recorder.folder.iterdir())
    assert names == ["run.db", "run.json", "scenario.storm.yaml"]
    assert open_run("last", tmp_path).result is not None


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(Unavailable, match="runs"):
        record(tmp_path / "runs")


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.md"
    folders.write_whole(path, "old")

    def fail(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable):
        folders.write_whole(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.md"]


def test_an_error_of_ours_in_the_writer_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    recorder = start(tmp_path)
    recorder.pane(panes(1)[0])
    recorder.pane(panes(1)[0])  # the same second twice breaks the primary key
    with pytest.raises(Exception, match="UNIQUE") as caught:
        recorder.close(result())
    assert not isinstance(caught.value, Unavailable)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts commits of the writing thread, which come quickly."""
    counted = threading.Semaphore(0)
    monkeypatch.setattr(writer, "COMMIT_EVERY_S", 0.001)
    commit: Callable[..., None] = writer.Writer._commit

    def counting(self: writer.Writer, *arguments: Any) -> None:
        waiting = bool(self._rows)
        commit(self, *arguments)
        if waiting:
            counted.release()

    monkeypatch.setattr(writer.Writer, "_commit", counting)
    return counted


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says SQLITE_FULL at its own limit of pages exactly as on a full disk."""
    monkeypatch.setattr(writer, "COMMIT_EVERY_S", 0.001)
    opened = open_to_write

    def open_small(path: Path) -> Engine:
        engine = opened(path)
        event.listen(engine, "connect", lambda raw, _: raw.execute(f"pragma max_page_count = {FEW_PAGES}"))
        return engine

    monkeypatch.setattr(writer, "open_to_write", open_small)
