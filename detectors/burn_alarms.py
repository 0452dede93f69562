"""Alarms of objectives whose error budget goes too fast: each is called after its objective, ``connected-burn``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twinstorm.detectors.alarms import Alarms, Changes
from twinstorm.detectors.burn import BurnWatch, Fire
from twinstorm.detectors.grouping import ALL
from twinstorm.detectors.objectives import Track
from twinstorm.twin.flow import SECOND_US, Alarm, Device, Mask, Severity

SUFFIX = "-burn"
"""Of the name of such an alarm."""


class BurnAlarms:
    """All objectives that ask for such alarms. All state is plain data.

    Args:
        tracks: every objective by its name.
        alarms: takes what is raised.
    """

    def __init__(self, tracks: Mapping[str, Track], alarms: Alarms) -> None:
        self._alarms = alarms
        self._watched = {
            name: (track, BurnWatch(track.objective.burning))
            for name, track in tracks.items()
            if track.objective.burning is not None
        }
        self._up: dict[tuple[str, Severity], Alarm] = {}

    @property
    def rest(self) -> bool:
        """As long as nothing counts against an objective, nothing changes here."""
        return all(watch.rests for _, watch in self._watched.values())

    def step(self, now_us: int, strangers: Mask | None, changes: Changes) -> None:
        """Look at the pane that ends now, after its objectives and detectors did.

        Args:
            strangers: devices that the registry does not list; None: there are none.
        """
        for name, (track, watch) in self._watched.items():
            fires = watch.step(now_us, track)
            for severity in Severity:
                alarm = self._up.get((name, severity))
                fire = fires.get(severity)
                if alarm is None and fire is not None:
                    self._up[name, severity] = self._raised(now_us, track, severity, fire, strangers, changes)
                elif alarm is not None and fire is None:
                    del self._up[name, severity]
                    if alarm.resolved_us is None:  # Else somebody has marked it wrong.
                        self._alarms.withdraw(alarm, now_us, changes)

    def _raised(
        self, now_us: int, track: Track, severity: Severity, fire: Fire, strangers: Mask | None, changes: Changes
    ) -> Alarm:
        objective = track.objective
        alarm = Alarm(
            name=objective.name + SUFFIX,
            at_us=now_us,
            severity=severity,
            group=objective.of or ALL,
            device=_spoilers(track.spoilt(fire.rule.short_us // SECOND_US), strangers),
            cause="",
            incident=0,
            score=round(fire.burn, 3),
            limit=fire.rule.burn,
        )
        speed = f"{fire.burn:.3g}" if fire.burn < 1_000 else f"{fire.burn:,.0f}"
        self._alarms.declare(alarm, f"burnt the error budget of {objective.name} {speed}x too fast", changes)
        return alarm


def _spoilers(spoilt: Mask | None, strangers: Mask | None) -> Device:
    """Devices that count against an objective, ascending; none for what has no devices."""
    if spoilt is None:
        return np.empty(0, np.int32)
    return np.flatnonzero(spoilt if strangers is None else spoilt & ~strangers).astype(np.int32)
