"""How devices behave at the door, one by one: how much they send, at what hours, on whose topics; and what waits there.

These look only if a scenario names them. Those that want to know of every reading are taps as well (`Conduct`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.contract import LONG_AGO_US, Batch
from twinstorm.detectors.fence import BrokenError, fenced
from twinstorm.detectors.options import Option
from twinstorm.detectors.policy import Policy
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import DAY_US, HOUR_US, Int, Registry, Severity, Values

_SEVERITY = Option("severity", "word", "ticket", "of an alarm about a group", choices=("page", "ticket"))
_GROUP = (
    Option("share", "share", "30 %", "of a site, segment, ... that must do so for an alarm about it"),
    Option("devices", "count", "5", "devices that make a group"),
    Option("hold", "duration", "3 s", "how long it must last"),
    _SEVERITY,
)


_FLEET = (Option("hold", "duration", "0 s", "how long it must last"), _SEVERITY)


def _by_device(settings: Mapping[str, Any]) -> Policy:
    """One device that misbehaves is news already."""
    return Policy(
        share=settings["share"],
        fleet_share=min(0.05, settings["share"]),
        devices=settings["devices"],
        hold_us=settings["hold"],
        severity=Severity(settings["severity"]),
        lone_threshold=1.0,
    )


def _of_the_fleet(settings: Mapping[str, Any]) -> Policy:
    """Nobody knows whose it is."""
    return Policy(
        share=0.05,
        fleet_share=0.0,
        devices=1,
        single=True,
        nameless=True,
        clear_share=0.0,
        hold_us=settings["hold"],
        severity=Severity(settings["severity"]),
    )


class Conduct(ABC):
    """A detector that gets every accepted reading."""

    name: ClassVar[str]
    summary: ClassVar[str]
    headline: ClassVar[str]
    options: ClassVar[tuple[Option, ...]]
    policy: Policy

    @abstractmethod
    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""

    @abstractmethod
    def score(self, batch: Batch) -> Values:
        """See `Detector`."""

    def learn(self, batch: Batch) -> None:
        """Nothing more: it learns from readings."""
        del batch


class Watching:
    """Lets a detector have readings, until it breaks: a tap.

    Args:
        broken: name of each detector that broke to what it did; here it is told.
    """

    def __init__(self, detector: Conduct, broken: dict[str, str]) -> None:
        self.detector, self._broken = detector, broken

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        if self.detector.name in self._broken:
            return
        try:
            with fenced("take", self.detector):
                self.detector.take(accepted)
        except BrokenError as broken:
            self._broken[self.detector.name] = str(broken)


class Chatter(Conduct):
    """A device sends far more readings than its sampling period explains.

    A bucket a device: each reading adds one, and it leaks `factor` readings a period, by the stamps of the device. The
    score is what is in it over `burst`. So a device at 1 Hz that sends ten a second is found within two seconds, and
    one of a reading a minute that sends four within some minutes; what was kept through an outage and comes at once is
    stamped as it should be, and no chatter. While a clock is set back nothing leaks; one that stands still makes
    every device one that chatters.

    Source: the leaky bucket of ITU-T I.371 (generic cell rate algorithm).
    """

    name: ClassVar[str] = "chatter"
    summary: ClassVar[str] = "devices that send far more than their sampling period explains"
    headline: ClassVar[str] = "send too much"
    options: ClassVar[tuple[Option, ...]] = (
        Option("factor", "number", "2", "times the readings that the sampling period explains", least="1"),
        Option("burst", "count", "10", "readings beyond that, at the limit", least="1"),
        *_GROUP,
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        self._a_us: NDArray[np.float64] = float(settings["factor"]) / np.maximum(registry.every_us, 1)
        """Readings that leak in a microsecond."""
        self._burst = float(settings["burst"])
        self._level: NDArray[np.float64] = np.zeros(len(registry))
        """After the newest reading of each device, which was stamped and arrived then:"""
        self._dated_us: Int = np.zeros(len(registry), np.int64)
        self._arrived_us: Int = np.zeros(len(registry), np.int64)
        self.policy = _by_device(settings)

    def take(self, accepted: Accepted) -> None:
        """Fill buckets. Readings that come behind newer ones are not looked at."""
        if accepted.late:
            return
        chosen: Any = slice(None) if accepted.good is None else accepted.good
        order = np.argsort(accepted.device[chosen], kind="stable")
        device = accepted.device[chosen][order]
        if not len(device):
            return
        starts = np.flatnonzero(np.append(True, device[1:] != device[:-1]))
        ends = np.append(starts[1:], len(device)) - 1
        who = device[starts]
        number = np.arange(len(device)) - np.repeat(starts, ends - starts + 1) + 1
        dated_us = accepted.dated_us[chosen][order]
        before_us = np.append(0, dated_us[:-1])
        before_us[starts] = self._dated_us[who]
        passed_us = np.maximum(dated_us - before_us, 0)
        total_us = np.cumsum(passed_us)
        since_us = total_us - np.repeat((total_us - passed_us)[starts], ends - starts + 1)
        leaked = self._a_us[device] * since_us
        # What is left after the last: of what was there before, or of what came from some reading on.
        left = np.maximum(self._level[who], np.maximum.reduceat(leaked - number, starts) + 1.0)
        self._level[who] = np.maximum(left + number[ends] - leaked[ends], 0.0)
        self._dated_us[who] = dated_us[ends]
        self._arrived_us[who] = accepted.arrived_us[chosen][order][ends]

    def score(self, batch: Batch) -> Values:
        """What is in the bucket, over its size."""
        since_us = np.maximum(batch.now_us - self._arrived_us, 0)
        level = np.maximum(self._level - self._a_us * since_us, 0.0)
        return (level / self._burst).astype(np.float32)


class OddHours(Conduct):
    """A device speaks at an hour of the day at which it never spoke in its first days.

    Each device has its own hours, learnt in the first `train` after its first reading. Hours count by the core's clock.
    What speaks around the clock has no odd hours.
    """

    name: ClassVar[str] = "odd-hours"
    summary: ClassVar[str] = "devices that speak at an hour at which they never spoke"
    headline: ClassVar[str] = "speak at odd hours"
    options: ClassVar[tuple[Option, ...]] = (
        Option("train", "duration", "7 d", "whose hours are usual, from the first reading on", least="1 h"),
        Option("within", "duration", "10 min", "for how long such a reading counts", least="1 s"),
        *_GROUP,
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        self._train_us, self._within_us = int(settings["train"]), int(settings["within"])
        self._usual: NDArray[np.uint32] = np.zeros(len(registry), np.uint32)
        """A bit for each hour of the day."""
        self._since_us: Int = np.full(len(registry), LONG_AGO_US, np.int64)
        self._odd_us: Int = np.full(len(registry), LONG_AGO_US, np.int64)
        self.policy = _by_device(settings)

    def take(self, accepted: Accepted) -> None:
        """Learn hours, or notice that one is odd."""
        chosen: Any = slice(None) if accepted.good is None else accepted.good
        device, at_us = accepted.device[chosen], accepted.arrived_us[chosen]
        new = self._since_us[device] == LONG_AGO_US
        # Of several readings of one device the first one counts: it is written last.
        self._since_us[device[new][::-1]] = at_us[new][::-1]
        hour = np.uint32(1) << (at_us % DAY_US // HOUR_US).astype(np.uint32)
        learns = at_us - self._since_us[device] < self._train_us
        np.bitwise_or.at(self._usual, device[learns], hour[learns])
        odd = ~learns & (self._usual[device] & hour == 0)
        self._odd_us[device[odd]] = at_us[odd]

    def score(self, batch: Batch) -> Values:
        """1 for those that spoke so lately."""
        return (self._odd_us > batch.now_us - self._within_us).astype(np.float32)


def _options_of(letters: str, what: str) -> tuple[Option, ...]:
    """Of a `_Letters`: how many at the limit by default, and of what."""
    return Option("letters", "count", letters, f"{what} within a minute, at the limit", least="1"), *_FLEET


class _Letters(ABC):
    """So many messages of some sort within a minute. Who sent them nobody can tell from what arrives, so the alarm is
    about the whole fleet."""

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._limit = float(settings["letters"])
        self.policy = _of_the_fleet(settings)

    def learn(self, batch: Batch) -> None:
        """Nothing."""
        del batch

    @abstractmethod
    def _counts(self, batch: Batch) -> Int:
        """Such messages in each second of the last minute."""

    def score(self, batch: Batch) -> Values:
        """Those of the last minute over the limit, for everybody."""
        return np.full(len(batch), float(self._counts(batch).sum()) / self._limit, np.float32)


class StrangeTopics(_Letters):
    """Messages on topics that are nobody's, or that speak in the name of another device than their topic: `letters` of
    them within a minute."""

    name: ClassVar[str] = "strange-topics"
    summary: ClassVar[str] = "messages on topics of nobody, or in the name of another device"
    headline: ClassVar[str] = "hears what others say in the name of devices, or of nobody"
    options: ClassVar[tuple[Option, ...]] = _options_of("3", "such messages")

    def _counts(self, batch: Batch) -> Int:
        return batch.astray


class DeadLetters(_Letters):
    """Messages that nobody can read, or readings that nobody can believe: `letters` of them within a minute, whatever
    is wrong with them. A flood of rubbish and a modem that damages what it sends look alike."""

    name: ClassVar[str] = "dead-letters"
    summary: ClassVar[str] = "many messages that nobody can read, or believe"
    headline: ClassVar[str] = "hears what nobody can read"
    options: ClassVar[tuple[Option, ...]] = _options_of("10", "dead letters")

    def _counts(self, batch: Batch) -> Int:
        return batch.letters


class Backlog:
    """Something has waited at the broker, or for whoever processes readings, for longer than `within`.

    A queue that is never empty is no backlog as long as each message passes it in time: one that works near its
    capacity raises nothing.
    """

    name: ClassVar[str] = "backlog"
    summary: ClassVar[str] = "something waits for the core, or for being processed, for too long"
    headline: ClassVar[str] = "waits for a core that does not keep up"
    options: ClassVar[tuple[Option, ...]] = (
        Option("within", "duration", "60 s", "for how long something may wait", least="1 s"),
        *_FLEET,
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._within_us = int(settings["within"])
        self.policy = _of_the_fleet(settings)

    def learn(self, batch: Batch) -> None:
        """Nothing."""

    def score(self, batch: Batch) -> Values:
        """How long what has waited longest has done so, over the limit, for everybody."""
        return np.full(len(batch), batch.waited_us / self._within_us, np.float32)
