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

from twinstorm.twin.chance import Words, keyed, numbered
from twinstorm.twin.flow import Int

AHEAD_ROWS: Final = 2_048
"""Draws of one call: large enough that what a call costs by itself does not count."""

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
        if self._drawn is None or self._nth == self._times or not (number == self._next).all():
            numbers = number + np.arange(self._times)[:, np.newaxis]
            self._drawn = self._shape(numbered(self._half, numbers.reshape(-1)))
            self._nth = 0
        first = self._nth * len(number)
        self._nth += 1
        self._next = number + 1
        return self._drawn[..., first : first + len(number)]
