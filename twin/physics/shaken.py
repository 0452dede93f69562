"""What shakes one machine at an instant, and the record that an accelerometer on its bearing would make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import stream, word
from twinstorm.twin.flow import Values
from twinstorm.twin.machines.kind import Inputs
from twinstorm.twin.physics.bearing import Geometry
from twinstorm.twin.physics.waveform import Defects, Housing, acceleration

PARTS: Final = (("outer", 0.55), ("inner", 0.35), ("ball", 0.10))
"""Where bearings break out, and which share of them (assumed: the outer ring most, its load never moves on)."""
RESIDUAL: Final = 0.5
"""Of the vibration as new, what is imbalance: no rotor is balanced perfectly (assumed)."""
RATE_HZ: Final = 25_600.0
_PART: Final = 0x70617274
"""Stream of chance."""


@dataclass(frozen=True, slots=True)
class Shaken:
    """One machine.

    Attributes:
        bearing: its name in a catalogue, and its geometry.
        turns_per_s: of the shaft; 0: it stands still.
        defects: of bearing and rotor. housing: what their strokes ring.
        load: what the machine does at this instant, in words.
        velocity: channels that tell its vibration velocity, mm/s rms; none: nobody measures it.
        standard: by which `Channel.zones` of these judges; empty: nothing does.
    """

    bearing: str
    geometry: Geometry
    turns_per_s: float
    defects: Defects
    housing: Housing = field(default_factory=Housing)
    load: str = ""
    velocity: tuple[str, ...] = ()
    standard: str = ""

    def record(self, key: int, number: int = 0, samples: int = 25_600, rate_hz: float = RATE_HZ) -> Values:
        """Its radial acceleration: float32 (samples,), m/s2. See `acceleration`."""
        return acceleration(self.geometry, self.turns_per_s, self.defects, key, number, samples, rate_hz, self.housing)


@runtime_checkable
class Shaking(Protocol):
    """A kind of machine with a bearing to listen to. A kind need not have one."""

    def shaken(
        self,
        state: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, NDArray[Any]],
        inputs: Inputs,
        key: int,
    ) -> Shaken:
        """What shakes one machine; columns hold its row alone. Nothing is changed.

        Args:
            inputs: of its last step, with what fails in it now.
            key: of the device.
        """


def is_running(inputs: Inputs) -> bool:
    """Whether the one machine of these inputs works."""
    return inputs.running is None or bool(inputs.running[0])


def part_of(key: int) -> str:
    """The part of its bearing on which a machine's damage grows, always the same for a key."""
    share = (word(stream(key, _PART), key, 0) >> 11) * 2.0**-53
    for part, highest in PARTS[:-1]:
        if share < highest:
            return part
        share -= highest
    return PARTS[-1][0]


def damaged(key: int, severity: float, imbalance_mm_s: float, velocity_mm_s: float = 0.0) -> Defects:
    """A bearing that is broken out so far on its part, and a rotor that shakes.

    Args:
        velocity_mm_s: of the whole vibration, rms. What it exceeds the imbalance by, as powers, has no rate.
    """
    rest = max(velocity_mm_s * velocity_mm_s - imbalance_mm_s * imbalance_mm_s, 0.0)
    return Defects(**{part_of(key): severity}, imbalance_mm_s=imbalance_mm_s, broadband_mm_s=float(np.sqrt(rest)))
