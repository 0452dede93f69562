"""Who is silent, as expressions and the result of a run tell it: dead sensors apart from dead links."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinstorm.detectors.continuity import Silence
from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.select import FleetSelector
from twinstorm.scenarios.language.model import Continuity
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.result import ContinuityResult
from twinstorm.twin.flow import Codes, Int, Mask

MOST_NAMES: Final = 20
"""Sensors, and links, that a result names."""


class Silences:
    """Counts of a second, which is looked at once however many expressions ask."""

    def __init__(self, core: Core, settings: Continuity | None, selector: FleetSelector) -> None:
        self._core, self._settings, self._selector = core, settings, selector
        self._masks: dict[str, Mask] = {}
        self._at_us = -1
        self._found: dict[str, Int] = {}
        """Name of a counter to how many there are of each device."""

    def count(self, name: str, selector: Selector | None, now_us: int) -> float | None:
        """How many sensors or links of these devices are dead; None: nobody listens."""
        if self._settings is None:
            return None
        if now_us != self._at_us:
            self._at_us, self._found = now_us, _each(_codes(self._core, self._settings, now_us))
        each = self._found[name]
        if selector is None:
            return float(each.sum())
        if selector.text not in self._masks:
            self._masks[selector.text] = self._selector.mask(selector)
        return float(each[self._masks[selector.text]].sum())


def continuity_result(core: Core, settings: Continuity | None, now_us: int) -> ContinuityResult | None:
    """Who is silent now; None: nobody listens."""
    if settings is None:
        return None
    found = _codes(core, settings, now_us)
    each = _each(found)
    registry = core.registry
    links = np.flatnonzero(each["dead_links"])
    devices, channels = np.nonzero((found == Silence.SENSOR).T)
    places = list(zip(devices.tolist(), channels.tolist(), strict=True))
    names = {code: [channel.name for channel in registry.channels[kind]] for code, kind in enumerate(registry.kinds)}
    return ContinuityResult(
        dead_sensors=len(places),
        dead_links=len(links),
        never=int(np.count_nonzero((found == Silence.NEVER).any(axis=0))),
        sensors=[
            f"{registry.names[device]} {names[int(registry.kind[device])][channel]}"
            for device, channel in places[:MOST_NAMES]
        ],
        links=[registry.names[device] for device in links[:MOST_NAMES].tolist()],
    )


def _codes(core: Core, settings: Continuity, now_us: int) -> Codes:
    return core.silences(now_us, settings.periods, settings.least_us)


def _each(found: Codes) -> dict[str, Int]:
    """Of each device, how many of its sensors are dead, and whether its link is."""
    return {
        "dead_sensors": (found == Silence.SENSOR).sum(axis=0),
        "dead_links": (found == Silence.LINK).any(axis=0).astype(np.int64),
    }
