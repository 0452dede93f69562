"""What a broker costs, measured from outside: connects a second, messages a second, latency, each with its spread.

Every figure is the median of some samples, with the lowest and the highest. Of a rate it is told how much of the time
this client itself was busy: when that is nearly all, the broker could do more, and the figure is a lower bound.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from twinstorm.broker.raw_client import (
    CONNACK,
    DISCONNECT,
    PUBACK,
    PUBLISH,
    RawClient,
    connect_packet,
    puback_packet,
    publish_packet,
    published,
)

BUSY = 0.9
"""From this share of its time on, the client is what limits."""
PUBLISHERS = 4
WINDOW = 256
"""Messages that are on their way at once."""
BATCH = 16
LOOK_S = 0.05
PATIENCE = 5
"""How many times its usual length a sample may last, when a broker is slow."""
TOPIC = "twinstorm-calibration"


class Stopped(Exception):
    """Somebody does not want to wait for the rest."""


@dataclass(frozen=True)
class Target:
    """Who is measured.

    Attributes:
        context: how to speak TLS with it; None: plain.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = None

    def connect(self, client_id: str) -> bytes:
        return connect_packet(client_id, self.username, self.password)

    def client(self, client_id: str) -> RawClient:
        """Connected.

        Raises:
            OSError: nobody answers, or it is refused.
        """
        client = RawClient((self.host, self.port), self.context)
        client.open(self.connect(client_id))
        return client


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Attributes:
        samples: of each figure.
        connects: of each sample; they are held until it is over.
        at_once: connects that are under way at the same time.
        sample_s: how long a sample of messages lasts; one of connects at most `PATIENCE` times as long.
        payload_bytes: of each message.
        calm_per_s: messages a second at which latency is measured.
    """

    samples: int = 5
    connects: int = 1_000
    at_once: int = 64
    sample_s: float = 1.5
    payload_bytes: int = 256
    calm_per_s: int = 200


@dataclass(frozen=True)
class Figure:
    """One measured quantity.

    Attributes:
        client_share: part of the time in which this client was busy; see `BUSY`.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    samples: int
    client_share: float = 0.0

    @property
    def is_lower_bound(self) -> bool:
        return self.client_share >= BUSY


Tell = Callable[[str], None]


def calibrate(plain: Target | None, tls: Target | None, effort: Effort, stop: threading.Event) -> Iterator[Figure]:
    """Every figure as it is measured; the client is alone with the broker meanwhile.

    Raises:
        OSError: the broker is not there, refuses, or leaves.
        Stopped: `stop` was set.
    """
    for target, over in ((plain, "plain"), (tls, "TLS")):
        if target is not None:
            yield connects(target, f"connects, {over}", effort, stop)
    target = plain or tls
    assert target is not None, "somebody has to be measured"
    for qos in (0, 1):
        yield messages(target, qos, effort, stop)
    yield from latencies(target, effort, stop)


# --- connects ---------------------------------------------------------------------------------------------------------


def connects(target: Target, name: str, effort: Effort, stop: threading.Event) -> Figure:
    """Sessions a second, from the TCP connect to the CONNACK, with `at_once` of them under way."""
    rates, shares = [], []
    for sample in range(effort.samples):
        crowd = _Crowd(target, effort, stop, f"cal-{os.getpid()}-{sample}")
        try:
            rate, share = crowd.come()
        finally:
            crowd.leave()
        rates.append(rate)
        shares.append(share)
    return _figure(name, "1/s", rates, statistics.median(shares))


class _Crowd:
    """Clients that come one after the other, are held, and leave together."""

    def __init__(self, target: Target, effort: Effort, stop: threading.Event, prefix: str) -> None:
        self._target, self._effort, self._stop = target, effort, stop
        self._packets = [target.connect(f"{prefix}-{number}") for number in range(effort.connects)]
        self._selector = selectors.DefaultSelector()
        self._held: list[socket.socket] = []
        self._under_way: dict[socket.socket, bytes] = {}
        self._family = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)[0][0]

    def come(self) -> tuple[float, float]:
        """Sessions a second, and the share of the time in which we were busy."""
        began, busy = time.perf_counter(), time.thread_time()
        until = began + PATIENCE * self._effort.sample_s
        waiting = iter(self._packets)
        more = True
        while more or self._under_way:
            while more and len(self._under_way) < self._effort.at_once:
                packet = next(waiting, None)
                if packet is None:
                    more = False
                else:
                    self._begin(packet)
            for key, _ in self._selector.select(LOOK_S):
                key.data(key.fileobj)
            if self._stop.is_set():
                raise Stopped
            if time.perf_counter() > until:
                break
        wall = time.perf_counter() - began
        if not self._held:
            raise TimeoutError(f"no CONNACK within {wall:.0f} s")
        return len(self._held) / wall, (time.thread_time() - busy) / wall

    def _begin(self, packet: bytes) -> None:
        one = socket.socket(self._family, socket.SOCK_STREAM)
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            one.connect((self._target.host, self._target.port))
        self._under_way[one] = packet
        self._selector.register(one, selectors.EVENT_WRITE, self._reached)

    def _reached(self, one: socket.socket) -> None:
        """TCP is up, or refused."""
        error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        context = self._target.context
        if context is None:
            self._ask(one)
            return
        self._selector.unregister(one)
        packet = self._under_way.pop(one)
        secret = context.wrap_socket(one, server_hostname=self._target.host, do_handshake_on_connect=False)
        self._under_way[secret] = packet
        self._selector.register(secret, selectors.EVENT_READ, self._shake)
        self._shake(secret)

    def _shake(self, one: ssl.SSLSocket) -> None:
        try:
            one.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self._selector.modify(one, selectors.EVENT_WRITE, self._shake)
            return
        self._ask(one)

    def _ask(self, one: socket.socket) -> None:
        one.send(self._under_way[one])
        self._selector.modify(one, selectors.EVENT_READ, self._answered)

    def _answered(self, one: socket.socket) -> None:
        try:
            answer = one.recv(64)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        if len(answer) < 4:
            raise ConnectionResetError("the broker closed a connection instead of answering a CONNECT")
        if answer[0] >> 4 != CONNACK or answer[3]:
            raise ConnectionRefusedError(f"the broker refuses a client: CONNACK {answer[3]}")
        del self._under_way[one]
        self._selector.unregister(one)
        self._held.append(one)

    def leave(self) -> None:
        """Take leave, and wait until the broker has heard it: the next sample must not pay for this one."""
        for one in self._held:
            with contextlib.suppress(OSError):
                one.send(DISCONNECT)
        until = time.perf_counter() + PATIENCE * self._effort.sample_s
        for one in self._held:
            with contextlib.suppress(OSError):
                one.settimeout(max(until - time.perf_counter(), 0.001))
                while one.recv(64):
                    pass
        for one in (*self._held, *self._under_way):
            one.close()
        self._selector.close()


# --- messages ---------------------------------------------------------------------------------------------------------


def messages(target: Target, qos: int, effort: Effort, stop: threading.Event) -> Figure:
    """Messages a second through the broker, to one subscriber, with `WINDOW` of them on their way."""
    rates, shares = [], []
    with contextlib.ExitStack() as stack:
        flow = _Flow(target, qos, effort.payload_bytes, stack)
        flow.run(effort.sample_s / 5, stop)  # what is slow only once is no property
        for _ in range(effort.samples):
            rate, share = flow.run(effort.sample_s, stop)
            rates.append(rate)
            shares.append(share)
    return _figure(f"messages, QoS {qos}", "1/s", rates, statistics.median(shares))


class _Flow:
    """Publishers and one subscriber, all in this thread."""

    def __init__(self, target: Target, qos: int, payload_bytes: int, stack: contextlib.ExitStack) -> None:
        self._qos = qos
        topic = f"{TOPIC}/{os.getpid()}/{qos}"
        self._subscriber = target.client(f"cal-{os.getpid()}-sub-{qos}")
        stack.callback(self._subscriber.close)
        self._subscriber.subscribe(topic, qos)
        self._publishers = []
        self._selector = selectors.DefaultSelector()
        stack.callback(self._selector.close)
        self._selector.register(self._subscriber.socket, selectors.EVENT_READ, self._take)
        for number in range(PUBLISHERS):
            client = target.client(f"cal-{os.getpid()}-pub-{qos}-{number}")
            stack.callback(client.close)
            self._publishers.append(client)
            self._selector.register(client.socket, selectors.EVENT_READ, self._heed(client))
        payload = bytes(payload_bytes)
        packets = [publish_packet(topic, payload, qos, packet_id) for packet_id in range(1, 2 * WINDOW + 1)]
        self._batches = [b"".join(packets[at : at + BATCH]) for at in range(0, len(packets), BATCH)]
        self._sent = self._got = self._unacked = 0
        self._turn = 0

    def run(self, lasts_s: float, stop: threading.Event) -> tuple[float, float]:
        began, busy, before = time.perf_counter(), time.thread_time(), self._got
        until = began + lasts_s
        heard = began
        while (now := time.perf_counter()) < until or self._got - before < BATCH:
            while self._sent - self._got <= WINDOW - BATCH and self._unacked <= 2 * WINDOW - BATCH:
                self._publish()
            got = self._got
            for key, _ in self._selector.select(LOOK_S):
                key.data()
            if self._got > got:
                heard = now
            elif now - heard > PATIENCE * 1.0:
                raise TimeoutError(f"no message arrived for {now - heard:.0f} s")
            if stop.is_set():
                raise Stopped
        wall = time.perf_counter() - began
        return (self._got - before) / wall, (time.thread_time() - busy) / wall

    def _publish(self) -> None:
        client = self._publishers[self._turn % PUBLISHERS]
        client.socket.sendall(self._batches[self._turn % len(self._batches)])
        self._turn += 1
        self._sent += BATCH
        if self._qos:
            self._unacked += BATCH

    def _heed(self, client: RawClient) -> Callable[[], None]:
        def read() -> None:
            self._unacked -= sum(first >> 4 == PUBACK for first, _ in _whole(client))

        return read

    def _take(self) -> None:
        answers = []
        for first, body in _whole(self._subscriber):
            if first >> 4 == PUBLISH:
                self._got += 1
                if self._qos:
                    answers.append(puback_packet(published(body, first)[0]))
        if answers:
            self._subscriber.socket.sendall(b"".join(answers))


def _whole(client: RawClient) -> Iterator[tuple[int, bytes]]:
    """All that has come, also what TLS has taken from the socket already, which wakes no selector."""
    yield from client.receive()
    while isinstance(client.socket, ssl.SSLSocket) and client.socket.pending():
        yield from client.receive()


# --- latency ----------------------------------------------------------------------------------------------------------


def latencies(target: Target, effort: Effort, stop: threading.Event) -> Iterator[Figure]:
    """From the write of a message at QoS 1 to the subscriber that has it, while the broker has little to do."""
    p50, p99 = [], []
    with contextlib.ExitStack() as stack:
        topic = f"{TOPIC}/{os.getpid()}/late"
        subscriber, publisher = target.client(f"cal-{os.getpid()}-late-s"), target.client(f"cal-{os.getpid()}-late-p")
        stack.callback(subscriber.close)
        stack.callback(publisher.close)
        subscriber.subscribe(topic, 1)
        for _ in range(effort.samples):
            count = max(int(effort.sample_s * effort.calm_per_s), 1)
            taken = waits_ms(subscriber, [publisher], topic, effort.calm_per_s, count, effort.payload_bytes, stop)
            p50.append(float(np.percentile(taken, 50)))
            p99.append(float(np.percentile(taken, 99)))
    yield _figure("latency, median", "ms", p50)
    yield _figure("latency, 99th percentile", "ms", p99)


def waits_ms(
    subscriber: RawClient,
    publishers: Sequence[RawClient],
    topic: str,
    per_s: float,
    count: int,
    payload_bytes: int,
    stop: threading.Event,
) -> list[float]:
    """How long each of `count` messages at QoS 1 was on its way, sent at this rate by each publisher in turn.

    Raises:
        TimeoutError: messages stay away.
        Stopped: `stop` was set.
    """
    selector = selectors.DefaultSelector()
    for client in (subscriber, *publishers):
        selector.register(client.socket, selectors.EVENT_READ, client)
    filler = bytes(max(payload_bytes - 4, 0))
    sent_s: list[float] = []
    taken_ms: list[float] = []
    began = heard = time.perf_counter()
    with contextlib.closing(selector):
        while len(taken_ms) < count:
            number = len(sent_s)
            now = time.perf_counter()
            if number < count and now >= began + number / per_s:
                packet = publish_packet(topic, number.to_bytes(4, "big") + filler, 1, number % 65_535 + 1)
                sent_s.append(time.perf_counter())
                publishers[number % len(publishers)].socket.sendall(packet)
                due = now
            else:
                due = began + number / per_s if number < count else now + LOOK_S
            for key, _ in selector.select(min(max(due - now, 0.0), LOOK_S)):
                for first, body in _whole(key.data):
                    if first >> 4 == PUBLISH:
                        packet_id, data = published(body, first)
                        heard = time.perf_counter()
                        taken_ms.append((heard - sent_s[int.from_bytes(data[:4], "big")]) * 1e3)
                        subscriber.socket.sendall(puback_packet(packet_id))
            if stop.is_set():
                raise Stopped
            if now - heard > PATIENCE:
                raise TimeoutError(f"no message arrived for {now - heard:.0f} s")
    return taken_ms


def _figure(name: str, unit: str, values: list[float], client_share: float = 0.0) -> Figure:
    return Figure(name, unit, statistics.median(values), min(values), max(values), len(values), client_share)
