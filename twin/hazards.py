"""What firmware does to itself, without a fault: it crashes, hangs, and runs out of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from twinstorm.twin.flow import NEVER_US, Device

if TYPE_CHECKING:
    from twinstorm.twin.world import World

CRASH, FREEZE, LEAK = "hazard/crash", "hazard/freeze", "hazard/leak"
"""Names under which resets are ordered and counted; no step has a name like these."""
NAMES: Final = frozenset((CRASH, FREEZE, LEAK))
OTHER_SLOT: Final = "other/"
"""Begins the names of hazards of the image in the other slot."""


@dataclass(frozen=True, slots=True)
class HazardPlan:
    """Hazards of one firmware; 0 stands for never, and for no watchdog.

    Attributes:
        crash_us: mean time from a boot to a crash, by chance alone (exponential). A crash is a boot at once.
        freeze_us: mean time from a boot until it hangs, by chance alone.
        full_us: time from a boot until a leak has used up the memory, give or take a tenth; then it hangs.
        watchdog_us: time after which a watchdog resets a device that hangs.
    """

    crash_us: int = 0
    freeze_us: int = 0
    full_us: int = 0
    watchdog_us: int = 0


SAFE: Final = HazardPlan()


def begin(world: World) -> None:
    """Let the hazards of all segments go on from the start of the run, as in a fleet that has been up for long."""
    fleet = world.fleet
    for number, segment in enumerate(fleet.plan.segments):
        if segment.hazards != SAFE:
            begin_on(world, segment.hazards, np.flatnonzero(fleet.segment == number).astype(np.int32), 0)


def begin_on(world: World, plan: HazardPlan, device: Device, at_us: int, of_other_slot: bool = False) -> None:
    """Let hazards begin on these devices.

    Args:
        of_other_slot: they are those of another image, which has just booted.
    """
    prefix = OTHER_SLOT if of_other_slot else ""
    hangs_us = plan.watchdog_us or NEVER_US
    if plan.crash_us:
        world.resets.begin(prefix + CRASH, device, at_us, plan.crash_us)
    if plan.freeze_us:
        world.resets.begin(prefix + FREEZE, device, at_us, plan.freeze_us, hangs_us)
    if plan.full_us:
        tenth_us = plan.full_us // 10
        up_us = (plan.full_us - tenth_us, plan.full_us + tenth_us)
        world.resets.begin(prefix + LEAK, device, at_us, up_us, hangs_us, None if of_other_slot else (0, plan.full_us))
