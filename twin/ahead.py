"""Chance of several samplings of a small group at one call.

A keyed draw hangs on the device and on the number of its reading, on nothing else (`twin.chance`). So it can be made
before its time: whatever happens to a device until then, its reading with that number gets that draw. A call for
sixty devices costs nearly as much as one for a thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words
from twinstorm.twin.flow import Int

AHEAD_ROWS: Final = 2_048
"""Draws of one call: large enough that what a call costs by itself does not count."""

Drawn = NDArray[Any]


class Ahead:
    """Draws for the readings of devices that sample together.

    Args:
        make: gives the draws of readings from the key of their device, uint64 (m,), and their number, int64 (m,). The
            last axis of its result has length m; no column depends on another. Picklable.
        key: uint64 (n,), of the devices.
    """

    def __init__(self, make: Callable[[Words, Int], Drawn], key: Words) -> None:
        self._make = make
        self._times = max(AHEAD_ROWS // len(key), 1)
        self._keys = np.tile(key, self._times)
        self._drawn: Drawn | None = None
        self._nth = 0
        self._next = np.zeros(len(key), np.int64)

    @staticmethod
    def pays(devices: int) -> bool:
        """Whether more than one sampling fits into a call."""
        return 0 < 2 * devices <= AHEAD_ROWS

    def __getstate__(self) -> dict[str, Any]:
        # A snapshot need not carry what can be drawn again.
        return self.__dict__ | {"_drawn": None}

    def draws(self, number: Int) -> Drawn:
        """What `make` gives for the readings with these numbers, one a device."""
        if self._drawn is None or self._nth == self._times or not (number == self._next).all():
            numbers = number + np.arange(self._times)[:, np.newaxis]
            self._drawn = self._make(self._keys, numbers.reshape(-1))
            self._nth = 0
        first = self._nth * len(number)
        self._nth += 1
        self._next = number + 1
        return self._drawn[..., first : first + len(number)]
