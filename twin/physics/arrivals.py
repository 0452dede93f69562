"""Customers, jobs, collections: single events at a rate that changes, as a pure function of the rate so far.

The time change of a Poisson process: with the expected number of events as its clock, every Poisson process is the one
of rate 1. So one path of rate 1 is drawn once and kept as a table; each machine begins somewhere on it and goes along
it at its own rate. How much a stretch holds is the difference of two entries, and no sampling period matters.

Source: e.g. Daley and Vere-Jones, An Introduction to the Theory of Point Processes, section 7.4 (random time change).
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Values
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.spread import uniform
from twinstorm.twin.physics.wander import drawn

PATH: Final = 4096
"""Events of the path, which then begins again."""
ENTRIES_PER_EVENT: Final = 16
_TIMES, _SIZES = 21, 22
"""Tables of `wander.drawn`."""


class Stretch(NamedTuple):
    """A way along the path: entries at both ends, int32 (n,), and how often the end of the path was passed."""

    before: NDArray[np.int32]
    after: NDArray[np.int32]
    turns: Values


def begin(draws: Words) -> Values:
    """Where on the path a machine begins: float32 (n,), expected events."""
    return uniform(draws, 0.0, PATH - 1.0)


def along(place: Values, rest: Values, expected: Values) -> Stretch:
    """Go along the path.

    Args:
        place, rest: where each is, and what that could not hold (see `counting`); changed in place.
        expected: events expected in the stretch, >= 0; overwritten.
    """
    before = (place * ENTRIES_PER_EVENT).astype(np.int32)
    add_to(place, rest, expected)
    turns = place * np.float32(1.0 / PATH)
    np.floor(turns, out=turns)
    place -= turns * np.float32(PATH)
    return Stretch(before, (place * ENTRIES_PER_EVENT).astype(np.int32), turns)


def brought(stretch: Stretch, path: Values) -> Values:
    """What the events of a stretch brought, by one of the tables below: float32 (n,), whole, >= 0."""
    amount = stretch.turns * path[-1]
    amount += path.take(stretch.after)
    amount -= path.take(stretch.before)
    return amount


@cache
def events() -> Values:
    """Events before each entry, and at the end of the path: float32 (`PATH` * `ENTRIES_PER_EVENT` + 1,)."""
    return _summed(np.ones(PATH, np.int64))


@cache
def batches(shares: tuple[float, ...]) -> Values:
    """What those events brought, each 1, 2, ... with these probabilities; see `events`."""
    bounds = np.cumsum(np.array(shares[:-1], np.float64))
    return _summed(1 + np.searchsorted(bounds, drawn(_SIZES, PATH), side="right"))


def _summed(sizes: NDArray[np.int64]) -> Values:
    # As many events as the path is long, so that nobody's rate is bent by it: given their number, the events of a
    # Poisson process are so many independent uniform points.
    entry = np.ceil(drawn(_TIMES, PATH) * (PATH * ENTRIES_PER_EVENT)).astype(np.int64)
    each = np.zeros(PATH * ENTRIES_PER_EVENT + 1, np.int64)
    np.add.at(each, entry, sizes)
    return np.cumsum(each).astype(np.float32)
