"""Whom the core's registry lists, and as what. It may lag behind the fleet: a device that it lacks is a stranger to the
core, one whose entry names another site or another kind is listed and not understood.

Nothing here takes memory or time until an entry is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Device, Int, Mask

_NOBODY: Device = np.empty(0, np.int32)


MISSING, ELSEWHERE, ANOTHER_KIND = ENTRIES = ("missing", "site", "kind")
"""What may be wrong with the entry of a device: there is none, it is one of another site, or one of another kind."""


class Listing:
    """Columns have one row a device. None: nobody.

    Attributes:
        strangers: bool, devices that the registry lacks: nobody counts them.
        unheard: bool, devices whose births and wills are none of anybody that it lists: those, and the ones whose entry
            stands under another site, and so under another name.
        barred: bool, devices whose readings are refused: those, and the ones that it has for another kind.
        letters: int64, readings of each device that were refused because of its entry; None: there are none.
    """

    def __init__(self, devices: int) -> None:
        self._devices = devices
        self.strangers: Mask | None = None
        self.unheard: Mask | None = None
        self.barred: Mask | None = None
        self.letters: Int | None = None
        self._times: dict[str, NDArray[np.int16]] = {}
        """By what is wrong: how many orders keep the entry of each device so; they may overlap."""
        self._open: dict[str, list[tuple[str, Device, int]]] = {}
        """Step to what it did, to which devices, and how many of their readings had been refused before."""

    @property
    def count(self) -> int:
        """Devices that the registry lists."""
        return self._devices if self.strangers is None else self._devices - int(np.count_nonzero(self.strangers))

    def strike(self, step: str, device: Device, entry: str = MISSING) -> Device:
        """Let the entries of devices (each once) be wrong. Returns those that are heard no more."""
        if not self._times:
            self._times = {each: np.zeros(self._devices, np.int16) for each in ENTRIES}
        heard = device if self.unheard is None else device[~self.unheard[device]]
        self._times[entry][device] += 1
        self._open.setdefault(step, []).append((entry, device, self._letters_of(device)))
        self._refresh()
        return heard[:0] if self.unheard is None else heard[self.unheard[heard]]

    def enter(self, step: str) -> tuple[Device, int]:
        """Put right what a step did.

        Returns:
            Devices that are heard again, ascending, and how many readings were refused through this step.
        """
        parts = self._open.pop(step, [])
        if not parts:
            return _NOBODY, 0
        refused = self._refused(parts)
        device = np.sort(np.concatenate([part for _, part, _ in parts]))
        unheard = device[:0] if self.unheard is None else device[self.unheard[device]]
        for entry, part, _ in parts:
            self._times[entry][part] -= 1
        self._refresh()
        return unheard if self.unheard is None else unheard[~self.unheard[unheard]], refused

    def reason(self, device: Device) -> Mask:
        """bool, one a row: the entry of this barred device is one of another kind, and nothing worse."""
        only_kind: Mask = self._times[ANOTHER_KIND][device] > 0
        return only_kind if self.unheard is None else only_kind & ~self.unheard[device]

    def refused(self, step: str) -> int:
        """Readings that were refused so far because of what this step did."""
        return self._refused(self._open.get(step, []))

    def refuse(self, device: Device) -> None:
        """Count a refused reading for each row."""
        if self.letters is None:
            self.letters = np.zeros(self._devices, np.int64)
        np.add.at(self.letters, device, 1)

    def _refused(self, parts: Sequence[tuple[str, Device, int]]) -> int:
        return sum(self._letters_of(device) - before for _, device, before in parts)

    def _letters_of(self, device: Device) -> int:
        return 0 if self.letters is None else int(self.letters[device].sum())

    def _refresh(self) -> None:
        self.strangers = _anybody(self._times[MISSING] > 0)
        self.unheard = _anybody((self._times[MISSING] > 0) | (self._times[ELSEWHERE] > 0))
        every = [self._times[entry] > 0 for entry in ENTRIES]
        self.barred = _anybody(np.logical_or.reduce(every))


def _anybody(mask: Mask) -> Mask | None:
    return mask if mask.any() else None
