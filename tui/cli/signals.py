"""Ctrl+C once ends faults and writes the report, twice leaves at once.

SIGTERM does the same under its own number, and so does the end of the terminal (SIGHUP), under that of SIGTERM.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

ENDING_THE_RUN = "ending all faults and writing the report; once more leaves at once"

CLEAN_UP_S = 2.0
"""After the second signal: time for what must not be left behind, then the process ends whatever it does."""


class Leave(KeyboardInterrupt):
    """The second signal: go now. `code` is the exit code; the text says what happened."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


class Interruption:
    """Watches for signals while a run goes on.

        with Interruption(run.interrupt, tell) as interruption:
            result = run.execute()
        if interruption.code: ...

    Args:
        interrupt, tell: are called from a signal handler, between any two instructions of the main thread.
        says: what is told when the first signal comes.

    Attributes:
        code: exit code of the signal that came, 130 or 143; 0 without one.
    """

    def __init__(self, interrupt: Callable[[], None], tell: Callable[[str], None], says: str = ENDING_THE_RUN) -> None:
        self.code = 0
        self._interrupt = interrupt
        self._tell = tell
        self._says = says
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        # Handlers belong to the main thread; elsewhere (a test, a host application) the run cannot be interrupted so.
        if threading.current_thread() is threading.main_thread():
            for number in caught():
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.code:
            if number == signal.SIGHUP:
                return  # A shell and the system both tell of one terminal that has gone.
            self._leave(exit_code(number))
        self.code = exit_code(number)
        self._interrupt()
        self._tell(self._says)

    def _leave(self, code: int) -> None:
        # Temporary files and child processes go as the exception passes through; a run that is stuck does not stop us.
        last = threading.Timer(CLEAN_UP_S, _end, [self.code])
        last.daemon = True
        last.start()
        what = "interrupted" if self.code == 130 else "terminated"
        raise Leave(self.code, f"{what} twice" if code == self.code else "ended by two signals")


def _end(code: int) -> None:
    """End this process, stuck as it is, and those that it started: they may be stopped, and would stay for ever."""
    import multiprocessing

    for child in multiprocessing.active_children():
        child.kill()
    os._exit(code)


def caught() -> tuple[signal.Signals, ...]:
    """Signals that end a program which ends by itself; not SIGHUP under `nohup`."""
    hang_up = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hang_up)


def exit_code(number: int) -> int:
    """130 or 143: who loses the terminal is told to end as much as who is terminated."""
    return 128 + (signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)
