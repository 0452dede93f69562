"""Queues of a machine as columns: how many wait on average when messages come and are served by chance."""

from __future__ import annotations

import numpy as np

from twinstorm.twin.flow import Values


def mean_queue(load: Values, per_s: Values, since_s: float) -> Values:
    """Messages in a queue that began empty `since_s` ago, those of random arrivals at up to full load: float32, new.

    rho / (1 - rho) as in M/M/1 where that time is long enough to settle; at full load, where no queue settles, what
    chance piles up. Kimber and Hollis's sheared form (TRRL report LR 909, 1979), which is one implicit step of the
    fluid model dL/dt = lambda - mu L / (1 + L).

    Args:
        load: rho, offered over served rate, >= 0. per_s: mu, > 0. Neither is changed.
    """
    load = np.minimum(load, np.float32(1.0))
    served = per_s * np.float32(since_s)
    come = load * served
    root = served - come
    root += 1.0
    come += come
    ends = root * root
    ends += come
    ends += come
    np.sqrt(ends, out=ends)
    ends += root
    come /= ends
    return come
