"""Where a message goes: rules by topic and value, to store, alarm, command or dead letter.

The first rule that fits takes a message; one that fits none goes nowhere and is counted. A rule may change what it
passes on. Who takes it may fail: then it is tried again after a wait that doubles, and after the last try it is a dead
letter. Nothing is lost without being counted: `taken = delivered + waiting + dead`.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from twinstorm.twin.flow import SECOND_US

MOST_WAITING: Final = 10_000
Told = Mapping[str, float]
"""Channel to value."""


class Target(StrEnum):
    STORE = "store"
    ALARM = "alarm"
    COMMAND = "command"
    DEAD_LETTER = "dead-letter"


COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "=": lambda value, limit: value == limit,
    "!=": lambda value, limit: value != limit,
}


@dataclass(frozen=True)
class Condition:
    """A channel against a limit. A silent or missing channel fulfils none."""

    channel: str
    compare: str
    limit: float

    def __post_init__(self) -> None:
        if self.compare not in COMPARE:
            raise ValueError(f"`{self.compare}` compares nothing; there are {' '.join(COMPARE)}")

    def holds(self, told: Told) -> bool:
        value = told.get(self.channel, math.nan)
        return not math.isnan(value) and COMPARE[self.compare](value, self.limit)


@dataclass(frozen=True)
class Change:
    """A channel in another unit or under another name: ``factor * value + offset`` as `becomes`."""

    channel: str
    becomes: str
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Rule:
    """Takes messages whose topic fits the filter and for which all conditions hold.

    Attributes:
        topic: MQTT topic filter, with ``+`` and ``#``.
        keep: channels that are passed on, by their new names; empty: all.
        tries: how often it is tried in all. wait_us: before the second try; doubles with each.
    """

    name: str
    topic: str
    to: Target
    when: tuple[Condition, ...] = ()
    changes: tuple[Change, ...] = ()
    keep: tuple[str, ...] = ()
    tries: int = 3
    wait_us: int = SECOND_US

    def __post_init__(self) -> None:
        levels = self.topic.split("/")
        wrong = any(("#" in level and (level != "#" or place < len(levels) - 1)) for place, level in enumerate(levels))
        if not self.topic or wrong or any("+" in level and level != "+" for level in levels):
            raise ValueError(f"rule `{self.name}`: `{self.topic}` is no topic filter")
        if self.tries < 1 or self.wait_us <= 0:
            raise ValueError(f"rule `{self.name}`: at least one try, and a wait of more than nothing")

    def fits(self, topic: str, told: Told) -> bool:
        return matches(self.topic, topic) and all(condition.holds(told) for condition in self.when)

    def changed(self, told: Told) -> dict[str, float]:
        """What is passed on."""
        changes = {change.channel: change for change in self.changes}
        passed = {}
        for name, value in told.items():
            change = changes.get(name)
            if change is not None:
                name, value = change.becomes, change.factor * value + change.offset  # noqa: PLW2901
            passed[name] = value
        return {name: value for name, value in passed.items() if not self.keep or name in self.keep}


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic fits an MQTT filter (3.1.1, 4.7): ``+`` is one level, ``#`` all that follow and their parent; a
    wildcard in the first level does not fit topics that begin with ``$``."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


@dataclass(frozen=True)
class Routed:
    """A message on its way."""

    at_us: int
    rule: str
    topic: str
    told: Mapping[str, float]


@dataclass(frozen=True)
class Dead:
    """A message that went nowhere else, and why."""

    message: Routed
    reason: str


Taker = Callable[[Routed], bool]
"""Takes a message; False: not now."""


@dataclass
class Router:
    """Sends messages where rules say.

    Args:
        takers: for each target that a rule names but `DEAD_LETTER`, who takes it.

    Attributes:
        counts: by rule: taken, delivered, retried, dead. unrouted: messages that no rule took.
        dead: the newest letters; `MOST_WAITING` of them.
    """

    rules: Sequence[Rule]
    takers: Mapping[Target, Taker]
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    unrouted: int = 0
    dead: list[Dead] = field(default_factory=list)
    _waiting: list[tuple[int, int, int, Routed]] = field(default_factory=list)
    """Heap of (due, number, tries so far, message)."""
    _number: int = 0

    def __post_init__(self) -> None:
        for rule in self.rules:
            if rule.name in self.counts:
                raise ValueError(f"two rules are called `{rule.name}`")
            if rule.to is not Target.DEAD_LETTER and rule.to not in self.takers:
                raise ValueError(f"rule `{rule.name}`: nobody takes what goes to `{rule.to}`")
            self.counts[rule.name] = Counter()
        self._rule = {rule.name: rule for rule in self.rules}

    @property
    def waiting(self) -> int:
        """Messages that will be tried again."""
        return len(self._waiting)

    def route(self, topic: str, told: Told, at_us: int) -> str | None:
        """Send a message. Returns the rule that took it."""
        for rule in self.rules:
            if rule.fits(topic, told):
                self.counts[rule.name]["taken"] += 1
                message = Routed(at_us, rule.name, topic, rule.changed(told))
                if rule.to is Target.DEAD_LETTER:
                    self._bury(message, "a rule says so")
                else:
                    self._try(message, 0, at_us)
                return rule.name
        self.unrouted += 1
        return None

    def advance(self, now_us: int) -> None:
        """Try again what is due, in order of the instants at which it is."""
        while self._waiting and self._waiting[0][0] <= now_us:
            due_us, _, tries, message = heapq.heappop(self._waiting)
            self.counts[message.rule]["retried"] += 1
            self._try(message, tries, due_us)

    def _try(self, message: Routed, tries: int, at_us: int) -> None:
        rule = self._rule[message.rule]
        try:
            taken = self.takers[rule.to](message)
        # A taker is somebody else's: whatever it raises is its failure, not the end of the run.
        except Exception:
            taken = False
        tries += 1
        if taken:
            self.counts[rule.name]["delivered"] += 1
        elif tries >= rule.tries:
            self._bury(message, f"{rule.to} failed {tries} times")
        elif len(self._waiting) >= MOST_WAITING:
            self._bury(message, "too much waits already")
        else:
            self._number += 1
            due_us = at_us + rule.wait_us * 2 ** (tries - 1)
            heapq.heappush(self._waiting, (due_us, self._number, tries, message))

    def _bury(self, message: Routed, reason: str) -> None:
        self.counts[message.rule]["dead"] += 1
        self.dead.append(Dead(message, reason))
        if len(self.dead) > MOST_WAITING:
            del self.dead[: -MOST_WAITING // 2]
