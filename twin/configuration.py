"""Which configuration devices have, and what their births say of it: desired and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinstorm.twin.flow import UNSAID, Device, Int, SessionEvent, SessionEvents
from twinstorm.twin.parts import Part

if TYPE_CHECKING:
    from twinstorm.twin.world import World


class Configurations(Part):
    """Configurations of a fleet in which some segment says one; numbers, 0 as it left the factory.

    Attributes:
        had: int32 (n,), the one that each device has now; `UNSAID` of those that tell nobody. Faults write into it,
            and it stays the same array, so that whoever makes births may keep it.
    """

    def __init__(self, world: World) -> None:
        desired = world.fleet.configuration()
        assert desired is not None, "only made where a segment has one"
        self._world = world
        self._desired: Device = desired
        self.had: Device = desired.copy()
        self._said: Device = desired.copy()
        """What the last birth of each said."""
        self._changes: dict[str, tuple[int, Device]] = {}
        """Steps that go on, in their order, with the number and the devices."""

    def change(self, step: str, device: Device, number: int, at_us: int) -> None:
        """Give these devices another configuration, until `restore`; those that say none keep theirs."""
        device = device[self._desired[device] != UNSAID]
        already = self._changes[step][1] if step in self._changes else device[:0]
        self._changes[step] = number, np.union1d(already, device).astype(np.int32)
        changed = device[self.had[device] != number]
        self.had[changed] = number
        self._world.bit(step, "devices_misconfigured", int(np.count_nonzero(self._desired[changed] != number)))
        self._tell(changed, at_us)

    def restore(self, step: str, device: Device, at_us: int) -> None:
        """These devices have again what they should have, or what another step that goes on gives them."""
        if step not in self._changes:
            return
        number, mine = self._changes[step]
        left = np.setdiff1d(mine, device).astype(np.int32)
        if len(left):
            self._changes[step] = number, left
        else:
            del self._changes[step]
        before = self.had.copy()
        self.had[device] = self._desired[device]
        for other, theirs in self._changes.values():
            self.had[np.intersect1d(theirs, device)] = other
        self._tell(device[self.had[device] != before[device]], at_us)

    def _tell(self, device: Int | Device, at_us: int) -> None:
        """Whoever is online says so at once; the others when their link is whole again, or with their next birth."""
        there = device[self._world.online()[device]]
        self._said[there] = self.had[there]
        if len(there):
            self._world.announce_again(there.astype(np.int64), at_us)

    def connected(self, device: Int, at_us: Int) -> None:  # noqa: ARG002
        self._said[device] = self.had[device]

    def healed(self, device: Int, heard: Int, at_us: int) -> None:  # noqa: ARG002
        self._tell(heard[self._said[heard] != self.had[heard]], at_us)

    def told(self, events: SessionEvents, now_us: int) -> SessionEvents:  # noqa: ARG002
        if not len(events):
            return events
        says = np.where(events.what == SessionEvent.BORN, self._said[events.device], np.int32(UNSAID))
        return SessionEvents(events.at_us, events.device, events.what, events.boot, says.astype(np.int32))
