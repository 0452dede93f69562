"""Events of one device that follow each other: ``disconnect then connect within 5 s``, three times in ten minutes.

For each device and each beginning of the pattern it is enough to know when the latest such beginning began: whatever an
earlier one can still become, a later one can as well. So state is one instant a step and device, and nothing is
searched again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np

from twinstorm.detectors.contract import LONG_AGO_US, Batch
from twinstorm.detectors.happenings import ALARM, DEAD_LETTER, EVENTS, LATE, Happened, Happenings
from twinstorm.detectors.lasting import Lasting
from twinstorm.detectors.options import Option, typed
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import NEVER_US, Device, Int, Registry, Severity, Values

MOST_A_PANE = 100
"""Events of one device in one second that are looked at: so many tell as much as more."""


class Sequence(Protocol):
    """What a pattern says, read; see `twinstorm.scenarios.language.patterns.Pattern`."""

    @property
    def steps(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def within_us(self) -> int: ...
    @property
    def without(self) -> tuple[str, ...]: ...
    @property
    def alarms(self) -> tuple[str, ...]: ...


class Matcher:
    """Follows one pattern on every device. A match ends what had begun: no event belongs to two.

    Of events at one instant those of one device come in the order in which they are given.
    """

    def __init__(self, sequence: Sequence, happenings: Happenings, devices: int) -> None:
        self._within_us = sequence.within_us
        self._fits = np.zeros((len(sequence.steps), happenings.codes), np.bool_)
        for step, events in enumerate(sequence.steps):
            self._fits[step, [happenings.code(event) for event in events]] = True
        self._ends = np.zeros(happenings.codes, np.bool_)
        self._ends[[happenings.code(event) for event in sequence.without]] = True
        self._matters = self._fits.any(axis=0) | self._ends
        self._began_us: Int = np.full((len(sequence.steps) - 1, devices), LONG_AGO_US, np.int64)
        """Of each step but the last: when the latest row of events up to it began."""

    def take(self, happened: Happened) -> tuple[Device, Int, int]:
        """Look at events in their order.

        Returns:
            Devices with a match, in the order of their matches, when each was whole, and how many events were passed
            over because their device had too many.
        """
        rows = np.flatnonzero(self._matters[happened.what]) if len(happened) else np.empty(0, np.int64)
        found, found_us = [], []
        turns = _turns(happened.device[rows])
        for turn in turns[:MOST_A_PANE]:
            now = rows[turn]
            device, at_us = happened.device[now], happened.at_us[now]
            whole = self._step(device, at_us, self._fits[:, happened.what[now]], self._ends[happened.what[now]])
            if whole.any():
                found.append(device[whole])
                found_us.append(at_us[whole])
        passed_over = sum(len(turn) for turn in turns[MOST_A_PANE:])
        if not found:
            return rows[:0].astype(np.int32), rows[:0], passed_over
        return np.concatenate(found), np.concatenate(found_us), passed_over

    def _step(self, device: Device, at_us: Int, fits: Any, ends: Any) -> Any:
        """One event of each of these devices. Returns bool (k,), whose match is whole."""
        began_us = self._began_us[:, device]
        if not len(began_us):
            return fits[0]
        whole = fits[-1] & (at_us - began_us[-1] <= self._within_us)
        # What an event ends goes on only by way of this event.
        kept_us = np.where(ends, LONG_AGO_US, began_us)
        reached_us = np.concatenate((at_us[None], began_us[:-1]))
        began_us = np.where(fits[:-1], np.maximum(reached_us, kept_us), kept_us)
        began_us[:, whole] = LONG_AGO_US
        self._began_us[:, device] = began_us
        return whole


def _turns(device: Device) -> list[Int]:
    """Part rows so that each part has a device at most once, earlier rows of a device in earlier parts."""
    if not len(device):
        return []
    order = np.argsort(device, kind="stable")
    who = device[order]
    index = np.arange(len(who))
    begins = np.append(True, who[1:] != who[:-1])
    rank = index - np.maximum.accumulate(np.where(begins, index, 0))
    by_rank = np.argsort(rank, kind="stable")
    edges = np.searchsorted(rank[by_rank], np.arange(int(rank.max()) + 2))
    return [order[by_rank[low:high]] for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]


class EventPattern:
    """Finds devices to which a row of events happened, so many times in a while. A scenario gives each pattern a name,
    which is that of its alarms.

    What is known: births, wills, closes and takeovers of sessions, new boot numbers, readings behind newer ones,
    readings that were refused in the name of a device, and alarms about it, each at the instant at which the core knew
    of it. Alarms of a second are events of the next one's.

    Limits: of one device a hundred events in a second are looked at. A payload that nobody could read is nobody's.

    Attributes:
        sequence: what is looked for.
        passed_over: events that were not looked at, because their device had too many in that second.
    """

    name: str = "pattern"
    summary: ClassVar[str] = "devices to which a row of events happens: `disconnect then connect within 5 s`"
    headline: ClassVar[str] = "go through the events of a pattern"
    options: ClassVar[tuple[Option, ...]] = (
        Option("pattern", "pattern", "", "events that follow each other"),
        Option("times", "count", "1", "how often, within `during`", least="1", most="100"),
        Option("during", "duration", "10 min", "in which time so many matches count", least="1 s"),
        Option("keep", "duration", "60 s", "how long after that a device counts as affected", least="1 s"),
        Option("share", "share", "30 %", "of a site, segment, ... that must be affected for an alarm about it"),
        Option("devices", "count", "5", "affected devices that make a group", least="1"),
        Option("hold", "duration", "3 s", "how long the condition must last"),
        Option("clear", "duration", "60 s", "how long it must be absent before the alarm is over"),
        Option("quiet", "duration", "60 s", "how long after that there is no other alarm about the same group"),
        Option("severity", "word", "ticket", "of an alarm about a group", choices=("page", "ticket")),
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        self.sequence: Sequence = settings["pattern"]
        self._devices = len(registry)
        self._matcher: Matcher | None = None
        self._during_us: int = settings["during"]
        self._keep_us: int = settings["keep"]
        self._matched_us: Int = np.full((settings["times"], self._devices), LONG_AGO_US, np.int64)
        """The newest matches of each device, the oldest first."""
        self._hit_us: Int = np.full(self._devices, LONG_AGO_US, np.int64)
        """When there were enough of them last."""
        self._last_hit_us = LONG_AGO_US
        self._asks_unannounced = False
        """It asks for what no news of a pane tells of."""
        self.asks_late = False
        self.passed_over = 0
        self.policy = Policy(
            share=settings["share"],
            fleet_share=min(0.05, settings["share"]),
            devices=settings["devices"],
            hold_us=settings["hold"],
            clear_us=settings["clear"],
            quiet_us=settings["quiet"],
            severity=Severity(settings["severity"]),
            lone_threshold=1.0,
        )

    def follow(self, happenings: Happenings) -> None:
        """Say which events there are, before the first."""
        sequence = self.sequence
        self._matcher = Matcher(sequence, happenings, self._devices)
        asked = {event for events in (*sequence.steps, sequence.without) for event in events}
        # Nothing else that a core tells says that these have happened.
        self._asks_unannounced = any(each.startswith(ALARM) or each == EVENTS[DEAD_LETTER] for each in asked)
        self.asks_late = EVENTS[LATE] in asked

    def take(self, happened: Happened) -> None:
        """Look at the events of a pane, in their order."""
        assert self._matcher is not None, "`follow` comes first"
        device, at_us, passed_over = self._matcher.take(happened)
        self.passed_over += passed_over
        for turn in _turns(device):
            who, now_us = device[turn], at_us[turn]
            matched_us = self._matched_us[:, who]
            matched_us = np.concatenate((matched_us[1:], now_us[None]))
            self._matched_us[:, who] = matched_us
            enough = now_us - matched_us[0] <= self._during_us
            self._hit_us[who[enough]] = now_us[enough]
            self._last_hit_us = max(self._last_hit_us, int(now_us[enough].max(initial=LONG_AGO_US)))

    def learn(self, batch: Batch) -> None:
        """Nothing: it learns from events."""

    def pass_by(self, panes: int) -> None:
        """Nothing."""

    def quiet(self, batch: Batch) -> Lasting | None:
        """Until something happens; nobody announces alarms and dead letters."""
        if self._asks_unannounced or batch.now_us - self._last_hit_us <= self._keep_us:
            return None
        return Lasting(NEVER_US, reading_us=0 if self.asks_late else NEVER_US, session_us=0, reboot_us=0)

    def score(self, batch: Batch) -> Values:
        """1.0 for whom it happened to enough of late."""
        return (batch.now_us - self._hit_us <= self._keep_us).astype(np.float32)


def listen(patterns: list[EventPattern]) -> Happenings | None:
    """What these patterns ask for, and they follow it; None: nobody asks."""
    if not patterns:
        return None
    happenings = Happenings(name for each in patterns for name in each.sequence.alarms)
    for each in patterns:
        each.follow(happenings)
    return happenings


def made(name: str, registry: Registry, settings: Mapping[str, Any]) -> EventPattern:
    """A pattern by the name that a scenario gives it.

    Raises:
        ValueError: a setting that it does not have, or a value of the wrong kind; the text names what is allowed.
    """
    pattern = EventPattern(registry, typed(f"detector `{name}`", EventPattern.options, settings))
    pattern.name = name
    return pattern
