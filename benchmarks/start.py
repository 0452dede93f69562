"""How long people wait before anything happens: `--help` and `check`, beside a bare Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.harness import Result, at_most, median_s


def run_s(*command: str) -> float:
    return median_s(lambda: subprocess.run(command, check=True, capture_output=True), times=7)


def bench() -> list[Result]:
    """Whole processes, from start to exit."""
    twinstorm = str(Path(sys.executable).with_name("twinstorm"))
    bare = run_s(sys.executable, "-c", "pass")
    results = []
    for name, bound, arguments in (
        ("twinstorm --help", 0.15, ["--help"]),
        ("twinstorm check reboot-storm", 0.4, ["check", "reboot-storm"]),
    ):
        value = run_s(twinstorm, *arguments)
        required, met = at_most(bound, value)
        results.append(
            Result(
                name=name,
                value=round(value, 3),
                unit="s",
                peer="python -c pass",
                peer_value=round(bare, 3),
                ratio=round(value / bare, 1),
                required=required,
                met=met,
            )
        )
    return results
