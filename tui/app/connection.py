"""How the screen talks to an engine: two coroutines, whatever lies behind them (a socket, a pipe, a test)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from twinstorm.scenarios.protocol import Command, Event, Frame


class Connection(Protocol):
    """One engine, seen from the screen."""

    async def receive(self) -> Event | None:
        """Wait for the next event. A newer frame has replaced an unread one; everything else comes in order.

        Returns:
            None when the engine is gone; after that it is not called again.

        Raises:
            OSError: the engine is gone too; the error's text is shown as the reason.
        """

    async def send(self, command: Command) -> None:
        """Hand a command over. Commands of one screen arrive in the order in which they were sent.

        Raises:
            OSError: the engine is gone; the error's text is shown as the reason.
        """


class Inbox:
    """Unread events of one engine, for those who write a `Connection`: a frame replaces an unread older one, so that a
    slow terminal loses frames and never makes the engine wait."""

    def __init__(self) -> None:
        self._others: deque[tuple[int, Event]] = deque()
        self._frame: tuple[int, Frame] | None = None
        self._serial = 0
        self._closed: str | None = None
        self._news = asyncio.Event()

    def put(self, event: Event) -> None:
        self._serial += 1
        if isinstance(event, Frame):
            self._frame = (self._serial, event)
        else:
            self._others.append((self._serial, event))
        self._news.set()

    def close(self, reason: str = "") -> None:
        """No more events: what is unread is still given out, then the end; a `reason` makes it an error."""
        self._closed = reason
        self._news.set()

    async def get(self) -> Event | None:
        """The next event as `Connection.receive` wants it.

        Raises:
            ConnectionError: closed with a reason, and nothing is left to read.
        """
        while True:
            if (event := self._next()) is not None:
                return event
            if self._closed is not None:
                if self._closed:
                    raise ConnectionError(self._closed)
                return None
            self._news.clear()
            await self._news.wait()

    def _next(self) -> Event | None:
        frame = self._frame
        if frame is not None and (not self._others or frame[0] < self._others[0][0]):
            self._frame = None
            return frame[1]
        return self._others.popleft()[1] if self._others else None
