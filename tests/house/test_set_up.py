"""`.ci/set-up` with interpreters made of shell, so that nothing is installed: what it says, what it does, how often."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = ("sh", "cat", "cksum", "cp", "ln", "mkdir", "rm")
"""All that the script may need beside Python."""

OLD = """#!/bin/sh
case "$2" in
    *print*) echo 3.9 ;;
    *version_info*) exit 1 ;;
esac
"""

WITHOUT_ENSUREPIP = """#!/bin/sh
case "$2" in
    *ensurepip*) exit 1 ;;
    *print*) echo 3.11 ;;
esac
"""

WORKING = """#!/bin/sh
# `-m venv` makes a folder with this very script in it; `-m pip` only notes that it was called.
case "$1 $2" in
    "-m venv") rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; echo venv >>"$CALLS" ;;
    "-m pip") shift 2; echo "pip $*" >>"$CALLS"; exit "${PIP_EXIT:-0}" ;;
    *) exec @PYTHON@ "$@" ;;
esac
"""


class Desk:
    """A small checkout and a PATH that holds nothing but the tools and the interpreters of one case."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        (self.checkout / ".ci").mkdir(parents=True)
        self.bin.mkdir()
        self.calls.touch()
        shutil.copy(root / ".ci" / "set-up", self.checkout / ".ci")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(root / name, self.checkout)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)

    def interpreter(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(script.replace("@PYTHON@", sys.executable))
        path.chmod(0o755)

    def set_up(self, what: str = "dev", **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", ".ci/set-up", what],
            cwd=self.checkout,
            env={"PATH": str(self.bin), "CALLS": str(self.calls), **settings},
            capture_output=True,
            text=True,
            timeout=30,
        )

    def new_calls(self) -> list[str]:
        """What interpreters were asked to do since the last look: `venv`, `pip setuptools`, `pip .`, ...."""
        lines = self.calls.read_text().splitlines()
        self.calls.write_text("")
        return [f"pip {line.split()[-1].partition('>')[0]}" if line.startswith("pip") else line for line in lines]


@pytest.fixture
def desk(root: Path, tmp_path: Path) -> Desk:
    return Desk(root, tmp_path)


def test_an_old_python_is_named_with_the_version_wanted(desk: Desk) -> None:
    desk.interpreter("python3", OLD)
    done = desk.set_up()
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; python3 is Python 3.9" in done.stderr
    assert "make run PYTHON=" in done.stderr
    assert not (desk.checkout / ".venv").exists()


def test_no_python_at_all_is_said_so(desk: Desk) -> None:
    done = desk.set_up()
    assert done.returncode == 1
    assert "there is no working python3 here" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(desk: Desk) -> None:
    desk.interpreter("python3", OLD)
    desk.interpreter("python3.12", WORKING)
    done = desk.set_up()
    assert done.returncode == 0, done.stderr
    assert "using python3.12" in done.stderr


def test_a_python_without_ensurepip_names_debians_package(desk: Desk) -> None:
    desk.interpreter("python3", WITHOUT_ENSUREPIP)
    done = desk.set_up()
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_installs_once_and_then_needs_nothing(desk: Desk) -> None:
    desk.interpreter("python3", WORKING)
    assert desk.set_up("run").returncode == 0
    assert desk.new_calls() == ["venv", "pip setuptools", "pip ."]
    assert desk.set_up("run").returncode == 0
    assert desk.new_calls() == []


def test_the_tools_of_the_gate_come_on_top_and_serve_a_run_too(desk: Desk) -> None:
    desk.interpreter("python3", WORKING)
    desk.set_up("run")
    desk.new_calls()
    assert desk.set_up("dev").returncode == 0
    assert desk.new_calls() == ["pip setuptools", "pip .[dev,streaming]"]
    (desk.checkout / ".venv" / ".installed-run").unlink()
    assert desk.set_up("run").returncode == 0
    assert desk.new_calls() == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_installs_again_but_a_touched_one_does_not(desk: Desk, name: str) -> None:
    desk.interpreter("python3", WORKING)
    desk.set_up()
    desk.new_calls()
    file = desk.checkout / name
    os.utime(file, (0, 0))
    desk.set_up()
    assert desk.new_calls() == []
    file.write_text(file.read_text() + "# another line\n")
    desk.set_up()
    assert desk.new_calls() == ["pip setuptools", "pip .[dev,streaming]"]


def test_a_moved_checkout_gets_a_new_environment(desk: Desk) -> None:
    desk.interpreter("python3", WORKING)
    desk.set_up()
    desk.new_calls()
    desk.checkout = desk.checkout.rename(desk.checkout.with_name("elsewhere"))
    assert desk.set_up().returncode == 0
    assert desk.new_calls() == ["venv", "pip setuptools", "pip .[dev,streaming]"]


def test_a_failed_installation_is_not_remembered_as_done(desk: Desk) -> None:
    desk.interpreter("python3", WORKING)
    done = desk.set_up(PIP_EXIT="1")
    assert done.returncode == 1
    assert "The first call needs a network" in done.stderr
    desk.new_calls()
    assert desk.set_up().returncode == 0
    assert desk.new_calls() == ["pip setuptools", "pip .[dev,streaming]"]


def test_type_checkers_get_relative_links_to_every_folder(desk: Desk, folders: tuple[str, ...]) -> None:
    desk.interpreter("python3", WORKING)
    desk.set_up()
    links = desk.checkout / ".links" / "twinstorm"
    assert {link.name: str(link.readlink()) for link in links.iterdir()} == {
        folder: f"../../{folder}" for folder in folders
    }
