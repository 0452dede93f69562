"""Restarts at whatever moment a seed says: nothing that was acknowledged is lost, and QoS 2 stays exactly once."""

from __future__ import annotations

import asyncio
import random
import struct
import threading
from collections import Counter, deque

import pytest

from tests.live.brokers import PASSWORDS, Repaired
from tests.live.raw_mqtt import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, RawClient, packet, publish, until
from twinstorm.broker.limits import Limits

SEED = 7
BATCH = 10
LONG_S = 30.0
NARROW = Limits(in_flight=5)
"""So that messages wait behind those that are under way."""


class Client(threading.Thread):
    """Comes back for its session until it is told that it may go."""

    def __init__(self, port: int, user: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.user, self.port = user, port
        self.sessions_lost = 0
        self.may_go = threading.Event()
        self.failure: Exception | None = None
        self._came = False

    def run(self) -> None:
        try:
            while not self.is_done():
                try:
                    self._connected()
                except (ConnectionError, TimeoutError):
                    continue
        except Exception as error:  # told by the test, not by the thread
            self.failure = error

    def _connected(self) -> None:
        client = RawClient(self.port, patience_s=0.5)
        try:
            client.send_connect(self.name, self.user, PASSWORDS[self.user], clean=False)
            first, body = client.read()
            assert (first, body[1]) == (0x20, 0)
            self.sessions_lost += self._came and not body[0]
            self._came = True
            self.talk(client)
        finally:
            client.close()

    def is_done(self) -> bool:
        return self.may_go.is_set()

    def talk(self, client: RawClient) -> None:
        raise NotImplementedError


class Sender(Client):
    """Publishes numbers; `acknowledged` are those that the broker has taken."""

    def __init__(self, port: int, user: str, qos: int) -> None:
        super().__init__(port, user, f"sender-{qos}")
        self.topic, self.qos = f"dev/{user}/numbers", qos
        self.acknowledged: list[int] = []
        self._open: dict[int, bool] = {}
        """Numbers that are not acknowledged yet; whether the broker has received them, at QoS 2."""
        self._last = 0

    def is_done(self) -> bool:
        return super().is_done() and not self._open

    def talk(self, client: RawClient) -> None:
        for number, is_received in self._open.items():
            client.send(_packet(PUBREL, number) if is_received else self._publish(number, again=True))
        while self._open or not self.may_go.is_set():
            while self._open:
                self._hear(client)
            for _ in range(0 if self.may_go.is_set() else BATCH):
                self._last += 1
                self._open[self._last] = False
                client.send(self._publish(self._last))

    def _publish(self, number: int, *, again: bool = False) -> bytes:
        raw = publish(self.topic, b"%d" % number, qos=self.qos, number=number)
        return bytes([raw[0] | 8 * again]) + raw[1:]

    def _hear(self, client: RawClient) -> None:
        kind, body = client.read()
        number = int.from_bytes(body)
        if kind == PUBREC:
            self._open[number] = True
            client.send(_packet(PUBREL, number))
        else:
            assert kind == (PUBCOMP if self.qos == 2 else PUBACK)
            if self._open.pop(number, None) is not None:
                self.acknowledged.append(number)


class Receiver(Client):
    """Takes what is published, and acknowledges some of it late."""

    def __init__(self, port: int, topic: str, qos: int, seed: int) -> None:
        super().__init__(port, "watcher", f"receiver-{qos}")
        self.topic, self.qos = topic, qos
        self.seen: Counter[int] = Counter()
        self._chance = random.Random(seed)
        self._held: dict[int, int] = {}
        """At QoS 2: what came and is not released yet, by packet id."""
        self.ready = threading.Event()

    def talk(self, client: RawClient) -> None:
        if not self.ready.is_set():
            assert client.subscribe(self.topic, self.qos) == self.qos
            self.ready.set()
        late: deque[int] = deque()
        while not self.may_go.is_set():
            kind, body = client.read()
            if kind == PUBREL:
                number = int.from_bytes(body)
                if (held := self._held.pop(number, None)) is not None:
                    self.seen[held] += 1
                client.send(_packet(PUBCOMP, number))
                continue
            assert kind & 0xF0 == PUBLISH
            length = int.from_bytes(body[:2])
            number, payload = int.from_bytes(body[2 + length : 4 + length]), int(body[4 + length :])
            if self.qos == 2:
                self._held[number] = payload
            else:
                self.seen[payload] += 1
            late.append(number)
            while late and (len(late) > 5 or self._chance.random() < 0.9):
                client.send(_packet(PUBREC if self.qos == 2 else PUBACK, late.popleft()))


def _packet(kind: int, number: int) -> bytes:
    return packet(kind, struct.pack(">H", number))


def _campaign(restarts: int, *, with_state: bool) -> tuple[dict[int, set[int]], dict[int, set[int]], int]:
    """What was acknowledged and never came, what came more than once, by QoS; and sessions that were lost."""
    chance = random.Random(SEED)
    broker = Repaired(NARROW)
    senders = [Sender(broker.port, "one", 1), Sender(broker.port, "two", 2)]
    receivers = [Receiver(broker.port, each.topic, each.qos, SEED + each.qos) for each in senders]
    clients: list[Client] = [*receivers, *senders]
    try:
        for each in receivers:
            each.start()
            assert each.ready.wait(LONG_S)
        for sender in senders:
            sender.start()
        for _ in range(restarts):
            watched, more = chance.choice(senders), chance.randint(1, 60)
            target = len(watched.acknowledged) + more
            assert until(lambda one=watched, least=target: len(one.acknowledged) >= least, LONG_S)  # type: ignore[misc]
            if chance.random() < 0.7:
                broker.restart(with_state=with_state)
            else:
                state = broker.close()
                broker = Repaired(NARROW, broker.port, state if with_state else None)
        for sender in senders:
            sender.may_go.set()
        for sender in senders:
            sender.join(LONG_S)
        pairs = list(zip(senders, receivers, strict=True))
        if with_state:
            until(lambda: all(set(one.acknowledged) <= set(other.seen) for one, other in pairs), 10.0)
        missing = {one.qos: set(one.acknowledged) - set(other.seen) for one, other in pairs}
        twice = {other.qos: {number for number, times in other.seen.items() if times > 1} for other in receivers}
        assert all(one.acknowledged for one in senders)
        return missing, twice, sum(each.sessions_lost for each in clients)
    finally:
        for client in clients:
            client.may_go.set()
        for client in clients:
            if client.is_alive():
                client.join(LONG_S)
        broker.close()
        assert [each.failure for each in clients if each.failure is not None] == []


def _holds(restarts: int) -> None:
    missing, twice, sessions_lost = _campaign(restarts, with_state=True)
    assert missing == {1: set(), 2: set()}
    assert twice[2] == set()
    assert sessions_lost == 0


def test_who_comes_after_the_state_was_taken_is_told_nothing_that_it_does_not_hold() -> None:
    """What a broker acknowledges between saying what it knows and being gone would be lost."""
    broker = Repaired()
    core = broker._core
    assert core is not None
    early, late = RawClient(broker.port, patience_s=0.3), RawClient(broker.port, patience_s=0.3)
    try:
        early.send_connect("early", "one", PASSWORDS["one"], clean=False)
        assert early.connack() == 0

        async def take() -> None:
            core.freeze()

        asyncio.run_coroutine_threadsafe(take(), broker._own.loop).result(5.0)
        late.send_connect("late", "one", PASSWORDS["one"], clean=False)
        for client in (early, late):
            client.send(publish("dev/one/x", b"x", qos=1))
            with pytest.raises((TimeoutError, ConnectionError)):
                client.read()
    finally:
        early.close()
        late.close()
        broker.close()


def test_three_restarts_lose_nothing_that_was_acknowledged() -> None:
    _holds(3)


@pytest.mark.nightly
def test_fifty_restarts_lose_nothing_that_was_acknowledged() -> None:
    _holds(50)


def test_a_restart_without_state_does_lose_sessions() -> None:
    assert _campaign(1, with_state=False)[2] > 0
