"""What a newcomer does: clone, `make run`, and again on the train. Long, and wants a network: for `make nightly`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

OFFLINE = ["unshare", "--net", "--map-root-user"]
"""Runs a command in a network of its own that reaches nothing, where the system allows that."""


def make(clone: Path, *before: str) -> str:
    """Standard output of `make run` in a clone."""
    ours = ("VIRTUAL_ENV", "PYTHON", "VENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    surroundings = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [*before, "make", "run"], cwd=clone, env=surroundings, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.nightly
@pytest.mark.timeout(2000)
def test_a_fresh_clone_shows_the_storm_and_does_so_again_without_a_network(
    root: Path, project_files: list[Path], tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    for path in project_files:
        copy = clone / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)

    first = make(clone)
    assert "reboot-storm  seed 42" in first
    assert "repeat: twinstorm run reboot-storm --seed 42" in first
    assert first.rstrip().endswith(".venv/bin/twinstorm tui reboot-storm")

    offline = shutil.which(OFFLINE[0]) is not None and subprocess.run([*OFFLINE, "true"]).returncode == 0
    again = make(clone, *(OFFLINE if offline else []))
    assert again.splitlines()[0] == first.splitlines()[0]
