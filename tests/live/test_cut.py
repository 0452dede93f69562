"""Whoever ends a live run early sees every connection closed within two seconds, whatever the broker does."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Mosquitto
from tests.live.raw_mqtt import Accepted, until
from tests.live.test_foreign_transports import CALM
from twinstorm.broker import cloud_end
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import RunResult

WITHIN_S = 2.0


class Playing:
    """A run on a thread of its own."""

    def __init__(self, folder: Path, url: str | None) -> None:
        path = folder / "calm.storm.yaml"
        path.write_text(CALM.replace("duration: 6 s", "duration: 5 min"), encoding="utf-8")
        self.run = Run(load(str(path)), RunOptions(seed=3, live=True, broker_url=url))
        self.result: RunResult | None = None
        self.error: Unavailable | None = None
        self.goes = threading.Event()
        self.thread = threading.Thread(target=self._play)
        self.thread.start()

    def _play(self) -> None:
        try:
            self.result = self.run.execute(lambda _: self.goes.set())
        except Unavailable as error:
            self.error = error

    def connections(self, port: int) -> int:
        """Of this process and its children, to this port."""
        mine = psutil.Process()
        found = 0
        for process in [mine, *mine.children(recursive=True)]:
            try:
                open_ones = process.net_connections("tcp")
            except psutil.Error:
                continue
            found += sum(bool(one.raddr) and one.raddr.port == port for one in open_ones)
        return found

    def ends(self, port: int) -> None:
        """It does, in time."""
        began = time.monotonic()
        self.run.interrupt()
        assert until(lambda: self.connections(port) == 0, WITHIN_S)
        assert time.monotonic() - began < WITHIN_S
        self.thread.join(10.0)
        assert self.error is None
        assert self.result is not None
        assert self.result.ended == "interrupted"
        ledger = self.result.ledger
        assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[str | None], Playing]]:
    made: list[Playing] = []

    def start(url: str | None) -> Playing:
        made.append(Playing(tmp_path, url))
        return made[-1]

    yield start
    for one in made:
        one.run.interrupt()
        one.thread.join(20.0)


def test_a_broker_that_stops_reading_in_the_middle(mosquitto: Mosquitto, play: Callable[[str], Playing]) -> None:
    playing = play(mosquitto.url)
    assert playing.goes.wait(20.0)
    assert playing.connections(mosquitto.port) == 7
    mosquitto.process.send_signal(signal.SIGSTOP)
    try:
        playing.ends(mosquitto.port)
    finally:
        mosquitto.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws"])
def test_a_broker_that_never_says_a_word(scheme: str, play: Callable[[str], Playing]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = int(deaf.getsockname()[1])
        playing = play(f"{scheme}://127.0.0.1:{port}")
        assert until(lambda: playing.connections(port) > 0, 20.0)
        playing.ends(port)


def test_a_broker_that_stalls_while_the_fleet_gathers(play: Callable[[str], Playing]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
        playing = play(f"mqtt://127.0.0.1:{port}")
        core = Accepted(server, patience_s=20.0)
        try:
            core.welcome()
            core.grant()  # the core is there; the devices are never answered
            assert until(lambda: playing.connections(port) == 7, 20.0)
            assert not playing.goes.is_set()
            playing.ends(port)
        finally:
            core.close()


def test_a_broker_that_answers_no_subscription_is_told_so(
    play: Callable[[str], Playing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_end, "START_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        playing = play(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        core = Accepted(server, patience_s=20.0)
        try:
            core.welcome()
            playing.thread.join(20.0)
            assert "the broker did not answer the core within 0.3 s" in str(playing.error)
        finally:
            core.close()


def test_the_embedded_broker_and_all_that_it_accepted(play: Callable[[None], Playing]) -> None:
    playing = play(None)
    assert playing.goes.wait(20.0)
    (port,) = listening()
    assert playing.connections(port) == 7
    playing.ends(port)


def listening() -> list[int]:
    """Ports that this process listens on."""
    return [one.laddr.port for one in psutil.Process().net_connections("tcp") if one.status == psutil.CONN_LISTEN]
