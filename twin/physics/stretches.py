"""Steps cut where inputs change, also when they are very long: `holding.parts` with what is forgotten in one piece.

Machines that count something for ever (bytes written, hours run) need the whole step; what they decide every minute
matters for the last hours only. So what lies further back is one stretch with the inputs of its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator

from twinstorm.twin.physics.holding import parts


def stretches(now_us: int, dt_us: int, every_us: int, memory_us: int) -> Iterator[tuple[int, int]]:
    """Start and end of the parts of the step (now - dt, now], in order and without a gap.

    Only the last `memory_us` are cut at the multiples of `every_us`, where something new is decided.

    Example:
        >>> list(stretches(105, 105, 10, 20))
        [(0, 80), (80, 90), (90, 100), (100, 105)]
    """
    begun_us = now_us - dt_us
    # What is remembered begins on a multiple, which may lie before a step that is hardly longer.
    cut_us = memory_us if dt_us >= memory_us + every_us else None
    for start_us, end_us in parts(now_us, dt_us, every_us, cut_us):
        if start_us > begun_us:
            yield begun_us, start_us
        yield start_us, end_us
        begun_us = end_us
