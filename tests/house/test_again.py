"""Live tests that fail are played again alone, once, and only a few of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

AGAIN = Path(__file__).parents[2] / ".ci" / "again"
TESTS = """
import pathlib
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_one(number):
    played = pathlib.Path(__file__).with_suffix(f".{{number}}")
    played.write_text(played.read_text() + "x" if played.exists() else "x")
    assert len(played.read_text()) >= {passes_at}

def test_sound():
    pass
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, a venv's Python, and tests to come."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(AGAIN, tmp_path / ".ci" / "again")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    python = tmp_path / "venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "tests" / "live").mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return tmp_path


def played(checkout: Path, count: int, passes_at: int) -> tuple[int, int, str]:
    """Exit code of the tests, that of the script after it, and what it said."""
    (checkout / "tests" / "live" / "test_some.py").write_text(
        TESTS.format(count=count, passes_at=passes_at), encoding="utf-8"
    )
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/live"], cwd=checkout, capture_output=True, timeout=60
    )
    code, said = again(checkout, str(tests.returncode))
    return tests.returncode, code, said


def again(checkout: Path, code: str) -> tuple[int, str]:
    script = subprocess.run(
        ["sh", str(checkout / ".ci" / "again"), code],
        env={"VENV": "venv", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return script.returncode, script.stderr


def test_one_that_passes_alone_is_named(checkout: Path) -> None:
    first, second, said = played(checkout, count=2, passes_at=2)
    assert (first, second) == (1, 0)
    assert said.endswith("passed alone:\ntests/live/test_some.py::test_one[0]\ntests/live/test_some.py::test_one[1]\n")


def test_one_that_is_broken_has_failed(checkout: Path) -> None:
    first, second, _ = played(checkout, count=1, passes_at=3)
    assert (first, second) == (1, 1)


def test_many_are_no_accident(checkout: Path) -> None:
    first, second, said = played(checkout, count=6, passes_at=2)
    assert (first, second) == (1, 1)
    assert "6 tests failed; at most 5" in said


@pytest.mark.parametrize("code", ["2", "3", "4", "5", ""])
def test_where_not_all_were_played_nothing_is(checkout: Path, code: str) -> None:
    kept = checkout / ".pytest_cache" / "v" / "cache"
    kept.mkdir(parents=True)
    (kept / "lastfailed").write_text('{"tests/live/test_some.py::test_sound": true}', encoding="utf-8")
    (checkout / "tests" / "live" / "test_some.py").write_text("def test_sound(): pass\n", encoding="utf-8")
    ended, said = again(checkout, code)
    assert ended == 1
    assert "only failed tests (1)" in said
