"""The two ends of a connection inside the application: events go to the board as they come, commands leave in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from twinstorm.scenarios.protocol import Command, Event
from twinstorm.tui.app.connection import Connection

NO_VERDICT = "the engine ended without a verdict"
LAST_WORDS_S = 2.0
"""How long an engine that takes no command any more may go on speaking."""


class Link:
    """Runs one connection until it ends. `take` gets every event, `lost` the reason when the engine is gone."""

    def __init__(self, connection: Connection, take: Callable[[Event], None], lost: Callable[[str], None]) -> None:
        self._connection = connection
        self._take = take
        self._lost = lost
        self._commands: asyncio.Queue[Command] = asyncio.Queue()
        self._silent = False

    def send(self, command: Command) -> None:
        self._commands.put_nowait(command)

    def silence(self) -> None:
        """Give nothing on any more: nobody looks at this run now. It still runs until the engine is gone."""
        self._silent = True

    async def run(self) -> None:
        """Read and write until the engine is gone. Cancel to stop looking."""
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            # Who cannot be written to is going; what it still says, its verdict perhaps, is read first.
            await asyncio.wait((reader,), timeout=LAST_WORDS_S)
            reasons = [task.result() for task in (reader, writer) if task.done()]
            if not self._silent:
                self._lost(next(filter(None, reasons), NO_VERDICT))
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _read(self) -> str:
        try:
            while (event := await self._connection.receive()) is not None:
                if not self._silent:
                    self._take(event)
        except OSError as error:
            return _reason(error)
        return ""

    async def _write(self) -> str:
        try:
            while True:
                await self._connection.send(await self._commands.get())
        except OSError as error:
            return _reason(error)


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
