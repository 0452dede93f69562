"""The waveform behind a motor's vibration values: one motor, on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twinstorm.twin.chance import stream, word
from twinstorm.twin.flow import Values
from twinstorm.twin.physics.bearing import BALL_6309
from twinstorm.twin.physics.motor_apart import IMBALANCE, IMBALANCE_MM_S
from twinstorm.twin.physics.motor_body import RATED_SLIP_RPM, SYNCHRONOUS_RPM
from twinstorm.twin.physics.waveform import Defects, acceleration

PARTS: Final = (("outer", 0.55), ("inner", 0.35), ("ball", 0.10))
"""Where bearings break out, and which share of them (assumed: the outer ring most, its load never moves on)."""
RESIDUAL: Final = 0.5
"""Of the vibration as new, what is imbalance: no rotor is balanced perfectly (assumed)."""
_PART: Final = 0x70617274
"""Stream of chance."""


def part_of(key: int) -> str:
    """The part of its bearing on which a machine's damage grows, always the same for a key."""
    share = (word(stream(key, _PART), key, 0) >> 11) * 2.0**-53
    for part, highest in PARTS[:-1]:
        if share < highest:
            return part
        share -= highest
    return PARTS[-1][0]


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
    return Defects(**{part_of(key): fourth * fourth}, imbalance_mm_s=shaken_mm_s)


def motor_acceleration(
    state: Mapping[str, Values],
    parameters: Mapping[str, Values],
    failures: Mapping[str, Values],
    row: int,
    key: int,
    number: int = 0,
    samples: int = 25_600,
    rate_hz: float = 25_600.0,
    running: bool = True,
) -> Values:
    """A record of one motor's housing at its present speed: float32 (samples,), m/s2. See `acceleration`."""
    turns_per_s = (SYNCHRONOUS_RPM - RATED_SLIP_RPM * float(state["load"][row])) / 60.0 if running else 0.0
    defects = defects_of(state, parameters, failures, row, key)
    return acceleration(BALL_6309, turns_per_s, defects, key, number, samples, rate_hz)
