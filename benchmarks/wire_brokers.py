"""Brokers to be measured, each a process on a loopback port of its own: Mosquitto, and amqtt as it is shipped."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from twinstorm.broker.calibration import Target
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.broker.sockets import LOOPBACK

READY_S = 10.0


class MissingPeer(Exception):
    """A peer that is not installed here; the text says how it would be."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def mosquitto(papers: RunCertificates | None = None) -> Iterator[tuple[int, int]]:
    """A Mosquitto that keeps nothing and logs nothing; its ports, plain and over mutual TLS (0 without `papers`).

    Raises:
        MissingPeer: there is none.
    """
    command = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if command is None:
        raise MissingPeer("no mosquitto here (Debian: apt-get install mosquitto)")
    plain, secret = free_port(), free_port() if papers is not None else 0
    with tempfile.TemporaryDirectory(prefix="twinstorm-bench-") as folder:
        # Started by root it becomes another user, who has to be able to read its files.
        lines = ["per_listener_settings true", "persistence false", "log_dest none", "max_queued_messages 100000"]
        lines += ["user root"] if os.getuid() == 0 else []
        lines += [f"listener {plain} {LOOPBACK}", "allow_anonymous true"]
        if papers is not None:
            lines += [f"listener {secret} {LOOPBACK}", "allow_anonymous true", "require_certificate true"]
            lines += [f"cafile {papers.server.ca}", f"certfile {papers.server.certificate}"]
            lines += [f"keyfile {papers.server.key}"]
        path = Path(folder) / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        process = subprocess.Popen([command, "-c", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for(plain)
            yield plain, secret
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def stock_amqtt() -> Iterator[Target]:
    """amqtt with its own listener, letting everybody do everything."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    port = free_port()
    process = context.Process(target=_serve_stock, args=(port, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        _wait_for(port)
        yield Target(LOOPBACK, port, "anybody", "anything")
    finally:
        pipe.close()
        process.join(5.0)
        if process.is_alive():  # it hangs where connections are open
            process.kill()
            process.join()


def _serve_stock(port: int, pipe: Connection) -> None:
    from amqtt.broker import Broker

    for name in ("amqtt", "transitions", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config: dict[str, Any] = {
        "listeners": {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }

    async def serve() -> None:
        await Broker(config).start()
        over = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), over.set)
        await over.wait()
        os._exit(0)

    asyncio.run(serve())


def _wait_for(port: int) -> None:
    until = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection((LOOPBACK, port), 1.0).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
