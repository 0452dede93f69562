"""What faults make the embedded broker do: the scalar twin of `broker.misconduct`, asked at a few places on its way.

All methods are called in the broker's loop. Settings are wall seconds. Only devices, and only their telemetry, meet it:
the core, guests, births and wills do not.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from twinstorm.broker.misconduct import (
    ANSWERS_DROPPED,
    CONNACK,
    CONNECTS_DELAYED,
    CONNECTS_REFUSED,
    MESSAGES_DELAYED,
    MESSAGES_DROPPED,
    MESSAGES_DUPLICATED,
    MESSAGES_REFUSED,
    PUBLISH,
)
from twinstorm.twin.chance import Purpose, below_one, device_key, stream, word
from twinstorm.twin.wire.columns import topics_of

PassOn = Callable[[str, bytes, int | None], None]
_MILLION = 1_000_000
EXPIRED, REVOKED = "certificate has expired", "certificate revoked"
"""In the words of OpenSSL, which finds out."""


@dataclass
class Held:
    """An order that holds these devices, by name."""

    step: str
    names: frozenset[str]


@dataclass
class Refusal(Held):
    code: int


@dataclass
class Distrust(Held):
    """Their certificates are believed no more, for this reason."""

    reason: str


@dataclass
class Throttle(Held):
    """`free_s`: when the next message of each may be passed on; "" stands for all together, who have no names."""

    interval_s: float
    free_s: dict[str, float] = field(default_factory=dict)


@dataclass
class Slowness:
    step: str
    connect_s: float
    message_s: float


@dataclass
class Mishandling(Held):
    """See `broker.misconduct.Mishandling`; its lots are drawn by how many packets of a device came before."""

    kind: str
    twice: bool
    share: float
    nth: int
    draws: int
    seen: Counter[str] = field(default_factory=Counter)

    def takes(self, name: str) -> bool:
        """Whether it takes the next one of this device; counts it."""
        self.seen[name] += 1
        if self.nth:
            return self.seen[name] == self.nth
        draw = word(self.draws, device_key(name), self.seen[name])
        return below_one(draw, _MILLION) < round(self.share * _MILLION)


@dataclass
class _Waiting:
    due_s: float
    topic: str
    payload: bytes
    qos: int | None


class LiveMisconduct:
    """All orders of one embedded broker, over its restarts.

    Args:
        bit: counts evidence of a step.
        said_by: whose telemetry a topic is; empty: it is none.
        most_waiting: messages that may wait for a rate of all; None: no limit.

    Attributes:
        shed: messages that were acknowledged and not passed on, by topic; of columns the readings, by theirs.
        overflown: those that found too much waiting, by topic.
    """

    def __init__(
        self, bit: Callable[[str, str, int], None], said_by: Callable[[str], str], most_waiting: int | None
    ) -> None:
        self._bit, self._said_by = bit, said_by
        self._most_waiting = most_waiting
        self.shed: Counter[str] = Counter()
        self.overflown: Counter[str] = Counter()
        self.refusals: list[Refusal] = []
        self.slowness: list[Slowness] = []
        self.throttles: list[Throttle] = []
        self.mishandlings: list[Mishandling] = []
        self.distrusted: list[Distrust] = []
        self.intruders: dict[str, str] = {}
        """Names of clients that mean harm, and the steps that made them."""
        self._connects = asyncio.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._last_due_s: dict[str, float] = {}
        self._pass_on: PassOn | None = None
        self._timer: asyncio.TimerHandle | None = None

    def mishandle(
        self, step: str, names: frozenset[str], seed: int, kind: str, *, twice: bool, share: float, nth: int
    ) -> None:
        draws = stream(seed, Purpose.PAYLOAD << 64 | device_key(f"{step}/{kind}"))
        self.mishandlings.append(Mishandling(step, names, kind, twice, share, nth, draws))

    def end(self, step: str, names: frozenset[str]) -> None:
        """End what a step does to these devices, and to the broker; what waits is passed on."""
        for order in (*self.refusals, *self.throttles, *self.mishandlings, *self.distrusted):
            if order.step == step:
                order.names -= names
        self.refusals = [one for one in self.refusals if one.names]
        self.distrusted = [one for one in self.distrusted if one.names]
        self.mishandlings = [one for one in self.mishandlings if one.names]
        self.throttles = [one for one in self.throttles if one.names and (one.step != step or "" not in one.names)]
        self.slowness = [one for one in self.slowness if one.step != step]
        self.hurry()

    def hurry(self) -> None:
        """Pass on what waits."""
        for waiting in self._waiting:
            waiting.due_s = 0.0
        self._last_due_s.clear()
        self._look()

    # --- connects -----------------------------------------------------------------------------------------------------

    async def refusal(self, name: str) -> int:
        """The CONNACK code with which this device is turned away; 0: none. Takes its time."""
        slow_s = sum(one.connect_s for one in self.slowness)
        if slow_s:
            async with self._connects:
                await asyncio.sleep(slow_s)
            for slow in self.slowness:
                self._bit(slow.step, CONNECTS_DELAYED, slow.connect_s > 0)
        refused = [order for order in self.refusals if name in order.names]
        for order in refused:
            self._bit(order.step, CONNECTS_REFUSED, 1)
        return refused[0].code if refused else 0

    def loses_connack(self, name: str) -> bool:
        """Whether the answer to a device that is let in is lost."""
        lost = False
        for order in self.mishandlings:
            if order.kind == CONNACK and name in order.names and order.takes(name):
                self._bit(order.step, ANSWERS_DROPPED, 1)
                lost = True
        return lost

    def named_in(self, reason: str) -> frozenset[str]:
        """Whose certificates are no good for this reason."""
        return frozenset[str]().union(*(order.names for order in self.distrusted if order.reason == reason))

    def disbelieved(self, reason: str) -> None:
        """A handshake failed for this reason. Whose it was nobody learns: it counts for every order that gives it."""
        for order in self.distrusted:
            self._bit(order.step, CONNECTS_REFUSED, order.reason == reason)

    def denied(self, user: str) -> None:
        """This client published where it may not."""
        if user in self.intruders:
            self._bit(self.intruders[user], MESSAGES_REFUSED, 1)

    # --- messages -----------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Messages that are passed on later."""
        return len(self._waiting)

    def meddles(self, topic: str, payload: bytes, qos: int | None, pass_on: PassOn) -> bool:
        """Whether it looks after this message itself: loses it, repeats it, or passes it on later."""
        if not (self.throttles or self.mishandlings or self.slowness):
            return False
        name = self._said_by(topic)
        if not name:
            return False
        copies = self._copies(name)
        if not copies:
            self.shed.update(topics_of(topic, payload))
            return True
        now_s = asyncio.get_running_loop().time()
        due_s = self._due_s(name, now_s)
        if due_s is None:
            self.overflown.update(topics_of(topic, payload))
            return True
        if due_s <= now_s:
            for _ in range(copies):
                pass_on(topic, payload, qos)
            return True
        self._pass_on = pass_on
        self._waiting.extend(_Waiting(due_s, topic, payload, qos) for _ in range(copies))
        self._look()
        return True

    def _copies(self, name: str) -> int:
        lost = twice = False
        for order in self.mishandlings:
            if order.kind != PUBLISH or name not in order.names or not order.takes(name):
                continue
            if not lost:
                self._bit(order.step, MESSAGES_DUPLICATED if order.twice else MESSAGES_DROPPED, 1)
            twice |= order.twice
            lost |= not order.twice
        return 0 if lost else 2 if twice else 1

    def _due_s(self, name: str, now_s: float) -> float | None:
        """When a message that came now is passed on; None: it finds no place to wait."""
        due_s = now_s
        for slow in self.slowness:
            due_s += slow.message_s
            self._bit(slow.step, MESSAGES_DELAYED, slow.message_s > 0)
        for order in self.throttles:
            who = "" if "" in order.names else name
            if who not in order.names:
                continue
            free_s = order.free_s.get(who, 0.0)
            if not who and free_s > due_s and self._most_waiting is not None and self.waiting >= self._most_waiting:
                return None
            self._bit(order.step, MESSAGES_DELAYED, free_s > due_s)
            due_s = max(due_s, free_s)
            order.free_s[who] = due_s + order.interval_s
        # One that came later never overtakes one of the same device.
        self._last_due_s[name] = due_s = max(due_s, self._last_due_s.get(name, 0.0))
        return due_s

    def _look(self) -> None:
        """Pass on what is due, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        due = [one for one in self._waiting if one.due_s <= now_s]
        if due:
            self._waiting = deque(one for one in self._waiting if one.due_s > now_s)
        for one in sorted(due, key=lambda one: one.due_s):
            assert self._pass_on is not None
            self._pass_on(one.topic, one.payload, one.qos)
        if self._waiting:
            self._timer = loop.call_at(min(one.due_s for one in self._waiting), self._look)

    def forget(self) -> Counter[str]:
        """The broker dies. Returns what waited, by topic."""
        lost = Counter(topic for one in self._waiting for topic in topics_of(one.topic, one.payload))
        self._waiting.clear()
        self._last_due_s.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return lost
