"""Where a reading goes: rules by device and value, to store, alarm, command or dead letter. A tap.

The first rule that fits takes a reading; one that fits none goes nowhere and is counted. Conditions are looked at a
column at a time; only what is kept becomes a message. A rule may change what it passes on, and say how many readings
its target takes in a time: what finds no place is tried again after a wait that doubles, and after the last try it is a
dead letter. Nothing is lost without being counted: `taken = delivered + waiting + dead`.
"""

from __future__ import annotations

import heapq
import math
import operator
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np

from twinstorm.detectors.deadletters import DeadLetter, DeadLetters, LetterBody
from twinstorm.detectors.rule_alarms import RuleAlarm
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import SECOND_US, Int, Mask, Registry, Values

MOST_WAITING: Final = 10_000
KEPT: Final = 1_000
"""Messages that are kept until somebody fetches them; of one second no more become any."""

COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


class Target(StrEnum):
    STORE = "store"
    ALARM = "alarm"
    COMMAND = "command"
    DEAD_LETTER = "dead-letter"


@dataclass(frozen=True)
class Condition:
    """A channel against a limit. A silent channel fulfils none, and a kind without it has no reading that fits."""

    channel: str
    compare: str
    limit: float

    def __post_init__(self) -> None:
        if self.compare not in COMPARE:
            raise ValueError(f"`{self.compare}` compares nothing; there are {' '.join(COMPARE)}")

    def holds(self, column: Values) -> Mask:
        """bool (n,), of one channel of n readings."""
        # The limit as a value of the channel: what a sensor tells has no more digits than these.
        fits: Mask = COMPARE[self.compare](column, np.float32(self.limit)) & ~np.isnan(column)
        return fits


@dataclass(frozen=True)
class Change:
    """A channel in another unit or under another name: ``factor * value + offset`` as `becomes`."""

    channel: str
    becomes: str
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Rule:
    """Takes readings of these devices for which all conditions hold.

    Attributes:
        where: bool (n,), devices whose topic fits; None: all.
        keep: channels that are passed on, by their new names; empty: all.
        takes: readings that the target takes in a second; None: any number.
        tries: how often it is tried in all. wait_us: before the second try; doubles with each.
    """

    name: str
    to: Target
    where: Mask | None = None
    when: tuple[Condition, ...] = ()
    changes: tuple[Change, ...] = ()
    keep: tuple[str, ...] = ()
    takes: Fraction | None = None
    tries: int = 3
    wait_us: int = SECOND_US

    def __post_init__(self) -> None:
        if self.tries < 1 or self.wait_us <= 0 or (self.takes is not None and self.takes <= 0):
            raise ValueError(f"rule `{self.name}`: at least one try, a wait and a rate of more than nothing")

    def changed(self, told: Mapping[str, float]) -> dict[str, float]:
        """What is passed on, without what is silent."""
        changes = {change.channel: change for change in self.changes}
        passed = {}
        for name, value in told.items():
            change = changes.get(name)
            if change is None:
                passed[name] = value
            else:
                passed[change.becomes] = round(change.factor * value + change.offset, 6)
        return {
            name: value for name, value in passed.items() if value == value and (not self.keep or name in self.keep)
        }


@dataclass(frozen=True, slots=True)
class Routed:
    """A message that was delivered to a store, or as a command.

    Attributes:
        arrived_us: of the reading. at_us: of the delivery.
    """

    rule: str
    to: Target
    device: int
    arrived_us: int
    at_us: int
    told: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Message:
    """A reading that waits."""

    rule: int
    code: int
    device: int
    boot: int
    seq: int
    dated_us: int
    arrived_us: int
    values: tuple[float, ...]


@dataclass
class _Place:
    """What the target of a rule takes in the second that goes on."""

    rate: Fraction
    left: Fraction

    def take(self, count: int) -> int:
        """Of so many readings, how many find a place."""
        taken = min(count, int(self.left))
        self.left -= taken
        return taken

    def turn(self) -> None:
        """A second is over. What is left of whole places is gone, but for one; parts of a place gather."""
        whole, part = divmod(self.left + self.rate, 1)
        self.left = min(whole, max(math.ceil(self.rate), 1)) + part


@dataclass
class _Count:
    taken: int = 0
    delivered: int = 0
    retried: int = 0
    dead: int = 0


class Router:
    """Sends readings where rules say.

    Raises:
        ValueError: two rules of one name.

    Attributes:
        counts: by rule: taken, delivered, retried, dead. unrouted: readings that no rule took.
        alarms: of the rules that raise some, for the core to look at.
        letters: takes what is dead, without counting it: it was accepted.
        kept: the newest messages. noted: how many there were.
    """

    def __init__(self, registry: Registry, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        names = Counter(rule.name for rule in rules)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(f"two rules are called `{twice[0]}`")
        self.unrouted = self.noted = 0
        self.kept: deque[Routed] = deque(maxlen=KEPT)
        self.letters: DeadLetters | None = None
        self.counts = {rule.name: _Count() for rule in self.rules}
        self.alarms = {
            rule.name: RuleAlarm(rule.name, registry, rule.where) for rule in self.rules if rule.to is Target.ALARM
        }
        self._registry = registry
        self._channels = [[each.name for each in registry.channels[kind]] for kind in registry.kinds]
        self._rules_of = [self._fitting(names) for names in self._channels]
        self._places = {
            number: _Place(rule.takes, max(rule.takes, Fraction(1)))
            for number, rule in enumerate(self.rules)
            if rule.takes is not None
        }
        self._waiting: list[tuple[int, int, int, _Message]] = []
        """Heap of (due, number, tries so far, message)."""
        self._number = 0
        self._room = self._letter_room = KEPT
        """Messages and letters that may still be made in the second that goes on."""

    @property
    def waiting(self) -> int:
        """Readings that will be tried again."""
        return len(self._waiting)

    def waiting_by_rule(self) -> Counter[str]:
        """The same, by rule."""
        return Counter(self.rules[message.rule].name for *_, message in self._waiting)

    def after(self, noted: int) -> list[Routed]:
        """Messages since so many were noted, as far as they are kept; the oldest first."""
        fresh = min(self.noted - noted, len(self.kept))
        return list(islice(self.kept, len(self.kept) - fresh, None))

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        left = np.ones(len(accepted.device), np.bool_) if accepted.good is None else accepted.good.copy()
        remain = int(np.count_nonzero(left))
        for number, columns in self._rules_of[accepted.code]:
            if not remain:
                return
            rule, fits = self.rules[number], left
            if rule.where is not None:
                fits = fits & rule.where[accepted.device]
            for condition, column in zip(rule.when, columns, strict=True):
                fits = fits & condition.holds(accepted.values[:, column])
            rows = np.flatnonzero(fits)
            if len(rows):
                left = left & ~fits
                remain -= len(rows)
                self._send(number, accepted, rows)
        self.unrouted += remain

    def close(self, now_us: int, through_us: int | None = None) -> None:  # noqa: ARG002 - rules know no event time
        """A second is over: try again what is due, in order of the instants at which it is."""
        self._room = self._letter_room = KEPT
        for place in self._places.values():
            place.turn()
        while self._waiting and self._waiting[0][0] <= now_us:
            due_us, _, tries, message = heapq.heappop(self._waiting)
            count = self.counts[self.rules[message.rule].name]
            count.retried += 1
            if self._places[message.rule].take(1):
                count.delivered += 1
                self._keep(message, now_us)
            else:
                self._wait(message, tries + 1, due_us)

    def _fitting(self, channels: list[str]) -> list[tuple[int, list[int]]]:
        """Rules that readings of a kind can fit, with the columns of their conditions."""
        found = []
        for number, rule in enumerate(self.rules):
            if all(condition.channel in channels for condition in rule.when):
                found.append((number, [channels.index(condition.channel) for condition in rule.when]))
        return found

    def _send(self, number: int, accepted: Accepted, rows: Int) -> None:
        rule = self.rules[number]
        count = self.counts[rule.name]
        count.taken += len(rows)
        if rule.to is Target.DEAD_LETTER:
            count.dead += len(rows)
            for row in rows[-KEPT:].tolist():
                self._bury(self._message(number, accepted, row), "sent to the dead letters")
            return
        if rule.to is Target.ALARM:
            count.delivered += len(rows)
            self.alarms[rule.name].mark(accepted.device[rows], accepted.arrived_us[rows])
            return
        place = self._places.get(number)
        taken = len(rows) if place is None else place.take(len(rows))
        count.delivered += taken
        for row in rows[: min(taken, self._room)].tolist():
            self._keep(self._message(number, accepted, row), int(accepted.arrived_us[row]))
        refused = rows[taken:]
        places = max(MOST_WAITING - len(self._waiting), 0) if rule.tries > 1 else 0
        for row in refused[:places].tolist():
            self._wait(self._message(number, accepted, row), 1, int(accepted.arrived_us[row]))
        lost = refused[places:]
        count.dead += len(lost)
        why = f"`{rule.to}` had no place" if rule.tries == 1 else "too much waits already"
        for row in lost[-KEPT:].tolist():
            self._bury(self._message(number, accepted, row), why)

    def _wait(self, message: _Message, tries: int, at_us: int) -> None:
        """It was tried so often, the last time now."""
        rule = self.rules[message.rule]
        if tries >= rule.tries:
            self.counts[rule.name].dead += 1
            self._bury(message, f"`{rule.to}` had no place {tries} times")
            return
        self._number += 1
        heapq.heappush(self._waiting, (at_us + rule.wait_us * 2 ** (tries - 1), self._number, tries, message))

    @staticmethod
    def _message(number: int, accepted: Accepted, row: int) -> _Message:
        columns = accepted.device, accepted.boot, accepted.seq, accepted.dated_us, accepted.arrived_us
        device, boot, seq, dated_us, arrived_us = (int(column[row]) for column in columns)
        values = tuple(accepted.values[row].tolist())
        return _Message(number, accepted.code, device, boot, seq, dated_us, arrived_us, values)

    def _keep(self, message: _Message, at_us: int) -> None:
        if not self._room:
            return
        self._room -= 1
        self.noted += 1
        rule = self.rules[message.rule]
        # As short as they were sent: 81.3, not 81.30000305.
        values = [float(str(np.float32(value))) for value in message.values]
        told = rule.changed(dict(zip(self._channels[message.code], values, strict=True)))
        self.kept.append(Routed(rule.name, rule.to, message.device, message.arrived_us, at_us, told))

    def _bury(self, message: _Message, why: str) -> None:
        if self.letters is None or not self._letter_room:
            return
        self._letter_room -= 1
        kind = self._registry.kinds[message.code]
        body = LetterBody(kind, message.device, message.boot, message.seq, message.dated_us, message.values)
        rule = self.rules[message.rule]
        letter = DeadLetter(
            message.arrived_us,
            self._registry.names[message.device],
            f"route `{rule.name}`",
            why,
            msgspec.msgpack.encode(body),
            is_reading=True,
        )
        self.letters.keep([letter])
