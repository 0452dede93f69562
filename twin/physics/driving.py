"""What is given from outside, where it is given."""

from __future__ import annotations

import numpy as np

from twinstorm.twin.flow import Values
from twinstorm.twin.machines.kind import Inputs


def follow(column: Values, inputs: Inputs, name: str) -> None:
    """Replace in place what a machine would do by itself by its drive, except where that is NaN."""
    given = inputs.drives.get(name)
    if given is not None:
        np.copyto(column, given, where=given == given)
