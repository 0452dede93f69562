"""A TCP proxy in front of an MQTT broker that behaves like a bad network: one port for each group of clients.

It passes bytes and knows nothing of what they say, so it works below TLS. Toxics (`broker.toxics`) are set on a group
and removed from it by name, while connections are open. What it holds is bounded: a client that sends more than gets
through is not read from, as behind a narrow link.

    client  <->  socket  |  pump up    |  socket  <->  broker
                         |  pump down  |
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from typing import Final, TypeVar

from twinstorm.broker.listening import Listening
from twinstorm.broker.middlemen import Middleman
from twinstorm.broker.own_loop import OwnLoop
from twinstorm.broker.pump import Counters, Pump
from twinstorm.broker.sockets import bound, reset, will_reset
from twinstorm.broker.toxics import CONNECTIONS_RESET, LARGEST_READ_BYTES, Draw, End, Refuse, Reset, Toxic
from twinstorm.twin.chance import Purpose, device_key, stream, word

T = TypeVar("T")

SOCKET_BYTES: Final = 32_768
"""What each socket may hold in either direction: else megabytes that look sent vanish into an outage."""
DIAL_TIMEOUT_S: Final = 10.0


class _Side(asyncio.BufferedProtocol):
    """One socket of a connection: what it reads goes into one pump, what it writes comes out of the other."""

    def __init__(self, connection: _Connection, reads: Pump, writes: Pump, space: bytearray) -> None:
        self._connection, self._reads, self._writes = connection, reads, writes
        self._space = memoryview(space)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
        self._connection.came(transport)
        self._reads.begin(transport)
        self._writes.attach(transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._space[: self._reads.room()]

    def buffer_updated(self, nbytes: int) -> None:
        self._reads.take(bytes(self._space[:nbytes]))

    def eof_received(self) -> bool:
        self._reads.end(End.EOF)
        return True  # the other direction goes on

    def pause_writing(self) -> None:
        self._writes.sink_is_full(True)

    def resume_writing(self) -> None:
        self._writes.sink_is_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reads.end(End.CLOSE if exc is None else End.RESET)
        self._writes.stop()
        self._connection.went()


class _Connection:
    """A client, the broker, and two pumps between them."""

    def __init__(self, group: Group, number: int) -> None:
        self._group, self.number = group, number
        self.up = Pump(group.loop, "up", group.counters, partial(group.draws, number, "up"), self._close_if_over)
        self.down = Pump(group.loop, "down", group.counters, partial(group.draws, number, "down"), self._close_if_over)
        # One space for all sockets of a loop: what was read is copied before anybody else reads.
        self.client = _Side(self, self.up, self.down, group.space)
        self.broker = _Side(self, self.down, self.up, group.space)
        self._sockets = 0
        self._is_cut = False
        self._resets: dict[str, tuple[Toxic, asyncio.TimerHandle]] = {}
        self._from_the_start = frozenset(group.toxics)
        """Toxics that see it from its first byte on."""
        self.set(group.toxics)

    def set(self, toxics: Mapping[str, Toxic]) -> None:
        """These act from now on."""
        for name, (toxic, timer) in list(self._resets.items()):
            if toxics.get(name) != toxic:
                timer.cancel()
                del self._resets[name]
        for name, each in toxics.items():
            if name in self._resets:
                continue
            after_s = each.after_s if isinstance(each, Reset) else None
            if isinstance(each, Refuse) and each.resets_open:
                after_s = 0.0
            if isinstance(each, Middleman) and name not in self._from_the_start:
                after_s = 0.0
            if after_s is not None:
                self._resets[name] = each, self._group.loop.call_later(after_s, self._reset, name)
        self.up.set(toxics)
        self.down.set(toxics)

    def came(self, transport: asyncio.Transport) -> None:
        """One of its sockets is there."""
        self._sockets += 1
        self._group.came(self)
        if self._is_cut:
            reset(transport)

    def went(self) -> None:
        """One of its sockets is closed."""
        self._sockets -= 1
        self._close_if_over()
        if not self._sockets:
            for _, timer in self._resets.values():
                timer.cancel()
            self._group.went(self)

    def _reset(self, name: str) -> None:
        if not self._is_cut:
            self._group.counters.resets += 1
            toxic, _ = self._resets[name]
            if not isinstance(toxic, Middleman) or toxic.counts_resets:
                self._group.counters.did(name, CONNECTIONS_RESET)
        self.cut()

    def cut(self) -> None:
        """End both sides at once, with resets."""
        self._is_cut = True
        self.up.stop()
        self.down.stop()
        for transport in self._transports():
            reset(transport)

    def _close_if_over(self) -> None:
        """Both directions are: the sockets are closed when what was given to them is written."""
        if self.up.finished and self.down.finished:
            for transport in self._transports():
                transport.close()

    def _transports(self) -> list[asyncio.Transport]:
        return [side.transport for side in (self.client, self.broker) if side.transport is not None]


class Group:
    """Clients that share a port, and with it their luck. All methods are called in the loop.

    Args:
        host, port: of the broker.
        name: of the group; its chance hangs on it.
        seed: of the run.
    """

    def __init__(self, host: str, port: int, name: str, seed: int) -> None:
        self._host, self._broker_port, self._name = host, port, name
        self._chance = stream(seed, Purpose.PROXY)
        self.loop = asyncio.get_running_loop()
        self.toxics: dict[str, Toxic] = {}
        self.counters = Counters()
        self.space = bytearray(LARGEST_READ_BYTES)
        self._listener = bound(0)
        # Those that are accepted inherit it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        self._listening: Listening | None = None
        self.port: int = self._listener.getsockname()[1]
        self._dials: dict[asyncio.Task[None], None] = {}
        self._connections: dict[int, _Connection] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._listen()

    # --- toxics -------------------------------------------------------------------------------------------------------

    def set(self, name: str, toxic: Toxic) -> None:
        """Let this act under this name, on open connections and new ones, in place of what the name stood for."""
        self._change({**self.toxics, name: toxic})

    def remove(self, name: str) -> None:
        """What this name stands for is over; nothing happens if it stands for nothing."""
        self._change({each: toxic for each, toxic in self.toxics.items() if each != name})

    def _change(self, toxics: dict[str, Toxic]) -> None:
        self.toxics = toxics
        for connection in list(self._connections.values()):
            connection.set(toxics)
        refuses = any(isinstance(each, Refuse) for each in toxics.values())
        if refuses == (self._listening is not None):
            self._hold() if refuses else self._listen()

    def draws(self, number: int, direction: str, name: str) -> Draw:
        """Chance of one toxic on one direction of one connection."""
        return partial(word, self._chance, device_key(f"{self._name}/{number}/{direction}/{name}"))

    # --- connections --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listening = Listening(self.loop, self._listener, self._accept)

    def _hold(self) -> None:
        """Refuse: a socket that listens cannot be told not to, so another one takes its place and its port."""
        self._deaf()
        self._listener.close()
        self._listener = bound(self.port)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)

    def _deaf(self) -> None:
        if self._listening is not None:
            self._listening.end()
            self._listening = None

    def _accept(self, sock: socket.socket) -> None:
        self.counters.connections += 1
        task = self.loop.create_task(self._serve(sock, self.counters.connections))
        self._dials[task] = None
        task.add_done_callback(lambda task: self._dialled(task, sock))

    def _dialled(self, task: asyncio.Task[None], sock: socket.socket) -> None:
        del self._dials[task]
        if task.cancelled():  # perhaps before its first step: then nobody else has the socket
            sock.close()

    async def _serve(self, sock: socket.socket, number: int) -> None:
        """Connect a client through; what it sends meanwhile waits in its socket."""
        connection = _Connection(self, number)
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                await self.loop.create_connection(lambda: connection.broker, self._host, self._broker_port)
            await self.loop.connect_accepted_socket(lambda: connection.client, sock)
        except OSError:
            self.counters.refused += 1
            will_reset(sock)
            sock.close()
        except asyncio.CancelledError:
            connection.cut()
            raise

    def came(self, connection: _Connection) -> None:
        """A socket of it is there."""
        connection.set(self.toxics)  # they may have changed while the broker was dialled
        self._connections[connection.number] = connection
        self.counters.open = len(self._connections)
        self._idle.clear()

    def went(self, connection: _Connection) -> None:
        """It has no socket any more."""
        del self._connections[connection.number]
        self.counters.open = len(self._connections)
        if not self._connections:
            self._idle.set()

    async def close(self) -> None:
        """Close the port and cut every connection; no socket, timer or task is left."""
        self._deaf()
        self._listener.close()
        dials = list(self._dials)
        for task in dials:
            task.cancel()
        if dials:
            await asyncio.wait(dials)
        for connection in list(self._connections.values()):
            connection.cut()
        await self._idle.wait()


class FaultProxy:
    """Groups in front of one broker, on a loop in a thread of its own, for those who have no loop.

    Args:
        host, port: of the broker.
        groups: how many ports there are to be.
        seed: of the run.
    """

    def __init__(self, host: str, port: int, groups: int, seed: int) -> None:
        self._target, self._number, self._seed = (host, port), groups, seed
        self._own = OwnLoop("twinstorm-proxy")
        self._groups: list[Group] = []

    def open(self) -> tuple[int, ...]:
        """Start; returns the port of each group.

        Raises:
            OSError: no port can be bound.
        """
        self._own.start()
        self._own.call(self._open())
        return tuple(group.port for group in self._groups)

    async def _open(self) -> None:
        for number in range(self._number):
            self._groups.append(Group(*self._target, f"group-{number}", self._seed))

    def set(self, group: int, name: str, toxic: Toxic) -> None:
        """See `Group.set`."""
        self._do(lambda: self._groups[group].set(name, toxic))

    def remove(self, group: int, name: str) -> None:
        """See `Group.remove`."""
        self._do(lambda: self._groups[group].remove(name))

    def counters(self, group: int) -> Counters:
        """What a group has seen so far."""
        return self._do(lambda: deepcopy(self._groups[group].counters))

    def close(self) -> None:
        """End everything; a second call does nothing."""
        if self._own.is_running:
            self._own.call(self._close())
        self._own.close()

    async def _close(self) -> None:
        for group in self._groups:
            await group.close()

    def _do(self, work: Callable[[], T]) -> T:
        async def doing() -> T:
            return work()

        return self._own.call(doing())
