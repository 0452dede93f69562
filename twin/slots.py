"""Two slots for firmware images, and a boot loader that counts: what saves a device from an image that keeps crashing.

As U-Boot does it with a boot limit: every boot counts one up, user space sets the counter back once the device is well,
and a boot above the limit starts the image of the other slot. Well is a device that has been up for a while and has had
a session since it booted. The counter lies in flash, so that boots after a power failure count as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import hazards
from twinstorm.twin.eventlog import Code
from twinstorm.twin.flow import NEVER_US, Int, Mask
from twinstorm.twin.hazards import SAFE, HazardPlan
from twinstorm.twin.images import image_step
from twinstorm.twin.parts import Part

if TYPE_CHECKING:
    from twinstorm.twin.resets import ResetOrder
    from twinstorm.twin.world import World

FELL_BACK: Final = "devices_on_the_other_slot"


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """The other slot of the devices of a segment.

    Attributes:
        other: version of the image in it.
        boot_limit: boots in a row without a healthy time after them; the next one takes the other slot.
        healthy_us: how long after a boot a device with a session is well.
        hazards, schema: what the other image does to itself, and the schema of its documents.
    """

    other: str
    boot_limit: int
    healthy_us: int
    hazards: HazardPlan = SAFE
    schema: int = 1


def fallen_back(evidence: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What to tell of devices that took the image of their other slot, by what they ran before."""
    found = sorted((step, counts[FELL_BACK]) for step, counts in evidence.items() if counts.get(FELL_BACK))
    return [f"{count:,} devices of {step} fell back to the image of their other slot" for step, count in found]


class Slots(Part):
    """Boot counters of a world in which some firmware has two slots. Columns have one row a device.

    Attributes:
        boots: int32, boots since the device was last well.
        fell_back: bool, it runs the image of the other slot.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        segments, segment = world.fleet.plan.segments, world.fleet.segment
        limits = np.array([part.slots.boot_limit if part.slots else 0 for part in segments], np.int32)
        healthy_us = np.array([part.slots.healthy_us if part.slots else 0 for part in segments], np.int64)
        self._limit = limits[segment]
        self._healthy_us: Int = healthy_us[segment]
        self._images = frozenset(image_step(part.firmware) for part in segments if part.slots)
        n = len(segment)
        self.boots: NDArray[np.int32] = np.zeros(n, np.int32)
        self.fell_back: Mask = np.zeros(n, np.bool_)
        self._booted_us: Int = np.full(n, -NEVER_US // 2, np.int64)
        """When each device had booted last; the fleet has been up for long when a run begins."""

    def power_switches(self, device: Int, at_us: int) -> None:
        """Those that have power until now were well or were not."""
        device = device[self._world.fleet.power_cuts[device] == 0]
        booted_us = self._booted_us[device]
        well = (self._world.fleet.connected_us[device] >= booted_us) & (at_us - booted_us >= self._healthy_us[device])
        self.boots[device[well]] = 0

    def booted(self, device: Int, at_us: int) -> None:
        """Count, and choose the image."""
        fleet = self._world.fleet
        device = device[self._limit[device] > 0]
        self._booted_us[device] = fleet.due_us[device]
        self.boots[device] += 1
        leaves = device[(self.boots[device] > self._limit[device]) & ~self.fell_back[device]]
        if len(leaves):
            self._fall_back(leaves, at_us)

    def still(self, order: ResetOrder, rows: Int) -> Int:
        """Those rows of an order that it still concerns: what an image does ends with it."""
        if order.step not in self._images and order.step not in hazards.NAMES:
            return rows
        gone = self.fell_back[order.device[rows]]
        order.next_us[rows[gone]] = NEVER_US
        return rows[~gone]

    def _fall_back(self, device: Int, at_us: int) -> None:
        world = self._world
        self.fell_back[device] = True
        at = np.full(len(device), at_us, np.int64)
        world.log.add(at, np.full(len(device), Code.FELL_BACK, np.uint8), device.astype(np.int32))
        segment = world.fleet.segment[device]
        for number in np.unique(segment).tolist():
            part, mine = world.fleet.plan.segments[number], device[segment == number].astype(np.int32)
            assert part.slots is not None
            world.bit(image_step(part.firmware), FELL_BACK, len(mine))
            world.payloads.speak(mine, at_us, part.slots.schema)
            hazards.begin_on(world, part.slots.hazards, mine, at_us, of_other_slot=True)
