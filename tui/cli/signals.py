"""Ctrl+C once ends faults and writes the report, twice leaves at once. SIGTERM does the same under its own number."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

CLEAN_UP_S = 1.0
"""After the second signal: time for what must not be left behind, then the process ends whatever it does."""


class Leave(KeyboardInterrupt):
    """The second signal: go now. `code` is the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Interruption:
    """Watches for signals while a run goes on.

        with Interruption(run.interrupt, tell) as interruption:
            result = run.execute()
        if interruption.code: ...

    Args:
        interrupt, tell: are called from a signal handler, between any two instructions of the main thread.

    Attributes:
        code: exit code of the signal that came, 130 or 143; 0 without one.
    """

    def __init__(self, interrupt: Callable[[], None], tell: Callable[[str], None]) -> None:
        self.code = 0
        self._interrupt = interrupt
        self._tell = tell
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        # Handlers belong to the main thread; elsewhere (a test, a host application) the run cannot be interrupted so.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.code:
            self._leave()
        self.code = 128 + number
        self._interrupt()
        self._tell("ending all faults and writing the report; once more leaves at once")

    def _leave(self) -> None:
        # Temporary files and child processes go as the exception passes through; a run that is stuck does not stop us.
        last = threading.Timer(CLEAN_UP_S, os._exit, [self.code])
        last.daemon = True
        last.start()
        raise Leave(self.code)
