"""Oxygen from the air into the blood: what lungs reach at an altitude, and how much haemoglobin takes of it."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinstorm.twin.flow import Values
from twinstorm.twin.physics import air
from twinstorm.twin.physics.spread import Floats

MMHG_HPA: Final = 0.750062
WATER_MMHG, OXYGEN_SHARE, CARBON_MMHG, QUOTIENT = 47.0, 0.2095, 40.0, 0.8
"""Water vapour in the lungs, oxygen in air, carbon dioxide in blood, respiratory quotient."""
DEEPER_MMHG_M: Final = 0.0024
"""Carbon dioxide that those who live high up breathe off (40 mmHg at the sea, 34 at 2,500 m)."""


def arterial_mmhg(altitude_m: Floats, age_years: Floats) -> Floats:
    """Partial pressure of oxygen in the blood of somebody who lives at an altitude, mmHg.

    Alveolar gas equation less the step into the blood, 2.5 + 0.21 age at sea level (Mellemgaard, Acta Physiol. Scand.
    67, 1966) and less where there is less oxygen to lose.
    """
    dry_mmhg = air.station_hpa(altitude_m) * MMHG_HPA - WATER_MMHG
    alveolar = OXYGEN_SHARE * dry_mmhg - (CARBON_MMHG - DEEPER_MMHG_M * np.maximum(altitude_m, 0.0)) / QUOTIENT
    return alveolar - (2.5 + 0.21 * age_years) * alveolar / 100.0


def saturation_pct(oxygen_mmhg: Values) -> Values:
    """Haemoglobin saturation by partial pressure: float32 (n,), new.

    Source: Severinghaus, J. Appl. Physiol. 46 (1979): 1 / (23400 / (p**3 + 150 p) + 1); to 0.6 % of saturation.
    """
    cubic = oxygen_mmhg * oxygen_mmhg
    cubic += 150.0
    cubic *= oxygen_mmhg
    return cubic / (cubic + 23_400.0) * np.float32(100.0)
