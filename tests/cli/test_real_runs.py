"""The command line over the real reader and engine: small scenarios, whole processes where it matters."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Ran
from twinstorm.scenarios.record.read import open_run

SMALL = ("reboot-storm", "--devices", "300", "--until", "12 min")


def test_what_init_writes_holds_when_it_is_run(command: Callable[..., Ran]) -> None:
    command("init", "--template", "smoke")
    ran = command("run", "smoke.storm.yaml")
    assert ran.code == 0, ran.out + ran.err
    command("init", "storm", "--template", "storm")
    ran = command("run", "storm/first-storm.storm.yaml")
    assert ran.code == 0, ran.out + ran.err


def test_the_test_that_init_writes_passes(command: Callable[..., Ran], tmp_path: Path) -> None:
    command("init", "--template", "smoke")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_scenarios.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_the_record_holds_what_json_tells(command: Callable[..., Ran], tmp_path: Path) -> None:
    document = command("run", *SMALL, "--json", "-q").json()
    run = open_run("last", tmp_path / "runs")
    assert run.result is not None
    assert run.result.digest == document["digest"]
    assert run.last_second() == document["simulated_s"] == 720
    # Every attempt of the run is in its seconds.
    assert sum(pane.attempts for pane in run.panes()) == document["counts"]["attempts"]
    assert sum(pane.readings for pane in run.panes()) == document["ledger"]["delivered"]
    assert [event.kind for event in run.events()][:2] == ["begin", "fault"]


def test_the_repeating_command_repeats(command: Callable[..., Ran]) -> None:
    first = command("run", *SMALL, "--set", "fleet.reconnect.jitter=equal", "--seed", "5", "--json").json()
    words = first["repeat"].split()
    assert words[0] == "twinstorm"
    second = command(*shlex.split(first["repeat"])[1:], "--json").json()
    assert second["digest"] == first["digest"]
    assert second["repeat"] == first["repeat"]


def test_a_run_stopped_by_wall_time_is_exit_5(command: Callable[..., Ran]) -> None:
    ran = command("run", "reboot-storm", "--devices", "300", "--max-wall", "1 ms")
    assert ran.code == 5
    assert "stopped at 00:" in ran.out


def test_hash_seed_and_process_change_nothing(tmp_path: Path) -> None:
    digests = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "twinstorm.tui", "run", *SMALL, "--seed", "42", "--out", str(tmp_path)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            timeout=60,
        )
        digests |= {line for line in done.stdout.splitlines() if line.startswith("digest: ")}
    assert len(digests) == 1
