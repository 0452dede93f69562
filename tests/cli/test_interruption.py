"""Signals and closed pipes, against a whole process: the command line with a puppet for an engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from twinstorm.scenarios.record.read import open_run

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys, threading
from tests.record.recorded import result, scenario, tell
from twinstorm.scenarios.engine import run as engine
from twinstorm.scenarios.language import reader

obeys = sys.argv.pop(1) == "obeys"

class Run(engine.Run):
    def __init__(self, scenario, options, sinks=()):
        super().__init__(scenario, options, sinks)
        self.asked = threading.Event()

    def interrupt(self, why=""):
        if obeys:
            super().interrupt(why)
            self.asked.set()

    def _play(self, progress=None):
        for sink in self.sinks:
            tell(sink, until_s=200)
        print("playing", file=sys.stderr, flush=True)
        while not self.asked.wait(0.1):  # A wait without an end may begin just after a signal, and sleep on.
            pass
        return result(ended="interrupted", simulated_s=200.0)

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


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_the_first_signal_ends_the_run_with_its_report(sent: int, code: int, started: Start, tmp_path: Path) -> None:
    child = started("obeys", "storm")
    child.send_signal(sent)
    out, err = child.communicate(timeout=20)
    assert child.returncode == code
    assert err == "ending all faults and writing the report; once more leaves at once\n"
    assert "interrupted at 00:03:20   report: runs/storm-1/report.html" in out
    run = open_run("last", tmp_path / "runs")
    assert (run.about.state, run.about.stopped) == ("interrupted", "")
    assert run.result is not None
    assert (run.folder / "report.html").is_file()


@pytest.mark.parametrize(
    ("first", "then", "code", "stopped"),
    [
        (signal.SIGINT, signal.SIGINT, 130, "interrupted twice"),
        (signal.SIGTERM, signal.SIGTERM, 143, "terminated twice"),
        (signal.SIGHUP, signal.SIGTERM, 143, "terminated twice"),
        (signal.SIGTERM, signal.SIGINT, 143, "ended by two signals"),
    ],
)
def test_the_second_signal_leaves_although_the_run_does_not_stop(
    first: int, then: int, code: int, stopped: str, started: Start, tmp_path: Path
) -> None:
    child = started("deaf", "storm")
    child.send_signal(first)
    assert child.stderr is not None
    assert child.stderr.readline().startswith("ending all faults")
    child.send_signal(then)
    out, err = child.communicate(timeout=20)
    assert child.returncode == code
    assert "Traceback" not in out + err
    run = open_run("last", tmp_path / "runs")
    assert (run.about.state, run.about.stopped) == ("interrupted", stopped)
    assert run.last_second() == 200
    assert not list(run.folder.glob("*report*"))


STUCK = """
import multiprocessing, os, signal, sys, time
from twinstorm.tui.cli.signals import Interruption

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    child.start()
    os.kill(child.pid, signal.SIGSTOP)
    with Interruption(lambda: None, lambda said: print(child.pid, flush=True)):
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:  # as where Python ignores what is raised, in a finalizer
                pass
"""


def test_a_program_that_swallows_the_second_signal_ends_and_so_does_a_child_that_is_stopped(tmp_path: Path) -> None:
    script = tmp_path / "stuck.py"
    script.write_text(STUCK, encoding="utf-8")
    program = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert program.stdout is not None
    while not (children := psutil.Process(program.pid).children(recursive=True)) or all(
        each.status() != psutil.STATUS_STOPPED for each in children
    ):
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    assert int(program.stdout.readline()) in {each.pid for each in children}
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=20)
    assert program.returncode == 130
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_a_terminal_that_goes_is_told_of_twice_and_counts_once(started: Start, tmp_path: Path) -> None:
    child = started("deaf", "storm")
    child.send_signal(signal.SIGHUP)
    assert child.stderr is not None
    assert child.stderr.readline().startswith("ending all faults")
    child.send_signal(signal.SIGHUP)  # From the shell as well as from the system; a signal is heard before a later one.
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert open_run("last", tmp_path / "runs").about.stopped == "ended by two signals"


def test_nohup_is_respected(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + PROGRAM.replace(
        "self.asked.wait(0.1)", "(signal.raise_signal(signal.SIGHUP) or self.asked.set() or True)"
    ).replace('ended="interrupted"', 'ended="completed"')
    done = subprocess.run(
        [sys.executable, "-c", program, "obeys", "run", "storm"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert "ending all faults" not in done.stderr
    assert done.returncode == 1


def test_a_signal_in_one_run_keeps_the_next_from_starting(started: Start, tmp_path: Path) -> None:
    child = started("obeys", "first", "second")
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode == 130
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["first-1"]


def test_a_closed_pipe_ends_the_run_with_its_report(tmp_path: Path) -> None:
    program = PROGRAM.replace('print("playing", file=sys.stderr, flush=True)', "")
    with subprocess.Popen(
        [sys.executable, "-c", program, "obeys", "run", "storm", "--events", "-", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()  # before the first event, which comes after a second of imports
        err = child.stderr.read()
        child.wait(timeout=20)
    assert err.startswith("MISSED")  # The verdict goes to whoever still reads.
    assert len(err.splitlines()) == 1
    assert child.returncode == 141
    run = open_run("last", tmp_path / "runs")
    assert (run.about.state, run.about.stopped) == ("interrupted", "whoever read standard output has gone")
    assert run.result is not None
    assert (run.folder / "report.html").is_file()


def test_a_reader_that_takes_one_line_ends_the_run_with_its_report(tmp_path: Path) -> None:
    program = PROGRAM.replace('print("playing", file=sys.stderr, flush=True)', "")
    # The run goes on only when the first line has been read and the reader has gone.
    program = program.replace("tell(sink, until_s=200)", "sys.stdin.read(); tell(sink, until_s=200)")
    with subprocess.Popen(
        [sys.executable, "-c", program, "obeys", "run", "storm", "more"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline().startswith("storm  seed 1")
        child.stdout.close()
        child.stdin.close()
        err = child.stderr.read()
        child.wait(timeout=20)
    assert (child.returncode, err) == (141, "")
    run = open_run("last", tmp_path / "runs")
    assert run.about.stopped == "whoever read standard output has gone"
    assert (run.folder / "report.html").is_file()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["storm-1"]


@pytest.mark.parametrize("imported", ["click", "twinstorm.tui.cli.list", "twinstorm.scenarios.language.reader"])
def test_ctrl_c_while_something_is_imported_ends_quietly(imported: str, tmp_path: Path) -> None:
    program = """
import sys
late = sys.argv.pop()

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == late:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from twinstorm.tui.cli.entry import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "list", imported], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"], ["list"], ["schema"]])
def test_a_full_standard_output_is_named_and_leaves_no_trace(arguments: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "twinstorm.tui", *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
        )
    assert done.returncode == 4
    assert done.stderr == "error: standard output: No space left on device\n"


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
