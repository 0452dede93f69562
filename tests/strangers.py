"""A stranger's distribution, as pip would leave it: a module and the metadata that names its plug-ins."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from twinstorm.detectors import contract
from twinstorm.detectors.values import contract as on_values
from twinstorm.scenarios.faults import base
from twinstorm.scenarios.language import catalogue as names
from twinstorm.twin.machines import installed

Install = Callable[..., str]

_NUMBERS = itertools.count()

KIND = """
import numpy as np
from twinstorm.twin.flow import Channel
from twinstorm.twin.machines.kind import FailureMode, Quantity, Truth
from twinstorm.twin.physics.spread import uniform


class Belt:
    name = "belt"
    summary = "conveyor belt: speed"
    channels = (Channel("speed_m_per_s", "m/s", 0.0, 5.0, 0.001), Channel("load_kg", "kg", 0.0, 60.0, 0.01))
    every_us = 10_000_000
    words = 1
    settable = (Quantity("rated_m_per_s", "m/s", 0.5, 4.0, "speed"),)
    drives = ()
    failures = (FailureMode("slip", "the belt slips", ("speed_m_per_s",)),)

    def parameters(self, draws, place):
        return {"rated_m_per_s": uniform(draws(0), 1.0, 2.0)}

    def initial(self, parameters):
        return {"speed_m_per_s": parameters["rated_m_per_s"].copy()}

    def step(self, state, parameters, inputs, noise, out):
        state["speed_m_per_s"][:] = parameters["rated_m_per_s"]
        np.clip(state["speed_m_per_s"] + np.float32(0.01) * noise[0], 0.0, 5.0, out=out[0])
        out[1] = 10.0

    def truth(self, state, parameters):
        return Truth(np.ones_like(state["speed_m_per_s"]), np.full_like(state["speed_m_per_s"], np.inf))
"""

FAULT = """
from twinstorm.scenarios.faults.base import Fault, Setting


class Blink(Fault):
    name = "blink"
    summary = "power fails and returns"
    effect = "Devices boot. Evidence: devices that did."

    @classmethod
    def start(cls, on, order, device, at_us):
        on.power_off(device, at_us)
        on.bit(order.step, "devices_booted", on.power_on(device, at_us))
"""

WATCH = """
import numpy as np
from twinstorm.detectors.policy import Policy


class Watch:
    name = "acme-watch"
    summary = "whatever Acme is afraid of"
    headline = "frighten Acme"
    options = ()

    def __init__(self, registry, settings):
        self.policy = Policy(share=0.3, fleet_share=0.3)

    def learn(self, batch):
        pass

    def score(self, batch):
        return np.zeros(len(batch), np.float32)
"""


def distribution(folder: Path, source: str, groups: Mapping[str, Mapping[str, str]], name: str = "acme-plant") -> str:
    """Write a distribution into a folder of `sys.path`.

    Args:
        groups: group of entry points to name to class.

    Returns:
        The module's name, which no other test has.
    """
    module = f"acme_{next(_NUMBERS)}"
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{name.replace('-', '_')}-0.1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    lines = []
    for group, points in groups.items():
        lines += [f"[{group}]", *(f"{point} = {module}:{kind}" for point, kind in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return module


def _forget() -> None:
    base.catalogue.cache_clear()
    installed.catalogue.cache_clear()
    names._detectors.cache_clear()
    contract.catalogue.cache_clear()
    contract.requested.cache_clear()
    on_values.catalogue.cache_clear()


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a stranger's kinds and faults, and `others` by the group of their entry points, for one test; see
    `distribution`."""

    def put(
        source: str,
        machines: Mapping[str, str] | None = None,
        faults: Mapping[str, str] | None = None,
        name: str = "acme-plant",
        others: Mapping[str, Mapping[str, str]] | None = None,
    ) -> str:
        folder = tmp_path_factory.mktemp("site-packages")
        groups = {"twinstorm.machines": machines or {}, "twinstorm.faults": faults or {}, **(others or {})}
        module = distribution(folder, source, groups, name)
        monkeypatch.syspath_prepend(folder)
        _forget()
        return module

    yield put
    monkeypatch.undo()
    _forget()


@pytest.fixture
def install_project(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Path], None]]:
    """Install a distribution from its sources for one test, as `pip install` without a network would leave it."""

    def put(project: Path) -> None:
        told = tomllib.loads((project / "pyproject.toml").read_text())
        folder = tmp_path_factory.mktemp("site-packages")
        for package in told["tool"]["setuptools"]["packages"]:
            (folder / package).symlink_to(project / package)
        name, version = told["project"]["name"], told["project"]["version"]
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = []
        for group, points in told["project"]["entry-points"].items():
            lines += [f"[{group}]", *(f"{point} = {where}" for point, where in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(folder)
        _forget()

    yield put
    monkeypatch.undo()
    _forget()
