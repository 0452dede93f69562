"""Processes that a live run starts."""

from __future__ import annotations

import signal
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess

from twinstorm.scenarios.engine.errors import Unavailable

LEFT_TO_THE_ENGINE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that a terminal, or `timeout`, sends to the whole group: the engine decides what they mean."""


def start_child(process: BaseProcess, what: str) -> None:
    """Start a process that signals of the terminal do not meet before its body ignores them (`leave_signals`).

    Args:
        what: of the error, e.g. ``the worker process``.

    Raises:
        Unavailable: the machine has no room for it.
    """
    # A terminal signals the whole group: the child must not meet it in the second before its body begins. Its helper
    # that tracks resources comes first, for it would let signals through again.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_THE_ENGINE)
    try:
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_THE_ENGINE)
        process.start()
    except OSError as error:
        raise Unavailable(what, str(error), "Has this machine memory and processes left?") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals() -> None:
    """In the body of such a process, first of all."""
    for number in LEFT_TO_THE_ENGINE:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_THE_ENGINE)  # The engine starts us with them held back.
