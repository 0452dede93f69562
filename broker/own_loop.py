"""An event loop in a thread of its own, which other threads call into."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CALL_TIMEOUT_S = 60.0
"""A thousand sessions over TLS that end at once keep the loop of a busy machine for more than ten."""


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
        """End the loop and its thread, with whatever is still to do."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=5.0)
        if not self.loop.is_running():
            self.loop.close()
