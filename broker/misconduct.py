"""What faults make the modelled broker do: refuse clients, be slow, hold them to a rate, lose or repeat packets.

Orders as data, one a step; columns have one row a device that it holds. A broker without orders has none of this in its
way. `broker.live_misconduct` does the same at the embedded broker.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeVar

import numpy as np

from twinstorm.twin.chance import Purpose, Words, device_key, stream, words
from twinstorm.twin.flow import SECOND_US, Device, Int, Mask, Readings, Together
from twinstorm.twin.sensors import chosen

CONNECTS_REFUSED, CONNECTS_DELAYED, MESSAGES_DELAYED = "connects_refused", "connects_delayed", "messages_delayed"
MESSAGES_DROPPED, MESSAGES_DUPLICATED, ANSWERS_DROPPED = "messages_dropped", "messages_duplicated", "answers_dropped"
PUBLISH, CONNACK = "publish", "connack"
MESSAGES_REFUSED, MESSAGES_SENT, CONNECTIONS_ENDED = "messages_refused", "messages_sent", "connections_ended"
MALFORMED, OVERSIZED, FORGED, FLOOD = "malformed", "oversized", "forged", "flood"

_NOBODY: Int = np.zeros(0, np.int64)


@dataclass
class Held:
    """An order that holds these devices: int64, ascending."""

    step: str
    device: Int

    def rows(self, device: Int | Device) -> tuple[Int, Int]:
        """Rows of `device` (in any order) that it holds, and which of its own rows they are."""
        if not len(self.device):
            return _NOBODY, _NOBODY
        own = np.searchsorted(self.device, device)
        own[own == len(self.device)] = 0
        mine = np.flatnonzero(self.device[own] == device)
        return mine, own[mine]

    def keep(self, rows: Mask) -> None:
        self.device = self.device[rows]


@dataclass
class Refusal(Held):
    """These are told that they may not have a session.

    Attributes:
        for_identity: because of who they are: credentials, rights, certificate.
    """

    for_identity: bool = False


@dataclass
class Slowness:
    """Everything takes the broker longer: a CONNECT occupies it, a message is passed on later."""

    step: str
    connect_us: int
    message_us: int


@dataclass
class Throttle(Held):
    """The broker passes on no more of each of these clients than this.

    Attributes:
        free_us: int64, when it may pass on the next message of each.
    """

    interval_us: int
    free_us: Int = field(init=False)

    def __post_init__(self) -> None:
        self.free_us = np.zeros(len(self.device), np.int64)

    def keep(self, rows: Mask) -> None:
        super().keep(rows)
        self.free_us = self.free_us[rows]

    def ready_us(self, own: Int, ready_us: Int) -> Int:
        """When messages that come in this order, of these own rows, are passed on; counts them."""
        ready_us = ready_us.copy()
        left = np.arange(len(own))
        while len(left):
            # One message of each client a round, so that a round is vectorised.
            first = np.unique(own[left], return_index=True)[1]
            rows = left[first]
            ready_us[rows] = np.maximum(ready_us[rows], self.free_us[own[rows]])
            self.free_us[own[rows]] = ready_us[rows] + self.interval_us
            left = np.delete(left, first)
        return ready_us


@dataclass
class Mishandling(Held):
    """Packets of one kind are lost or handled twice.

    Attributes:
        kind: `PUBLISH` or `CONNACK`. twice: handled twice; else lost.
        share: of them, by lot; with `nth`, the nth of each client alone.
        key: of these devices. draws: key of the chance of this order.
        seen: int64, packets of this kind of each client so far.
    """

    kind: str
    twice: bool
    share: float
    nth: int
    key: Words
    draws: int
    seen: Int = field(init=False)

    def __post_init__(self) -> None:
        self.seen = np.zeros(len(self.device), np.int64)

    def keep(self, rows: Mask) -> None:
        super().keep(rows)
        self.key, self.seen = self.key[rows], self.seen[rows]

    def takes(self, own: Int, number: Int) -> Mask:
        """Which of the next packets, in their order, of these own rows and numbers.

        Chance hangs on the number, what is the nth on how many have been `counted`.
        """
        if self.nth:
            nth: Mask = self.seen[own] + 1 + _rank(own) == self.nth
            return nth
        return chosen(words(self.draws, self.key[own], number), self.share)

    def counted(self, own: Int) -> None:
        """These packets came."""
        np.add.at(self.seen, own, 1)


@dataclass
class Intrusion:
    """What somebody from outside does, as a count: so many a second since `since_us`.

    Attributes:
        device: whose name is taken, with `FORGED`; nobody listens who is not there.
        done: so many have been counted.
    """

    step: str
    what: str
    device: Int
    per_s: Fraction
    since_us: int
    done: int = 0

    def more(self, now_us: int) -> int:
        """How many came since this was asked last; counts them."""
        due = max(now_us - self.since_us, 0) * self.per_s.numerator // (self.per_s.denominator * SECOND_US)
        more, self.done = due - self.done, due
        return more


INTRUSIONS = {
    MALFORMED: CONNECTIONS_ENDED,
    OVERSIZED: CONNECTIONS_ENDED,
    FORGED: MESSAGES_REFUSED,
    FLOOD: MESSAGES_SENT,
}
"""Evidence of each."""


def _rank(own: Int) -> Int:
    """How many equal ones stand before each."""
    order = np.argsort(own, kind="stable")
    ordered = own[order]
    new = np.ones(len(own), np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    place = np.arange(len(own))
    rank = np.empty(len(own), np.int64)
    rank[order] = place - np.maximum.accumulate(np.where(new, place, 0))
    return rank


Order = TypeVar("Order", bound=Held)


@dataclass
class Fate:
    """What becomes of messages that reach the broker, one row a message.

    Attributes:
        ready_us: when it passes each on.
        dropped, twice: it does not, or does it twice.
    """

    ready_us: Int
    dropped: Mask
    twice: Mask


@dataclass
class Misconduct:
    """All orders of one broker. All fields are plain data.

    Attributes:
        evidence: of the broker: step to counts.
    """

    evidence: dict[str, Counter[str]]
    refusals: list[Refusal] = field(default_factory=list)
    slowness: list[Slowness] = field(default_factory=list)
    throttles: list[Throttle] = field(default_factory=list)
    mishandlings: list[Mishandling] = field(default_factory=list)
    rates: dict[str, Fraction] = field(default_factory=dict)
    """Steps that hold the whole broker to so many messages a second."""
    intrusions: list[Intrusion] = field(default_factory=list)
    expiries: dict[str, int] = field(default_factory=dict)
    """Steps that let the session of an absent core end after so long, microseconds."""

    def order_mishandling(
        self, step: str, device: Int, key: Words, seed: int, kind: str, *, twice: bool, share: float, nth: int
    ) -> None:
        draws = stream(seed, Purpose.PAYLOAD << 64 | device_key(f"{step}/{kind}"))
        self.mishandlings.append(Mishandling(step, device, kind, twice, share, nth, key, draws))

    def end(self, step: str, device: Int) -> None:
        """End what a step does to these devices, and to the broker itself."""
        self.refusals = _without(self.refusals, step, device)
        self.throttles = _without(self.throttles, step, device)
        self.mishandlings = _without(self.mishandlings, step, device)
        self.slowness = [one for one in self.slowness if one.step != step]
        self.rates.pop(step, None)
        self.expiries.pop(step, None)
        self.intrusions = [one for one in self.intrusions if one.step != step]

    def _bit(self, step: str, what: str, count: int) -> None:
        if count:
            self.evidence.setdefault(step, Counter())[what] += count

    def intruded(self, now_us: int, up: bool) -> int:
        """Count what intruders did, if the broker was up. Returns how many messages they flooded it with."""
        flooded = 0
        for order in self.intrusions:
            more = order.more(now_us) * up
            self._bit(order.step, INTRUSIONS[order.what], more)
            flooded += more if order.what == FLOOD else 0
        return flooded

    # --- connects -----------------------------------------------------------------------------------------------------

    @property
    def connect_us(self) -> int:
        """What each CONNECT takes longer."""
        return sum(one.connect_us for one in self.slowness)

    def refuses(self, device: Int | Device, *, for_identity: bool = False) -> Mask:
        """Who is told to go away; or only who is for being who they are."""
        refused = np.zeros(len(device), np.bool_)
        for order in self.refusals:
            if for_identity and not order.for_identity:
                continue
            refused[order.rows(device)[0]] = True
        return refused

    def unanswered(self, device: Device, tries: Int) -> Mask:
        """Of clients that are admitted: to whom the CONNACK is lost. Changes nothing."""
        lost = np.zeros(len(device), np.bool_)
        for order in self.mishandlings:
            if order.kind == CONNACK:
                mine, own = order.rows(device)
                lost[mine] |= order.takes(own, tries[mine])
        return lost

    def met(self, device: Device, tries: Int, refused: Mask, admitted: Mask) -> None:
        """These CONNECTs happened: count what orders did to them."""
        for refusal in self.refusals:
            mine, _ = refusal.rows(device)
            self._bit(refusal.step, CONNECTS_REFUSED, int(np.count_nonzero(refused[mine])))
        handled = int(np.count_nonzero(refused | admitted))
        for slow in self.slowness:
            self._bit(slow.step, CONNECTS_DELAYED, handled if slow.connect_us else 0)
        for order in self.mishandlings:
            if order.kind == CONNACK:
                mine, own = order.rows(device)
                came = admitted[mine]
                mine, own = mine[came], own[came]
                self._bit(order.step, ANSWERS_DROPPED, int(np.count_nonzero(order.takes(own, tries[mine]))))
                order.counted(own)

    # --- messages -----------------------------------------------------------------------------------------------------

    @property
    def meets_messages(self) -> bool:
        """Whether messages must be shown to it."""
        return bool(self.throttles or self.mishandlings or any(one.message_us for one in self.slowness))

    def fate(self, readings: Readings, present: Mask, at_broker_us: Int) -> Fate:
        """What becomes of messages that reach the broker, in their order; counts them.

        Of readings that travel together it is that of their message, which is one of whoever sent it.
        """
        if readings.together is not None:
            return self._fate_together(readings, readings.together, at_broker_us)
        n = len(present)
        fate = Fate(at_broker_us, np.zeros(n, np.bool_), np.zeros(n, np.bool_))
        row = np.flatnonzero(present)
        device, seq = readings.device[row], readings.seq[row]
        for order in self.mishandlings:
            if order.kind != PUBLISH:
                continue
            mine, own = order.rows(device)
            taken = row[mine[order.takes(own, seq[mine])]]
            order.counted(own)
            if order.twice:
                fate.twice[taken] = True
                self._bit(order.step, MESSAGES_DUPLICATED, int(np.count_nonzero(~fate.dropped[taken])))
            else:
                self._bit(order.step, MESSAGES_DROPPED, int(np.count_nonzero(~fate.dropped[taken])))
                fate.dropped[taken] = True
        fate.twice &= ~fate.dropped
        for slow in self.slowness:
            fate.ready_us = fate.ready_us + slow.message_us
            self._bit(slow.step, MESSAGES_DELAYED, len(row) if slow.message_us else 0)
        for throttle in self.throttles:
            mine, own = throttle.rows(device)
            rows = row[mine]
            ready_us = throttle.ready_us(own, fate.ready_us[rows])
            self._bit(throttle.step, MESSAGES_DELAYED, int(np.count_nonzero(ready_us > fate.ready_us[rows])))
            fate.ready_us = fate.ready_us.copy()
            fate.ready_us[rows] = ready_us
        return fate

    def _fate_together(self, readings: Readings, together: Together, at_broker_us: Int) -> Fate:
        first = np.flatnonzero(together.begins)
        which = together.message[first]
        alone = replace(readings.taken(first), device=together.client[which], seq=together.number[which], together=None)
        fate = self.fate(alone, np.ones(len(first), np.bool_), at_broker_us[first])
        of = np.cumsum(together.begins) - 1
        return Fate(fate.ready_us[of], fate.dropped[of], fate.twice[of])


def interval_us(rate_per_s: float) -> int:
    """From one message to the next at this rate, at least 1 us."""
    return max(round(SECOND_US / rate_per_s), 1)


def _without(orders: list[Order], step: str, device: Int) -> list[Order]:
    for order in orders:
        if order.step == step:
            order.keep(~np.isin(order.device, device))
    return [order for order in orders if len(order.device)]
