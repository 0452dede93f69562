"""Channels of a machine kind and the fields of its telemetry document: the mapping, both ways.

A channel keeps its name, unit last, as a field of `measurements`. Axes of one quantity are put together under the
quantity's name: ``vibration_x_mm_s`` is ``vibration: {x: ...}``, its unit that of the channel. The battery's charge is
no measurement of the machine: ``battery_pct`` is ``metadata.battery_level``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Channel, Values
from twinstorm.twin.wire.documents import Measurement

BATTERY: Final = "battery_pct"
_AXIS = re.compile(r"(?P<quantity>.+)_(?P<axis>[xyz])_.+")
Place = tuple[str, str | None]
"""Field of `measurements`, and the axis if the field holds several."""

_MOST_DECIMALS: Final = 9
_OFF_GRID: Final = 1e-3
"""How far, in steps, a number may lie from the sensor's grid and still be taken for a point of it."""


@dataclass(frozen=True)
class Layout:
    """Documents of one kind.

    Attributes:
        channels: in the order of values.
    """

    kind: str
    channels: tuple[Channel, ...]

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where each channel stands."""
        found = ((channel.name, _AXIS.fullmatch(channel.name)) for channel in self.channels)
        return tuple((name, None) if axis is None else (axis["quantity"], axis["axis"]) for name, axis in found)

    @cached_property
    def _columns(self) -> dict[Place, int]:
        """Channel at each place among the measurements."""
        return {place: column for column, place in enumerate(self.places) if place[0] != BATTERY}

    @cached_property
    def _battery(self) -> int | None:
        """Channel of the battery."""
        return next((column for column, place in enumerate(self.places) if place[0] == BATTERY), None)

    @cached_property
    def _decimals(self) -> tuple[int, ...]:
        """Digits after the point that a point of each channel's grid needs."""
        return tuple(max(_decimals(channel.step), _decimals(channel.offset)) for channel in self.channels)

    @cached_property
    def _wide(self) -> bool:
        return any(channel.is_wide for channel in self.channels)

    def numbers(self, values: Sequence[float]) -> list[float | None]:
        """The values of one reading, as short as the resolution allows; None for a silent channel."""
        if self._wide:
            values = [self._nearest(channel, value) for channel, value in zip(self.channels, values, strict=True)]
        return [
            round(value, decimals) if math.isfinite(value) else None
            for decimals, value in zip(self._decimals, values, strict=True)
        ]

    @staticmethod
    def _nearest(channel: Channel, value: float) -> float:
        """The step that a float32 stands for, in full: at the far end of a long range its own digits are too few."""
        if not math.isfinite(value):
            return value
        step = round((value - channel.offset) / channel.step) * channel.step + channel.offset
        return step if abs(step - value) < channel.step / 2.0 else value

    def measurements(self, values: Sequence[float]) -> tuple[dict[str, Measurement], float | None]:
        """`measurements` and `metadata.battery_level` of one reading, numbers as short as the resolution allows.

        Args:
            values: one a channel, NaN for a silent one.
        """
        told: dict[str, Measurement] = {}
        battery: float | None = None
        for (name, axis), number in zip(self.places, self.numbers(values), strict=True):
            if name == BATTERY:
                battery = number
            elif axis is None:
                told[name] = number
            else:
                axes = told.setdefault(name, {})
                assert isinstance(axes, dict)
                axes[axis] = number
        return told, battery

    def values(self, measurements: Mapping[str, Measurement], battery: float | None) -> tuple[float, ...] | str:
        """One number a channel, NaN for a silent or missing one; or what is wrong.

        Ranges are not looked at. NaN itself is wrong: who has no value sends null.
        """
        row = [math.nan] * len(self.channels)
        for name, measurement in measurements.items():
            for axis, value in measurement.items() if isinstance(measurement, dict) else ((None, measurement),):
                if value is None:
                    continue
                column = self._columns.get((name, axis))
                if column is None:
                    return f"{self.kind} has no such measurement: {_shown(name, axis)}"
                if not math.isfinite(value):
                    return f"{_shown(name, axis)} is not finite"
                row[column] = value
        if battery is not None and self._battery is not None:
            if not math.isfinite(battery):
                return "battery_level is not finite"
            row[self._battery] = battery
        return tuple(row)

    def on_grid(self, rows: NDArray[np.float64]) -> Values:
        """Numbers of documents as the float32 values that the rest works with.

        What lies on the sensor's grid gets the bits that a modelled reading has, whatever its decimal notation made of
        them; finer values of a better sensor stay as they are.

        Args:
            rows: (n, channels).

        Returns:
            float32 (n, channels), columns contiguous.
        """
        values = np.empty(rows.shape, np.float32, order="F")
        with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is out of any sensor's range
            self._fill(values, rows)
        return values

    def _fill(self, values: Values, rows: NDArray[np.float64]) -> None:
        for column, channel in enumerate(self.channels):
            numbers = rows[:, column]
            steps = np.rint((numbers - channel.offset) / channel.step)
            # In this order, as the world quantises.
            if self._wide:
                grid = (steps * channel.step + channel.offset).astype(np.float32)
            else:
                grid = steps.astype(np.float32)
                grid *= np.float32(channel.step)
                if channel.offset:
                    grid += np.float32(channel.offset)
            plain = numbers.astype(np.float32)
            near = np.abs(steps * channel.step + channel.offset - numbers) <= _OFF_GRID * channel.step
            near &= np.abs(steps) <= (channel.MOST_WIDE_STEPS if self._wide else channel.MOST_STEPS) + 1
            values[:, column] = np.where(near, grid, plain)


def layouts(channels: Mapping[str, tuple[Channel, ...]]) -> dict[str, Layout]:
    """Layouts of all kinds of a registry (`Registry.channels`)."""
    return {kind: Layout(kind, of_kind) for kind, of_kind in channels.items()}


def _decimals(number: float) -> int:
    return next(
        (digits for digits in range(_MOST_DECIMALS) if math.isclose(round(number, digits), number, abs_tol=1e-12)),
        _MOST_DECIMALS,
    )


def _shown(name: str, axis: str | None) -> str:
    """A name from outside, safe to print."""
    return ascii(name[:40] if axis is None else f"{name[:40]}.{axis[:40]}")
