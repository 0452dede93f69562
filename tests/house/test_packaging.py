"""What is in the package: the list in pyproject.toml, sdist and wheel, and an environment with nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from importlib.metadata import EntryPoint, distribution, entry_points, version
from pathlib import Path
from typing import Any

import pytest

BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"
"""What pip calls, without pip: no network, and the setuptools of the environment."""


@pytest.fixture(scope="module")
def settings(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


def packages_on_disk(root: Path, folders: tuple[str, ...]) -> set[str]:
    found = {path.parent for folder in folders for path in (root / folder).rglob("*.py")}
    return {"twinstorm." + ".".join(path.relative_to(root).parts) for path in found}


def test_the_list_of_packages_is_that_of_the_folders(
    root: Path, folders: tuple[str, ...], settings: dict[str, Any]
) -> None:
    listed = settings["tool"]["setuptools"]["packages"]
    assert set(listed) == packages_on_disk(root, folders)
    assert len(listed) == len(set(listed))


def test_every_package_has_an_init_and_the_five_are_typed(root: Path, settings: dict[str, Any]) -> None:
    for name in settings["tool"]["setuptools"]["packages"]:
        assert (root / Path(*name.split(".")[1:]) / "__init__.py").is_file(), name
    for folder in settings["tool"]["setuptools"]["package-dir"].values():
        assert (root / folder / "py.typed").is_file(), folder


def test_the_import_name_itself_is_a_namespace(root: Path) -> None:
    import twinstorm

    assert twinstorm.__spec__ is not None
    assert twinstorm.__spec__.origin is None
    assert not (root / "twinstorm").exists()


def test_the_version_is_the_distributions(settings: dict[str, Any]) -> None:
    assert version("twinstorm") == settings["project"]["version"]


def test_the_changelog_speaks_of_this_version(root: Path, settings: dict[str, Any]) -> None:
    newest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == settings["project"]["version"]


WORDS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)


def in_words(count: int) -> str:
    """A number under 100 as the README writes small ones."""
    tens = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
    if count < len(WORDS):
        return WORDS[count]
    return tens[count // 10] + (f"-{WORDS[count % 10]}" if count % 10 else "")


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("twinstorm.machines", "{words} machine kinds"),
        ("twinstorm.faults", "{count} faults"),
        ("twinstorm.detectors", "{words} detectors that look at arrival"),
        ("twinstorm.requested_detectors", "{words} at conduct where a scenario names them"),
        ("twinstorm.value_detectors", "{words} that look at values"),
    ],
)
def test_the_readme_counts_what_is_installed(root: Path, settings: dict[str, Any], group: str, said: str) -> None:
    count = len(settings["project"]["entry-points"][group])
    wanted = said.format(count=count, words=in_words(count))
    assert wanted in (root / "README.md").read_text(encoding="utf-8")


def ours() -> list[EntryPoint]:
    return [point for point in distribution("twinstorm").entry_points if point.value.startswith("twinstorm.")]


@pytest.mark.parametrize("point", ours(), ids=lambda point: f"{point.group}:{point.name}")
def test_every_entry_point_loads(point: EntryPoint) -> None:
    assert callable(point.load())


def test_installed_entry_points_are_those_of_the_settings(settings: dict[str, Any]) -> None:
    for group, named in settings["project"]["entry-points"].items():
        assert {point.name: point.value for point in entry_points(group=group) if point in ours()} == named


def build(kind: str, tree: Path, out: Path) -> Path:
    out.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(out)], cwd=tree, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out / done.stdout.splitlines()[-1]


def test_the_wheel_from_the_sdist_has_every_file_and_runs_alone(
    tree: Path, folders: tuple[str, ...], project_files: list[Path], root: Path, tmp_path: Path
) -> None:
    sdist = build("sdist", tree, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = lambda member, path: member  # our own archive; early 3.11 takes no `filter`
        archive.extractall(tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert (unpacked / "LICENSE").is_file()

    wheel = build("wheel", unpacked, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = {path.relative_to(root).parts for path in project_files}
    wanted_files = {"twinstorm/" + "/".join(parts) for parts in wanted if parts[0] in folders}
    assert sorted(wanted_files - inside) == []
    strangers = {name for name in inside - wanted_files if ".dist-info/" not in name}
    assert strangers == set()

    fresh = install_alone(wheel, tmp_path / "fresh")
    for command, said in [("--help", "run"), ("list", "reboot-storm")]:
        done = subprocess.run(
            [fresh / "bin" / "twinstorm", command], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


def install_alone(wheel: Path, venv: Path) -> Path:
    """A virtual environment with this wheel, whose other packages are those of the running one.

    A `.pth` line adds the running site-packages without running the `.pth` files in it, so the editable install of the
    checkout stays out, and nothing is downloaded.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=60)
    libraries = next(venv.glob("lib/python*/site-packages"))
    (libraries / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        venv / "bin" / "python",
        "install",
        "--ignore-installed",
    ]
    subprocess.run(
        [*pip, "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--no-compile", wheel],
        check=True,
        timeout=60,
        env={**os.environ, "PIP_NO_CACHE_DIR": "1"},
    )
    where = subprocess.run(
        [venv / "bin" / "python", "-c", "import twinstorm.twin as it; print(it.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert Path(where.stdout.strip()).is_relative_to(libraries)
    return venv


def test_constraints_name_versions_and_no_place(root: Path) -> None:
    lines = (root / "constraints.txt").read_text().splitlines()
    pinned = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9A-Za-z.+!]*( ; [a-z_]+ [^/]*)?")
    assert [line for line in lines if not pinned.fullmatch(line)] == []


def test_constraints_pin_every_dependency_for_every_python(root: Path, settings: dict[str, Any]) -> None:
    pins: dict[str, list[str]] = {}
    for line in (root / "constraints.txt").read_text().splitlines():
        pins.setdefault(line.split("==")[0], []).append(line)
    project = settings["project"]
    wanted = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    names = {re.split(r"[\[<>=!~; ]", one)[0].lower().replace("_", "-") for one in wanted}
    assert names - pins.keys() == set()
    # NumPy and SciPy left Python 3.11 behind: one line for it, one for the newer ones.
    for name in ("numpy", "scipy"):
        assert ["< '3.12'" in line for line in pins[name]] == [True, False]
