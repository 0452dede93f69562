"""What every kind of machine is: channels, parameters, a pure vectorised step, and what can fail.

A kind is one class without state: the arrays belong to the world, so that a snapshot has them. A step sees a slice of
a block, typically 4,000 to 64,000 devices, as float32 columns and must not care which devices stand beside each other.
Only ``+ - * / sqrt``, comparisons, integers and tables may reach a value: they are the same on every CPU.

Because a step depends on its arguments alone, the same kind can be fitted to a recording (through `parameters`), driven
by one (through `Inputs.drives`), or closed in a loop with firmware that reads its channels and sets its drives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Channel, Int, Mask, Values
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
            >>> Quantity("drain_m_per_s", "m/s", 0.0005, 0.01, "").key
            'drain'
        """
        unit = self.unit.lower().replace("%", "pct")
        endings = (f"_{unit.replace('/', '_')}", f"_{unit.replace('/', '_per_')}", f"_{unit.replace('1/', 'per_')}")
        return next((self.name.removesuffix(end) for end in endings if self.name.endswith(end)), "") or self.name


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way in which machines of a kind fail.

    Attributes:
        name: as faults call it, e.g. ``bearing-spall``.
        summary: what breaks and what a person would see, for `twinstorm explain`.
        channels: where it shows first; at severity 1 each leaves what is normal.
        harms: it costs the machine health or life. False: what it does to goods, people or money is not the machine's,
            or it is over without a trace when its cause is.
    """

    name: str
    summary: str
    channels: tuple[str, ...]
    harms: bool = True


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
        lived_us: event-driven machines only: int64 (n,), how long each has lived since its own last step, >= 0; None:
            `dt_us`.
    """

    now_us: int
    dt_us: int
    running: Mask | None = None
    calendar_us: int = 0
    year_us: int = 0
    drives: Mapping[str, Values] = field(default_factory=_nothing)
    failures: Mapping[str, Values] = field(default_factory=_nothing)
    lived_us: Int | None = None

    def lived(self, n: int) -> Int:
        """How long each of n event-driven machines has lived since its last step; one without power stood still."""
        lived_us = np.full(n, self.dt_us, np.int64) if self.lived_us is None else self.lived_us
        return lived_us if self.running is None else np.where(self.running, lived_us, 0)


@dataclass(frozen=True, slots=True)
class Truth:
    """What nobody measures.

    Attributes:
        health: float32 (n,), 1 as new, 0 at the end of its life.
        remaining_s: float32 (n,), seconds to that end at the mean pace of the machine's own use, not at the load of the
            instant: it falls by about the time that passes. inf: nothing wears.
    """

    health: Values
    remaining_s: Values


class MachineKind(Protocol):
    """One kind of machine.

    Attributes:
        name: as scenarios write it.
        summary: one line for lists.
        channels: in the order of the rows of `out`; steps cover lowest..highest of each, see `twin.resolution`.
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


class EventKind(MachineKind, Protocol):
    """A kind whose machines speak when something happens, and not by a period.

    `step` advances each machine by its own time (`Inputs.lived`) through everything that happens in it meanwhile.
    Columns of parameters and state may be integers as well: instants in a machine's own time, counts, and uint64 keys
    of its chance, which is numbered by its events.

    Attributes:
        every_us: default longest gap between two readings: who has nothing to tell says so.
        grid_us: events since the last multiple of it are told together, at the next one.
    """

    grid_us: int

    def ahead_us(self, state: Mapping[str, NDArray[Any]]) -> Int:
        """How long until something happens in each machine by itself, > 0 in its own time; `NEVER_US`: nothing will."""

    def has_news(self, state: Mapping[str, NDArray[Any]]) -> Mask:
        """In whom the last step brought something that is told at once."""


@runtime_checkable
class Timeless(Protocol):
    """An event-driven kind to which instants mean nothing: a step hangs on how long each machine has lived, on no other
    time of `Inputs`. So machines of a small fleet may be stepped together, each to an instant of its own.

    Attributes:
        timeless: says so by being there.
    """

    timeless: bool


@dataclass(frozen=True, slots=True)
class Course:
    """What happened in machines while nobody looked: one row an event, those of a machine in order of time.

    Attributes:
        row: int64 (m,), which machine. at_us: int64 (m,), when, in the machine's own time.
        news: bool (m,), whether it is told at once.
        state: columns (m,), right after the event: those that `Foreseeable.measure` reads.
    """

    row: Int
    at_us: Int
    news: Mask
    state: Mapping[str, NDArray[Any]]


@runtime_checkable
class Foreseeable(Protocol):
    """An event-driven kind that can say at one call all that will happen in its machines for a while.

    A kind need not: a call costs the same for a few machines as for many, so that small fleets gain much by it. It asks
    two things of a kind. Its state has a column `clock_us`, int64: the machine's own time, on which nothing else
    depends while nothing happens. And it does not matter in how many steps a machine lives.
    """

    def foresee(
        self, state: Mapping[str, NDArray[Any]], parameters: Mapping[str, NDArray[Any]], inputs: Inputs
    ) -> Course:
        """As `step`, but every event is told instead of the end measured."""

    def measure(
        self,
        state: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, NDArray[Any]],
        noise: Values,
        out: Values,
    ) -> None:
        """What `step` would measure with this noise: see there. `state` has the columns of a `Course`."""


@runtime_checkable
class Repeatable(Protocol):
    """A kind with a period that can make several steps at one call. It need not; small fleets gain by it."""

    def repeat(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Sequence[Inputs],
        noise: Values,
        out: Values,
    ) -> None:
        """The same, to the bit, as a step with each of these inputs, one after the other.

        Args:
            inputs: without failures or drives; all machines work (`running` is None).
            noise, out: see `MachineKind.step`: (words, steps, n) and (channels, steps, n).
        """


def is_event_driven(kind: MachineKind) -> TypeGuard[EventKind]:
    return hasattr(kind, "grid_us")


@runtime_checkable
class Renewable(Protocol):
    """A kind of which a repair renews a part only: the worn one, not what is warm or counted beside it."""

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """Put in what these machines need to be as new: their health is 1 afterwards. Changes the state in place."""
