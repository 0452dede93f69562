"""Chance of the devices that sample together, sampling after sampling.

A keyed draw hangs on the device and on the number of its reading, on nothing else (`twin.chance`). So what hangs on
the device alone is worked out once; and the draws of a small group are made before their time: whatever happens to a
device until then, its reading with that number gets that draw. A call for sixty devices costs nearly as much as one
for a thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words, keyed, numbered, words
from twinstorm.twin.flow import Int

AHEAD_ROWS: Final = 2_048
"""Draws of one call: large enough that what a call costs by itself does not count."""

LEAST_TIMES: Final = 4
"""Numbers of a device that are worth drawing at one call."""

Drawn = NDArray[Any]


class GroupDraws:
    """Draws for the readings of a group of devices.

    Args:
        streams: keys of the streams, one draw of each for a reading.
        key: uint64 (n,), of the devices.
        shape: makes of the words, uint64 (streams, m), what is wanted of m readings. The last axis of its result has
            length m; no column depends on another. Picklable.
    """

    def __init__(self, streams: Sequence[int], key: Words, shape: Callable[[Words], Drawn]) -> None:
        self._streams = streams
        self._key = key
        self._shape = shape
        self._times = max(AHEAD_ROWS // len(key), 1)
        self._half: Words | None = None
        self._drawn: Drawn | None = None
        self._nth = 0
        self._next = np.zeros(len(key), np.int64)

    def __getstate__(self) -> dict[str, Any]:
        # A snapshot need not carry what can be worked out again.
        return self.__dict__ | {"_half": None, "_drawn": None}

    def draws(self, part: slice, number: Int) -> Drawn:
        """Draws of the readings with these numbers, int64, one for each device of this part of the group."""
        if self._half is None:
            once = [keyed(stream, self._key) for stream in self._streams]
            self._half = np.tile(np.array(once, np.uint64).reshape(len(once), len(self._key)), self._times)
        if self._times == 1 or len(number) < len(self._key):
            return self._shape(numbered(self._half[:, part], number))
        if self._drawn is None or self._nth == self._times or np.count_nonzero(number == self._next) < len(number):
            numbers = number + np.arange(self._times)[:, np.newaxis]
            self._drawn = self._shape(numbered(self._half, numbers.reshape(-1)))
            self._nth = 0
        first = self._nth * len(number)
        self._nth += 1
        self._next = number + 1
        return self._drawn[..., first : first + len(number)]


class DeviceDraws:
    """Draws for the readings of devices that sample each at its own instants.

    Args:
        stream: key of the stream, one draw for a reading.
        key, shape: see `GroupDraws`.
    """

    def __init__(self, stream: int, key: Words, shape: Callable[[Words], Drawn]) -> None:
        self._stream = stream
        self._key = key
        self._shape = shape
        self._times = AHEAD_ROWS // len(key)
        self._next = np.zeros(len(key), np.int64)
        self._first = self._next
        self._drawn: Drawn | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_drawn": None}

    def draws(self, rows: Int, number: Int) -> Drawn:
        """Draws of the readings with these numbers, int64, one for each of these devices of the group; a device asks
        for each number once, in their order."""
        if self._times < LEAST_TIMES:
            return self._shape(words(self._stream, self._key[rows], number)[np.newaxis])
        drawn, nth = self._drawn, number - self._first[rows]
        # As unsigned integers, numbers that are over are large.
        if drawn is None or int(np.maximum.reduce(nth.view(np.uint64), initial=0)) >= self._times:
            self._next[rows] = number
            drawn = self._drawn = self._draw()
            nth = number - self._first[rows]
        self._next[rows] = number + 1
        mine: Drawn = drawn[..., rows, nth]
        return mine

    def _draw(self) -> Drawn:
        """Draw what comes next of every device: the last axes are devices and numbers."""
        self._first = self._next.copy()
        numbers = self._first[:, np.newaxis] + np.arange(self._times)
        half = np.repeat(keyed(self._stream, self._key), self._times)
        drawn = self._shape(numbered(half, numbers.reshape(-1))[np.newaxis])
        return drawn.reshape(*drawn.shape[:-1], *numbers.shape)
