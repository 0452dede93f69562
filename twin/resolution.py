"""The resolution of a sensor: readings are whole int16 steps, ``offset + step * q``, in buffers and on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Channel, Mask, Values

Steps = NDArray[np.int16]

SILENT: Final = -32_768
"""The step that says: this channel told nothing. As a value it is NaN."""
SMALL_VALUES: Final = 16_384
LOWEST, HIGHEST = -32_767.0, 32_767.0


class OutOfRange(Exception):
    """A machine measured what its channel cannot tell: NaN, infinity, or a value beyond its range.

    Attributes:
        channel, row: where, the first such value.
    """

    def __init__(self, channel: int, row: int, value: float) -> None:
        super().__init__(channel, row, value)
        self.channel, self.row, self.value = channel, row, value


class Scale:
    """Offsets and steps of the channels of one kind, float32 (channels,)."""

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        self.offset = np.array([channel.offset for channel in channels], np.float32)
        self.step = np.array([channel.step for channel in channels], np.float32)
        ends = np.array([[channel.lowest, channel.highest] for channel in channels], np.float32).reshape(-1, 2)
        # By the same operations as a value, so that no value within the range lies outside after rounding.
        steps = np.rint((ends - self.offset[:, None]) / self.step[:, None])
        self._lowest, self._highest = np.clip(steps, LOWEST, HIGHEST).T
        self._column = self.step[:, np.newaxis]
        self._shifted = np.flatnonzero(self.offset).tolist()
        self._whole = (slice(None),)
        self._rows = [slice(channel, channel + 1) for channel in range(len(channels))]

    def rounded(self, values: Values, powered: Mask | None = None) -> Steps:
        """Round to the sensor's resolution, in place, and return the steps.

        Args:
            values: float32 (channels, n), within the range of each channel.
            powered: bool (n,), whose values count; None: all. The others may be anything.

        Raises:
            OutOfRange: a value that counts is not.
        """
        steps = np.empty(values.shape, np.int16)
        for channel in self._shifted:
            values[channel] -= self.offset[channel]
        # A small block is one pass an operation; of a large one each channel stays in the cache.
        for part in self._whole if values.size <= SMALL_VALUES else self._rows:
            rows, step = values[part], self._column[part]
            np.divide(rows, step, out=rows)
            np.rint(rows, out=rows)
            # Two reductions cost less than clipping, and NaN fails both.
            low, high = np.minimum.reduce(rows, axis=1), np.maximum.reduce(rows, axis=1)
            within = np.count_nonzero(low >= self._lowest[part]) + np.count_nonzero(high <= self._highest[part])
            if within < 2 * len(low):
                for channel in range(len(values))[part]:
                    self._look_closely(channel, values[channel], powered)
            steps[part] = rows
            np.multiply(rows, step, out=rows)
        for channel in self._shifted:
            values[channel] += self.offset[channel]
        return steps

    def _look_closely(self, channel: int, row: Values, powered: Mask | None) -> None:
        """Find the value that does not fit; what nobody sends is made to fit."""
        wrong = ~((row >= self._lowest[channel]) & (row <= self._highest[channel]))
        counts = wrong if powered is None else wrong & powered
        if counts.any():
            first = int(np.argmax(counts))
            raise OutOfRange(channel, first, float(row[first] * self.step[channel] + self.offset[channel]))
        np.nan_to_num(row, copy=False, nan=0.0, posinf=HIGHEST, neginf=LOWEST)
        np.clip(row, LOWEST, HIGHEST, out=row)

    def steps_of(self, channel: int, values: Values) -> Steps:
        """The same for some values of one channel, NaN included; changes nothing."""
        silent = np.isnan(values)
        row = (np.where(silent, np.float32(0.0), values) - self.offset[channel]) / self.step[channel]
        steps = np.clip(np.rint(row), LOWEST, HIGHEST).astype(np.int16)
        steps[silent] = SILENT
        return steps

    def values_of(self, channel: int, steps: Steps) -> Values:
        """What the steps of one channel mean: float32, NaN for `SILENT`."""
        values = steps.astype(np.float32)
        values *= self.step[channel]
        if self.offset[channel]:
            values += self.offset[channel]
        values[steps == SILENT] = np.nan
        return values

    def readings_of(self, steps: Steps) -> Values:
        """What readings mean: int16 (n, channels) to float32 (n, channels), NaN for `SILENT`."""
        values = steps.astype(np.float32) * self.step + self.offset
        values[steps == SILENT] = np.nan
        return values


def keep_in_range(values: Values, still: Mask, channels: Sequence[Channel]) -> None:
    """What stands still may be nowhere near what its sensors can tell: they tell the end of their range.

    Args:
        values: float32 (channels, n), changed in place. still: bool (n,), whose.
    """
    rows = np.flatnonzero(still)
    for channel, row in zip(channels, values, strict=True):
        row[rows] = np.clip(row[rows], np.float32(channel.lowest), np.float32(channel.highest))
