"""The waveform behind a motor's vibration values: one motor, on request."""

from __future__ import annotations

from collections.abc import Mapping

from twinstorm.twin.flow import Values
from twinstorm.twin.physics.bearing import BALL_6309
from twinstorm.twin.physics.motor_apart import IMBALANCE, IMBALANCE_MM_S
from twinstorm.twin.physics.motor_body import RATED_SLIP_RPM, SYNCHRONOUS_RPM
from twinstorm.twin.physics.shaken import RATE_HZ, RESIDUAL, damaged
from twinstorm.twin.physics.waveform import Defects, acceleration


def turns_per_s(load: float) -> float:
    """Of the shaft under this share of the rated load."""
    return (SYNCHRONOUS_RPM - RATED_SLIP_RPM * load) / 60.0


def defects_of(
    state: Mapping[str, Values], parameters: Mapping[str, Values], failures: Mapping[str, Values], row: int, key: int
) -> Defects:
    """What is wrong with one motor, from its hidden state.

    Args:
        failures: as in `Inputs.failures`. row: of the motor in the columns. key: of the device.
    """
    wear = min(float(state["wear"][row]), 1.0)
    square = wear * wear
    fourth = square * square
    imbalance = float(failures[IMBALANCE][row]) if IMBALANCE in failures else 0.0
    shaken_mm_s = RESIDUAL * float(parameters["smooth_mm_s"][row]) + IMBALANCE_MM_S * imbalance
    return damaged(key, fourth * fourth, shaken_mm_s)


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
