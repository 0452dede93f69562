"""What becomes of alarms once somebody has looked at them: limits that learn, and alarms that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import MINUTE_US, Alarm

FLAP_WITHIN_US = 30 * MINUTE_US
FLAPS = 3
"""Openings about the same devices within `FLAP_WITHIN_US` that make one alarm of them."""
FLAP_CLEAR_US = 10 * MINUTE_US
"""A flapping alarm is over when its condition has been absent for so long."""

MORE = 1.25
"""A limit that was wrong is set so far beyond what broke it, ..."""
MOST_TIMES = 4.0
"""... but never beyond so many times its first value, ..."""
MOST_SHARE = 0.9
"""... and a share never beyond this: when nearly everybody is affected, it is told."""


def learnt(policy: Policy, alarm: Alarm, first: Policy) -> Policy:
    """A policy under which an alarm that was wrong would not have been raised, as far as it may be moved.

    What moves is the limit that the detector's policy says it learns by: its scores, or the share of a group.

    Args:
        policy: as it is now.
        first: as the scenario set it.
    """
    if alarm.members is None:
        if policy.lone_threshold is None or first.lone_threshold is None:
            return policy
        wanted = max(policy.lone_threshold, alarm.score) * MORE
        return replace(policy, lone_threshold=min(wanted, first.lone_threshold * MOST_TIMES))
    if policy.learns == "score":
        threshold = min(max(policy.threshold, alarm.score) * MORE, first.threshold * MOST_TIMES)
        scale = threshold / policy.threshold
        return replace(policy, threshold=threshold, clear_threshold=policy.clear_threshold * scale)
    share, of_fleet = (len(alarm.device) / max(count, 1) for count in (alarm.known, alarm.judged))
    return replace(
        policy,
        share=min(max(policy.share, share * MORE), MOST_SHARE),
        fleet_share=min(max(policy.fleet_share, of_fleet * MORE), MOST_SHARE),
    )


@dataclass
class Past:
    """Alarms of one source that were resolved lately.

    Attributes:
        openings: number of each alarm to how often it, or one before it about the same devices, was opened.
    """

    alarms: list[Alarm] = field(default_factory=list)
    openings: dict[int, int] = field(default_factory=dict)

    def add(self, alarm: Alarm) -> None:
        """It is over."""
        if all(each is not alarm for each in self.alarms):
            self.alarms.append(alarm)

    def forget(self, now_us: int) -> None:
        """Drop what is too long ago."""
        kept = [each for each in self.alarms if each.resolved_us is None or now_us - each.resolved_us <= FLAP_WITHIN_US]
        for each in self.alarms:
            if each not in kept:
                self.openings.pop(each.number, None)
        self.alarms = [each for each in kept if each.resolved_us is not None]

    def like(self, device: Sequence[int] | np.ndarray) -> Alarm | None:
        """The newest of them about at least half of the smaller side of these devices, or of nobody, as these."""
        for alarm in reversed(self.alarms):
            if not len(alarm.device) and not len(device):
                return alarm
            common = len(np.intersect1d(alarm.device, device, assume_unique=True))
            if common and 2 * common >= min(len(alarm.device), len(device)):
                return alarm
        return None
