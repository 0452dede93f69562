"""What every bench returns and how it is measured: medians of repeated runs, peers in the same process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from twinstorm.tui.cli.bench_result import Result

__all__ = ["Result", "at_least", "at_most", "median_s"]


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
