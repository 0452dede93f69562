"""What the processor of a gateway makes of the readings that pass it: fewer of them.

Time is cut into windows of equal length from the start of the run, of whole seconds. Of each device a processor passes
on one reading a window: the first, at once, or at the end of the window the mean of all that came in it, which goes by
the name (boot, number, time) of the newest. Of a channel that has no mean (`Channel.averaged`) the newest value goes
on. What it does not pass on is lost on purpose, under a cause of its own. A
window is one of arrival: what a device had buffered and sends at once falls into one.

A mean that is not finished is in the processor, and gone with it. Nothing here exists where all gateways pass on all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.backlog import COLUMNS, Messages, nothing
from twinstorm.twin.fleet import GatewayPlan
from twinstorm.twin.flow import Channel, Device, Int, LossCause, Mask, Values

Lose = Callable[[LossCause, Device], None]


class EdgeProcessors:
    """The processors of all gateways; columns have one row a device of the fleet.

    Args:
        plans: one a gateway.
        devices: of the fleet.
        channels: of each kind, by the code that messages have; the widest has `width`.
        lose: accounts for readings that go no farther.

    Attributes:
        waiting: bool, a mean is not finished.
    """

    def __init__(
        self,
        plans: Sequence[GatewayPlan],
        devices: int,
        kinds: Sequence[str],
        channels: Mapping[str, tuple[Channel, ...]],
        width: int,
        lose: Lose,
    ) -> None:
        self._lose = lose
        self._every_us = np.array([plan.edge_every_us for plan in plans], np.int64)
        self._means = np.array([plan.edge_mean for plan in plans], np.bool_) & (self._every_us > 0)
        self._window: Int = np.full(devices, -1, np.int64)
        """Of each device the one of which a reading was passed on last; of a mean, the one that is open."""
        self.waiting: Mask = np.zeros(devices, np.bool_)
        self._slot: NDArray[np.int32] = np.full(devices, -1, np.int32)
        """Row of a device in what is being averaged."""
        self._newest = nothing(width)
        self._sum = np.zeros((0, width))
        self._count: Int = np.zeros((0, width), np.int64)
        self._step, self._offset = np.ones((len(kinds), width)), np.zeros((len(kinds), width))
        self._averaged = np.ones((len(kinds), width), np.bool_)
        for code, kind in enumerate(kinds):
            for column, channel in enumerate(channels[kind]):
                self._step[code, column], self._offset[code, column] = channel.step, channel.offset
                self._averaged[code, column] = channel.averaged

    @staticmethod
    def needed(plans: Sequence[GatewayPlan]) -> bool:
        return any(plan.edge_every_us for plan in plans)

    @property
    def held(self) -> int:
        """Means that are not finished, each a reading."""
        return int(np.count_nonzero(self.waiting))

    def devices(self) -> Device:
        """Whose they are."""
        return np.flatnonzero(self.waiting).astype(np.int32)

    def take(self, messages: Messages) -> Messages:
        """Let these pass, which came within one second, of each device in order. Returns those that go on now."""
        every_us = self._every_us[messages.gateway]
        works = every_us > 0
        if not works.any():
            return messages
        window = messages.at_us // np.maximum(every_us, 1)
        means = self._means[messages.gateway]
        goes_on = ~works
        rows = np.flatnonzero(works & ~means)
        if len(rows):
            passed = rows[self._is_first(messages.device[rows].astype(np.int64), window[rows])]
            goes_on[passed] = True
            self._lose(LossCause.EDGE_FILTERED, messages.device[np.setdiff1d(rows, passed)])
        rows = np.flatnonzero(means)
        if len(rows):
            self._add(messages.take(rows), window[rows])
        return messages.take(goes_on)

    def _is_first(self, device: Int, window: Int) -> Mask:
        """Which are the first of their device in their window."""
        order = np.argsort(device, kind="stable")
        mine, windows = device[order], window[order]
        before = np.append(-1, windows[:-1])
        begins = np.append(True, mine[1:] != mine[:-1])
        before[begins] = self._window[mine[begins]]
        first = np.zeros(len(device), np.bool_)
        first[order] = windows != before
        self._window[mine] = windows
        return first

    def _add(self, messages: Messages, window: Int) -> None:
        device = messages.device.astype(np.int64)
        self._make_room(np.unique(device))
        slot = self._slot[device]
        fresh = np.zeros(len(self._sum), np.bool_)
        fresh[slot[~self.waiting[device]]] = True
        self._sum[fresh], self._count[fresh] = 0.0, 0
        # One of each that begins here will go on; everything else is part of a mean.
        absorbed = np.ones(len(device), np.bool_)
        absorbed[np.unique(device, return_index=True)[1]] = False
        absorbed |= self.waiting[device]
        self._lose(LossCause.EDGE_AGGREGATED, messages.device[absorbed])
        known, averaged = ~np.isnan(messages.values), self._averaged[messages.kind]
        adds = known & averaged
        # One after the other, in the order in which they came: the sum hangs on nothing else.
        np.add.at(self._sum, slot, np.where(adds, messages.values, 0.0).astype(np.float64))
        np.add.at(self._count, slot, adds)
        row, column = np.nonzero(known & ~averaged)
        # Of rows of one device the last is written last, and stays.
        self._sum[slot[row], column], self._count[slot[row], column] = messages.values[row, column], 1
        for name in ("gateway", "kind", "device", "boot", "seq", "device_time_us", "sent_us"):
            getattr(self._newest, name)[slot] = getattr(messages, name)
        self.waiting[device], self._window[device] = True, window

    def _make_room(self, device: Int) -> None:
        new = device[self._slot[device] < 0]
        if not len(new):
            return
        before, width = self._sum.shape
        self._slot[new] = before + np.arange(len(new))
        more = len(new)
        self._newest = Messages(
            *(
                np.concatenate(
                    [getattr(self._newest, name), np.zeros((more, *getattr(self._newest, name).shape[1:]))]
                ).astype(getattr(self._newest, name).dtype)
                for name in COLUMNS
            )
        )
        self._sum = np.concatenate([self._sum, np.zeros((more, width))])
        self._count = np.concatenate([self._count, np.zeros((more, width), np.int64)])

    def finished(self, now_us: int, works: Mask) -> Messages:
        """Means whose window is over, of gateways that work (bool, one a gateway); they reach the next service now."""
        device = np.flatnonzero(self.waiting)
        slot = self._slot[device]
        gateway = self._newest.gateway[slot]
        over = ((self._window[device] + 1) * self._every_us[gateway] <= now_us) & works[gateway]
        device, slot = device[over], slot[over]
        self.waiting[device] = False
        found = self._newest.take(slot)
        found.at_us[:] = now_us
        found.values[:] = self._mean(slot, found.kind)
        return found

    def _mean(self, slot: NDArray[np.int32], kind: NDArray[np.int16]) -> Values:
        """In the sensor's own steps, and as it was told what has no mean; NaN where nothing was told."""
        total, count = self._sum[slot], self._count[slot]
        mean = total / np.maximum(count, 1)
        step, offset = self._step[kind], self._offset[kind]
        mean = np.where(self._averaged[kind], offset + step * np.rint((mean - offset) / step), total)
        return np.where(count > 0, mean, np.nan).astype(np.float32)

    def stop(self, gateway: Int, cause: LossCause) -> int:
        """These processors stop, and what they had begun is gone. Returns how many readings."""
        device = self.devices()
        mine = device[np.isin(self._newest.gateway[self._slot[device]], gateway)]
        self.waiting[mine] = False
        self._lose(cause, mine)
        return len(mine)
