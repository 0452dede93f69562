"""Exact queues over whole batches of arrivals: no ticks, no approximation.

A FIFO with limited places and a token bucket are the same recurrence, GCRA (the generic cell rate algorithm of ATM,
ITU-T I.371): with emission interval T and tolerance tau an arrival at t passes if ``tat - tau <= t``, and then
``tat = max(tat, t) + T``. Refused arrivals change nothing. All arguments are integers of one time scale.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from twinstorm.twin.flow import Int, Mask


@dataclass(frozen=True, slots=True)
class Passed:
    """Outcome of `gcra` for n arrivals.

    Attributes:
        passed: bool (n,).
        tat: int64 (n,), the theoretical arrival time after each arrival that passed; 0 where refused.
    """

    passed: Mask
    tat: Int

    def tat_after(self, count: int, before: int) -> int:
        """The recurrence's state after the first `count` arrivals, `before` being the state at the start."""
        last = np.flatnonzero(self.passed[:count])
        return int(self.tat[last[-1]]) if len(last) else before


def gcra(tat: int, arrivals: Int, interval: int, tolerance: int) -> Passed:
    """Run ascending arrivals through the recurrence.

    While all pass, the state is a running maximum and one pass of NumPy answers; after the first refusal the code
    jumps from passed to passed arrival by bisection, so the cost follows what passes.

    Args:
        tat: state so far, >= 0.
        arrivals: int64, ascending.
        interval: T > 0.
        tolerance: tau >= 0.

    Example:
        >>> gcra(0, np.array([0, 0, 0, 10]), interval=10, tolerance=10).passed.tolist()
        [True, True, False, True]
    """
    n = len(arrivals)
    steps = np.arange(n, dtype=np.int64) * interval
    before = np.full(n, tat, np.int64)
    if n > 1:
        np.maximum(np.maximum.accumulate(arrivals[:-1] - steps[:-1]), tat, out=before[1:])
    before += steps
    refused = before - tolerance > arrivals
    if not refused.any():
        return Passed(np.ones(n, np.bool_), np.maximum(before, arrivals) + interval)

    first = int(refused.argmax())
    passed = np.zeros(n, np.bool_)
    passed[:first] = True
    after = np.zeros(n, np.int64)
    after[:first] = np.maximum(before[:first], arrivals[:first]) + interval

    state = int(before[first])
    times = arrivals.tolist()
    index = first
    rows: list[int] = []
    states: list[int] = []
    while (index := bisect_left(times, state - tolerance, index)) < n:
        arrival = times[index]
        state = (arrival if arrival > state else state) + interval
        rows.append(index)
        states.append(state)
        index += 1
    passed[rows] = True
    after[rows] = states
    return Passed(passed, after)


def ceil_div(numerator: Int, denominator: int) -> Int:
    """ceil(numerator / denominator) in integers."""
    quotient: Int = -(-numerator // denominator)
    return quotient
