"""Functions as tables, linear between their entries: what a step may not compute, such as powers and exponentials."""

from __future__ import annotations

import numpy as np

from twinstorm.twin.flow import Values
from twinstorm.twin.physics.spread import Floats

Table = tuple[Values, Values]
"""Value of each entry, and its change to the next."""


def table(values: Floats) -> Table:
    """A table of float64 values at the places 0, 1, 2, ..., two at least."""
    return values.astype(np.float32), np.append(np.diff(values), 0.0).astype(np.float32)


def looked_up(of: Table, place: Values) -> Values:
    """Value of a table at places between its entries: float32, shape of `place`.

    Args:
        place: in entries; what lies outside counts as the end of the table. Overwritten.
    """
    values, changes = of
    np.clip(place, 0.0, float(len(values) - 1), out=place)
    entry = place.astype(np.int32)
    place -= entry
    place *= changes.take(entry)
    place += values.take(entry)
    return place
