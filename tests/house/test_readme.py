"""The README shows what really happens.

A block under ``<!-- output of: COMMAND -->`` is the output of that command, which is run here and compared; wall time
is left out of the comparison, the digest is not. `make readme` runs this file so that it writes the blocks instead.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"(?<=<!-- output of: )(?P<command>[^\n]+) -->\n```\n(?P<output>.*?)```\n", re.DOTALL)
COMMANDS = [match["command"] for match in BLOCK.finditer(README.read_text())]
PATIENCE_S = 280
"""A busy machine may take ten times as long as an idle one."""

pytestmark = pytest.mark.timeout(PATIENCE_S + 20)

WRITE = os.environ.get("TWINSTORM_WRITE_README") == "1"


@pytest.fixture
def desk(tmp_path: Path, root: Path) -> Path:
    """An empty folder that looks like the checkout to the commands of the README."""
    (tmp_path / "examples").symlink_to(root / "examples")
    return tmp_path


def run(command: str, desk: Path) -> str:
    """Standard output of a command of the README, as somebody sees it who has no colours."""
    words = shlex.split(command)
    assert words[0] == "twinstorm"
    words[0] = str(Path(sys.executable).with_name("twinstorm"))
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "FORCE_"))}
    done = subprocess.run(
        words,
        cwd=desk,
        env={**surroundings, "NO_COLOR": "1", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.strip(), done.stderr
    return done.stdout


def without_wall_time(output: str) -> str:
    """How long it took, and how much faster than real time that was, are the machine's own."""
    return re.sub(r" in [^()\n]+ \([^()\n]+x\)", " in -", output)


def test_the_blocks_are_found() -> None:
    assert "twinstorm run reboot-storm --seed 42" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_output_shown_is_the_output(command: str, desk: Path) -> None:
    output = run(command, desk)
    if WRITE:
        text = README.read_text()
        shown = f"{command} -->\n```\n{output.rstrip()}\n```\n"
        README.write_text(BLOCK.sub(lambda match: shown if match["command"] == command else match[0], text))
    (block,) = (match for match in BLOCK.finditer(README.read_text()) if match["command"] == command)
    assert without_wall_time(block["output"]).rstrip() == without_wall_time(output).rstrip()


def test_wall_time_is_all_that_is_left_out() -> None:
    assert without_wall_time("MISSED 1 of 3 in 6.2 s (290x)   report: x") == "MISSED 1 of 3 in -   report: x"
    assert without_wall_time("HELD 3 of 3 in 1 min 2 s (1,290x)") == "HELD 3 of 3 in -"
    assert without_wall_time("recovered in 260 s, 99.9 %") == "recovered in 260 s, 99.9 %"


def test_the_scenario_shown_is_the_example(root: Path) -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert shown == (root / "examples" / "half-dark.storm.yaml").read_text()


def test_the_test_shown_passes(desk: Path) -> None:
    (shown,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    (desk / "test_shown.py").write_text(shown)
    passes(desk, "test_shown.py")


def test_the_example_of_tests_passes(desk: Path) -> None:
    passes(desk, "examples/test_half_dark.py")


def passes(desk: Path, file: str) -> None:
    """Run pytest on one file, as in a project that has no settings for it."""
    commands = Path(sys.executable).parent
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            "-c",
            os.devnull,
            "--rootdir",
            desk,
            file,
        ],
        cwd=desk,
        env={**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
