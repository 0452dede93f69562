"""A broker that hears nearly right packets, thousands of times, stays up, serves everybody else, and keeps nothing."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import socket
from collections import deque
from typing import Any

import psutil
import pytest

from tests.live.brokers import PASSWORDS, Repaired
from tests.live.packet_fuzz import Attempt, Fuzz
from tests.live.raw_mqtt import DISCONNECT, RawClient, packet, publish, until

SEED = 1
ECHO = "dev/two/echo"
STAY = 20
"""Connections that stay open beside the one that speaks."""
LOOK_EVERY = 25
MORE_MEMORY = 1.2


class Campaign:
    """A broker, a healthy client, and those that are not."""

    def __init__(self) -> None:
        self.broker = Repaired()
        self.failures: list[dict[str, Any]] = []
        self.broker._own.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self.fuzz = Fuzz(SEED, "one", PASSWORDS["one"])
        self.open: deque[RawClient] = deque()
        self.healthy = RawClient(self.broker.port)
        self.healthy.send_connect("healthy", "two", PASSWORDS["two"])
        assert self.healthy.connack() == 0
        assert self.healthy.subscribe(ECHO) == 1
        self.said = 0

    def serve(self) -> None:
        """The healthy client gets what it sends."""
        self.said += 1
        self.healthy.send(publish(ECHO, b"%d" % self.said, qos=1))
        assert self.healthy.message().payload == b"%d" % self.said

    def try_one(self, attempt: Attempt) -> None:
        client = RawClient(self.broker.port)
        try:
            client.send(attempt.raw)
            if attempt.ends in ("half", "closed"):
                client.socket.shutdown(socket.SHUT_WR)
        except ConnectionError:
            client.close()  # it was cut while it still spoke
            return
        if attempt.ends in ("half", "open"):
            self.open.append(client)
            if len(self.open) > STAY:
                self.open.popleft().close()
        elif attempt.ends == "reset":
            client.reset()
        else:
            assert client.ends() != "open", attempt.raw
            client.close()

    def play(self, count: int) -> None:
        for number in range(count):
            self.try_one(self.fuzz.attempt())
            if not number % LOOK_EVERY:
                self.serve()
        while self.open:
            self.open.popleft().close()
        assert until(lambda: len(self.broker._links.open) == 1, 10.0)
        self.serve()

    def forget_sessions(self) -> None:
        """Every client id that is known comes once more and wants nothing kept."""
        core = self.broker._core
        assert core is not None
        for client_id in [name for name in core._sessions if name != "healthy"]:
            last = RawClient(self.broker.port)
            last.send_connect(client_id, "one", PASSWORDS["one"])
            assert last.connack() == 0
            last.send(packet(DISCONNECT))
            assert last.ends() != "open"
            last.close()

    def held(self) -> tuple[int, int, int]:
        """Sessions, tasks and connections."""
        core = self.broker._core
        assert core is not None

        async def tasks() -> int:
            return len(asyncio.all_tasks())

        count = asyncio.run_coroutine_threadsafe(tasks(), self.broker._own.loop).result(5.0)
        return len(core._sessions), count, len(self.broker._links.open)

    def close(self) -> None:
        for client in (*self.open, self.healthy):
            client.close()
        self.broker.close()


def _memory_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _campaign(warm_up: int, count: int) -> None:
    campaign = Campaign()
    try:
        before = campaign.held()
        campaign.play(warm_up)
        memory = _memory_bytes()
        campaign.play(count - warm_up)
        campaign.forget_sessions()
        assert until(lambda: campaign.held() == before), (campaign.held(), before)
        assert _memory_bytes() < MORE_MEMORY * memory
        assert campaign.failures == []
        counted = campaign.broker._count
        # It was no broker that refuses everything, nor packets that are all fine.
        for name in ("admitted", "malformed", "bad_first_packet", "messages_in", "takeovers"):
            assert counted[name] > count // 50, (name, counted)
    finally:
        campaign.close()


def test_a_thousand_damaged_packets_harm_nobody() -> None:
    _campaign(200, 1_000)


@pytest.mark.nightly
def test_twenty_thousand_damaged_packets_harm_nobody() -> None:
    _campaign(4_000, 20_000)


def test_equal_seeds_damage_equally() -> None:
    def digest(seed: int) -> str:
        fuzz = Fuzz(seed, "one", "first")
        return hashlib.sha256(b"".join(fuzz.attempt().raw for _ in range(300))).hexdigest()

    assert digest(1) == digest(1) != digest(2)
