"""Steps cut where inputs change: what decides, decides on instants of its own, whoever samples whenever.

A controller, or a forcing that is not constant, is held from one multiple of its period to the next. Between them the
inputs are constant and the machine is integrated exactly, so that the sampling period cannot bend the trajectory.
"""

from __future__ import annotations

from collections.abc import Iterator


def parts(now_us: int, dt_us: int, every_us: int, memory_us: int | None = None) -> Iterator[tuple[int, int]]:
    """Start and end of the parts of the step (now - dt, now], in order, cut at the multiples of `every_us`.

    A part that starts on a multiple is where something new is decided.

    Args:
        dt_us, every_us: > 0.
        memory_us: what lies longer ago is left out: the machine has forgotten it. None: nothing is.

    Example:
        >>> list(parts(25, 20, 10))
        [(5, 10), (10, 20), (20, 25)]
        >>> list(parts(99, 25, 10, 24))
        [(74, 80), (80, 90), (90, 99)]
    """
    at_us = now_us - dt_us
    if memory_us is not None and dt_us > memory_us:
        at_us = max(at_us, (now_us - memory_us) // every_us * every_us)
    while at_us < now_us:
        end_us = min((at_us // every_us + 1) * every_us, now_us)
        yield at_us, end_us
        at_us = end_us
