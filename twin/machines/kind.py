"""What every kind of machine is: channels, parameters, a pure vectorised step, and what can fail.

A kind is one class without state: the arrays belong to the world, so that a snapshot has them. A step sees a slice of
a block, typically 4,000 to 64,000 devices, as float32 columns and must not care which devices stand beside each other.
Only ``+ - * / sqrt``, comparisons, integers and tables may reach a value: they are the same on every CPU.

Because a step depends on its arguments alone, the same kind can be fitted to a recording (through `parameters`), driven
by one (through `Inputs.drives`), or closed in a loop with firmware that reads its channels and sets its drives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Channel, Mask, Values
from twinstorm.twin.machines.installed import catalogue as catalogue

Draws = Callable[[int], Words]
"""`draws(i)` is the i-th keyed word of every device, uint64 (n,), 0 <= i < 256."""


def _nothing() -> Mapping[str, Values]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A named number with a unit and a physical range: a parameter that may be set, or a drive.

    Attributes:
        name: with its unit last, e.g. ``ambient_c``.
        lowest, highest: inclusive; what lies outside is refused before a run starts.
        summary: what it is, for `twinstorm explain`.
    """

    name: str
    unit: str
    lowest: float
    highest: float
    summary: str

    @property
    def key(self) -> str:
        """Its name without the unit, which in a scenario stands beside the value.

        Example:
            >>> Quantity("flow_m3_h", "m3/h", 0.0, 150.0, "").key
            'flow'
        """
        unit = self.unit.lower().replace("%", "pct").replace("/", "_")
        return self.name.removesuffix(f"_{unit}") or self.name


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way in which machines of a kind fail.

    Attributes:
        name: as faults call it, e.g. ``bearing-spall``.
        summary: what breaks and what a person would see, for `twinstorm explain`.
        channels: where it shows first; at severity 1 each leaves what is normal.
    """

    name: str
    summary: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where machines stand: columns of n devices.

    Attributes:
        latitude_deg, longitude_deg: float64; north and east positive.
        altitude_m: float64, above the sea.
        of_site: as `Draws`, but the same word for all devices of a site: what neighbours share.
    """

    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]
    altitude_m: NDArray[np.float64]
    of_site: Draws


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a step needs to know of the world.

    Attributes:
        now_us: simulated instant of the sampling, microseconds since the start of the run.
        dt_us: time since the last step, > 0.
        running: bool (n,), whose machine has power; None: all. The others do not work: they cool, rest, keep still.
        calendar_us: local time of day at `now_us`, microseconds since midnight.
        year_us: microseconds since the start of the calendar year.
        drives: float32 (n,) by name of a drive: what was recorded or is set from outside. NaN, or no entry: the machine
            follows its own rule.
        failures: float32 (n,) in 0..1 by failure mode, how far it has gone; no entry: 0.
    """

    now_us: int
    dt_us: int
    running: Mask | None = None
    calendar_us: int = 0
    year_us: int = 0
    drives: Mapping[str, Values] = field(default_factory=_nothing)
    failures: Mapping[str, Values] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Truth:
    """What nobody measures.

    Attributes:
        health: float32 (n,), 1 as new, 0 at the end of its life.
        remaining_s: float32 (n,), seconds to that end if the machine goes on as it does now; inf: nothing wears.
    """

    health: Values
    remaining_s: Values


class MachineKind(Protocol):
    """One kind of machine.

    Attributes:
        name: as scenarios write it.
        summary: one line for lists.
        channels: in the order of the rows of `out`; int16 steps cover lowest..highest of each.
        every_us: default sampling period.
        words: 64-bit words of chance that one reading needs; each gives four normal draws.
        settable: those of the parameters that a scenario or a fit may set, with their physical range.
        drives: what may be given from outside instead of the machine's own rule.
        failures: what can fail.
    """

    name: str
    summary: str
    channels: tuple[Channel, ...]
    every_us: int
    words: int
    settable: tuple[Quantity, ...]
    drives: tuple[Quantity, ...]
    failures: tuple[FailureMode, ...]

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """What differs from device to device: float32 (n,) each, within physical bounds."""

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """State at instant 0, float32 (n,) each. New arrays, never views of the parameters."""

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """Advance by `inputs.dt_us` to `inputs.now_us` and measure.

        The state is integrated exactly for inputs that are constant over the step, so that the sampling period does
        not bend the trajectory.

        Args:
            state: changed in place.
            noise: float32 (4 words, n), standard normal; may be overwritten.
            out: float32 (channels, n), rows contiguous; receives true value plus sensor noise within the range of the
                channel, never NaN: a machine has a value, and a channel falls silent by a fault of its sensor only.
                What machines without power leave there nobody sends.
        """

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """Hidden health and remaining life of every machine."""
