"""Devices that reset again and again: crash loops, watchdogs, full memories, a sagging supply, churn.

Resets happen on a grid of one second, so that many devices share an instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from twinstorm.twin.chance import Purpose, Words, below, device_key, stream, words
from twinstorm.twin.fleet import State
from twinstorm.twin.flow import HOUR_US, NEVER_US, SECOND_US, Device, Int, Mask
from twinstorm.twin.parts import Part
from twinstorm.twin.physics.spread import weibull

if TYPE_CHECKING:
    from twinstorm.twin.world import World


UpTime = tuple[int, int] | int
"""See `ResetOrder.up_us`."""

_MONTH_US: Final = 30 * 24 * HOUR_US
_LONGEST_US: Final = float(1 << 53)


@dataclass
class ResetOrder:
    """One order: arrays with one row a device.

    Attributes:
        device: int64, ascending. key: of these devices.
        up_us: shortest and longest time that a device is up until it resets, drawn anew each time; or the mean time, by
            chance alone (exponential).
        down_us: how long it stays down before it boots; `NEVER_US`: until the order ends.
        stream: key of the draws.
        next_us: int64, when each resets, or, where `down`, boots. number: of draws so far.
    """

    step: str
    device: Int
    key: Words
    up_us: UpTime
    down_us: int
    stream: int
    next_us: Int = field(init=False)
    down: Mask = field(init=False)
    number: Int = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.device)
        self.next_us = np.full(n, NEVER_US, np.int64)
        self.down = np.zeros(n, np.bool_)
        self.number = np.zeros(n, np.int64)

    def schedule(self, rows: Int, from_us: Int | int, up_us: UpTime | None = None) -> None:
        """Draw when these rows, up since `from_us`, reset next."""
        up = self.up_us if up_us is None else up_us
        draws = words(self.stream, self.key[rows], self.number[rows])
        self.number[rows] += 1
        if isinstance(up, int):
            self.next_us[rows] = from_us + np.minimum(weibull(draws, up, 1.0), _LONGEST_US).astype(np.int64)
            return
        least_us, most_us = up
        # In milliseconds, so that a month fits 32 bits; longer in seconds.
        unit_us = 1_000 if most_us - least_us < _MONTH_US else SECOND_US
        self.next_us[rows] = from_us + least_us + below(draws, (most_us - least_us) // unit_us + 1) * unit_us


class Resets(Part):
    """All orders of one world; once a second they are carried out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.orders: list[ResetOrder] = []

    @property
    def is_idle(self) -> bool:
        return not self.orders

    def begin(
        self,
        step: str,
        device: Device,
        at_us: int,
        up_us: UpTime,
        down_us: int = 0,
        first_us: tuple[int, int] | None = None,
    ) -> None:
        """Let these devices reset again and again; each time they lose what their memory held.

        Args:
            up_us, down_us: see `ResetOrder`.
            first_us: as `up_us`, for the first reset; (0, 0): now; None: as all others.
        """
        world = self._world
        who = device.astype(np.int64)
        key = stream(world.seed, Purpose.RESET_AGAIN << 64 | device_key(step))
        order = ResetOrder(step, who, world.fleet.key[who], up_us, down_us, key)
        self.orders.append(order)
        rows = np.arange(len(who))
        if first_us == (0, 0):
            self._reset(order, rows, at_us)
        else:
            order.schedule(rows, at_us, first_us)

    def freeze(self, step: str, device: Device, at_us: int, up_us: tuple[int, int], watchdog_us: int) -> None:
        """Let devices hang now, and again after each of these times.

        Args:
            watchdog_us: how long they hang until a watchdog resets them; 0: as long as that of their firmware waits.
        """
        fleet = self._world.fleet
        waits_us = [watchdog_us or plan.hazards.watchdog_us for plan in fleet.plan.segments]
        of_device = np.array(waits_us, np.int64)[fleet.segment[device]]
        for wait_us in np.unique(of_device).tolist():
            self.begin(step, device[of_device == wait_us], at_us, up_us, wait_us or NEVER_US, (0, 0))

    def end(self, step: str, device: Device, at_us: int) -> None:
        """End the orders of a step that began on these devices; who is down boots."""
        for order in [one for one in self.orders if one.step == step and one.device[0] in device]:
            self._world.power_on(order.device[order.down].astype(np.int32), at_us)
            self.orders = [one for one in self.orders if one is not order]

    def look(self, now_us: int) -> None:
        """Once a second: boot and reset whoever is due."""
        # A boot may begin orders of its own, which have time.
        for order in list(self.orders):
            due = np.flatnonzero(order.next_us <= now_us)
            if len(due) and self._world.slots is not None:
                due = self._world.slots.still(order, due)
            if len(due):
                self._world.advance_to(now_us)
                down = order.down[due]
                self._boot(order, due[down], now_us)
                self._reset(order, due[~down], now_us)

    def _reset(self, order: ResetOrder, rows: Int, now_us: int) -> None:
        up = self._world.fleet.power_cuts[order.device[rows]] == 0
        # Somebody else holds it down: it has nothing to lose, and is asked again later.
        order.schedule(rows[~up], now_us)
        rows = rows[up]
        self._world.power_off(order.device[rows].astype(np.int32), now_us)
        self._world.bit(order.step, "devices_reset", len(rows))
        order.down[rows] = True
        order.next_us[rows] = NEVER_US if order.down_us == NEVER_US else now_us + order.down_us
        if not order.down_us:
            self._boot(order, rows, now_us)

    def _boot(self, order: ResetOrder, rows: Int, now_us: int) -> None:
        fleet = self._world.fleet
        device = order.device[rows]
        self._world.power_on(device.astype(np.int32), now_us)
        order.down[rows] = False
        order.schedule(rows, np.where(fleet.state[device] == State.BOOTING, fleet.due_us[device], now_us))
