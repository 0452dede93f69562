"""A scenario as a test: each seed is one storm, and a failing test tells why and how to see it again.

Needs twinstorm and pytest, nothing of twinstorm's source:

    pytest examples/test_half_dark.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCENARIO = Path(__file__).with_name("half-dark.storm.yaml")
TWINSTORM = Path(sys.executable).with_name("twinstorm")


def storm(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the scenario without a screen; the document that ``twinstorm run --json`` prints.

    Exit codes from 2 on mean that nothing can be said about the fleet, e.g. a mistake in the scenario: that fails here,
    with the message on standard error.
    """
    command: list[str | Path] = [TWINSTORM, "run", SCENARIO, "--json", "--no-progress", "--out", folder, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def why(run: dict[str, Any]) -> str:
    """What did not hold, and the command that repeats the run."""
    missed = [each for each in run["objectives"] + run["expectations"] if each["verdict"] != "held"]
    found = [f"{each.get('text', each.get('name'))}: wanted {each['wanted']}, was {each['value']}" for each in missed]
    return "\n".join([*found, run["repeat"]])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everybody_is_back_in_time(tmp_path: Path, seed: int) -> None:
    run = storm(tmp_path, "--seed", str(seed))
    assert run["verdict"] == "held", why(run)
    assert run["ledger"]["lost"].keys() <= {"power"}, "only what the outage itself erased may be lost"


def test_a_broker_that_admits_one_a_second_is_too_slow(tmp_path: Path) -> None:
    run = storm(tmp_path, "--seed", "1", "--set", "broker.connects.rate=1/s", "--set", "broker.connects.burst=1")
    assert run["verdict"] == "missed"


def test_the_same_seed_is_the_same_storm(tmp_path: Path) -> None:
    first, again, other = (storm(tmp_path, "--seed", seed)["digest"] for seed in ("1", "1", "2"))
    assert first == again
    assert first != other
