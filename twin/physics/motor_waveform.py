"""The waveform behind a motor's vibration values: one motor, on request."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twinstorm.twin.flow import Values
from twinstorm.twin.physics.bearing import BALL_6309
from twinstorm.twin.physics.motor_apart import DRY, DRY_VIBRATION, IMBALANCE, IMBALANCE_MM_S
from twinstorm.twin.physics.motor_body import RATED_SLIP_RPM, SYNCHRONOUS_RPM, WORN_OUT_FACTOR
from twinstorm.twin.physics.shaken import RATE_HZ, RESIDUAL, damaged
from twinstorm.twin.physics.waveform import Defects, acceleration


def turns_per_s(load: float) -> float:
    """Of the shaft under this share of the rated load."""
    return (SYNCHRONOUS_RPM - RATED_SLIP_RPM * load) / 60.0


def defects_of(
    state: Mapping[str, Values], parameters: Mapping[str, Values], failures: Mapping[str, Values], row: int, key: int
) -> Defects:
    """What is wrong with one motor, from its hidden state, along the radial axis that shakes most: x.

    Args:
        failures: as in `Inputs.failures`. row: of the motor in the columns. key: of the device.
    """
    wear, smooth_mm_s, share = (
        float(column[row]) for column in (state["wear"], parameters["smooth_mm_s"], parameters["x_share"])
    )
    square = wear * wear
    broken_out = square * square * square * square
    imbalance, dry = (float(failures[name][row]) if name in failures else 0.0 for name in (IMBALANCE, DRY))
    turns = turns_per_s(float(state["load"][row])) * 60.0 / SYNCHRONOUS_RPM
    worn_mm_s = share * smooth_mm_s * (1.0 + WORN_OUT_FACTOR * broken_out) * (1.0 + DRY_VIBRATION * dry)
    uneven_mm_s, residual_mm_s = share * IMBALANCE_MM_S * imbalance * turns * turns, share * RESIDUAL * smooth_mm_s
    # Of different origin: they add up as powers, as in what the sensors tell.
    return damaged(
        key,
        min(broken_out, 1.0),
        float(np.sqrt(residual_mm_s * residual_mm_s + uneven_mm_s * uneven_mm_s)),
        float(np.sqrt(worn_mm_s * worn_mm_s + uneven_mm_s * uneven_mm_s)),
    )


def motor_acceleration(
    state: Mapping[str, Values],
    parameters: Mapping[str, Values],
    failures: Mapping[str, Values],
    row: int,
    key: int,
    number: int = 0,
    samples: int = 25_600,
    rate_hz: float = RATE_HZ,
    running: bool = True,
) -> Values:
    """A record of one motor's housing at its present speed: float32 (samples,), m/s2. See `acceleration`."""
    defects = defects_of(state, parameters, failures, row, key)
    turning = turns_per_s(float(state["load"][row])) if running else 0.0
    return acceleration(BALL_6309, turning, defects, key, number, samples, rate_hz)
