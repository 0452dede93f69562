"""An event loop in a thread of its own, which other threads call into."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CALL_TIMEOUT_S = 60.0
"""A thousand sessions over TLS that end at once keep the loop of a busy machine for more than ten."""


ACCEPT_PASSES = 5
"""Passes of the loop from accepting a connection to serving it."""


class NotAnswered(TimeoutError):
    """The loop has not done in time what it was asked for."""


class OwnLoop:
    """A loop that runs from `start` to `close`.

    Attributes:
        loop: it.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], timeout_s: float = CALL_TIMEOUT_S) -> T:
        """Do this there, and wait for it.

        Raises:
            NotAnswered: it took longer than that.
        """
        asked = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return asked.result(timeout_s)
        except TimeoutError as error:
            if asked.done() and not asked.cancelled():
                raise  # The work itself says so.
            asked.cancel()
            raise NotAnswered(f"no answer for {timeout_s:g} s") from error

    def close(self) -> None:
        """End the loop and its thread. What is still to do is cancelled, and may close its sockets. A second call does
        nothing."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=5.0)
        if not self.loop.is_running() and not self.loop.is_closed():
            self.loop.run_until_complete(cancel_others())
            self.loop.close()


async def cancel_others() -> None:
    """Cancel every other task of the running loop; those that do not heed it within a second are left behind."""
    for _ in range(ACCEPT_PASSES):
        await asyncio.sleep(0)  # who was accepted and not yet handed over is nobody's to close
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=1.0)
    await asyncio.sleep(0)  # a transport closes its socket in the pass after the one that was told to
