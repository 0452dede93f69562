"""A line before servers, customer by customer, with service times of their own.

`twin.queues` has the batch recurrence for a constant service time and limited places; this is for services that vary,
and for several servers.
"""

from __future__ import annotations

from heapq import heapify, heapreplace

import numpy as np

from twinstorm.twin.flow import Int


def begin_us(arrivals_us: Int, services_us: Int, servers: int = 1) -> Int:
    """When each is served, first come, first served: int64 (n,).

    Args:
        arrivals_us: int64 (n,), ascending.
        services_us: int64 (n,), >= 0.
        servers: >= 1; the one that is free longest is taken.

    Raises:
        ValueError: if there is no server.

    Example:
        >>> begin_us(np.array([0, 1, 20]), np.array([10, 5, 1])).tolist()
        [0, 10, 20]
    """
    if servers < 1:
        raise ValueError(f"servers must be 1 or more, not {servers}")
    if servers == 1:
        before = np.cumsum(services_us) - services_us
        begun: Int = np.maximum.accumulate(arrivals_us - before) + before
        return begun
    free = [int(arrivals_us[0]) if len(arrivals_us) else 0] * servers
    heapify(free)
    begins: list[int] = []
    for arrival, service in zip(arrivals_us.tolist(), services_us.tolist(), strict=True):
        begin = max(arrival, free[0])
        begins.append(begin)
        heapreplace(free, begin + service)
    return np.array(begins, np.int64)
