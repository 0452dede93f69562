"""Clients that each update one row once, under an optimistic lock, and back off when another one was faster.

The experiment of Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): a client reads the row's
version, then writes with it; the write is refused if the version has moved. Each way takes |N(10, 2)| ms, waits are
those of `twin.reconnect`. All runs go forward together, each by its own next arrival at the row.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np

from twinstorm.twin.chance import stream, words
from twinstorm.twin.flow import NEVER_US, Int
from twinstorm.twin.normal import normals
from twinstorm.twin.reconnect import ReconnectPolicy

RUNS: Final = 1_000
BASE_US, CAP_US = 5_000, 2_000_000
HOP_US, HOP_SCATTER_US = 10_000.0, 2_000.0
POLICIES: Final = {
    "none": ("none", "none"),
    "exponential": ("exponential", "none"),
    "equal": ("exponential", "equal"),
    "full": ("exponential", "full"),
    "decorrelated": ("exponential", "decorrelated"),
}
"""Our back-off and jitter for the names of the reference."""


class Outcome(NamedTuple):
    """Means over the runs: until the last client knows that it is done, and writes tried, refused ones included."""

    completion_ms: float
    writes: float


@cache
def race(clients: int, policy_name: str, runs: int = RUNS) -> Outcome:
    backoff, jitter = POLICIES[policy_name]
    policy = ReconnectPolicy(backoff, jitter, BASE_US, CAP_US, timeout_us=CAP_US)
    hops, waits = stream(42, 3), stream(42, 4)
    client_keys = np.arange(runs * clients, dtype=np.uint64).reshape(runs, clients)

    def two_hops_us(keys: np.ndarray, number: np.ndarray) -> tuple[Int, Int]:
        drawn = normals(words(hops, keys, number)).astype(np.float64)
        way = np.rint(np.abs(HOP_US + HOP_SCATTER_US * drawn[:2])).astype(np.int64)
        return way[0], way[1]

    shape = (runs, clients)
    events = np.ones(shape, np.int64)
    failures = np.zeros(shape, np.int64)
    wait_us = np.zeros(shape, np.int64)
    held = np.full(shape, -1, np.int64)
    """Version that a client writes with; -1: it comes to read."""
    first_us, _ = two_hops_us(client_keys.reshape(-1), np.zeros(runs * clients, np.int64))
    next_us = first_us.reshape(shape)
    version = np.zeros(runs, np.int64)
    done_us = np.zeros(runs, np.int64)
    writes = 0
    rows = np.arange(runs)
    while len(rows):
        who = next_us[rows].argmin(axis=1)
        at_us = next_us[rows, who]
        keys = client_keys[rows, who]
        back_us, forth_us = two_hops_us(keys, events[rows, who])
        events[rows, who] += 1
        version_held = held[rows, who]
        writing = version_held >= 0
        accepted = writing & (version_held == version[rows])
        refused = writing & ~accepted
        writes += int(writing.sum())
        held[rows, who] = np.where(writing, -1, version[rows])
        version[rows] += accepted
        done_us[rows] = np.where(accepted, np.maximum(done_us[rows], at_us + back_us), done_us[rows])
        pause_us = np.zeros(len(rows), np.int64)
        if refused.any():
            run, client = rows[refused], who[refused]
            failures[run, client] += 1
            drawn = words(waits, keys[refused], failures[run, client])
            pause_us[refused] = policy.wait_us(failures[run, client], wait_us[run, client], drawn)
            wait_us[run, client] = pause_us[refused]
        next_us[rows, who] = np.where(accepted, NEVER_US, at_us + back_us + forth_us + pause_us)
        rows = rows[version[rows] < clients]
    return Outcome(float(done_us.sum()) / runs / 1e3, writes / runs)
