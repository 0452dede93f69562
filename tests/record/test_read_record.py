"""Finding and reading records, also those that a killed process left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.record.recorded import EVENTS, record, start
from twinstorm.scenarios.record import process
from twinstorm.scenarios.record.folder import read_run_file, write_run_file
from twinstorm.scenarios.record.read import NoSuchRun, open_run, recorded_runs

ROOT = Path(__file__).parents[2]

RECORDS_AND_WAITS = """
import sys, threading
from pathlib import Path
from tests.record.recorded import panes, start, EVENTS
from twinstorm.scenarios.record import writer

writer.COMMIT_EVERY_S = 0.001
committed = threading.Semaphore(0)
commit = writer.Writer._commit
def counting(self, *arguments):
    waiting = bool(self._rows)
    commit(self, *arguments)
    if waiting:
        committed.release()
writer.Writer._commit = counting

recorder = start(Path(sys.argv[1]))
recorder.event(EVENTS[0])
recorder.event(EVENTS[1])
for pane in panes(130):
    recorder.pane(pane)
while recorder._writer._rows:
    committed.acquire(timeout=10)
committed.acquire(timeout=1)
print("recorded", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """Root of a record whose process got SIGKILL in the middle of the run."""
    child = subprocess.Popen(
        [sys.executable, "-c", RECORDS_AND_WAITS, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "recorded\n"
        assert open_run("last", tmp_path).about.state == "running"
        child.send_signal(signal.SIGKILL)
        child.wait()
    return tmp_path


def test_a_killed_run_is_readable_and_marked_interrupted(killed: Path) -> None:
    run = open_run("last", killed)
    assert (run.about.state, run.about.stopped) == ("interrupted", "its process was killed, or the disk was full")
    assert run.result is None
    assert run.events() == list(EVENTS[:2])
    assert run.last_second() == 130
    kept = json.loads((killed / "small-storm-42" / "run.json").read_text())
    assert kept["state"] == "interrupted"


def test_a_killed_run_in_a_folder_that_cannot_be_written_is_read_all_the_same(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("twinstorm.scenarios.record.folder.os.fsync", refuse)
    run = open_run("last", killed)
    assert run.about.state == "interrupted"
    assert read_run_file(killed / "small-storm-42").state == "running"


def test_last_is_the_run_that_started_last_whatever_its_name(tmp_path: Path) -> None:
    for name, started_at in (("a", "2026-11-21T05:00:00+00:00"), ("b", "2026-11-21T04:00:00+00:00")):
        folder = record(tmp_path / name).folder
        folder.rename(tmp_path / f"{name}-1")
        about = read_run_file(tmp_path / f"{name}-1")
        write_run_file(tmp_path / f"{name}-1", msgspec.structs.replace(about, started_at=started_at))
    assert recorded_runs(tmp_path) == ["a-1", "b-1"]
    assert open_run("last", tmp_path).folder == tmp_path / "a-1"


def test_a_run_is_found_by_path_as_by_name(tmp_path: Path) -> None:
    folder = record(tmp_path).folder
    assert open_run(str(folder)).result == open_run(folder.name, tmp_path).result


def test_a_part_of_the_seconds_can_be_read(tmp_path: Path) -> None:
    record(tmp_path)
    assert [row.at_s for row in open_run("last", tmp_path).panes(after_s=10, to_s=13)] == [11, 12, 13]


def test_a_missing_run_names_those_that_come_near(tmp_path: Path) -> None:
    record(tmp_path)
    with pytest.raises(NoSuchRun, match="small-storm-42") as caught:
        open_run("smal-storm-42", tmp_path)
    assert caught.value.what == "no run `smal-storm-42`"


def test_no_run_at_all_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NoSuchRun, match="twinstorm run"):
        open_run("last", tmp_path / "runs")


@pytest.mark.parametrize(
    ("name", "content"),
    [("run.json", "{"), ("run.json", "{}"), ("run.db", "not a database, and longer than its header" * 9)],
    ids=["half-a-file", "another-file", "not-a-database"],
)
def test_a_damaged_record_is_named_and_not_a_crash(name: str, content: str, tmp_path: Path) -> None:
    folder = record(tmp_path).folder
    (folder / name).write_text(content)
    with pytest.raises(NoSuchRun, match="small-storm-42"):
        open_run(str(folder))


def test_a_record_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    folder = record(tmp_path).folder
    write_run_file(folder, msgspec.structs.replace(read_run_file(folder), record=99, version="9.0"))
    with pytest.raises(NoSuchRun, match=r"twinstorm 9\.0, which is newer"):
        open_run(str(folder))


def test_reading_makes_and_changes_nothing(tmp_path: Path) -> None:
    folder = record(tmp_path).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run = open_run("last", tmp_path)
    run.events()
    list(run.panes())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_run_of_another_machine_is_believed(tmp_path: Path) -> None:
    recorder = start(tmp_path)
    about = read_run_file(recorder.folder)
    write_run_file(recorder.folder, msgspec.structs.replace(about, host="elsewhere", pid=2**22 + 1))
    assert open_run("last", tmp_path).about.state == "running"
    recorder.close(None)


class TestProcess:
    def test_this_one_is_alive(self) -> None:
        assert process.is_alive(os.getpid(), process.host(), process.born(os.getpid()))

    @pytest.mark.skipif(not process.born(os.getpid()), reason="this system does not say when a process began")
    def test_a_later_process_with_the_same_number_is_another(self) -> None:
        assert not process.is_alive(os.getpid(), process.host(), "1")

    def test_one_that_ended_is_not(self) -> None:
        with subprocess.Popen([sys.executable, "-c", ""]) as child:
            born = process.born(child.pid)
            child.wait()
        assert not process.is_alive(child.pid, process.host(), born)

    @pytest.mark.skipif(not process.born(os.getpid()), reason="needs /proc")
    def test_one_that_ended_but_whose_parent_did_not_ask_is_not(self) -> None:
        with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            born = process.born(child.pid)
            child.stdout.read()
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            assert not process.is_alive(child.pid, process.host(), born)
