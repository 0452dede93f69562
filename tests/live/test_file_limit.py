"""The broker below a low limit of open files: it is raised, or refused at once, or outlived."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.live.broker_process import TWINSTORM, Running
from tests.live.raw_mqtt import RawClient

LOW = 64
DEVICES = [word for number in range(40) for word in ("--client", f"fra-1/motors-{number:04}")]


def below(soft: int, hard: int | None = None) -> partial[None]:
    """For a child process."""
    return partial(
        resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard or resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )


@contextmanager
def broker(folder: Path, limit: partial[None], *words: str) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", partial(subprocess.Popen, preexec_fn=limit))
        made = Running(folder, *words)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def idle(stack: ExitStack, port: int, clients: int) -> None:
    """Connections that say nothing; the last ones wait in the system's queue if the broker accepts no more."""
    for _ in range(clients):
        stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5.0))


def served(stack: ExitStack, running: Running) -> None:
    client = RawClient(running.port)
    stack.callback(client.close)
    client.send_connect("healthy", "guest", running.credentials()["guest"])
    assert client.connack() == 0


def test_a_broker_raises_the_soft_limit_so_that_more_clients_come_than_it_allowed(tmp_path: Path) -> None:
    with broker(tmp_path, below(LOW), "--connect-within", "1 h") as running, ExitStack() as stack:
        idle(stack, running.port, LOW)
        served(stack, running)
        assert running.end(signal.SIGINT)[0] == 0
        assert "no connection can be accepted" not in running.said


def test_a_broker_without_a_file_descriptor_says_so_once_and_serves_again_when_one_is_free(tmp_path: Path) -> None:
    with broker(tmp_path, below(LOW, LOW), "--connect-within", "1 s") as running, ExitStack() as stack:
        idle(stack, running.port, LOW)
        served(stack, running)  # as soon as those that say nothing were let go
        assert running.end(signal.SIGINT)[0] == 0
    assert running.said.count(f"no connection can be accepted while {LOW} files are open") == 1
    assert "Traceback" not in running.said
    assert len(running.said.splitlines()) < 10


def test_a_broker_ends_cleanly_while_it_has_no_file_descriptor(tmp_path: Path) -> None:
    with broker(tmp_path, below(LOW, LOW), "--connect-within", "1 h") as running, ExitStack() as stack:
        idle(stack, running.port, LOW)
        assert running.process.stderr is not None
        while "no connection can be accepted" not in running.said:
            running.said += running.process.stderr.readline()
        assert running.end(signal.SIGINT)[0] == 0
    assert "Traceback" not in running.said


@pytest.mark.parametrize(
    ("words", "what", "needed"),
    [
        (["broker", "--port", "0", *DEVICES], "40 clients", "168"),
        (["run", "reboot-storm", "--live", "--devices", "300", "--speed", "10"], "300 devices", "428"),
    ],
)
def test_too_low_a_hard_limit_is_refused_before_anything_starts(
    tmp_path: Path, words: list[str], what: str, needed: str
) -> None:
    ran = subprocess.run(
        [TWINSTORM, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=below(150, 150),
    )
    assert ran.returncode == 4, ran.stderr
    assert f"room for {what} is not available" in ran.stderr
    assert f"need {needed} open files" in ran.stderr
    assert "150 (ulimit -n)" in ran.stderr
    assert "listening" not in ran.stderr


def test_a_run_raises_the_soft_limit_for_its_broker_and_its_worker(tmp_path: Path) -> None:
    words = "run reboot-storm --live --devices 120 --speed 30 --seed 42 --until 60s"
    ran = subprocess.run(
        [TWINSTORM, *words.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=below(100),
    )
    assert "Traceback" not in ran.stderr
    assert "no connection can be accepted" not in ran.stdout + ran.stderr
    assert ran.returncode in (0, 1, 3), ran.stderr
