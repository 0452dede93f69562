"""What every bench returns and how it is measured: medians of repeated runs, peers in the same process."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from twinstorm.tui.cli.bench_result import Result

__all__ = ["Result", "at_least", "at_most", "median_s", "peak_resident_bytes"]


def at_least(bound: float, value: float) -> tuple[str, bool]:
    return f"at least {bound:g}", value >= bound


def at_most(bound: float, value: float) -> tuple[str, bool]:
    return f"at most {bound:g}", value <= bound


def median_s(action: Callable[[], object], times: int = 3) -> float:
    """Median wall time of an action."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def peak_resident_bytes() -> int:
    """The most memory that this process has had resident.

    Where the system tells it of this program alone, that is taken: `getrusage` of Linux goes on counting from what the
    process that started it had.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
