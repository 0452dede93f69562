"""A stored model of conditions at work on a fleet: what is wrong with each machine, and which will fail in time.

A scenario names it as any other stored model: ``wear: {model: pump-condition@1, horizon: 2 h}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.condition import LONGEST_H, NONE, ConditionModel
from twinstorm.detectors.values.contract import Reals, Which
from twinstorm.detectors.values.memory import NO_TIME
from twinstorm.detectors.values.minutes import Minutes
from twinstorm.detectors.values.stored import MODEL, ByModel, Version
from twinstorm.twin.flow import HOUR_US, Device, Int, Registry

NAMED: Final = 3
"""Devices of an alarm of which it says more."""


class _ByCondition(Minutes):
    """Scores machines by how soon they will fail and keeps the newest condition of each."""

    name: ClassVar[str] = "condition"
    summary: ClassVar[str] = "a stored model of conditions"
    options: ClassVar[tuple[Option, ...]] = (
        MODEL,
        Option("horizon", "duration", "2 h", "who is expected to fail within it counts", least="1 min", most="10000 h"),
        Option("hold", "duration", "2 min", "how long the condition must last"),
        Option("clear_threshold", "share", "80 %", "of `threshold`: down to that an open alarm stays open"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.version: Version = settings["model"]
        model = self.version.model
        assert isinstance(model, ConditionModel)
        self.model: ConditionModel = model
        self.of_width(len(model.channels))
        self.horizon_h = settings["horizon"] / HOUR_US
        devices = series // self.width
        self.at_us: Int = np.full(devices, NO_TIME, np.int64)
        """End of the minute that each was judged by last; `NO_TIME`: it was not yet."""
        self.failure: Int = np.zeros(devices, np.int64)
        self.health, self.hours, self.least, self.most = np.full((4, devices), np.nan)

    def forget(self, series: Which) -> None:
        super().forget(series)
        self.at_us[np.arange(self.series)[series] // self.width] = NO_TIME

    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        found = self.model.look(rows)
        if learns:
            self.at_us[device] = at_us
            self.failure[device] = found.failure
            self.health[device], self.hours[device] = found.health, found.hours
            self.least[device], self.most[device] = found.least, found.most
        return self.horizon_h / found.hours


@dataclass(frozen=True, slots=True)
class Condition:
    """What is known of one device.

    Attributes:
        at_us: end of the minute that says so, by the device's clock.
        failure: what is wrong; `NONE`: nothing.
        health: 0..100. hours: of life that is expected to remain, least and most its bounds.
    """

    device: int
    at_us: int
    failure: str
    health: float
    hours: float
    least: float
    most: float

    def __str__(self) -> str:
        wrong = "no failure named" if self.failure == NONE else self.failure
        return f"{wrong}, {_hours(self.hours)} left ({_hours(self.least)} to {_hours(self.most)})"


class Wear(ByModel):
    """A stored model of conditions, as a detector: at the end of each minute of a device, what fails in it, its health
    and the life that remains, by what was learnt from twins. 1.0 is a remaining life as long as `horizon`, 2.0 one half
    as long.

    Until a device has told its level (ten minutes), and in minutes in which one of the channels is silent, nothing new
    is said of it. It learns nothing while it looks.
    """

    summary: str = "a stored model of conditions, trained on recorded runs"
    options = _ByCondition.fleet_options()

    def __init__(self, name: str, registry: Registry, settings: Mapping[str, Any]) -> None:
        """See `ByModel`."""
        super().__init__(_ByCondition, name, registry, settings)
        self._names = registry.names
        self.horizon_h = self._inner.horizon_h
        self.headline = f"will fail within {_hours(self.horizon_h)}"

    @property
    def _inner(self) -> _ByCondition:
        assert isinstance(self._detector, _ByCondition)
        return self._detector

    def conditions(self, most: int | None = None) -> list[Condition]:
        """The newest of each device that was judged, those first that are expected to fail first; None: of all."""
        inner = self._inner
        known = np.flatnonzero(inner.at_us != NO_TIME)
        return [self._condition(row) for row in known[np.argsort(inner.hours[known], kind="stable")[:most]].tolist()]

    def counts(self) -> tuple[int, int]:
        """Devices that were judged, and those among them that are expected to fail within the horizon."""
        inner = self._inner
        known = inner.at_us != NO_TIME
        return int(np.count_nonzero(known)), int(np.count_nonzero(known & (inner.hours <= inner.horizon_h)))

    def says(self, device: Device) -> str:
        """What an alarm about these devices says of them: of the few that are expected to fail first."""
        inner = self._inner
        rows = np.searchsorted(self.whom, device[np.isin(device, self.whom)])
        rows = rows[inner.at_us[rows] != NO_TIME]
        first = rows[np.argsort(inner.hours[rows], kind="stable")]
        told = [f"{self._names[each.device]}: {each}" for each in map(self._condition, first[:NAMED].tolist())]
        more = len(first) - NAMED
        return "; ".join([*told, *([f"and {more:,} more"] if more > 0 else [])])

    def _condition(self, row: int) -> Condition:
        inner = self._inner
        return Condition(
            int(self.whom[row]),
            int(inner.at_us[row]),
            inner.model.types[int(inner.failure[row])],
            float(inner.health[row]),
            float(inner.hours[row]),
            float(inner.least[row]),
            float(inner.most[row]),
        )


def _hours(hours: float) -> str:
    """A remaining life, in a unit that fits."""
    if hours >= LONGEST_H:
        return f"{LONGEST_H:,.0f} h or more"
    if hours < 1.0:
        return f"{hours * 60.0:.0f} min"
    return f"{hours:,.0f} h" if hours >= 100.0 or hours == round(hours) else f"{hours:.1f} h"
