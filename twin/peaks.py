"""Peaks: devices that sample several times as often for a while.

A device takes the new pace up with its next reading, as firmware does that reads its settings when it wakes. Between
two instants of its period it then samples at ``factor - 1`` more, evenly spaced and rounded down to microseconds, so
that its ordinary instants stay what they were, during the peak and after it. Its machine is stepped by the time since
the last sample: a peak changes how often it is looked at, and nothing in it.

A device that speaks when something happens has no period. Its machine lives ``factor`` times as fast: so many times the
orders, pictures and stops, told on a finer grid, and its longest silence is a part of the usual one.

Of several peaks of one device the largest counts, and of equal ones the earliest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from twinstorm.twin.buffer import Buffers
from twinstorm.twin.fleet import SampleGroup
from twinstorm.twin.flow import NEVER_US, Device, Int
from twinstorm.twin.rows import Rows, compact, meet
from twinstorm.twin.sampling import Sampler


@dataclass
class Peak:
    """One order.

    Attributes:
        device: int64, ascending: those that it has reached.
    """

    step: str
    factor: int
    device: Int


@dataclass
class Faster:
    """Devices of one sample group that one order lets sample faster; int64, ascending."""

    step: str
    factor: int
    device: Int

    @property
    def rows(self) -> Rows:
        return compact(self.device)


def between_us(now_us: int, group: SampleGroup, factor: int) -> int:
    """The first instant after `now_us` that lies between two ordinary ones of a group."""
    since_us = (now_us - group.phase_us) % group.every_us
    nth = since_us * factor // group.every_us
    while group.every_us * nth // factor <= since_us:
        nth += 1
    if nth % factor == 0:
        nth += 1
    return now_us - since_us + group.every_us * nth // factor


class Peaks:
    """All orders of one world, and who samples between the instants of which period.

    Attributes:
        parts: disjoint, by sample group: what orders ask for.
        running: of periodic groups, what their devices do until the next ordinary instant; a group that stands here
            may be out of step.
        next_us: of those groups, when some of their devices sample next between the ordinary instants.
    """

    def __init__(self, groups: Sequence[SampleGroup], buffers: Buffers, sampler: Sampler) -> None:
        self._groups, self._buffers, self._sampler = groups, buffers, sampler
        self.orders: list[Peak] = []
        self.parts: dict[int, list[Faster]] = {}
        self.running: dict[int, list[Faster]] = {}
        self.next_us: dict[int, int] = {}

    def begin(self, step: str, device: Device, factor: int) -> None:
        """Let these devices (ascending) sample so many times as often, from their next reading on."""
        who = device.astype(np.int64)
        order = next((one for one in self.orders if one.step == step and one.factor == factor), None)
        if order is None:
            self.orders.append(Peak(step, factor, who))
        else:
            order.device = np.union1d(order.device, who)
        self._share_out(who)

    def end(self, step: str, device: Device) -> None:
        """End what a step asked of these devices: from now on there is nothing between their ordinary instants."""
        who = device.astype(np.int64)
        for order in self.orders:
            if order.step == step:
                order.device = np.setdiff1d(order.device, who, assume_unique=True)
        self.orders = [order for order in self.orders if len(order.device)]
        for parts in self.running.values():
            for part in parts:
                if part.step == step:
                    part.device = np.setdiff1d(part.device, who, assume_unique=True)
            parts[:] = [part for part in parts if len(part.device)]
        self._share_out(who)

    def _share_out(self, device: Int) -> None:
        """Say anew whose devices are whose, in the groups of these."""
        ranked = sorted(self.orders, key=lambda order: -order.factor)
        for number, group in enumerate(self._groups):
            low, high = np.searchsorted(device, [group.first, group.last]).tolist()
            if low == high:
                continue
            free = np.ones(group.last - group.first, np.bool_)
            parts = []
            for order in ranked:
                first, last = np.searchsorted(order.device, [group.first, group.last]).tolist()
                mine = order.device[first:last]
                mine = mine[free[mine - group.first]]
                free[mine - group.first] = False
                if len(mine):
                    parts.append(Faster(order.step, order.factor, mine))
            if parts:
                self.parts[number] = parts
            else:
                self.parts.pop(number, None)
            self._buffers.date(number)
            if group.grid_us:
                self._sampler.live_at(number, self._paces(number))

    @property
    def active(self) -> bool:
        """Somebody has a peak, or had one in a period that has not ended."""
        return bool(self.parts or self.running)

    # --- devices with a period ----------------------------------------------------------------------------------------

    def new_period(self, number: int, now_us: int) -> None:
        """A group has sampled at an ordinary instant: some of it may before the next one."""
        parts = self.parts.get(number)
        self._sampler.new_period(number, now_us, parts is not None)
        if parts is None:
            self.running.pop(number, None)
            self.next_us.pop(number, None)
        else:
            self.running[number] = [Faster(part.step, part.factor, part.device) for part in parts]
            self._schedule(number, now_us)

    def _schedule(self, number: int, now_us: int) -> None:
        group = self._groups[number]
        factors = {part.factor for part in self.running[number]}
        due_us = min((between_us(now_us, group, factor) for factor in factors), default=NEVER_US)
        # Beyond the next ordinary instant, `new_period` says.
        ordinary_us = now_us - (now_us - group.phase_us) % group.every_us + group.every_us
        self.next_us[number] = due_us if due_us < ordinary_us else NEVER_US

    def due(self, now_us: int) -> Iterator[tuple[int, Faster]]:
        """Who samples now, between the ordinary instants of a group: its number and a part of it."""
        for number in [number for number, due_us in self.next_us.items() if due_us == now_us]:
            group = self._groups[number]
            for part in self.running[number]:
                if between_us(now_us - 1, group, part.factor) == now_us:
                    yield number, part
            self._schedule(number, now_us)

    # --- devices that speak when something happens --------------------------------------------------------------------

    def _paces(self, number: int) -> Int:
        """How many times as fast each machine of a group is to live: int64."""
        group = self._groups[number]
        paces = np.ones(group.last - group.first, np.int64)
        for part in self.parts.get(number, ()):
            paces[part.device - group.first] = part.factor
        return paces

    def spoken(self, number: int, device: Int, now_us: int) -> Iterator[tuple[str, int]]:
        """Steps because of which some of these devices (ascending) could speak at such an instant, and how many."""
        group = self._groups[number]
        if (now_us - group.phase_us) % group.grid_us:
            for part in self.parts.get(number, ()):
                _, here = meet(part.device, device)
                if len(here):
                    yield part.step, len(here)
