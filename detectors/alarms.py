"""From scores to alarms: who is affected, what they share, whether it lasts, and when it is over.

An alarm about a group covers that group while it is open (and for its quiet period after): more devices of the group
make no second alarm. Devices outside every group make at most one ticket together, and none while an open incident
explains them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from twinstorm.detectors.grouping import LONE, Cause, Grouping
from twinstorm.detectors.handling import FLAP_CLEAR_US, FLAPS, Past, learnt
from twinstorm.detectors.incidents import Incidents
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import Alarm, Finding, Incident, Mask, Registry, Severity, Values

FINDINGS_KEPT = 1_000


class Source(Protocol):
    """What raises alarms: a detector, or an objective whose budget burns.

    Attributes:
        name: also that of its alarms.
        headline: what happened to the affected devices, for titles: ``fell silent``.
    """

    @property
    def name(self) -> str: ...
    @property
    def headline(self) -> str: ...
    @property
    def policy(self) -> Policy: ...


@dataclass
class _Cover:
    """An alarm and the devices for which it speaks; after it is resolved, until its quiet period ends.

    Attributes:
        alarm: in no list if its source is only a shadow.
        members: bool (n,); None: devices without a group.
        clear_us: its condition must be absent for so long, at least.
    """

    alarm: Alarm
    members: Mask | None
    true_us: int
    quiet_until_us: int = 0
    clear_us: int = 0


@dataclass
class _Watch:
    """One source's way to its alarms."""

    policy: Policy
    first: Policy
    """As the scenario set it; `policy` is what was learnt since."""
    covers: list[_Cover] = field(default_factory=list)
    past: Past = field(default_factory=Past)
    group_since_us: int | None = None
    lone_since_us: int | None = None

    @property
    def calm(self) -> bool:
        """Nothing is open or about to be."""
        waits = self.group_since_us is not None or self.lone_since_us is not None
        return not waits and all(cover.alarm.resolved_us is not None for cover in self.covers)


@dataclass
class Changes:
    """What one pane brought."""

    raised: list[Alarm] = field(default_factory=list)
    resolved: list[Alarm] = field(default_factory=list)
    opened: list[Incident] = field(default_factory=list)
    closed: list[Incident] = field(default_factory=list)
    flapping: list[Alarm] = field(default_factory=list)
    """Alarms that were opened once more instead of new ones."""
    escalated: list[Incident] = field(default_factory=list)


class Alarms:
    """All alarms of a run.

    Attributes:
        all: in order of raising.
        shadows: what detectors in the shadow would have raised, each numbered by itself; no incident knows of them.
        findings: the newest decisions of detectors, those that suppression kept from becoming alarms included.
    """

    def __init__(self, registry: Registry, sources: Sequence[Source]) -> None:
        self.all: list[Alarm] = []
        self.shadows: list[Alarm] = []
        self.findings: deque[Finding] = deque(maxlen=FINDINGS_KEPT)
        self.incidents = Incidents()
        self._devices = len(registry)
        self._grouping = Grouping(registry)
        self._watches = {source.name: _Watch(source.policy, source.policy) for source in sources}
        self._windows: dict[str, Mask] = {}
        self.muted: Mask | None = None
        """Devices in a maintenance window; None: none."""

    def watch(self, source: Source) -> None:
        """One more source, before it raises anything.

        Raises:
            ValueError: there is one of its name.
        """
        if source.name in self._watches:
            raise ValueError(f"two sources of alarms are called `{source.name}`")
        self._watches[source.name] = _Watch(source.policy, source.policy)

    def is_idle(self, source: Source) -> bool:
        """Nothing of this source is open, about to be, or in its quiet period."""
        watch = self._watches[source.name]
        return watch.calm and not watch.covers

    def is_settled(self, source: Source) -> bool:
        """All of this source that is open stays so, and nothing else opens, while the same devices are affected."""
        watch = self._watches[source.name]
        waits = watch.group_since_us is not None or watch.lone_since_us is not None
        # What was learnt from a wrong alarm is a limit of which the source knows nothing.
        at_once = watch.policy.clear_us == 0 and watch.policy is watch.first
        return (
            at_once and not waits and all(each.alarm.resolved_us is None and not each.clear_us for each in watch.covers)
        )

    def rest(self, now_us: int, source: Source, changes: Changes) -> bool:
        """The same as `step` for scores that all lie under `Policy.clear_threshold`."""
        watch = self._watches[source.name]
        watch.group_since_us = watch.lone_since_us = None
        if watch.covers:
            nobody = np.zeros(self._devices, np.bool_)
            self._go_on(now_us, watch, watch.policy, nobody, nobody, changes)
        return watch.calm

    def step(self, now_us: int, source: Source, score: Values, changes: Changes) -> bool:
        """Judge one source's scores.

        Args:
            changes: gets what is new.

        Returns:
            Whether all is calm, so that the detector may learn.
        """
        watch = self._watches[source.name]
        policy = watch.policy
        affected = score >= policy.threshold
        if not watch.covers and not affected.any():
            watch.group_since_us = watch.lone_since_us = None
            return True
        known = ~np.isnan(score)
        planned = False
        if self.muted is not None:
            planned = bool((affected & self.muted).any())
            affected &= ~self.muted
            known &= ~self.muted
        self._go_on(now_us, watch, policy, score >= policy.clear_threshold, known, changes)
        for cover in watch.covers:
            if cover.members is not None:
                affected &= ~cover.members
        self._look_for_group(now_us, watch, source, affected, known, score, changes)
        self._look_for_lone(now_us, watch, source, affected, score, changes)
        return watch.calm and not planned

    def declare(self, alarm: Alarm, headline: str, changes: Changes, *, apart: bool = False) -> None:
        """Raise an alarm, whoever decided it; its number is that of the next.

        Args:
            headline: what happened to its devices, e.g. ``fell silent``.
            apart: see `Policy`.
        """
        alarm.number = len(self.all) + 1
        opened = self.incidents.admit(alarm, headline, apart=apart)
        if opened is not None:
            changes.opened.append(opened)
        self.all.append(alarm)
        changes.raised.append(alarm)

    def withdraw(self, alarm: Alarm, now_us: int, changes: Changes) -> None:
        """An alarm is over."""
        alarm.resolved_us = now_us
        changes.resolved.append(alarm)
        closed = self.incidents.resolved(alarm, now_us)
        if closed is not None:
            changes.closed.append(closed)

    # --- open alarms --------------------------------------------------------------------------------------------------

    def _go_on(self, now_us: int, watch: _Watch, policy: Policy, affected: Mask, known: Mask, changes: Changes) -> None:
        """Keep or resolve what is open; drop what has been quiet for long enough."""
        for cover in watch.covers:
            if cover.alarm.resolved_us is not None:
                continue
            if self._still_true(watch, cover, policy, affected, known):
                cover.true_us = now_us
            elif now_us - cover.true_us >= max(policy.clear_us, cover.clear_us):
                self._resolve(now_us, watch, cover, changes)
        watch.covers = [
            cover for cover in watch.covers if cover.alarm.resolved_us is None or cover.quiet_until_us > now_us
        ]

    def _resolve(self, now_us: int, watch: _Watch, cover: _Cover, changes: Changes) -> None:
        alarm = cover.alarm
        alarm.resolved_us = now_us
        cover.quiet_until_us = now_us + watch.policy.quiet_us
        if watch.policy.shadow:
            return
        watch.past.add(alarm)
        self.withdraw(alarm, now_us, changes)

    @staticmethod
    def _still_true(watch: _Watch, cover: _Cover, policy: Policy, affected: Mask, known: Mask) -> bool:
        if cover.members is None:
            return bool(_outside_groups(watch, affected).any())
        count = int(np.count_nonzero(affected & cover.members))
        return count > 0 and count >= policy.clear_share * int(np.count_nonzero(known & cover.members))

    # --- new alarms ---------------------------------------------------------------------------------------------------

    def _look_for_group(
        self,
        now_us: int,
        watch: _Watch,
        source: Source,
        affected: Mask,
        known: Mask,
        score: Values,
        changes: Changes,
    ) -> None:
        """Raise an alarm about a group; takes its devices out of `affected`, also while it is only about to be one."""
        policy = watch.policy
        cause = self._grouping.cause(affected, known, policy) if affected.any() else None
        if cause is None:
            watch.group_since_us = None
            return
        if watch.group_since_us is None:
            watch.group_since_us = now_us
        inside = affected & cause.members
        if now_us - watch.group_since_us >= policy.hold_us:
            watch.group_since_us = None
            members = np.ones_like(cause.members) if policy.single else cause.members
            spreads = source.policy.cascades and self._grouping.spreads(np.flatnonzero(inside).astype(np.int32))
            severity = Severity.PAGE if spreads else source.policy.severity
            self._raise(now_us, watch, source, severity, inside, members, cause, score, changes)
        affected &= ~inside

    def _look_for_lone(
        self, now_us: int, watch: _Watch, source: Source, affected: Mask, score: Values, changes: Changes
    ) -> None:
        """Raise one ticket about the devices that no group explains."""
        policy = watch.policy
        lone = affected if policy.lone_threshold is None else affected & (score >= policy.lone_threshold)
        speaks = any(cover.members is None for cover in watch.covers)
        if policy.lone_threshold is None or speaks or not lone.any():
            watch.lone_since_us = None
            return
        if watch.lone_since_us is None:
            watch.lone_since_us = now_us
        if now_us - watch.lone_since_us >= policy.hold_us:
            watch.lone_since_us = None
            self._raise(now_us, watch, source, Severity.TICKET, lone, None, None, score, changes)

    def _raise(
        self,
        now_us: int,
        watch: _Watch,
        source: Source,
        severity: Severity,
        affected: Mask,
        members: Mask | None,
        cause: Cause | None,
        score: Values,
        changes: Changes,
    ) -> None:
        policy = source.policy
        device = np.flatnonzero(affected).astype(np.int32)
        group = LONE if cause is None else cause.group
        highest = round(float(score[device].max()), 3)
        if watch.policy.nameless:
            device = device[:0]
        self.findings.append(Finding(source.name, now_us, group, device, highest, watch.policy.threshold))
        # A shadow is judged as if it were alone: what others found explains nothing away.
        explained = cause is None and not (policy.shadow or policy.apart)
        if explained and self.incidents.covers(device):
            return
        watch.past.forget(now_us)
        before = watch.past.like(device)
        openings = 1 if before is None else watch.past.openings.get(before.number, 1) + 1
        if before is not None and openings >= FLAPS:
            self._flap(now_us, watch, before, members, openings, changes)
            return
        alarm = Alarm(
            name=source.name,
            at_us=now_us,
            severity=severity,
            group=group,
            device=device,
            cause="" if cause is None else cause.text,
            incident=0,
            number=len(self.all) + 1,
            members=None if cause is None else cause.members,
            known=len(device) if cause is None else cause.known,
            judged=int(np.count_nonzero(~np.isnan(score))),
            score=highest,
            limit=watch.policy.threshold,
        )
        if source.policy.shadow:
            alarm.number = len(self.shadows) + 1
            self.shadows.append(alarm)
            watch.covers.append(_Cover(alarm, members, now_us))
            return
        watch.past.openings[alarm.number] = openings
        self.declare(alarm, source.headline, changes, apart=policy.apart)
        watch.covers.append(_Cover(alarm, members, now_us))

    def _flap(
        self, now_us: int, watch: _Watch, alarm: Alarm, members: Mask | None, openings: int, changes: Changes
    ) -> None:
        """Open an alarm that was over once more, and keep it open for longer."""
        alarm.resolved_us, alarm.openings = None, openings
        watch.past.openings[alarm.number] = openings
        self.incidents.reopened(alarm, now_us)
        watch.covers = [cover for cover in watch.covers if cover.alarm is not alarm]
        watch.covers.append(_Cover(alarm, members, now_us, clear_us=FLAP_CLEAR_US))
        changes.flapping.append(alarm)

    # --- what people do -----------------------------------------------------------------------------------------------

    def look_at_clock(self, now_us: int, changes: Changes) -> None:
        """Once a pane, after all sources: what nobody has acknowledged in time goes on to somebody else."""
        changes.escalated += self.incidents.escalate(now_us)
        self.incidents.forget(now_us)

    def mark_wrong(self, number: int, now_us: int, changes: Changes) -> Alarm:
        """Somebody says that there was nothing: the alarm is over, and the limits of its source learn from it.

        Raises:
            ValueError: there is no such alarm, or it was marked before.
        """
        if not 1 <= number <= len(self.all):
            raise ValueError(
                f"no alarm {number}; " + (f"there are {len(self.all)}" if self.all else "there is none yet")
            )
        alarm = self.all[number - 1]
        if alarm.wrong:
            raise ValueError(f"alarm {number} is marked wrong already")
        alarm.wrong = True
        watch = self._watches.get(alarm.name)
        if watch is None:
            # That of an objective: its limit is a promise, and learns nothing.
            if alarm.resolved_us is None:
                self.withdraw(alarm, now_us, changes)
            return alarm
        watch.policy = learnt(watch.policy, alarm, watch.first)
        for cover in watch.covers:
            if cover.alarm is alarm and alarm.resolved_us is None:
                self._resolve(now_us, watch, cover, changes)
        return alarm

    def begin_window(self, name: str, device: Mask) -> None:
        """Work is planned on these devices: nothing is said of them until `end_window`."""
        self._windows[name] = device
        self.muted = np.logical_or.reduce(list(self._windows.values()))

    def end_window(self, name: str) -> None:
        self._windows.pop(name, None)
        self.muted = np.logical_or.reduce(list(self._windows.values())) if self._windows else None


def _outside_groups(watch: _Watch, affected: Mask) -> Mask:
    """Affected devices for which no alarm about a group speaks."""
    outside = affected.copy()
    for cover in watch.covers:
        if cover.members is not None:
            outside &= ~cover.members
    return outside
