"""The public grid at a connection: nominal voltage and frequency by continent, and how both wander.

Frequency is the same in a whole grid and falls when demand outruns power stations. Voltage is the feeder's: high at
night, lower under the evening's load, the same for all who hang on it up to where they hang.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinstorm.twin.flow import SECOND_US, Mask, Values
from twinstorm.twin.machines.kind import Draws, Inputs, Place
from twinstorm.twin.physics import air
from twinstorm.twin.physics.spread import Floats, uniform
from twinstorm.twin.physics.wander import Wander, phase
from twinstorm.twin.physics.weeks import of_week_us, week

EUROPE_V, EUROPE_HZ = 230.0, 50.0
AMERICA_V, AMERICA_HZ = 240.0, 60.0
"""Two phases of 120 V, as a meter sees them."""
HIGHEST, LOWEST = 1.10, 0.90
"""Of the nominal voltage: what a customer may be given. Source: EN 50160."""

_WORKDAY = (3, 2, 1, 1, 1, 2, 4, 6, 7, 6, 6, 6, 7, 6, 6, 6, 6, 8, 10, 10, 9, 8, 6, 4)
_WEEKEND = (4, 3, 2, 1, 1, 1, 2, 3, 5, 6, 7, 8, 8, 7, 6, 6, 6, 7, 9, 9, 8, 7, 6, 5)
LOADING: Final = week(_WORKDAY, _WEEKEND, _WEEKEND, 12) / np.float32(10.0)
"""Of a feeder, as a share of its highest (assumed: homes and shops mixed)."""
SAG_SHARE: Final = 0.035
"""Voltage lost at the middle of a feeder under its highest load, of the nominal one (assumed)."""
FEEDER: Final = Wander(2, 20 * SECOND_US, {1: 0.0012, 8: 0.002, 128: 0.003})
"""What the neighbours do and what the transformer's taps make of it, of the nominal voltage (assumed)."""
_FREQUENCY: Final = Wander(3, 4 * SECOND_US, {1: 0.003, 16: 0.012, 256: 0.012})
"""Deviation in Hz: about 20 mHz, as in a large grid (assumed)."""


def american(place: Place) -> Mask:
    """Who has 60 Hz: North America down to the Caribbean (Japan and Brazil, which have both, count as 50 Hz)."""
    return np.asarray(
        (place.longitude_deg > -170.0) & (place.longitude_deg < -50.0) & (place.latitude_deg > 10.0), np.bool_
    )


def of_place(draws: Draws, place: Place) -> dict[str, Values]:
    """What a connection is given: float32 (n,) each.

    Returns:
        supply_v: at the connection without load on the feeder. feeder_share: how far down the feeder, about 1.
        feeder_phase: of the site, in `FEEDER`.
    """
    nominal: Floats = np.where(american(place), AMERICA_V, EUROPE_V)
    return {
        "supply_v": (nominal * uniform(draws(200), 1.005, 1.025)).astype(np.float32),
        "feeder_share": uniform(draws(201), 0.5, 1.5),
        "feeder_phase": phase(place.of_site(5)),
    }


def voltage_v(supply_v: Values, feeder_share: Values, feeder_phase: Values, inputs: Inputs) -> Values:
    """Voltage at a connection that draws nothing itself: float32 (n,), new."""
    voltage = FEEDER.at(feeder_phase, inputs.now_us)
    voltage -= feeder_share * (SAG_SHARE * loading(inputs))
    voltage += 1.0
    voltage *= supply_v
    return voltage


def loading(inputs: Inputs) -> float:
    """Load of a feeder as a share of its highest, linear between the entries of `LOADING`."""
    place = of_week_us(inputs) / (300 * SECOND_US)
    entry = int(place)
    low, high = float(LOADING[entry]), float(LOADING[(entry + 1) % len(LOADING)])
    return low + (high - low) * (place - entry)


def deviation_hz(now_us: int) -> float:
    """How far the grid's frequency is from its nominal one, with the quarter hours in which power is traded."""
    traded = 0.006 * air.day(now_us % (900 * SECOND_US) * 96)[1]
    return float(_FREQUENCY.at(np.zeros(1, np.float32), now_us)[0]) + traded
