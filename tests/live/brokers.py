"""Brokers of several makes under the same rules, so that the same packets can be tried on each.

Two devices and a watcher have passwords. A device publishes below `dev/` and its name, and receives that and what is
below `all/`; the watcher may do everything. Whatever a filter asks for is granted, and only what may be received comes.
Who names no user is let in and has the rights of the watcher.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest
from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Action, Broker
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from tests.conftest import require_command
from twinstorm.broker.broker_state import BrokerState
from twinstorm.broker.door import Door
from twinstorm.broker.doorkeeper import Doorkeeper
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.expiry import calendar_s
from twinstorm.broker.identity import Role, parse_identity
from twinstorm.broker.limits import Limits
from twinstorm.broker.own_loop import ACCEPT_PASSES
from twinstorm.broker.tls import peer_of
from twinstorm.twin.wire.wires import Ear

PASSWORDS = {"one": "first", "two": "second", "watcher": "third"}
WAITING_MESSAGES = 10
"""So many wait for a session whose client is away."""
IN_FLIGHT = 20
"""So many may be without an acknowledgement."""
STALLED_S = 1.0
"""For so long a client may take nothing."""
STARTS_WITHIN_S = 15.0


def is_known(user: str | None, password: str | None) -> bool:
    return not user or PASSWORDS.get(user) == password


def may(user: str | None, topic: str, action: Action) -> bool:
    if user not in ("one", "two") or action == Action.SUBSCRIBE:
        return True
    return topic.startswith(f"dev/{user}/") or (action == Action.RECEIVE and topic.startswith("all/"))


class UnknowableError(Exception):
    """A broker does not tell."""


class UnderTest(Protocol):
    """A broker that runs."""

    @property
    def port(self) -> int: ...

    def sessions(self) -> int:
        """How many it holds, whether their clients are there or not.

        Raises:
            UnknowableError: it does not tell.
        """

    def close(self) -> object: ...


SHORT = Limits(offline_messages=WAITING_MESSAGES, in_flight=IN_FLIGHT, drain_s=STALLED_S)


class ByRules(Doorkeeper):
    """For the embedded broker."""

    def __init__(self) -> None:
        super().__init__((), {}, Ear(), calendar_s, asks_for_certificates=False, any_topic=True)

    def authenticate(self, session: Session) -> bool:
        return is_known(session.username, session.password)

    def may_use(self, session: Session, topic: str, action: Action) -> bool:
        return may(session.username, topic, action)


class Repaired(EmbeddedBroker):
    """The embedded broker, under these rules.

    Args:
        port, state: of an earlier one, for which it stands in.
    """

    def __init__(self, limits: Limits = SHORT, port: int = 0, state: BrokerState | None = None) -> None:
        super().__init__([], now_us=lambda: 0, limits=limits, door=Door(port=port, any_topic=True))
        self._doorkeeper = ByRules()
        self.open(state)

    def sessions(self) -> int:
        return 0 if self._core is None else len(self._core._sessions)


class Credentials(BaseAuthPlugin):  # type: ignore[misc] # upstream's has no types
    """For stock amqtt."""

    async def authenticate(self, *, session: Session) -> bool:
        return is_known(session.username, session.password)


class Rights(BaseTopicPlugin):  # type: ignore[misc] # upstream's has no types
    """For stock amqtt."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        assert action is not None
        return may(session.username if session else None, topic or "", action)


class Papers(BaseAuthPlugin):  # type: ignore[misc] # upstream's has no types
    """For stock amqtt: a client is who its certificate speaks for, and nobody else."""

    async def authenticate(self, *, session: Session) -> bool:
        peer = peer_of(session.ssl_object)
        return peer is not None and parse_identity(peer.identity) == (Role.DEVICE, session.client_id)


class Stock:
    """amqtt as it is, on a loop of its own.

    Args:
        plugins: other rules than those above.
        tls: of its listener.
    """

    RULES: ClassVar[dict[str, Any]] = {f"{__name__}.Credentials": {}, f"{__name__}.Rights": {}}

    def __init__(self, plugins: dict[str, Any] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._plugins = self.RULES if plugins is None else plugins
        self._writers: dict[asyncio.StreamWriter, None] = {}
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # what it makes of its failures is not the question
        self._thread = threading.Thread(target=self._loop.run_forever, name="stock-amqtt", daemon=True)
        self._thread.start()
        self._call(self._start())

    async def _start(self) -> None:
        listeners = {"default": {"type": "external", "bind": "unused"}}
        self.core = Broker({"listeners": listeners, "plugins": self._plugins})
        await self.core.start()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers[writer] = None  # kept, as those of its own listener are by their tasks
        with contextlib.suppress(Exception):
            await self.core.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), "default")

    def sessions(self) -> int:
        return len(self.core._sessions)

    def close(self) -> None:
        with contextlib.suppress(TimeoutError):
            self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for _ in range(ACCEPT_PASSES):
            await asyncio.sleep(0)
        for writer in self._writers:
            writer.transport.abort()
        tasks = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        for _ in range(3):  # some of its loops take a cancellation for a message
            for task in tasks:
                task.cancel()
            _, tasks = (await asyncio.wait(tasks, timeout=0.3)) if tasks else (tasks, tasks)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10.0)


class _Process:
    """A broker that is a program of its own; it listens once it has said so on standard error."""

    def __init__(self, words: list[str], port: int, ready: str) -> None:
        self.port = port
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        heard: queue.SimpleQueue[bool] = queue.SimpleQueue()
        said: list[str] = []

        def read() -> None:
            assert self.process.stderr is not None
            with self.process.stderr as lines:
                for line in lines:
                    said.append(line)
                    if ready in line:
                        heard.put(True)
            heard.put(False)

        self._reading = threading.Thread(target=read, daemon=True)
        self._reading.start()
        with contextlib.suppress(queue.Empty):
            if heard.get(timeout=STARTS_WITHIN_S):
                return
        self.close()
        pytest.fail(f"{words[0]} did not start: {''.join(said)}")

    def sessions(self) -> int:
        raise UnknowableError

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto(_Process):
    """Mosquitto 2, with its settings as they come, but for the rules."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        passwords = folder / "passwords"
        passwords.write_text("".join(f"{user}:{password}\n" for user, password in PASSWORDS.items()))
        subprocess.run([require_command("mosquitto_passwd"), "-U", passwords], check=True, capture_output=True)
        rights = folder / "rights"
        own = "".join(f"user {user}\ntopic readwrite dev/{user}/#\ntopic read all/#\n" for user in ("one", "two"))
        rights.write_text(f"topic readwrite #\nuser watcher\ntopic readwrite #\n{own}")
        port = _free_port()
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npassword_file {passwords}\nacl_file {rights}\n"
            f"persistence false\nlog_dest stderr\nuser root\n"
            f"max_inflight_messages {IN_FLIGHT}\nmax_queued_messages {WAITING_MESSAGES}\n"
        )
        super().__init__([require_command("mosquitto"), "-c", str(settings)], port, " running")


class Aedes(_Process):
    """aedes, installed with npm in a folder.

    Args:
        folder: where its `node_modules` are.
    """

    def __init__(self, folder: str) -> None:
        port = _free_port()
        script = Path(__file__).with_name("aedes_broker.mjs")
        told = json.dumps({"port": port, "passwords": PASSWORDS, "modules": str(Path(folder, "node_modules"))})
        super().__init__([shutil.which("node") or "node", str(script), told], port, "running")
