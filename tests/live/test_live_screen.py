"""A live run behind the real screen: the abort key, leaving, and what is told, over real sockets."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from textual.pilot import Pilot

from tests.conftest import Mosquitto
from tests.live.test_foreign_transports import CALM
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.engine.server import EngineRequest, LiveRequest
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.record.read import open_run
from twinstorm.tui.app.app import Outcome, StormApp
from twinstorm.tui.cli.engine_link import EngineLink

CLIENTS = 7
"""Six devices and the core."""
WITHIN_S, PATIENCE_S = 2.0, 30.0
LOOK_S = 0.02


class Seat:
    """Somebody before the screen.

    Attributes:
        engine: its process.
    """

    def __init__(self, app: StormApp, pilot: Pilot[Outcome], link: EngineLink, out: Path) -> None:
        self.app, self.pilot, self.out = app, pilot, out
        self.engine = psutil.Process(link._process.pid)

    async def until(self, true: Callable[[], bool], within_s: float = PATIENCE_S) -> float:
        """Wait; returns how long it took."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < within_s
            await asyncio.sleep(LOOK_S)
            await self.pilot.pause(0)
        return time.monotonic() - began

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def connections(self, port: int) -> int:
        """Of the engine and its children, to this port."""
        found = 0
        for process in [self.engine, *self.engine.children(recursive=True)]:
            try:
                open_ones = process.net_connections("tcp")
            except psutil.Error:
                continue
            found += sum(bool(one.raddr) and one.raddr.port == port for one in open_ones)
        return found

    @property
    def plays(self) -> bool:
        frame = self.app.board.frame
        return frame is not None and frame.at_us > 0

    @property
    def has_ended(self) -> bool:
        return self.app.board.ended is not None


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "calm.storm.yaml"
    path.write_text(CALM.replace("duration: 6 s", "duration: 5 min"), encoding="utf-8")
    return str(path)


@asynccontextmanager
async def at_the_screen(scenario: str, out: Path, live: LiveRequest) -> AsyncIterator[Seat]:
    link = await EngineLink.start(EngineRequest(scenario=scenario, seed=3, out=str(out), live=live, socket=""))
    try:
        app = StormApp(link)
        async with app.run_test(size=(120, 30), notifications=True) as pilot:
            seat = Seat(app, pilot, link, out)
            children = seat.engine.children(recursive=True)
            yield seat
            children += seat.engine.children(recursive=True) if seat.engine.is_running() else []
    finally:
        await link.close()
    assert not seat.engine.is_running()
    # The tracker of multiprocessing ends a moment after those whom it serves.
    assert psutil.wait_procs(children, timeout=WITHIN_S)[1] == []


async def test_the_abort_key_closes_everything_although_the_broker_stalls(
    scenario: str, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with at_the_screen(scenario, tmp_path / "runs", LiveRequest(broker_url=mosquitto.url)) as seat:
        await seat.until(lambda: seat.plays)
        assert seat.connections(mosquitto.port) == CLIENTS
        mosquitto.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            await seat.press("ctrl+x")
            await seat.until(lambda: seat.connections(mosquitto.port) == 0, WITHIN_S)
            assert time.monotonic() - began < WITHIN_S
            await seat.until(lambda: seat.has_ended)
        finally:
            mosquitto.process.send_signal(signal.SIGCONT)
        ended = seat.app.board.ended
        assert ended is not None
        assert (ended.ended, ended.exit_code) == ("aborted", 5)
        assert "note: every connection of the fleet was closed within" in ended.text
        assert "--live" not in ended.text.splitlines()[-1]  # the words of the command line come from it, not from here
        result = open_run("last", seat.out).result
        assert result is not None
        ledger = result.ledger
        assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())


async def test_the_abort_key_works_while_the_fleet_still_gathers(
    scenario: str, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with at_the_screen(scenario, tmp_path / "runs", LiveRequest(broker_url=mosquitto.url)) as seat:
        await seat.until(lambda: seat.app.board.hello is not None)
        mosquitto.process.send_signal(signal.SIGSTOP)
        try:
            await seat.until(lambda: seat.connections(mosquitto.port) == CLIENTS)
            assert not seat.plays
            await seat.press("ctrl+x")
            await seat.until(lambda: seat.connections(mosquitto.port) == 0, WITHIN_S)
            await seat.until(lambda: seat.has_ended)
        finally:
            mosquitto.process.send_signal(signal.SIGCONT)
        assert seat.app.board.ended is not None
        assert seat.app.board.ended.ended == "aborted"


async def test_leaving_waits_for_what_is_under_way_and_writes_the_report(scenario: str, tmp_path: Path) -> None:
    async with at_the_screen(scenario, tmp_path / "runs", LiveRequest(max_connects_per_s=50)) as seat:
        await seat.until(lambda: seat.plays)
        frame = seat.app.board.frame
        assert frame is not None
        assert frame.live is not None
        assert frame.live.broker.startswith("embedded 127.0.0.1:")
        assert frame.live.connects_most_per_s == 50
        await seat.press("q", "Q")
        await seat.until(lambda: not seat.app.is_running)
        outcome = seat.app.return_value
        assert outcome is not None
        assert outcome.ended is not None
        assert (outcome.ended.ended, outcome.ended.exit_code) == ("stopped", 5)
        assert outcome.ended.report
        assert "was closed within" not in outcome.ended.text, "nothing was cut"
        result = open_run("last", seat.out).result
        assert result is not None
        assert result.ledger.lost.get("unexplained", 0) == 0
        assert result.ledger.in_flight == 0


async def test_a_broker_that_is_not_there_is_exit_code_4(scenario: str, tmp_path: Path) -> None:
    # A port that nobody listens on: it was ours, and is closed.
    import socket

    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    url = f"mqtt://127.0.0.1:{port}"
    async with at_the_screen(scenario, tmp_path / "runs", LiveRequest(broker_url=url)) as seat:
        await seat.until(lambda: seat.has_ended)
        assert seat.app.board.ended is not None
        assert (seat.app.board.ended.ended, seat.app.board.ended.exit_code) == ("failed", 4)
        assert f"the broker at 127.0.0.1:{port} is not available" in seat.app.board.ended.text


def test_a_storm_over_the_ceiling_is_held_back_and_told(tmp_path: Path) -> None:
    path = tmp_path / "calm.storm.yaml"
    text = CALM.replace("devices: 6", "devices: 12").replace("jitter: full", "jitter: none")
    path.write_text(text.replace("target: site=fra-*", "target: all"), encoding="utf-8")
    result = Run(load(str(path)), RunOptions(seed=3, live=True, until_us=5_000_000, max_connects_per_s=6)).execute()
    assert result.counts["admitted"] == 12
    (told,) = (note for note in result.notes if "had to wait" in note)
    assert told.startswith("6 connects had to wait: 6 a second is the ceiling")
