"""Supplies that live by the sun: a panel, a battery, and a load that is switched off before the battery is flat."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinstorm.twin.flow import DAY_US, HOUR_US, MINUTE_US, YEAR_US, Mask, Values
from twinstorm.twin.machines.kind import Inputs, Place
from twinstorm.twin.physics import climate

STEP_US: Final = MINUTE_US
LOAD_W: Final = 8.0
"""Of an edge gateway with its modem (assumed: data sheets of small ones say 4 to 12 W)."""
EFFICIENCY: Final = 0.75
"""From the panel to the battery, with dirt, heat and a plane that lies level (assumed)."""
FULL_SUN_W_M2: Final = 1_000.0
"""What the peak power of a panel refers to (IEC 60904)."""
LOW, AGAIN = 0.1, 0.3
"""Charge at which the load is switched off, and on again (assumed: usual settings of solar charge controllers)."""


class SolarSupply:
    """One row a supply.

    Args:
        where: of each. panel_w: peak power. battery_wh: capacity.
        year_us: as in `World`.

    Attributes:
        charge_wh: float64, what the battery holds; full at the start.
        on: the load is switched on.
    """

    def __init__(self, where: Place, panel_w: Values, battery_wh: Values, year_us: int) -> None:
        self._site = climate.of_place(where)
        self._panel_w = panel_w.astype(np.float64)
        self._battery_wh = battery_wh.astype(np.float64)
        self._year_us = year_us
        self.charge_wh = self._battery_wh.copy()
        self.on: Mask = np.ones(len(panel_w), np.bool_)

    def step(self, now_us: int) -> None:
        """Live through the `STEP_US` before `now_us`, under the sun of that instant."""
        since_new_year_us = self._year_us + now_us
        at = climate.moment(
            Inputs(
                now_us,
                STEP_US,
                calendar_us=since_new_year_us % DAY_US,
                year_us=since_new_year_us % YEAR_US,
            )
        )
        sun = climate.ground_w_m2(self._site, at).astype(np.float64)
        power_w = self._panel_w * (sun * (EFFICIENCY / FULL_SUN_W_M2)) - np.where(self.on, LOAD_W, 0.0)
        self.charge_wh = np.clip(self.charge_wh + power_w * (STEP_US / HOUR_US), 0.0, self._battery_wh)
        self.on = self.charge_wh > self._battery_wh * np.where(self.on, LOW, AGAIN)
