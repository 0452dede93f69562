"""The broker on the newest Python of this machine: what asyncio does at the end changed with 3.12."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEWEST = range(20, sys.version_info.minor, -1)
TESTS = ("tests/live/test_shutdown.py", "tests/live/test_defects.py", "tests/live/test_restarts.py")


def newest_python() -> str | None:
    """TWINSTORM_NEWEST_PYTHON, or the newest one on PATH that runs and is newer than this one."""
    named = os.environ.get("TWINSTORM_NEWEST_PYTHON")
    for command in [named] if named else [f"python3.{minor}" for minor in NEWEST]:
        found = shutil.which(command)
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return None


@pytest.mark.nightly
def test_the_broker_is_right_on_the_newest_python(tmp_path: Path) -> None:
    python = newest_python()
    if python is None:
        pytest.skip("no Python here that is newer than this one; TWINSTORM_NEWEST_PYTHON names one")
    settings = {**os.environ, "PYTHON": python, "VENV": str(tmp_path / "venv")}
    subprocess.run(["sh", ".ci/set-up", "dev"], cwd=ROOT, env=settings, check=True)
    words = [str(tmp_path / "venv/bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
