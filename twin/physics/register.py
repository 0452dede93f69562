"""A counter that rolls over: watt-hours as a 16-bit pulse register shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from twinstorm.twin.flow import SECOND_US, Channel, Values
from twinstorm.twin.physics.counting import add_to

FULL_WH: Final = 65_000.0
"""After this the register begins again at 0."""
PULSE_WH: Final = 1.0
"""1,000 pulses a kilowatt-hour, as meters are labelled."""
_J_PER_WH: Final = 3600.0


def channel(name: str) -> Channel:
    """The channel that tells such a register."""
    return Channel(name, "Wh", 0.0, FULL_WH, PULSE_WH, FULL_WH / 2.0)


def count(state: Mapping[str, Values], power_w: Values, dt_us: int) -> None:
    """Count the energy of a constant power into ``energy_wh`` and ``energy_rest_wh`` of a state, in place.

    Args:
        power_w: >= 0; not changed.
    """
    add_wh(state, power_w * np.float32(dt_us / (SECOND_US * _J_PER_WH)))


def add_wh(state: Mapping[str, Values], part_wh: Values) -> None:
    """Count so many watt-hours, each >= 0 and less than one turn of the register; `part_wh` is overwritten."""
    energy = state["energy_wh"]
    add_to(energy, state["energy_rest_wh"], part_wh)
    over = energy >= FULL_WH
    if over.any():
        energy -= over * np.float32(FULL_WH)
