"""Whom the core's registry lists. It may lag behind the fleet: a device that it lacks is a stranger to the core.

Nothing here takes memory or time until somebody is struck off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Device, Int, Mask

_NOBODY: Device = np.empty(0, np.int32)


class Listing:
    """Columns have one row a device.

    Attributes:
        strangers: bool, devices that the registry lacks; None: it lists everybody.
        letters: int64, readings of each device that were refused because the registry lacked it; None: there are none.
    """

    def __init__(self, devices: int) -> None:
        self._devices = devices
        self.strangers: Mask | None = None
        self.letters: Int | None = None
        self._times: NDArray[np.int16] | None = None
        """How many orders keep each device off; they may overlap."""
        self._open: dict[str, list[tuple[Device, int]]] = {}
        """Step to the devices that it struck off, and how many of their readings had been refused before."""

    @property
    def count(self) -> int:
        """Devices that the registry lists."""
        return self._devices if self.strangers is None else self._devices - int(np.count_nonzero(self.strangers))

    def strike(self, step: str, device: Device) -> Device:
        """Take devices (each once) off the registry. Returns those that were on it."""
        if self._times is None:
            self._times = np.zeros(self._devices, np.int16)
        gone = device[self._times[device] == 0]
        self._times[device] += 1
        self._open.setdefault(step, []).append((device, self._letters_of(device)))
        self._refresh()
        return gone

    def enter(self, step: str) -> tuple[Device, int]:
        """Put the devices back that a step struck off.

        Returns:
            Those that nobody else keeps off, ascending, and how many readings were refused through this step.
        """
        parts = self._open.pop(step, [])
        if not parts or self._times is None:
            return _NOBODY, 0
        refused = self._refused(parts)
        device = np.sort(np.concatenate([part for part, _ in parts]))
        self._times[device] -= 1
        self._refresh()
        return device[self._times[device] == 0], refused

    def refused(self, step: str) -> int:
        """Readings that were refused so far because this step keeps their devices off."""
        return self._refused(self._open.get(step, []))

    def refuse(self, device: Device) -> None:
        """Count a refused reading for each row."""
        if self.letters is None:
            self.letters = np.zeros(self._devices, np.int64)
        np.add.at(self.letters, device, 1)

    def _refused(self, parts: Sequence[tuple[Device, int]]) -> int:
        return sum(self._letters_of(device) - before for device, before in parts)

    def _letters_of(self, device: Device) -> int:
        return 0 if self.letters is None else int(self.letters[device].sum())

    def _refresh(self) -> None:
        assert self._times is not None
        off = self._times > 0
        self.strangers = off if off.any() else None
