"""What a motor is made of: windings, case, bearing, and how its bearing wears."""

from __future__ import annotations

from typing import Final

from twinstorm.twin.flow import Values
from twinstorm.twin.physics.bearing import rating_life_hours, weibull_scale
from twinstorm.twin.physics.motor_duty import LEVEL_S, MEAN, MEAN_CUBE, MEAN_SQUARE
from twinstorm.twin.physics.thermal import TwoNode

# --- electricity and heat ---------------------------------------------------------------------------------------------

RATED_W: Final = 15_000.0
"""At the shaft."""
SYNCHRONOUS_RPM: Final = 1500.0
RATED_SLIP_RPM: Final = 30.0
RATED_A: Final = 29.0
MAGNETISING_SHARE: Final = 0.4
"""Of the rated current, in quadrature with the load current: what flows without load."""
COPPER_W: Final = 800.0
"""Losses in the winding at rated load; its resistance is taken at working temperature."""
CONSTANT_W: Final = 480.0
"""Iron and friction losses, felt by the case."""
RUNNING: Final = TwoNode(6_000.0, 43_000.0, 0.05, 0.031, LEVEL_S)
"""15 kW with a fan on the shaft (assumed: textbook magnitudes; time constants 4 and 26 minutes)."""
STOPPED: Final = TwoNode(6_000.0, 43_000.0, 0.05, 0.093, LEVEL_S)
"""The fan stands still: three times the resistance to air."""
LOAD_RISES_K: Final = RUNNING.final_rises_k(COPPER_W, 0.0)
CONSTANT_RISE_K: Final = RUNNING.final_rises_k(0.0, CONSTANT_W)[1]

# --- bearing ----------------------------------------------------------------------------------------------------------

CAPACITY_KN: Final = 55.3
RATED_LOAD_KN: Final = 4.0
BELT_SHARE: Final = 0.4
"""Of the bearing's load, from belt tension: there at any load of the motor."""
LIFE_SHAPE: Final = 1.5
LIFE_SCALE_S: Final = 3600.0 * weibull_scale(
    rating_life_hours(CAPACITY_KN, RATED_LOAD_KN, SYNCHRONOUS_RPM - RATED_SLIP_RPM), LIFE_SHAPE
)
SHORTEST_LIFE_S: Final = 3600.0 * 100.0
"""Weibull has no shortest life; a bearing that failed on its first days was replaced under warranty."""
NEWEST_WEAR, OLDEST_WEAR = 0.02, 0.80
"""Wear of the fleet at the start: maintenance replaced what was older."""
WORST_WEAR: Final = 1.1
"""A bearing this far past its life does not get worse by turning."""
WORN_OUT_FACTOR: Final = 11.0
"""Vibration at the end of the life is 1 + this times that of a new bearing: zone C or D of ISO 10816."""
VIBRATION_NOISE: Final = 0.04
"""Of the value: what an rms value over about 300 independent samples scatters."""


def wear_rate(load: Values, life_rate_per_s: Values) -> Values:
    """Wear a second: the cube of the bearing's load over the rated one (Palmgren and Miner, with ISO 281)."""
    rate = load * (1.0 - BELT_SHARE)
    rate += BELT_SHARE
    cube = rate * rate
    cube *= rate
    cube *= life_rate_per_s
    return cube


def mean_cube(duty: Values, at_rest: Values | float = BELT_SHARE) -> Values:
    """Mean over the duty profile of the cube of the bearing's load: float32 (n,), new.

    Args:
        duty: share of the rated load that a level of 1 asks for.
        at_rest: what pulls at the bearing at any load of the motor, as a share of its rated load.
    """
    by_load = duty * (1.0 - BELT_SHARE)
    cube = by_load * MEAN_CUBE
    cube += 3.0 * MEAN_SQUARE * at_rest
    cube *= by_load
    cube += 3.0 * MEAN * at_rest * at_rest
    cube *= by_load
    cube += at_rest * at_rest * at_rest
    return cube
