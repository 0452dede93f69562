"""The resolution of a sensor: readings are whole steps, ``offset + step * q``, in buffers and on the wire.

Steps are int16. A kind with a channel for which these are too few, a register or a position on the globe, is *wide*:
all its steps are int32, of which 24 bits and a sign count, because values are float32. What a step stands for is then
reckoned in float64 and rounded once, so that every step has a value of its own and every value leads back to its step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Channel, Mask, Values

Steps = NDArray[np.signedinteger[Any]]
"""int16, or int32 of a wide kind."""

SMALL_VALUES: Final = 16_384


class OutOfRange(Exception):
    """A machine measured what its channel cannot tell: NaN, infinity, or a value beyond its range.

    Attributes:
        channel, row: where, the first such value.
    """

    def __init__(self, channel: int, row: int, value: float) -> None:
        super().__init__(channel, row, value)
        self.channel, self.row, self.value = channel, row, value


class Scale:
    """Offsets and steps of the channels of one kind, float32 (channels,).

    Attributes:
        dtype: of steps. most: the largest. silent: the step that says: this channel told nothing; as a value, NaN.
    """

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        self.wide = any(channel.is_wide for channel in channels)
        self.dtype: type[np.signedinteger[Any]] = np.int32 if self.wide else np.int16
        self.most = float(Channel.MOST_WIDE_STEPS if self.wide else Channel.MOST_STEPS)
        self.silent = -int(self.most) - 1
        self._exact = np.array([(channel.offset, channel.step) for channel in channels], np.float64).reshape(-1, 2)
        self.offset = np.array([channel.offset for channel in channels], np.float32)
        self.step = np.array([channel.step for channel in channels], np.float32)
        ends = np.array([[channel.lowest, channel.highest] for channel in channels], np.float32).reshape(-1, 2)
        # By the same operations as a value, so that no value within the range lies outside after rounding.
        origin, size = self._exact.T if self.wide else (self.offset, self.step)
        steps = np.rint((ends - origin[:, None]) / size[:, None])
        self._lowest, self._highest = np.clip(steps, -self.most, self.most).T
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
        if self.wide:
            return self._rounded_wide(values, powered)
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

    def _rounded_wide(self, values: Values, powered: Mask | None) -> Steps:
        steps = np.empty(values.shape, self.dtype)
        for channel, row in enumerate(values):
            origin, size = self._exact[channel]
            exact = np.rint((row.astype(np.float64) - origin) / size)
            if not np.all((exact >= self._lowest[channel]) & (exact <= self._highest[channel])):
                self._look_closely(channel, exact, powered)
            steps[channel] = exact
            row[:] = exact * size + origin
        return steps

    def _look_closely(self, channel: int, row: NDArray[np.floating[Any]], powered: Mask | None) -> None:
        """Find the value that does not fit; what nobody sends is made to fit."""
        wrong = ~((row >= self._lowest[channel]) & (row <= self._highest[channel]))
        counts = wrong if powered is None else wrong & powered
        if counts.any():
            first = int(np.argmax(counts))
            raise OutOfRange(channel, first, float(row[first] * self.step[channel] + self.offset[channel]))
        np.nan_to_num(row, copy=False, nan=0.0, posinf=self.most, neginf=-self.most)
        np.clip(row, -self.most, self.most, out=row)

    def steps_of(self, channel: int, values: Values) -> Steps:
        """The same for some values of one channel, NaN included; changes nothing."""
        silent = np.isnan(values)
        told = np.where(silent, np.float32(0.0), values)
        if self.wide:
            origin, size = self._exact[channel]
            row = (told.astype(np.float64) - origin) / size
        else:
            row = (told - self.offset[channel]) / self.step[channel]
        steps = np.clip(np.rint(row), -self.most, self.most).astype(self.dtype)
        steps[silent] = self.silent
        return steps

    def values_of(self, channel: int, steps: Steps) -> Values:
        """What the steps of one channel mean: float32, NaN for `silent`."""
        if self.wide:
            origin, size = self._exact[channel]
            values = (steps * size + origin).astype(np.float32)
        else:
            values = steps.astype(np.float32)
            values *= self.step[channel]
            if self.offset[channel]:
                values += self.offset[channel]
        values[steps == self.silent] = np.nan
        return values

    def readings_of(self, steps: Steps) -> Values:
        """What readings mean: steps (n, channels) to float32 (n, channels), NaN for `silent`."""
        if self.wide:
            origin, size = self._exact.T
            values = (steps * size + origin).astype(np.float32)
        else:
            values = steps.astype(np.float32) * self.step + self.offset
        values[steps == self.silent] = np.nan
        return values


def keep_in_range(values: Values, still: Mask, channels: Sequence[Channel]) -> None:
    """What stands still may be nowhere near what its sensors can tell: they tell the end of their range.

    Args:
        values: float32 (channels, n), changed in place. still: bool (n,), whose.
    """
    rows = np.flatnonzero(still)
    for channel, row in zip(channels, values, strict=True):
        row[rows] = np.clip(row[rows], np.float32(channel.lowest), np.float32(channel.highest))
