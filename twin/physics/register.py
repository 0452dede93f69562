"""The register of an electricity meter: energy as its display shows it, which rolls over.

Five digits of kilowatt-hours and two behind the point. A meter must have enough digits to run for 4,000 hours at full
load without showing the same again (Directive 2014/32/EU, annex V): at 24 kW, the main fuse of a house, these are
96,000 kWh.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from twinstorm.twin.flow import SECOND_US, Channel, Values
from twinstorm.twin.physics.counting import add_to

FULL_WH: Final = 100_000_000.0
"""After 99,999.99 kWh the register begins again at 0."""
LAST_KWH: Final = 99_999.99
STEP_KWH: Final = 0.01
_J_PER_WH: Final = 3600.0


def channel(name: str) -> Channel:
    """The channel that tells such a register."""
    return Channel(name, "kWh", 0.0, LAST_KWH, STEP_KWH, averaged=False)


def shown_kwh(state: Mapping[str, Values]) -> Values:
    """What the display shows: float32 (n,), new."""
    shown = state["energy_wh"] * np.float32(1e-3)
    return np.minimum(shown, np.float32(LAST_KWH), out=shown)


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
