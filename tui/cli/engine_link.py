"""The screen's line to its engine process: starts it, speaks the protocol over its socket, ends it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess

from twinstorm.scenarios.engine.server import (
    LARGEST_BYTES,
    EngineRequest,
    decode_event,
    encode_command,
    pack,
    remove_socket,
    start_engine,
)
from twinstorm.scenarios.protocol import Command, Event
from twinstorm.tui.app.connection import Inbox

LEAVE_S = 10.0
"""An engine that was told to quit ends faults and writes its report; after this it is ended."""


class EngineLink:
    """A `Connection` to an engine process of our own."""

    def __init__(self, process: subprocess.Popen[bytes], path: str) -> None:
        self._process, self._path = process, path
        self._inbox = Inbox()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, request: EngineRequest) -> EngineLink:
        """Start an engine and connect.

        Raises:
            EngineError: it did not come up; the text is what it said.
        """
        process = await asyncio.to_thread(start_engine, request)
        link = cls(process, request.socket)
        try:
            reader, link._writer = await asyncio.open_unix_connection(request.socket)
        except OSError:
            await link.close()
            raise
        link._reading = asyncio.create_task(link._read(reader))
        return link

    async def receive(self) -> Event | None:
        return await self._inbox.get()

    async def send(self, command: Command) -> None:
        if self._writer is None or self._writer.is_closing():
            raise ConnectionError(self._last_words())
        self._writer.write(pack(encode_command(command)))
        await self._writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                head = await reader.readexactly(4)
                length = int.from_bytes(head, "big")
                if length > LARGEST_BYTES:
                    raise ConnectionError("the engine sent a message that is too large")
                self._inbox.put(decode_event(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, OSError):
            self._inbox.close(await asyncio.to_thread(self._last_words))

    def _last_words(self) -> str:
        """Why the engine is gone."""
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "the engine hung up"
        said = self._process.stderr.read().decode(errors="replace").strip() if self._process.stderr else ""
        last = said.splitlines()[-1] if said else ""
        if code < 0:
            return f"the engine process was ended by signal {-code}"
        return f"the engine process ended with code {code}" + (f": {last}" if last else "")

    async def close(self) -> None:
        """Hang up, wait for the engine to finish its report, leave no process and no socket."""
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
                await self._writer.wait_closed()
        await asyncio.to_thread(self._end_process)

    def _end_process(self) -> None:
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(timeout=LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=2.0)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        remove_socket(self._path)
