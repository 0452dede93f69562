"""Mains and batteries as faults reach them. A device without a battery hangs on the mains alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinstorm.twin.chance import Purpose, below, stream, words
from twinstorm.twin.flow import Device

if TYPE_CHECKING:
    from twinstorm.twin.world import World


class Supply:
    """What feeds the devices of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def mains_off(self, device: Device, at_us: int) -> tuple[int, int]:
        """Cut the mains. Whoever has a battery goes on from it.

        Returns:
            How many lost their power, and how many live on a battery instead of a charger.
        """
        energy, on_battery = self._world.energy, 0
        if energy is not None:
            has_battery = energy.row_of[device] >= 0
            on_battery = energy.mains(device[has_battery], at_us, on=False)
            device = device[~has_battery]
        return self._world.power_off(device, at_us), on_battery

    def mains_on(self, device: Device, at_us: int) -> int:
        """Give the mains back. Returns how many boot."""
        energy = self._world.energy
        if energy is not None:
            has_battery = energy.row_of[device] >= 0
            energy.mains(device[has_battery], at_us, on=True)
            device = device[~has_battery]
        return self._world.power_on(device, at_us)

    def with_margin_below(self, device: Device, depth: float, at_us: int) -> Device:
        """Those of these devices whose supply may not sag by this share.

        A battery has the margin that its charge and the temperature leave; other supplies one from nothing to a third.
        """
        world, energy = self._world, self._world.energy
        margin = below(words(stream(world.seed, Purpose.MARGIN), world.fleet.key[device], 0), 1_000_000)
        weak = margin < round(depth * 3_000_000)
        if energy is not None:
            row = energy.row_of[device]
            rows = row[row >= 0].astype(np.int64)
            weak[row >= 0] = energy.margins(rows, at_us) < depth
        return device[weak]

    def drain(self, step: str, device: Device, at_us: int, share: float, over_us: int, times: float) -> None:
        """Empty batteries: a share of the full charge within a time, and so many times what the device draws."""
        if self._world.energy is not None:
            self._world.energy.drain(step, device, at_us, share, over_us, times)

    def drain_no_more(self, step: str, device: Device, at_us: int, swap: bool) -> None:
        """End what a step did to these batteries; what is gone is gone, unless they are swapped for full ones."""
        energy = self._world.energy
        if energy is not None:
            energy.end_drain(step, device, at_us)
            if swap:
                energy.swap(device, at_us)
