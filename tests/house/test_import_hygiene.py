"""What a fresh interpreter loads. Start-up time is a feature, and what a thread or a plug-in loads nobody can unload.

Import contracts look at the text of the code; this looks at `sys.modules`, so it also sees what entry points and
third-party packages bring along.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "amqtt",
    "cryptography",
    "numpy",
    "pydantic",
    "sqlalchemy",
    "textual",
    "scipy",
    "sklearn",
    "pyod",
    "matplotlib",
    "numba",
)
"""From about 80 ms of CPU each; `simpy`, `msgspec` and `click` are lighter."""

MODELS_AND_SCREENS = ("amqtt", "paho", "sklearn", "pyod", "matplotlib", "numba", "textual")

NUMBERS = ("numpy", "scipy", "simpy", "amqtt", "paho", "sqlalchemy", "textual")


def loaded(code: str, folder: Path, *arguments: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter has after running `code`."""
    report = "\nimport json, sys\nsys.stdout.write('\\n' + json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", code + report, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


COMMAND = """
import sys
from twinstorm.tui.cli.main import main
try:
    main()
except SystemExit as ended:
    assert ended.code in (0, None), ended.code
"""


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], HEAVY),
        (["run", "--help"], HEAVY),
        (["check", "reboot-storm"], (*HEAVY, "simpy", "paho", "msgspec", "rich")),
    ],
    ids=["help", "run-help", "check"],
)
def test_a_command_that_runs_nothing_loads_nothing_heavy(
    arguments: list[str], unwanted: tuple[str, ...], tmp_path: Path
) -> None:
    modules = loaded(COMMAND, tmp_path, *arguments)
    assert "click" in modules
    assert modules & set(unwanted) == set()


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("twinstorm.twin", (*MODELS_AND_SCREENS, "sqlalchemy")),
        ("twinstorm.twin.world", (*MODELS_AND_SCREENS, "sqlalchemy")),
        ("twinstorm.scenarios", MODELS_AND_SCREENS),
        ("twinstorm.scenarios.engine", MODELS_AND_SCREENS),
        ("twinstorm.scenarios.protocol", NUMBERS),
        ("twinstorm.detectors", (*MODELS_AND_SCREENS, "simpy", "sqlalchemy")),
        ("twinstorm.tui.app", NUMBERS),
    ],
)
def test_importing_a_module_loads_only_what_it_needs(module: str, unwanted: tuple[str, ...], tmp_path: Path) -> None:
    modules = loaded(f"import {module}", tmp_path)
    assert modules & set(unwanted) == set()


def test_reading_scenarios_and_the_catalogue_of_faults_needs_no_numbers(root: Path, tmp_path: Path) -> None:
    code = """
    import importlib, pkgutil
    from twinstorm.scenarios import faults, language
    for package in (faults, language):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    from twinstorm.scenarios.faults.base import catalogue
    assert "power-outage" in catalogue()
    """
    modules = loaded("\n".join(line[4:] for line in code.splitlines()), tmp_path)
    assert modules & set(NUMBERS) == set()


def test_the_probe_sees_what_is_loaded(tmp_path: Path) -> None:
    assert "simpy" in loaded("import simpy", tmp_path)
