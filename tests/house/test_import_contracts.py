"""The arrows between folders hold, and each contract can fail: a wrong import in a copy of the tree breaks it.

The contracts themselves are in pyproject.toml, `[tool.importlinter]`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

LINT_IMPORTS = "from importlinter.cli import lint_imports_command as main; main()"

WRONG_IMPORTS = [
    # contract, file that gets the import, import
    ("layers", "twin/flow.py", "from twinstorm.scenarios import protocol"),
    ("layers", "broker/__init__.py", "from twinstorm import detectors"),
    ("layers", "detectors/__init__.py", "from twinstorm import broker"),
    ("layers", "scenarios/result.py", "import twinstorm.tui.cli"),
    ("truth", "detectors/wrong.py", "from twinstorm.twin import fleet"),
    ("truth", "detectors/wrong.py", "from twinstorm.twin.machines import kind"),
    ("physics", "twin/physics/wrong.py", "from twinstorm.twin.machines import motor"),
    ("shared", "twin/flow.py", "from twinstorm.twin import fleet"),
    ("shared", "twin/wire/wrong.py", "from twinstorm.twin import world"),
    ("screens", "tui/app/wrong.py", "from twinstorm.scenarios import result"),
    ("screens", "tui/app/wrong.py", "from twinstorm.twin import flow"),
    ("screens", "tui/app/wrong.py", "from twinstorm.tui import cli"),
    ("protocol", "scenarios/protocol.py", "import numpy"),
    ("terminal", "scenarios/result.py", "import textual"),
    ("terminal", "tui/cli/wrong.py", "from textual.app import App"),
    ("sockets", "twin/wire/wrong.py", "import socket"),
    ("sockets", "detectors/wrong.py", "import asyncio"),
    ("servers", "tui/app/wrong.py", "import socketserver"),
    ("language", "scenarios/language/wrong.py", "import numpy as np"),
    ("language", "scenarios/language/wrong.py", "from twinstorm.twin import flow"),
]


def lint(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages of `tree`: its links come before the installed package on the path."""
    return subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS, "--no-logo", "--no-cache", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / ".links"), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_tree_as_it_is_keeps_every_contract(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr
    assert ", 0 broken" in result.stdout


@pytest.mark.parametrize(("contract", "file", "wrong"), WRONG_IMPORTS)
def test_a_wrong_import_breaks_its_contract(tree: Path, contract: str, file: str, wrong: str) -> None:
    breaks(tree, contract, file, wrong)


@pytest.mark.parametrize("hidden", ["def late():\n    {}", "if TYPE_CHECKING:\n    {}"], ids=["function", "types"])
def test_an_import_does_not_hide_in_a_function_or_behind_type_checking(tree: Path, hidden: str) -> None:
    wrong = hidden.format("from twinstorm.twin import fleet")
    breaks(tree, "truth", "detectors/wrong.py", f"from typing import TYPE_CHECKING\n{wrong}")


def breaks(tree: Path, contract: str, file: str, wrong: str) -> None:
    path = tree / file
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{before}\n\n{wrong}\n")
    result = lint(tree, "--contract", contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout, result.stdout + result.stderr


def test_a_contract_without_a_wrong_import_in_this_file_is_noticed(root: Path) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert {contract["id"] for contract in settings["contracts"]} == {contract for contract, _, _ in WRONG_IMPORTS}


def test_every_folder_is_under_contract(root: Path, folders: tuple[str, ...]) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert settings["root_packages"] == [f"twinstorm.{folder}" for folder in folders]
