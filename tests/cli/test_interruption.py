"""Signals and closed pipes, against a whole process: the command line with a puppet for an engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from twinstorm.scenarios.record.read import open_run

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys, threading
from tests.record.recorded import result, scenario, tell
from twinstorm.scenarios.engine import run as engine
from twinstorm.scenarios.language import reader

obeys = sys.argv.pop(1) == "obeys"

class Run:
    def __init__(self, scenario, options, sinks=()):
        self.sinks, self.asked = sinks, threading.Event()

    def interrupt(self):
        if obeys:
            self.asked.set()

    def execute(self, progress=None):
        outcome = None
        try:
            for sink in self.sinks:
                tell(sink, until_s=200)
            print("playing", file=sys.stderr, flush=True)
            self.asked.wait()
            outcome = result(ended="interrupted", simulated_s=200.0)
        finally:
            for sink in self.sinks:
                sink.close(outcome)
        return outcome

engine.Run = Run
reader.load = lambda name, settings=(), devices=None: scenario(name=name)
sys.argv[0] = "twinstorm"
from twinstorm.tui.cli.main import main
main()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Start the program; returns when its run is on."""
    children: list[subprocess.Popen[str]] = []

    def start(obeys: str, *arguments: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, obeys, "run", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert child.stderr is not None
        assert child.stderr.readline() == "playing\n"
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_the_run_with_its_report(sent: int, code: int, started: Start, tmp_path: Path) -> None:
    child = started("obeys", "storm")
    child.send_signal(sent)
    out, err = child.communicate(timeout=20)
    assert child.returncode == code
    assert err == "ending all faults and writing the report; once more leaves at once\n"
    assert "interrupted at 00:03:20   report: runs/storm-1/report.html" in out
    run = open_run("last", tmp_path / "runs")
    assert run.about.state == "interrupted"
    assert run.result is not None
    assert (run.folder / "report.html").is_file()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_leaves_although_the_run_does_not_stop(
    sent: int, code: int, started: Start, tmp_path: Path
) -> None:
    child = started("deaf", "storm")
    child.send_signal(sent)
    assert child.stderr is not None
    assert child.stderr.readline().startswith("ending all faults")
    child.send_signal(sent)
    out, err = child.communicate(timeout=20)
    assert child.returncode == code
    assert "Traceback" not in out + err
    run = open_run("last", tmp_path / "runs")
    assert run.about.state == "interrupted"
    assert run.last_second() == 200
    assert not list(run.folder.glob("*report*"))


def test_a_signal_in_one_run_keeps_the_next_from_starting(started: Start, tmp_path: Path) -> None:
    child = started("obeys", "first", "second")
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode == 130
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["first-1"]


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    program = PROGRAM.replace('print("playing", file=sys.stderr, flush=True)', "self.asked.set()")
    with subprocess.Popen(
        [sys.executable, "-c", program, "obeys", "run", "storm", "--events", "-", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()  # before the first event, which comes after a second of imports
        err = child.stderr.read()
        child.wait(timeout=20)
    assert err == b""
    assert child.returncode == 141
    assert open_run("last", tmp_path / "runs").about.state == "interrupted"


@pytest.mark.parametrize("arguments", [["list"], ["schema"], ["explain", "protocol"], ["--help"]])
def test_commands_whose_reader_has_gone_say_nothing(arguments: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "twinstorm.tui", *arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=20,
    )
    os.close(writing)
    # `list` adds a line of talk; nothing may complain.
    assert b"Error" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    assert done.returncode != 0
