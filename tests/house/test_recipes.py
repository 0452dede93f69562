"""The recipes of CONTRIBUTING.md are correct: their code fits the contracts it is said to fit, and does its work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import pytest

from twinstorm.detectors import conformance
from twinstorm.detectors.contract import LONG_AGO_US, Batch
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.faults.power import PowerOutage
from twinstorm.twin.chance import device_key, stream, words
from twinstorm.twin.flow import Registry
from twinstorm.twin.machines import conformance as machine_conformance
from twinstorm.twin.machines.kind import Inputs


def recipe(root: Path, title: str) -> str:
    """The Python of one chapter."""
    chapter = re.split(r"^## ", (root / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    (text,) = (part for part in chapter if part.startswith(title))
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(code)


def made(code: str) -> ModuleType:
    """The module that a recipe is."""
    module = ModuleType("recipe")
    exec(code, vars(module))
    return module


CLAIMS = {
    "Add a kind of machine": """
from twinstorm.twin.flow import Registry
from twinstorm.twin.machines.kind import MachineKind
fits: MachineKind = Tank()
""",
    # A fault acts on the world or on the broker, so its methods take one of the two where the contract names both:
    # what it must have besides is compared below.
    "Add a fault": "",
    "Add a detector": """
from twinstorm.detectors import conformance
from twinstorm.detectors.contract import Detector
fits: type[Detector] = Mute
""",
}


def test_the_recipes_pass_the_type_checker_as_what_they_claim_to_be(root: Path, tmp_path: Path) -> None:
    files = []
    for number, (title, claim) in enumerate(CLAIMS.items()):
        file = tmp_path / f"recipe_{number}.py"
        file.write_text(recipe(root, title) + claim)
        files.append(file)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", root / "pyproject.toml", *files],
        cwd=root,
        env={**os.environ, "MYPY_CACHE_DIR": str(root / ".mypy_cache")},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("title", list(CLAIMS))
def test_the_recipes_pass_the_linter(root: Path, title: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", root / "pyproject.toml", "--ignore", "ARG", "-"],
        input=recipe(root, title),
        cwd=root,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_machine_of_the_recipe_drains_and_fills(root: Path) -> None:
    tank = made(recipe(root, "Add a kind of machine")).Tank()
    keys = np.array([device_key(f"site/tank-{number}") for number in range(100)], np.uint64)
    machine_conformance.check(tank)
    parameters = tank.parameters(
        lambda number: words(stream(1, 7), keys, np.full(100, number, np.int64)), machine_conformance.somewhere(keys)
    )
    drain = parameters["drain_m_per_s"]
    assert drain.std() > 0

    state = tank.initial(parameters)
    seen = []
    for second in range(10, 3010, 10):
        out = np.empty((1, 100), np.float32)
        tank.step(state, parameters, Inputs(second * 1_000_000, 10_000_000), np.zeros((4, 100), np.float32), out)
        seen.append(out[0])
    levels = np.array(seen)
    np.testing.assert_allclose(levels[0], 4.0 - 10.0 * drain, rtol=1e-5)
    assert levels.min() >= 0.97
    assert ((levels[1:] - levels[:-1]) > 1.0).any(axis=0).all(), "every tank was filled again"


def test_the_fault_of_the_recipe_says_all_that_lists_and_forms_show(root: Path) -> None:
    fault = made(recipe(root, "Add a fault")).Flicker
    assert {name for name in vars(Fault) if not name.startswith("_")} | Fault.__annotations__.keys() <= set(dir(fault))
    assert fault.__annotations__ == PowerOutage.__annotations__

    class World:
        def __init__(self) -> None:
            self.calls: list[tuple[str, int]] = []

        def power_off(self, device: object, at_us: int) -> int:
            self.calls.append(("off", at_us))
            return 3

        def power_on(self, device: object, at_us: int) -> int:
            self.calls.append(("on", at_us))
            return 3

        def bit(self, step: str, what: str, count: int) -> None:
            self.calls.append((what, count))

    class Order:
        step = "blink"

    world = World()
    fault.start(world, Order(), np.arange(3), 5)
    assert world.calls == [("off", 5), ("on", 5), ("devices_booted", 3)]


class Fleet:
    """What a detector may ask a registry for here."""

    def __init__(self, every_s: list[int]) -> None:
        self.every_us = np.array(every_s, np.int64) * 1_000_000

    def __len__(self) -> int:
        return len(self.every_us)


def test_the_detector_of_the_recipe_scores_silence_against_what_is_usual(root: Path) -> None:
    def at(now_us: int) -> Batch:
        last_us = np.array([now_us - 10_000_000, now_us - 10_000_000, now_us - 10_000_000, LONG_AGO_US], np.int64)
        live, never, no = np.array([True, False, True, True]), np.full(4, LONG_AGO_US), np.zeros(4, np.bool_)
        nothing = np.zeros(60, np.int64)
        return Batch(now_us, last_us, live, never, never, never, no, nothing, nothing, 0, broker_up=True)

    mute = made(recipe(root, "Add a detector")).Mute(Fleet([1, 1, 30, 1]), {"times": 5.0})
    before = mute.score(at(60_000_000))
    np.testing.assert_allclose(before, [2.0, np.nan, 1 / 15, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(mute.score(at(60_000_000)), before)
    mute.learn(at(60_000_000))
    np.testing.assert_allclose(mute.score(at(61_000_000)), [0.2, np.nan, 1 / 15, np.nan], rtol=1e-6)


def test_the_detector_of_the_recipe_conforms(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = made(recipe(root, "Add a detector"))
    monkeypatch.setitem(sys.modules, "recipe", module)
    conformance.check(module.Mute, cast(Registry, Fleet([1] * 12)))
