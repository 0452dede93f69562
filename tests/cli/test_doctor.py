"""`twinstorm doctor`: each look by itself, and what they add up to."""

from __future__ import annotations

import io
import os
import pty
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import Ran
from twinstorm.tui.cli import doctor
from twinstorm.tui.cli.cells import drawn_cells
from twinstorm.tui.cli.doctor import Finding
from twinstorm.tui.cli.talk import Talk


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


def talk(encoding: str = "utf-8") -> Talk:
    return Talk(Terminal(encoding), Terminal(encoding))


def test_doctor_looks_at_everything_and_finds_this_machine_well(command: Callable[..., Ran]) -> None:
    ran = command("doctor", "--json")
    findings = {each["name"]: each for each in ran.json()["findings"]}
    assert list(findings) == [
        "python",
        "packages",
        "terminal",
        "colours",
        "signs",
        "loopback port",
        "disk",
        "memory",
    ]
    assert ran.code == 0
    assert findings["terminal"]["state"] == "warn"


def test_what_a_run_cannot_do_without_is_exit_4(command: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(socket, "create_server", refuse)
    ran = command("doctor")
    assert ran.code == 4
    assert "x loopback port  Cannot assign requested address" in ran.out
    assert "Live runs and the screen need 127.0.0.1." in ran.out


@pytest.mark.parametrize(("version", "state"), [((3, 10, 9), "bad"), ((3, 11, 0), "ok"), ((4, 0, 0), "ok")])
def test_python(version: tuple[int, ...], state: str) -> None:
    assert doctor.python(version).state == state


def test_a_missing_package_is_named_and_extras_are_not_missed() -> None:
    needed = ["numpy<3,>=2.4", "no-such-package (>=1)", 'psycopg[binary]; extra == "postgres"']
    finding = doctor.packages(needed)
    assert (finding.state, finding.found) == ("bad", "missing: no-such-package")


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "16 million"),
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "dumb"}, "none here; signs do"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "none: NO_COLOR is set; signs, bold and reverse do"),
    ],
)
def test_colours(environment: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERM", "COLORTERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert doctor.colors(talk()).found == found


@pytest.mark.parametrize(
    ("encoding", "cells", "locale", "state"),
    [
        ("utf-8", lambda _: 1, "en_GB.UTF-8", "ok"),
        ("utf-8", lambda sign: 2 if sign == "×" else 1, "en_GB.UTF-8", "warn"),
        ("utf-8", lambda _: None, "ja_JP.UTF-8", "warn"),
        ("utf-8", lambda _: 1, "ja_JP.UTF-8", "ok"),
        ("ascii", lambda _: 1, "C", "warn"),
    ],
    ids=["measured-one", "measured-two", "east-asian-guess", "east-asian-measured", "ascii"],
)
def test_signs(
    encoding: str, cells: Callable[[str], int | None], locale: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    finding = doctor.signs(talk(encoding), cells)
    assert finding.state == state
    assert ("--ascii" in finding.advice) is (state == "warn")


def test_a_small_terminal_is_told_what_the_screen_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("LINES", "10")
    finding = doctor.terminal(talk())
    assert (finding.state, finding.found) == ("warn", "xterm, 50x10")
    assert "60x16" in finding.advice


def test_little_memory_and_little_disk_are_warnings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert doctor.memory(10 * 2**20).state == "warn"
    assert doctor.memory(None).state == "ok"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    assert doctor.disk(tmp_path).state == "warn"


def test_a_folder_that_cannot_be_written_is_bad(tmp_path: Path) -> None:
    assert doctor.disk(tmp_path / "gone").state == "bad"


def test_findings_stand_in_columns_with_advice_below() -> None:
    lines = list(doctor.told([Finding("disk", "bad", "full", "Free some."), Finding("memory", "ok", "8 GiB")], False))
    assert lines == ["x disk    full", "          Free some.", "+ memory  8 GiB"]


# --- how wide a terminal draws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "cells"), [(b"\x1b[5;3R", 2), (b"noise\x1b[12;1R", 0)])
def test_a_terminal_that_says_where_its_cursor_is_tells_the_width(answer: bytes, cells: int) -> None:
    emulator, terminal = pty.openpty()
    asked: list[bytes] = []

    def reply() -> None:
        heard = b""
        while b"\x1b[6n" not in heard:
            heard += os.read(emulator, 64)
        asked.append(heard)
        os.write(emulator, answer)

    thread = threading.Thread(target=reply)
    thread.start()
    assert drawn_cells("×", keys=terminal, screen=terminal) == cells
    thread.join()
    assert "×".encode() in asked[0]
    os.close(emulator)
    os.close(terminal)


def test_no_terminal_no_width() -> None:
    reading, writing = os.pipe()
    assert drawn_cells("×", keys=reading, screen=writing) is None
    os.close(reading)
    os.close(writing)
