"""Alarms of rules that say so themselves, as detectors: what a rule struck is affected, for as long as it goes on."""

from __future__ import annotations

import numpy as np

from twinstorm.detectors.contract import LONG_AGO_US, Batch
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import SECOND_US, Device, Int, Mask, Registry, Values

STALE_PERIODS = 3
STALE_US = 10 * SECOND_US
"""A spell of a device is over when nothing struck it for so many periods, and at least so long."""


class RuleAlarm:
    """One rule. A device scores the number of readings that struck it in its present spell: one is an alarm.

    Args:
        where: bool (n,), devices that it can strike at all; None: all.
    """

    def __init__(self, name: str, registry: Registry, where: Mask | None) -> None:
        self.name = name
        self.headline = f"fit the rule {name}"
        self.policy = Policy(share=0.3, fleet_share=0.05, hold_us=0, lone_threshold=1.0)
        self._where = where
        self._stale_us: Int = np.maximum(registry.every_us * STALE_PERIODS, STALE_US)
        self._last_us: Int = np.full(len(registry), LONG_AGO_US, np.int64)
        self._struck: Values = np.zeros(len(registry), np.float32)

    def mark(self, device: Device, at_us: Int) -> None:
        """The rule struck these devices at these instants; a device may stand there more than once."""
        who, place, count = np.unique(device, return_inverse=True, return_counts=True)
        latest_us = np.full(len(who), LONG_AGO_US, np.int64)
        np.maximum.at(latest_us, place, at_us)
        goes_on = latest_us - self._last_us[who] <= self._stale_us[who]
        self._struck[who] = np.where(goes_on, self._struck[who], 0) + count
        self._last_us[who] = np.maximum(self._last_us[who], latest_us)

    def learn(self, batch: Batch) -> None:
        """A rule learns nothing."""

    def score(self, batch: Batch) -> Values:
        """See `Detector.score`."""
        recent = batch.now_us - self._last_us <= self._stale_us
        score = np.where(recent, self._struck, np.float32(0.0))
        return score if self._where is None else np.where(self._where, score, np.float32(np.nan))
