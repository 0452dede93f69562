"""Joins with a name: how far what one kind measures lies from what another kind measures there at that time.

What `joins` of a scenario asks for. A reading of the left side is compared with the mean of its partners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.detectors.dating import without
from twinstorm.detectors.joins import IntervalJoin
from twinstorm.detectors.rule_alarms import RuleAlarm
from twinstorm.detectors.sums import Floats
from twinstorm.detectors.windows import keys_among, keys_of
from twinstorm.twin.flow import Device, Int, Mask, Registry, Values

RECENT: Final = 60
"""Seconds whose pairs are what a join says now."""


@dataclass(frozen=True)
class Side:
    kind: str
    channel: str


@dataclass(frozen=True)
class JoinPlan:
    """A join that somebody asks for.

    Attributes:
        level: under which key both must count (`windows.LEVELS`).
        above: an alarm is raised when a reading lies so far above the mean of its partners; None: never.
    """

    name: str
    left: Side
    right: Side
    level: str
    before_us: int
    after_us: int
    lateness_us: int
    above: float | None


class NamedJoin:
    """One join of all keys.

    Raises:
        ValueError: a channel that a kind lacks, or an unknown level.

    Attributes:
        names: of the keys.
        alone: left readings without a partner.
        misdated: readings of both sides, see `dating.py`.
        pairs: int64 (keys,). difference: float64 (keys,), sum of left less right over all pairs.
        alarm: of what lies too far above; None: nobody asks.
    """

    def __init__(self, registry: Registry, plan: JoinPlan) -> None:
        self.plan = plan
        self._columns = {side.kind: _column(registry, side) for side in (plan.left, plan.right)}
        left, self.names = keys_of(registry, plan.left.kind, plan.level)
        right, others = keys_of(registry, plan.right.kind, plan.level)
        if self.names != others:
            raise ValueError(f"`{plan.name}`: two kinds have no `{plan.level}` in common")
        self._join = IntervalJoin(left, right, plan.before_us, plan.after_us)
        self._key = left
        self.alone = self.misdated = self._late = 0
        keys = len(self.names)
        self.pairs: Int = np.zeros(keys, np.int64)
        self.difference: Floats = np.zeros(keys)
        self._recent_pairs: Int = np.zeros((RECENT, keys), np.int64)
        self._recent: Floats = np.zeros((RECENT, keys))
        """Sums of the seconds before now, one a row, over and over."""
        self._second = 0
        self.alarm = None if plan.above is None else RuleAlarm(plan.name, registry, left >= 0)

    @property
    def late(self) -> int:
        """Readings of both sides that came too late to find anybody."""
        return self._join.late + self._late

    @property
    def waiting(self) -> int:
        return self._join.waiting

    def take(
        self,
        kind: str,
        device: Device,
        at_us: Int,
        values: Values,
        where: Mask | None,
        was_late: Mask | None = None,
    ) -> None:
        """Take readings of one of both kinds; see `dating.was_late`."""
        where, late = without(where, was_late)
        self._late += late
        if where is not None:
            device, at_us, values = device[where], at_us[where], values[where]
        add = self._join.add_left if kind == self.plan.left.kind else self._join.add_right
        add(device, at_us, values[:, self._columns[kind]])

    def close(self, now_us: int, through_us: int | None = None) -> None:
        """See `Follower`."""
        met = self._join.close((now_us if through_us is None else through_us) - self.plan.lateness_us)
        self._second = (self._second + 1) % RECENT
        self._recent_pairs[self._second] = 0
        self._recent[self._second] = 0.0
        paired = met.partners > 0
        self.alone += len(met) - int(np.count_nonzero(paired))
        if not paired.any():
            return
        key, partners = met.key[paired], met.partners[paired]
        off = met.value[paired] - met.right_mean[paired]
        np.add.at(self._recent_pairs[self._second], key, partners)
        np.add.at(self._recent[self._second], key, off * partners)
        self.pairs += self._recent_pairs[self._second]
        self.difference += self._recent[self._second]
        if self.alarm is not None and self.plan.above is not None:
            struck = met.left[paired][off > self.plan.above]
            if len(struck):
                # When it was found out: what is told of an alarm is what is known at that instant.
                self.alarm.mark(struck, np.full(len(struck), now_us))

    def keys_among(self, device: Mask) -> Mask:
        """Keys under which any of these devices of the left side counts: bool (keys,)."""
        return keys_among(self._key[device], len(self.names))

    def value(self, keys: Mask | None, *, least: bool = False) -> float | None:
        """Mean difference of the pairs of the newest minute, the greatest of these keys or the least; None: no pair."""
        pairs = self._recent_pairs.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._recent.sum(axis=0) / pairs
        known = mean[pairs > 0] if keys is None else mean[keys & (pairs > 0)]
        return float(known.min() if least else known.max()) if len(known) else None


def _column(registry: Registry, side: Side) -> int:
    names = [channel.name for channel in registry.channels[side.kind]]
    if side.channel not in names:
        raise ValueError(f"`{side.kind}` has no channel `{side.channel}`; there are {', '.join(names)}")
    return names.index(side.channel)
