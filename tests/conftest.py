"""Fixtures for the whole suite: a real Mosquitto on a port of its own, Prometheus' tools, and plug-ins of strangers."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

from tests.strangers import install, install_project

__all__ = ["Mosquitto", "install", "install_project", "mosquitto", "mosquitto_sub"]

# The gate gives the same answer every time, on a slow machine too; `explore` tries other examples each time.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("TWINSTORM_HYPOTHESIS", "gate"))

# Tests share the cores already. Threads of OpenMP wait for each other by spinning, and where others want the core as
# well, a second of learning takes minutes. It reads this when scikit-learn is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

READY_WITHIN_S = 10.0
STOPS_WITHIN_S = 5.0
PORT_TRIES = 5


@dataclass
class Mosquitto:
    """A broker of another make, listening on loopback for anybody without a password.

    Attributes:
        port: TCP port, chosen by the system.
        process: the broker; `kill()` it to see what clients make of a broker that dies.
        log: its log lines so far, oldest first.
    """

    port: int
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"


def find_command(name: str) -> str | None:
    """Path of a program; Debian keeps brokers where only root's PATH looks."""
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    )


def require_command(
    name: str, packages: str = "mosquitto mosquitto-clients", demand: str = "TWINSTORM_REQUIRE_MOSQUITTO"
) -> str:
    """Path of a program; without it the test is skipped, or fails where the build demands it.

    Args:
        packages: of Debian, that bring it.
        demand: variable of the environment with which the build does.
    """
    found = find_command(name)
    if found is None:
        missing = f"no `{name}` here (Debian: apt-get install {packages})"
        if os.environ.get(demand) == "1":
            pytest.fail(f"{missing}, and {demand}=1 makes that a failure")
        pytest.skip(missing)
    return found


PROMETHEUS = ("prometheus prometheus-alertmanager", "TWINSTORM_REQUIRE_PROMETHEUS")


@pytest.fixture
def promtool() -> str:
    """Path of Prometheus' tool, which tries alert rules."""
    return require_command("promtool", *PROMETHEUS)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running Mosquitto 2, ended with the test. Nothing is stored, so each test meets an empty broker."""
    broker = start_mosquitto(tmp_path)
    try:
        yield broker
    finally:
        stop_mosquitto(broker)


@pytest.fixture
def mosquitto_sub() -> str:
    """Path of Mosquitto's command line subscriber, as `mosquitto` skips or fails without it."""
    return require_command("mosquitto_sub")


def start_mosquitto(folder: Path, *settings: str) -> Mosquitto:
    """A Mosquitto on a port of its own; whoever starts it stops it.

    Args:
        folder: where its settings go.
        settings: further lines, about its one listener.
    """
    # It cannot listen on port 0: take a port that is free now, and another if someone was faster.
    command = require_command("mosquitto")
    log: list[str] = []
    for _ in range(PORT_TRIES):
        port = _free_port()
        lines = ["persistence false", "log_dest stderr", "log_type all"]
        if "protocol websockets" in settings:
            lines.append(f"listener {_free_port()} 127.0.0.1")  # version 2.0 does not start with WebSocket alone
        lines += [f"listener {port} 127.0.0.1", *(settings or ["allow_anonymous true"])]
        file = folder / f"mosquitto-{port}.conf"
        file.write_text("\n".join(lines) + "\n")
        process = subprocess.Popen([command, "-c", str(file)], stderr=subprocess.PIPE, text=True)
        broker = Mosquitto(port, process)
        if _ready(broker):
            return broker
        _stop(process)
        log = broker.log
    pytest.fail(f"mosquitto did not start on {PORT_TRIES} ports; its last words:\n" + "\n".join(log))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_mosquitto(broker: Mosquitto) -> None:
    """End it, whatever it does."""
    _stop(broker.process)


def _ready(broker: Mosquitto) -> bool:
    """Wait until the broker says that it runs; a thread goes on reading its log, or a full pipe would stop it."""
    heard: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def read() -> None:
        assert broker.process.stderr is not None
        with broker.process.stderr as lines:
            for line in lines:
                broker.log.append(line.rstrip())
                if line.rstrip().endswith(" running"):
                    heard.put(True)
        heard.put(False)

    threading.Thread(target=read, daemon=True).start()
    try:
        return heard.get(timeout=READY_WITHIN_S)
    except queue.Empty:
        return False


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
