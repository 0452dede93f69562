"""What every kind of machine is: channels, parameters, a pure vectorised step.

A kind is one class without state: the arrays belong to the world, so that a snapshot has them. A step sees a slice of
a block, typically 4,000 to 64,000 devices, as float32 columns and must not care which devices stand beside each other.
Only ``+ - * / sqrt``, comparisons, integers and tables may reach a value: they are the same on every CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Channel, Mask, Values


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a step needs to know of the world.

    Attributes:
        now_us: simulated instant of the sampling, microseconds since the start of the run.
        dt_us: time since the last step, > 0.
        running: bool (n,), whose machine has power; None: all. The others do not work: they cool, rest, keep still.
        calendar_us: local time of day at `now_us`, microseconds since midnight.
    """

    now_us: int
    dt_us: int
    running: Mask | None = None
    calendar_us: int = 0


class MachineKind(Protocol):
    """One kind of machine.

    Attributes:
        name: as scenarios write it.
        summary: one line for lists.
        channels: in the order of the rows of `out`; int16 steps cover lowest..highest of each.
        every_us: default sampling period.
        words: 64-bit words of chance that one reading needs; each gives four normal draws.
    """

    name: str
    summary: str
    channels: tuple[Channel, ...]
    every_us: int
    words: int

    def parameters(self, draws: Callable[[int], Words]) -> dict[str, Values]:
        """What differs from device to device: float32 (n,) each, within physical bounds.

        Args:
            draws: `draws(i)` is the i-th keyed word of every device, uint64 (n,), 0 <= i < 256.
        """

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
                channel. Rows of machines without power hold numbers that nobody sends.
        """


GROUP = "twinstorm.machines"


@cache
def catalogue() -> Mapping[str, MachineKind]:
    """Name to instance of every installed kind, ours and strangers', sorted by name."""
    found: dict[str, Any] = {point.name: point.load()() for point in entry_points(group=GROUP)}
    return dict(sorted(found.items()))
