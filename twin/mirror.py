"""Mirrors: twins of devices that are watched, each stepped to when its device was sampled and driven by what it told.

A mirror knows no more of its machine than an engineer does: the kind, and what the data sheet or a fit says. Whatever
machines of a kind draw by lot stands in the middle of the lot. So what a device tells less what its mirror would
measure, the *residual*, is small while the machine is what it is believed to be, and grows when it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import DAY_US, YEAR_US, Channel, Int, Values
from twinstorm.twin.machines import checked
from twinstorm.twin.machines.kind import Inputs, MachineKind, Place, Quantity
from twinstorm.twin.residual_names import residual_name

MIDDLE: Final = np.uint64(1 << 63)
"""Of all words of chance."""
GRAIN_US: Final = 1_000
"""Steps are whole milliseconds, so that devices whose clocks differ a little are stepped together. What is cut off is
carried on: no mirror lags by more than half of it."""
INSTANT_US: Final = 100_000
"""The time of day of a step, as fine as devices of a kind sample by themselves: those of one such stretch are stepped
together, whoever else is there."""
LONGEST_US: Final = DAY_US
"""A longer step is no gap in what a device told: its clock was set."""


@dataclass(frozen=True, slots=True)
class Driven:
    """A drive that follows a channel: ``factor * value + offset``, but never beyond the range of the drive.

    Attributes:
        channel: index of the kind's channel.
    """

    drive: Quantity
    channel: int
    factor: float = 1.0
    offset: float = 0.0

    def of(self, values: Values) -> Values:
        """float32 (n,), from float32 (n, channels); NaN where the channel is silent: then the machine's own rule
        holds."""
        given = values[:, self.channel] * np.float32(self.factor) + np.float32(self.offset)
        return np.clip(given, np.float32(self.drive.lowest), np.float32(self.drive.highest))


class Mirror:
    """Mirrors of n devices of one kind with a period.

    Args:
        where: where they stand.
        machine: parameters that are known, in their own units; others stand in the middle of the lot.
        driven: drives that channels set. The others follow the machine's own rule.
        year_us: microseconds since the first midnight of the calendar year at instant 0, local to every device.

    Raises:
        PluginError: the kind does not keep to its contract.
    """

    def __init__(
        self,
        kind: MachineKind,
        where: Place,
        machine: Mapping[str, float],
        driven: Sequence[Driven],
        year_us: int,
    ) -> None:
        n = len(where.latitude_deg)
        here = replace(where, of_site=lambda _: np.full(n, MIDDLE))
        self.kind, self._driven, self._year_us = kind, tuple(driven), year_us
        self._parameters = checked.set_up(kind, lambda _: np.full(n, MIDDLE), here, n)
        for name, value in machine.items():
            self._parameters[name][:] = value
        self._state = checked.begin(kind, self._parameters, n)
        self._at_us: Int = np.zeros(n, np.int64)

    def measure(self, rows: NDArray[np.intp], at_us: Int, values: Values) -> Values:
        """Step mirrors to when their devices were sampled.

        Args:
            rows: int (k,), different ones. at_us: int64 (k,), by the clocks of the devices.
            values: float32 (k, channels), what they told.

        Returns:
            float32 (k, channels), what the mirrors measure, without noise; NaN where a clock was set, back or far
            ahead: such a mirror stands still and goes on from there.

        Raises:
            PluginError: the kind does not keep to its contract.
        """
        told = np.full(values.shape, np.nan, np.float32)
        since_us = at_us - self._at_us[rows]
        is_step = (since_us > GRAIN_US // 2) & (since_us <= LONGEST_US)
        self._at_us[rows[~is_step]] = at_us[~is_step]
        steps = (since_us[is_step] + GRAIN_US // 2) // GRAIN_US
        mine = np.flatnonzero(is_step)
        instants = at_us[is_step] // INSTANT_US
        for step, instant in np.unique(np.stack([steps, instants]), axis=1).T.tolist():
            some = mine[(steps == step) & (instants == instant)]
            told[some] = self._step(rows[some], step * GRAIN_US, instant * INSTANT_US, values[some])
        return told

    def _step(self, rows: NDArray[np.intp], dt_us: int, now_us: int, values: Values) -> Values:
        self._at_us[rows] += dt_us
        state: dict[str, Any] = {name: column[rows] for name, column in self._state.items()}
        parameters = {name: column[rows] for name, column in self._parameters.items()}
        inputs = Inputs(
            now_us=now_us,
            dt_us=dt_us,
            calendar_us=(self._year_us + now_us) % DAY_US,
            year_us=(self._year_us + now_us) % YEAR_US,
            drives={one.drive.name: one.of(values) for one in self._driven},
        )
        out = np.full((len(self.kind.channels), len(rows)), np.nan, np.float32)
        noise = np.zeros((4 * self.kind.words, len(rows)), np.float32)
        checked.step(self.kind, state, parameters, inputs, noise, out)
        for name, column in state.items():
            self._state[name][rows] = column
        return out.T


def residual_of(channel: Channel) -> Channel:
    """The channel in which a residual is told, e.g. ``residual_flow_m3_h``: as fine as its own, from one end of its
    range to the other and back."""
    reach = channel.highest - channel.lowest
    return Channel(residual_name(channel.name), channel.unit, -reach, reach, channel.step, averaged=channel.averaged)
