"""Whole processes of `twinstorm run --live` that are signalled as a terminal does it: the whole group at once."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil
import pytest

from tests.live.raw_mqtt import RawClient
from twinstorm.scenarios.record.read import RecordedRun, open_run

SCENARIO = """storm: 1
name: short
story: A few devices for whoever wants to interrupt them.
duration: {duration}
warm_up: 1 s
fleet:
  devices: 5
  sites: [arn-1]
  keep_alive: 30 s
  segments:
    motors: {{kind: motor, share: 100 %, every: 1 s, link: ethernet}}
steps:
  - {{name: begun, at: 1 s, mark: all are there}}
expect:
  - {{ledger: lost, at_most: 50 %}}
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Start a live run in a group of its own, as a shell does."""
    children: list[subprocess.Popen[str]] = []

    def start(duration: str, *arguments: str) -> subprocess.Popen[str]:
        (tmp_path / "short.storm.yaml").write_text(SCENARIO.format(duration=duration), encoding="utf-8")
        child = subprocess.Popen(
            [sys.executable, "-m", "twinstorm.tui", "run", "short.storm.yaml", "--live", *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # its children as well, which would keep our ends of the pipes open
        child.communicate()


def read_until(stream: IO[str] | None, text: str) -> str:
    """The first line with this text; the run is there by then."""
    assert stream is not None
    for line in iter(stream.readline, ""):
        if text in line:
            return line
    raise AssertionError(f"it ended without a word of {text!r}")


def words(process: psutil.Process) -> str:
    """Its command line, if it is still there."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def family(child: subprocess.Popen[str]) -> list[psutil.Process]:
    return [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]


def workers(child: subprocess.Popen[str]) -> list[psutil.Process]:
    return [each for each in family(child)[1:] if "spawn_main" in words(each)]


def assert_all_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


def recorded(tmp_path: Path) -> RecordedRun:
    return open_run("last", tmp_path / "runs")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_the_first_signal_ends_a_live_run_with_its_report(
    number: int, code: int, started: Start, tmp_path: Path
) -> None:
    child = started("10 min")
    read_until(child.stdout, "all are there")
    processes = family(child)
    assert workers(child)
    os.killpg(child.pid, number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == code
    assert err == "ending all faults and writing the report; once more leaves at once\n"
    assert "interrupted at 00:00:" in out
    run = recorded(tmp_path)
    assert (run.about.state, run.about.stopped) == ("interrupted", "")
    assert run.result is not None
    assert (run.folder / "report.html").is_file()
    assert_all_gone(processes)


def test_the_second_signal_leaves_at_once_and_leaves_no_process(started: Start, tmp_path: Path) -> None:
    child = started("10 min")
    read_until(child.stdout, "all are there")
    processes = family(child)
    # A worker that is stuck: the engine would wait for its last words for seconds.
    (worker,) = workers(child)
    worker.suspend()
    os.killpg(child.pid, signal.SIGINT)
    read_until(child.stderr, "once more leaves at once")
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Traceback" not in out + err
    run = recorded(tmp_path)
    assert (run.about.state, run.about.stopped) == ("interrupted", "interrupted twice")
    assert run.result is None
    assert run.events()[0].kind == "begin"
    assert_all_gone(processes)


def test_a_signal_before_the_worker_is_ready_is_for_the_engine_alone(started: Start, tmp_path: Path) -> None:
    child = started("10 min")
    read_until(child.stdout, "short  seed 1")
    while not workers(child):
        assert child.poll() is None
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in err


def test_a_reader_that_takes_one_line_ends_a_live_run_with_its_report(started: Start, tmp_path: Path) -> None:
    child = started("10 min")
    read_until(child.stdout, "short  seed 1")
    processes = family(child)
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == ""
    assert child.wait(timeout=60) == 141
    run = recorded(tmp_path)
    assert (run.about.state, run.about.stopped) == ("interrupted", "whoever read standard output has gone")
    assert (run.folder / "report.html").is_file()
    assert_all_gone(processes)


def test_a_port_where_no_broker_answers_is_unavailable(started: Start, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        child = started("10 min", "--broker", f"mqtt://127.0.0.1:{port}", "-q")
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (4, "")
    first, second = err.splitlines()
    assert first.startswith(f"error: the broker at 127.0.0.1:{port} is not available:")
    assert "refused" in first
    assert second == "  Is it running, and does it admit this user?"
    run = recorded(tmp_path)
    assert run.about.state == "interrupted"
    assert run.about.stopped.startswith(f"the broker at 127.0.0.1:{port} is not available:")
    assert "running" not in run.about.stopped  # Advice is for whoever starts it, not for the record.


def test_a_broker_that_is_held_open_waits_for_guests_behind_the_verdict(started: Start, tmp_path: Path) -> None:
    child = started("3 s", "--hold-open", "--json", "--junit", "junit.xml")
    command = read_until(child.stderr, "mosquitto_sub")
    others = read_until(child.stderr, "password")
    port, credentials = re.findall(r"port (\d+), name and password in (\S+),", others)[0]
    assert stat.S_IMODE(Path(credentials).stat().st_mode) == 0o600
    user, password = Path(credentials).read_text(encoding="utf-8").split()
    told = read_until(child.stderr, "stays open")
    assert told == f"the run is over; the broker stays open at 127.0.0.1:{port} until Ctrl+C\n"
    # Everything is there already: nobody has to end the broker to see it, and nothing can be lost by it.
    run = recorded(tmp_path)
    assert (run.about.state, run.about.stopped) == ("finished", "")
    assert (run.folder / "report.html").is_file()
    assert (tmp_path / "junit.xml").is_file()
    assert child.stdout is not None
    document = "".join(iter(child.stdout.readline, "}\n")) + "}"
    assert json.loads(document)["verdict"] == "held"
    guest = RawClient(int(port))
    guest.send_connect("guest", user, password)
    assert guest.connack() == 0
    guest.close()
    processes = family(child)
    shown = [command, others, document, *(words(one) for one in processes)]
    assert not [text for text in shown if password in text]
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and password.encode() in file.read_bytes()]
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (0, "")
    assert err == "closing the broker; once more leaves at once\n"
    assert_all_gone(processes)
    assert not Path(credentials).parent.exists()
