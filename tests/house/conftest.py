"""Where the checkout is, and what belongs to it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("twin", "broker", "detectors", "scenarios", "tui")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def folders() -> tuple[str, ...]:
    """The five top-level folders of the package, from the top of the picture in docs/architecture.md to its bottom."""
    return FOLDERS


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """Every file that is or could be committed, sorted: what git tracks, and what it would not ignore."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package's folders with their settings and type-checker links, to break and to build in."""
    copy = tmp_path / "tree"
    links = copy / ".links" / "twinstorm"
    links.mkdir(parents=True)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (links / folder).symlink_to(Path("..", "..", folder))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy
