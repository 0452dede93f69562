"""The engine's end of the worker process: starts it, tells it what to do, and keeps what it told last."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from twinstorm.scenarios.engine.children import start_child
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.engine.worker import Broken, Gathered, Task, Totals, work

_LOOK_S = 0.2
_JOIN_S = 5.0


class LiveFleet:
    """World and clients of a live run.

    Attributes:
        totals: what it told last; None before it has told anything.
        left_early: it has closed everything before there was a run.
        trouble: why it is no longer there; None: it is, or it may leave.
    """

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._pipe, self._pipe_of_worker = self._context.Pipe()
        self._worker: BaseProcess | None = None
        self._ended = False
        self.totals: Totals | None = None
        self.left_early = False
        self.trouble: Unavailable | None = None

    def start(self, task: Task) -> None:
        """Make world and fleet.

        Raises:
            Unavailable: the machine has no room for it.
        """
        worker = self._context.Process(
            target=work, args=(task, self._pipe_of_worker), name="twinstorm-world", daemon=True
        )
        try:
            start_child(worker, "the worker process")
            self._worker = worker
        finally:
            self._pipe_of_worker.close()

    @property
    def started(self) -> bool:
        return self._worker is not None

    @property
    def final(self) -> Totals | None:
        """Its last word, with a row a device; None: it never came, or not yet."""
        return self.totals if self.totals is not None and self.totals.final else None

    def gather(self, interrupted: Callable[[], bool], tell: Callable[[int], None] | None) -> tuple[int, bool]:
        """Wait until every device is online, or the worker gives up, or somebody interrupts.

        Args:
            tell: gets how many are online.

        Returns:
            How many were online at last, and whether those are all.
        """
        online = 0
        while not interrupted():
            if not self._pipe.poll(_LOOK_S):
                if self._worker is None or not self._worker.is_alive():
                    raise _ended_while_gathering()
                continue
            try:
                message = self._pipe.recv()
            except (EOFError, ConnectionError):
                raise _ended_while_gathering() from None
            if isinstance(message, Broken):
                raise message.error
            if isinstance(message, Gathered):
                online = message.online
                if tell is not None:
                    tell(online)
                if message.ready or message.gave_up:
                    return online, message.ready
        return online, False

    def listen(self, heard: Callable[[Totals], None]) -> None:
        """Take what the worker tells."""
        try:
            while self._pipe.poll():
                message = self._pipe.recv()
                if isinstance(message, Broken):
                    raise message.error
                if isinstance(message, Gathered):
                    self.left_early = message.gave_up
                if isinstance(message, Totals):
                    self.totals = message
                    heard(message)
        except (EOFError, ConnectionError):
            if self.final is None and not self.left_early:
                assert self._worker is not None
                self._worker.join(timeout=1.0)
                self.trouble = Unavailable("the worker process", f"it ended with code {self._worker.exitcode}", "")

    def send(self, message: object) -> None:
        try:
            self._pipe.send(message)
        except (BrokenPipeError, OSError):
            self.trouble = Unavailable("the worker process", "it ended", "")

    def kill(self) -> None:
        """End the worker now, whatever it does."""
        if self._worker is not None:
            self._worker.kill()

    def end(self) -> None:
        """End the worker as it likes, and if it takes too long, at once. A second call does nothing."""
        if self._ended:
            return
        self._ended = True
        self._pipe.close()
        self._pipe_of_worker.close()
        if self._worker is not None:
            self._worker.join(timeout=_JOIN_S)
            if self._worker.is_alive():
                self._worker.kill()  # It leaves signals that can be caught to the engine.
                self._worker.join(timeout=_JOIN_S)


def _ended_while_gathering() -> Unavailable:
    return Unavailable("the worker process", "it ended while it connected the fleet", "Try -vv for its trace")
