"""Where the parts of a vapour-compression machine agree: evaporator, compressor, condenser.

Three lines meet. The evaporator passes on heat with the distance of what it cools from the evaporating temperature;
the condenser gives off that heat and the compressor's power with the distance of the condensing temperature from the
air; and the compressor draws more when the gas comes in denser (warmer), less and for more power when it has to press
against a warmer condenser. Compressor makers print capacity and power as polynomials of both temperatures (EN 12900);
here they are cut after the linear terms, so that the balance is a pair of linear equations:

    1 + a x - b y = e (w - x)                               evaporator, x: evaporating temperature over the rated one
    1 + a x - b y + p (1 + c x + d y) = h (y + z)           condenser,  y: condensing temperature over the rated one

in rated capacities, with w = cooled - rated evaporating and z = rated condensing - air, both in K.

Source: W. F. Stoecker and J. W. Jones, Refrigeration and Air Conditioning, chapter 14 (balance points); the slopes are
those of R134a machines for air conditioning, read off catalogues (assumed). Columns are float32 (n,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.twin.flow import Values

RATED_EVAPORATING_C: Final = 2.0
RATED_CONDENSING_C: Final = 45.0
RATED_COOLED_C: Final = 7.0
RATED_AIR_C: Final = 32.0
CAPACITY_PER_EVAPORATING: Final = 0.035
CAPACITY_PER_CONDENSING: Final = 0.011
POWER_PER_EVAPORATING: Final = 0.004
POWER_PER_CONDENSING: Final = 0.018
"""a, b, c, d: shares of the rated capacity or power a kelvin."""
LOWEST_CONDENSING_C: Final = 28.0
"""Fans slow down in cold air, or the expansion valve would starve."""
LOWEST_EVAPORATING_C: Final = -45.0
LEAST_POWER: Final = 0.3
"""Of the rated power: friction and leakage of a compressor that has next to nothing to press."""
EVAPORATOR: Final = 1.0 / (RATED_COOLED_C - RATED_EVAPORATING_C)
"""e of a clean, full evaporator, 1/K."""


def condenser(cop: Values) -> Values:
    """h of a clean condenser, 1/K, for a rated coefficient of performance: new."""
    return (np.float32(1.0) + np.float32(1.0) / cop) * np.float32(1.0 / (RATED_CONDENSING_C - RATED_AIR_C))


@dataclass(frozen=True, slots=True)
class Balance:
    """What the machine does while it runs.

    Attributes:
        evaporating_c, condensing_c: where both temperatures settle.
        capacity: heat taken up, rated ones. per_k: how it grows with the temperature of what is cooled, 1/K, with the
            condensing temperature as it is.
    """

    evaporating_c: Values
    condensing_c: Values
    capacity: Values
    per_k: Values


def balance(cooled_c: Values, air_c: Values, evaporator: Values, condenser: Values, cop: Values) -> Balance:
    """Settled evaporating and condensing temperatures.

    Args:
        cooled_c: temperature of the water that leaves. air_c: at the condenser.
        evaporator, condenser: e and h, 1/K; lower if starved or fouled, > 0.
        cop: rated capacity over rated power.
    """
    a, b, c, d = map(
        np.float32,
        (CAPACITY_PER_EVAPORATING, CAPACITY_PER_CONDENSING, POWER_PER_EVAPORATING, POWER_PER_CONDENSING),
    )
    power = np.float32(1.0) / cop
    taken = evaporator + a
    given = condenser + b
    given -= power * d
    both = power * c
    both += a
    drawn = cooled_c - np.float32(RATED_EVAPORATING_C)
    drawn *= evaporator
    drawn -= 1.0

    y = air_c - np.float32(RATED_CONDENSING_C)
    y *= condenser
    y += power
    y += 1.0
    y *= taken
    y += both * drawn
    given *= taken
    both *= b
    given -= both
    y /= given
    np.maximum(y, np.float32(LOWEST_CONDENSING_C - RATED_CONDENSING_C), out=y)

    x = y * b
    x += drawn
    x /= taken
    np.maximum(x, np.float32(LOWEST_EVAPORATING_C - RATED_EVAPORATING_C), out=x)
    capacity = x * a
    capacity -= y * b
    capacity += 1.0
    np.maximum(capacity, 0.0, out=capacity)
    x += RATED_EVAPORATING_C
    y += RATED_CONDENSING_C
    return Balance(x, y, capacity, evaporator * (a / taken))


def power(evaporating_c: Values, condensing_c: Values) -> Values:
    """Power of the compressor at these temperatures, rated ones: new."""
    share = condensing_c - np.float32(RATED_CONDENSING_C)
    share *= POWER_PER_CONDENSING
    share += (evaporating_c - np.float32(RATED_EVAPORATING_C)) * np.float32(POWER_PER_EVAPORATING)
    share += 1.0
    np.maximum(share, LEAST_POWER, out=share)
    return share
