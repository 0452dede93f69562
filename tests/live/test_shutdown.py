"""The broker ends within two seconds, whoever is connected and however they behave; by TCP and by TLS.

`tests/live/test_newest_python.py` plays this on the newest Python here: asyncio's servers wait for their connections
from Python 3.12 on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from amqtt.broker import Broker

from tests.live.raw_mqtt import RawClient, publish, until
from twinstorm.broker.cloud_end import CLIENT_ID
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.broker.tls import client_context

ONE, TWO = "fra-1/motors-0001", "fra-1/motors-0002"
WITHIN_S = 2.0
MANY = 120
"""Messages of 100,000 bytes: more than kernels and buffers keep for one who reads nothing."""


class Place:
    """A broker and its clients, over TCP or TLS."""

    def __init__(self, papers: RunCertificates | None) -> None:
        self.papers = papers
        self.broker = EmbeddedBroker([ONE, TWO], now_us=lambda: 0, tls=None if papers is None else papers.server)
        self.broker.open()
        self.clients: list[RawClient] = []

    def client(self, whose: str, receive_bytes: int | None = None) -> RawClient:
        tls = None
        if self.papers is not None:
            tls = client_context(self.papers.core if whose == CLIENT_ID else self.papers.devices[whose])
        self.clients.append(RawClient(self.broker.port, receive_bytes, tls))
        return self.clients[-1]

    def enter(self, whose: str, receive_bytes: int | None = None) -> RawClient:
        made = self.client(whose, receive_bytes)
        if self.papers is not None:
            made.send_connect(whose, None, None)
        elif whose == CLIENT_ID:
            made.send_connect(whose, *self.broker.core_credentials)
        else:
            made.send_connect(whose, whose, self.broker.device_passwords[(ONE, TWO).index(whose)])
        assert made.connack() == 0
        return made

    # --- those who are connected --------------------------------------------------------------------------------------

    def idle(self) -> None:
        self.enter(ONE)

    def half_open(self) -> None:
        """Connected and silent, within its CONNECT, or within the handshake of TLS."""
        self.client(ONE)
        self.client(ONE).send(b"\x10\x20\x00")
        bare = RawClient(self.broker.port)
        bare.send(b"\x16\x03")
        self.clients.append(bare)
        assert until(lambda: len(self.broker._links.open) >= 3)

    def gone(self) -> None:
        """It says no more and reads no more, and its connection stays."""
        silent = self.enter(ONE)
        if self.papers is None:
            silent.socket.shutdown(socket.SHUT_WR)

    def stalled(self) -> None:
        """More is written to it than it takes."""
        stalled = self.enter(CLIENT_ID, receive_bytes=4_096)
        assert stalled.subscribe("fleet/#", 1) == 1
        talker = self.enter(TWO)
        for _ in range(MANY):
            talker.send(publish(device_topics(TWO)[0], bytes(100_000)))
        talker.ping()
        assert until(lambda: self.broker.counters(0).queue > 10), "it does stall"


@pytest.fixture(params=["TCP", "TLS"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    papers = RunCertificates([ONE, TWO], datetime.now(UTC)) if request.param == "TLS" else None
    made = Place(papers)
    yield made
    for client in made.clients:
        client.close()
    made.broker.close()
    if papers is not None:
        papers.close()


EVERYBODY: dict[str, tuple[Callable[[Place], None], ...]] = {
    "idle": (Place.idle,),
    "half-open": (Place.half_open,),
    "stalled": (Place.stalled,),
    "all": (Place.gone, Place.half_open, Place.stalled),
}


@pytest.mark.parametrize("who", EVERYBODY)
def test_it_ends_in_time(place: Place, who: str) -> None:
    for come in EVERYBODY[who]:
        come(place)
    began_s = time.monotonic()
    place.broker.close()
    assert time.monotonic() - began_s < WITHIN_S
    assert all(thread.name != "twinstorm-broker" for thread in threading.enumerate())
    assert all(client.ends() != "open" for client in place.clients)


def test_an_outage_begins_in_time_too(place: Place) -> None:
    for come in EVERYBODY["all"]:
        come(place)
    began_s = time.monotonic()
    place.broker.stop(0)
    assert time.monotonic() - began_s < WITHIN_S
    assert all(client.ends() != "open" for client in place.clients)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio's servers wait for connections from Python 3.12 on")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what it leaves behind is not closed
async def test_stock_amqtt_still_waits_for_whoever_is_connected() -> None:
    """Why twinstorm has its own listener; if this fails, upstream has repaired it."""
    listener = {"type": "tcp", "bind": "127.0.0.1:0"}
    stock = Broker({"listeners": {"default": listener}, "plugins": {}})
    await stock.start()
    server = stock._servers["default"]
    _, writer = await asyncio.open_connection(*server.instance.sockets[0].getsockname())
    async with asyncio.timeout(WITHIN_S):
        while not server.conn_count:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
    ending = asyncio.create_task(stock.shutdown())
    done, _ = await asyncio.wait([ending], timeout=WITHIN_S)
    writer.transport.abort()
    assert not done
    ending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await ending
