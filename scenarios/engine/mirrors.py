"""Mirrors of a run: which devices have one, and what they tell less what their mirrors measure, as channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.taps import Accepted, one_of_each
from twinstorm.scenarios.language.model import MirrorPlan, Segment
from twinstorm.twin.flow import Device, Int, Registry, Values
from twinstorm.twin.machines.kind import MachineKind, Place, catalogue
from twinstorm.twin.mirror import Driven, Mirror, residual_of
from twinstorm.twin.places import spots


@dataclass
class Residuals:
    """Of one segment, after the warm-up.

    Attributes:
        count, total, squares: one a channel: readings, sum of their residuals and of the squares.
    """

    segment: str
    kind: str
    devices: int
    count: Int
    total: NDArray[np.float64]
    squares: NDArray[np.float64]


class Mirrors:
    """Derived channels `residual_...` of every channel of a kind of which some segment has mirrors; silent where the
    channel is an angle, a counter or a code. See `Derived`.

    Args:
        segments: of the fleet, in the order of the registry's.
        year_us: see `Mirror`.
        from_us: residuals are summed up from there on.

    Raises:
        PluginError: a kind does not keep to its contract.

    Attributes:
        found: what there is to tell of the residuals, a segment with mirrors each.
    """

    def __init__(self, registry: Registry, segments: Iterable[Segment], year_us: int, from_us: int) -> None:
        self._from_us = from_us
        self._mirrors: dict[int, Mirror] = {}
        self.found: dict[int, Residuals] = {}
        self._averaged: dict[int, NDArray[np.bool_]] = {}
        self._segment = registry.segment
        self._row: Int = np.full(len(registry), -1, np.int64)
        """Of each device in the mirrors of its segment."""
        channels = dict(registry.channels)
        for number, segment in enumerate(segments):
            if segment.mirror is None:
                continue
            kind = catalogue()[segment.kind]
            device = np.flatnonzero(registry.segment == number)
            where = spots(registry.sites, registry.site[device])
            self._mirrors[number] = _mirror(kind, segment.mirror, where, year_us)
            self._row[device] = np.arange(len(device))
            self._averaged[number] = np.array([channel.averaged for channel in kind.channels])
            width = len(kind.channels)
            zero = np.zeros(width)
            self.found[number] = Residuals(
                segment.name, kind.name, len(device), np.zeros(width, np.int64), zero, zero.copy()
            )
            channels[kind.name] = (*kind.channels, *(residual_of(one) for one in kind.channels))
        self.registry = replace(registry, channels=channels)

    def widened(self, accepted: Accepted) -> Values:
        """See `Derived`."""
        own = accepted.values
        channels = len(self.registry.channels[self.registry.kinds[accepted.code]])
        if channels == own.shape[1]:
            return own
        wide = np.full((len(own), channels), np.nan, np.float32)
        wide[:, : own.shape[1]] = own
        if not accepted.late:
            chosen = self._row[accepted.device] >= 0
            if accepted.good is not None:
                chosen &= accepted.good
            for rows in one_of_each(accepted.device[chosen]):
                mine = np.flatnonzero(chosen)[rows]
                wide[mine, own.shape[1] :] = self._residuals(
                    accepted.device[mine], accepted.dated_us[mine], accepted.arrived_us[mine], own[mine]
                )
        return wide

    def _residuals(self, device: Device, dated_us: Int, arrived_us: Int, values: Values) -> Values:
        """float32 (k, channels), of different devices of one kind."""
        away = np.full(values.shape, np.nan, np.float32)
        segments = self._segment[device]
        for number in np.unique(segments).tolist():
            mine = np.flatnonzero(segments == number)
            mirror = self._mirrors[number]
            some = values[mine] - mirror.measure(self._row[device[mine]], dated_us[mine], values[mine])
            # What has no mean, an angle, a counter or a code, has no distance either.
            some[:, ~self._averaged[number]] = np.nan
            away[mine] = some
            self._sum_up(self.found[number], some[arrived_us[mine] > self._from_us])
        return away

    @staticmethod
    def _sum_up(found: Residuals, away: Values) -> None:
        there = away == away
        found.count += np.count_nonzero(there, axis=0)
        exact = np.where(there, away, 0.0).astype(np.float64)
        found.total += exact.sum(axis=0)
        found.squares += np.square(exact).sum(axis=0)

    def told(self) -> Iterator[tuple[Residuals, MachineKind]]:
        """What was found of each segment, with its kind."""
        return ((found, catalogue()[found.kind]) for found in self.found.values())


def _mirror(kind: MachineKind, plan: MirrorPlan, where: Place, year_us: int) -> Mirror:
    drives = {one.name: one for one in kind.drives}
    channels = [one.name for one in kind.channels]
    driven = [Driven(drives[one.drive], channels.index(one.of), one.factor, one.offset) for one in plan.drives]
    return Mirror(kind, where, dict(plan.machine), driven, year_us)
