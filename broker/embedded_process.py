"""The embedded broker in a process of its own, as something to be measured: the client takes none of its time."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from types import TracebackType

from twinstorm.broker.calibration import Target
from twinstorm.broker.file_limit import MANY, raise_file_limit
from twinstorm.broker.pauses import spare_pauses
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.broker.sockets import LOOPBACK
from twinstorm.broker.tls import ServerTls, client_context

START_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class _Opened:
    port: int
    username: str
    password: str


class EmbeddedProcess:
    """An embedded broker that anybody with `target` may use; ends with the block, or with this process.

    Args:
        certified_at: when certificates both ways were made, now as a rule; None: plain.

    Raises:
        OSError: on entering, if it cannot be started.
    """

    def __init__(self, certified_at: datetime | None = None) -> None:
        self._certified_at = certified_at
        self._papers: RunCertificates | None = None

    def __enter__(self) -> EmbeddedProcess:
        context = multiprocessing.get_context("spawn")
        if self._certified_at is not None:
            self._papers = RunCertificates((), self._certified_at)
        try:
            self._pipe, theirs = context.Pipe()
            server = None if self._papers is None else self._papers.server
            self._process = context.Process(target=_serve, args=(theirs, server), name="twinstorm-broker", daemon=True)
            self._process.start()
            theirs.close()
            if not self._pipe.poll(START_TIMEOUT_S):
                raise TimeoutError("the embedded broker does not start")
            self._opened: _Opened = self._pipe.recv()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    @property
    def pid(self) -> int:
        assert self._process.pid is not None, "it was started"
        return self._process.pid

    @property
    def target(self) -> Target:
        """How to reach it."""
        if self._papers is not None:
            return Target(LOOPBACK, self._opened.port, context=client_context(self._papers.guest))
        return Target(LOOPBACK, self._opened.port, self._opened.username, self._opened.password)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(timeout=5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(timeout=5.0)
        if self._papers is not None:
            self._papers.close()


def _serve(pipe: Connection, tls: ServerTls | None) -> None:
    """Body of the process: until the other end of the pipe is closed."""
    from twinstorm.broker.door import Door
    from twinstorm.broker.embedded import EmbeddedBroker

    raise_file_limit(MANY)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the process that measures decides
    broker = EmbeddedBroker((), now_us=lambda: 0, tls=tls, door=Door(any_topic=True))
    try:
        broker.open()
        spare_pauses()
        user, password = broker.guest_credentials()
        pipe.send(_Opened(broker.port, user, password))
        pipe.recv()
    except EOFError:
        pass
    finally:
        broker.close()
