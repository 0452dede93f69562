"""The screen's line to a real engine process: how both end, whoever of them goes first."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.hook_receiver import receiving
from tests.strangers import KIND, distribution
from twinstorm.scenarios.engine.errors import EngineError
from twinstorm.scenarios.engine.server import EngineRequest
from twinstorm.scenarios.protocol import Ended, Event, Frame, Pause
from twinstorm.scenarios.record.read import open_run
from twinstorm.scenarios.webhook import SIGNATURE, sign
from twinstorm.tui.cli.engine_link import EngineLink

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where engines put their sockets: nothing may be left there."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def left_in(sockets: Path) -> list[Path]:
    return list(sockets.iterdir())


def request(tmp_path: Path) -> EngineRequest:
    return EngineRequest(
        scenario="reboot-storm", devices=100, speed=1.0, out=str(tmp_path / "runs"), socket="", settings=[]
    )


async def until_frame(link: EngineLink) -> None:
    """Until it plays."""
    event: Event | None = None
    while not isinstance(event, Frame):
        event = await asyncio.wait_for(link.receive(), PATIENCE_S)
        assert event is not None


async def last_words(link: EngineLink) -> str:
    try:
        while await asyncio.wait_for(link.receive(), PATIENCE_S) is not None:
            pass
    except ConnectionError as told:
        return str(told)
    raise AssertionError("it hung up without a word")


async def test_an_engine_that_is_killed_is_told_and_leaves_nothing(tmp_path: Path, sockets: Path) -> None:
    link = await EngineLink.start(request(tmp_path))
    await until_frame(link)
    assert left_in(sockets) != []
    engine = psutil.Process(link._process.pid)
    engine.kill()
    assert await last_words(link) == "the engine process was ended by signal 9"
    with pytest.raises(ConnectionError):
        await link.send(Pause())
    await link.close()
    assert link._process.returncode == -signal.SIGKILL
    assert not engine.is_running()
    assert left_in(sockets) == []
    about = open_run("last", tmp_path / "runs").about
    assert (about.state, about.stopped) == ("interrupted", "its process was killed, or the disk was full")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_an_engine_that_is_told_to_end_writes_its_report(number: int, tmp_path: Path, sockets: Path) -> None:
    link = await EngineLink.start(request(tmp_path))
    await until_frame(link)
    link._process.send_signal(number)
    assert await last_words(link) == "the engine process ended with code 143"
    await link.close()
    assert left_in(sockets) == []
    run = open_run("last", tmp_path / "runs")
    assert run.about.state == "interrupted"
    assert (run.folder / "report.html").is_file()


async def test_an_engine_that_a_plug_in_breaks_says_which_and_so_does_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, KIND.replace("out[1] = 10.0", "1 / 0"), {"twinstorm.machines": {"belt": "Belt"}})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    asked = request(tmp_path)
    asked.settings = ["fleet.segments={belts: {kind: belt, share: 100 %}}", "steps=[]", "expect=[]"]
    link = await EngineLink.start(asked)
    event: Event | None = None
    while not isinstance(event, Ended):
        event = await asyncio.wait_for(link.receive(), PATIENCE_S)
        assert event is not None
    assert (event.ended, event.exit_code) == ("failed", 70)
    assert re.fullmatch(r"machine kind `belt` \(acme_\d+:Belt, acme-plant 0\.1\): `step` raised .*", event.text)
    await link.close()
    assert open_run("last", tmp_path / "runs").about.stopped == event.text


async def test_an_engine_has_no_part_in_what_the_terminal_signals(tmp_path: Path) -> None:
    link = await EngineLink.start(request(tmp_path))
    try:
        assert os.getsid(link._process.pid) != os.getsid(0)
    finally:
        await link.close()


async def test_an_engine_that_cannot_start_leaves_no_socket(
    tmp_path: Path, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(EngineError, match="without a word"):
        await EngineLink.start(request(tmp_path))
    assert left_in(sockets) == []


# --- the application on a terminal of its own -------------------------------------------------------------------------


PROGRAM = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from twinstorm.tui.cli.entry import main
main()
"""
"""The command line on a terminal that is its own: closing it hangs up."""


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, tmp_path: Path, *arguments: str) -> None:
        self.main, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.said = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "tui", *arguments],
            cwd=tmp_path,
            env={**os.environ, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def read_until(self, pattern: bytes) -> None:
        while not re.search(pattern, self.said):
            self.said += os.read(self.main, 65_536)

    def read_all(self) -> bytes:
        """Until the other side is closed; what was there before does not count."""
        said = b""
        with contextlib.suppress(OSError):
            while more := os.read(self.main, 65_536):
                said += more
        return said

    def hang_up(self) -> None:
        os.close(self.main)
        self.main = -1


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, "reboot-storm", "--devices", "100", "--speed", "1")
    yield terminal
    if terminal.process.poll() is None:
        terminal.process.kill()
    terminal.process.wait()
    if terminal.main >= 0:
        terminal.hang_up()


LEAVES_THE_SCREEN = b"\x1b[?1049l"


def test_a_terminated_application_restores_the_terminal_and_ends_its_engine(
    screen: Terminal, sockets: Path, tmp_path: Path
) -> None:
    screen.read_until(rb"00:00:0[1-9]")
    (engine,) = psutil.Process(screen.process.pid).children()
    screen.process.terminate()
    assert LEAVES_THE_SCREEN in screen.read_all()
    assert screen.process.wait(timeout=PATIENCE_S) == 143
    assert not engine.is_running()
    assert left_in(sockets) == []
    run = open_run("last", tmp_path / "runs")
    assert run.about.state == "interrupted"
    assert (run.folder / "report.html").is_file()


def test_a_closed_terminal_ends_application_and_engine(screen: Terminal, sockets: Path, tmp_path: Path) -> None:
    screen.read_until(rb"00:00:0[1-9]")
    (engine,) = psutil.Process(screen.process.pid).children()
    screen.hang_up()
    assert screen.process.wait(timeout=PATIENCE_S) == 143
    psutil.wait_procs([engine], timeout=PATIENCE_S)
    assert not engine.is_running()
    assert left_in(sockets) == []
    run = open_run("last", tmp_path / "runs")
    assert run.about.state == "interrupted"
    assert (run.folder / "report.html").is_file()


def test_a_run_whose_terminal_is_closed_writes_its_report(tmp_path: Path) -> None:
    main, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "run", "reboot-storm", "--devices", "100", "--speed", "1"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while b"00:00:0" not in said:  # The bar: the run is on.
        said += os.read(main, 65_536)
    os.close(main)
    assert process.wait(timeout=PATIENCE_S) == 143
    run = open_run("last", tmp_path / "runs")
    assert run.about.state == "interrupted"
    assert (run.folder / "report.html").is_file()


def test_alarms_of_a_run_on_the_screen_are_sent_while_it_goes_on(tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.write_bytes(b"secret\n")
    with receiving() as receiver:
        words = ("reboot-storm", "--devices", "100", "--speed", "max", "--webhook", receiver.url)
        terminal = Terminal(tmp_path, *words, "--webhook-key", str(key))
        body, headers = receiver.got.get(timeout=PATIENCE_S)
        terminal.process.terminate()
        terminal.read_all()
        terminal.process.wait(timeout=PATIENCE_S)
        terminal.hang_up()
    assert headers[SIGNATURE] == sign(body, b"secret")
    assert b'"alertname"' in body


def test_a_webhook_on_another_machine_is_refused_before_the_screen_is_taken(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "reboot-storm", "--webhook", "http://example.org/hook")
    said = terminal.read_all()
    assert terminal.process.wait(timeout=PATIENCE_S) == 2
    terminal.hang_up()
    assert b"`example.org` is another machine" in said
    assert LEAVES_THE_SCREEN not in said
