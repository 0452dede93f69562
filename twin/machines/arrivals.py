"""Customers, jobs, collections: single events at a rate that changes, as a pure function of the rate so far.

The time change of a Poisson process: with the expected number of events as its clock, every Poisson process is the one
of rate 1. So one path of rate 1 is drawn once and kept as a table; each machine begins somewhere on it and goes along
it at its own rate. How many events a stretch holds is the difference of two entries, and no sampling period matters.

Source: e.g. Daley and Vere-Jones, An Introduction to the Theory of Point Processes, section 7.4 (random time change).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from twinstorm.twin import exact
from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Values
from twinstorm.twin.machines.counting import add_to
from twinstorm.twin.machines.spread import uniform
from twinstorm.twin.machines.wander import drawn

PATH: Final = 4096
"""Expected events of the path, which then begins again."""
ENTRIES_PER_EVENT: Final = 16
_TABLE: Final = 21
"""Of `wander.drawn`."""


def begin(draws: Words) -> Values:
    """Where on the path a machine begins: float32, expected events."""
    return np.minimum(uniform(draws, 0.0, PATH), np.float32(PATH - 1.0 / ENTRIES_PER_EVENT))


def passed(place: Values, rest: Values, expected: Values) -> Values:
    """Go along the path and count.

    Args:
        place, rest: where each is, and what that could not hold (see `counting`); changed in place.
        expected: events expected in the stretch, >= 0; overwritten.

    Returns:
        Events that came: float32 (n,), whole.
    """
    path = _path()
    before = path.take((place * ENTRIES_PER_EVENT).astype(np.int32))
    add_to(place, rest, expected)
    np.maximum(place, 0.0, out=place)  # a rest below zero may take a place at the very beginning under it
    turns = place * np.float32(1.0 / PATH)
    np.floor(turns, out=turns)
    place -= turns * np.float32(PATH)
    turns *= path[-1]
    turns += path.take((place * ENTRIES_PER_EVENT).astype(np.int32))
    turns -= before
    return turns


@cache
def _path() -> Values:
    """Events before each entry; the last entry is the end of the path, float32 (`PATH` * `ENTRIES_PER_EVENT` + 1,)."""
    # Exactly `PATH` events, so that nobody's rate is bent by the path he happens to walk: uniform points, sorted, are a
    # Poisson process given its number.
    at = np.sort(drawn(_TABLE, PATH)) * (PATH * ENTRIES_PER_EVENT)
    counts = np.bincount(np.ceil(at).astype(np.int64), minlength=PATH * ENTRIES_PER_EVENT + 1)
    return np.cumsum(counts).astype(np.float32)


@cache
def marks(number: int, shares: tuple[float, ...]) -> Values:
    """How much the first k events bring together, each 1, 2, ... with these probabilities: float32 (`PATH` + 1,)."""
    chances = np.cumsum(np.array(shares, np.float64))
    each = 1 + np.searchsorted(chances[:-1], drawn(number, PATH), side="right")
    return np.append(0, np.cumsum(each)).astype(np.float32)


def mean_wait_s(rate_per_h: float) -> float:
    """Seconds between events at a rate."""
    return 3600.0 / rate_per_h


def nobody_within(expected: float) -> float:
    """Probability that a stretch with so many expected events holds none."""
    return exact.exp(-expected)
