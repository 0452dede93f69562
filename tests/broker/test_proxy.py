"""The fault proxy over real sockets of this machine: what gets through, what does not, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinstorm.broker.proxy import FaultProxy, Group
from twinstorm.broker.pump import MOST_QUEUED_BYTES
from twinstorm.broker.sockets import bound
from twinstorm.broker.toxics import (
    LARGEST_READ_BYTES,
    Bandwidth,
    Blackhole,
    Latency,
    Limit,
    Refuse,
    Reset,
    Slicer,
    SlowClose,
    Stall,
    Toxic,
)
from twinstorm.twin.radio import BurstLoss

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
WITHIN_S = 10.0


class Lab:
    """A group in front of a server whose connections the test holds itself."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[Stream] = asyncio.Queue()
        self._open: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._accept, sock=bound(0))
        self.group = Group("127.0.0.1", self.server.sockets[0].getsockname()[1], "g", seed=1)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        self.accepted.put_nowait((reader, writer))

    async def connect(self) -> tuple[Stream, Stream]:
        """A new connection: its client's and its server's end."""
        client = await self.dial()
        return client, await asyncio.wait_for(self.accepted.get(), WITHIN_S)

    async def dial(self) -> Stream:
        client = await asyncio.open_connection("127.0.0.1", self.group.port)
        self._open.append(client[1])
        return client

    async def close(self) -> None:
        await asyncio.wait_for(self.group.close(), WITHIN_S)
        self.server.close()
        for writer in self._open:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    lab = Lab()
    await lab.start()
    yield lab
    await lab.close()
    assert len(asyncio.all_tasks()) == 1, "no task is left"


async def within(what: Awaitable[bytes]) -> bytes:
    return await asyncio.wait_for(what, WITHIN_S)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110 - counters and kernels tell nobody
            await asyncio.sleep(0.001)


async def test_bytes_pass_both_ways_and_an_end_is_half_of_it(lab: Lab) -> None:
    (reader, writer), (far_reader, far_writer) = await lab.connect()
    writer.write(b"question")
    writer.write_eof()
    assert await within(far_reader.read()) == b"question"
    far_writer.write(b"answer")
    far_writer.write_eof()
    assert await within(reader.read()) == b"answer"
    await until(lambda: not lab.group.counters.open)
    counters = lab.group.counters
    assert (counters.connections, counters.up_bytes, counters.down_bytes) == (1, 8, 6)
    assert (counters.resets, counters.refused, counters.delayed_pieces) == (0, 0, 0)


async def test_a_reset_of_one_side_reaches_the_other(lab: Lab) -> None:
    (reader, _), (_, far_writer) = await lab.connect()
    sock = far_writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    far_writer.transport.abort()
    with pytest.raises(ConnectionResetError):
        await within(reader.read())
    await until(lambda: not lab.group.counters.open)


async def test_a_client_that_goes_after_its_end_leaves_nothing_behind(lab: Lab) -> None:
    (_, writer), (far_reader, far_writer) = await lab.connect()
    writer.close()
    assert await within(far_reader.read()) == b""
    with contextlib.suppress(OSError):  # the first write finds out that nobody listens
        while lab.group.counters.open:
            far_writer.write(b"?")
            await far_writer.drain()
            await asyncio.sleep(0.001)


async def test_latency_holds_back_one_direction(lab: Lab) -> None:
    loop = asyncio.get_running_loop()
    (reader, writer), (far_reader, far_writer) = await lab.connect()
    lab.group.set("far", Latency(delay_s=0.05, direction="up"))
    began_s = loop.time()
    writer.write(b"up")
    assert await within(far_reader.readexactly(2)) == b"up"
    assert loop.time() - began_s >= 0.05
    assert lab.group.counters.by_toxic["far"]["bytes_delayed"] == 2
    far_writer.write(b"down")
    assert await within(reader.readexactly(4)) == b"down"
    assert lab.group.counters.by_toxic["far"]["bytes_delayed"] == 2


@pytest.mark.parametrize("direction", ["up", "down", "both"])
async def test_a_black_hole_swallows_its_direction_and_gives_everything_back(lab: Lab, direction: str) -> None:
    (reader, writer), (far_reader, far_writer) = await lab.connect()
    lab.group.set("dark", Blackhole(direction=direction))  # type: ignore[arg-type]
    writer.write(b"up")
    far_writer.write(b"down")
    ups, downs = asyncio.ensure_future(far_reader.readexactly(2)), asyncio.ensure_future(reader.readexactly(4))
    other = await lab.connect()  # a new connection is not refused
    if direction != "up":
        other[0][1].write(b"x")
    done = [task for task, dark in ((ups, "down"), (downs, "up")) if direction == dark]
    for task in done:
        await asyncio.wait_for(asyncio.shield(task), WITHIN_S)
    assert ups.done() == (direction == "down")
    assert downs.done() == (direction == "up")
    lab.group.remove("dark")
    assert await within(ups) == b"up"
    assert await within(downs) == b"down"


async def test_an_end_does_not_get_out_of_a_black_hole(lab: Lab) -> None:
    (_, writer), (far_reader, far_writer) = await lab.connect()
    lab.group.set("dark", Blackhole())
    writer.transport.abort()
    ended = asyncio.ensure_future(far_reader.read())
    far_writer.write(b"are you there")
    await far_writer.drain()
    assert not ended.done()
    lab.group.remove("dark")
    assert await within(ended) == b""
    far_writer.close()
    await until(lambda: not lab.group.counters.open)


async def test_resets_strike_both_sides_of_connections_that_are_open_and_that_come(lab: Lab) -> None:
    before = await lab.connect()
    lab.group.set("broken", Reset())
    after = await lab.dial()
    for reader in (before[0][0], before[1][0], after[0]):
        with pytest.raises(ConnectionResetError):
            await within(reader.read())
    assert lab.group.counters.resets == 2
    lab.group.remove("broken")
    while not lab.accepted.empty():
        lab.accepted.get_nowait()
    (_, writer), (far_reader, _) = await lab.connect()
    writer.write(b"x")
    assert await within(far_reader.readexactly(1)) == b"x"


async def test_a_port_that_refuses_opens_again_and_keeps_who_was_in(lab: Lab) -> None:
    (_, writer), (far_reader, _) = await lab.connect()
    port = lab.group.port
    lab.group.set("closed", Refuse())
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await lab.dial()
    writer.write(b"still here")
    assert await within(far_reader.readexactly(10)) == b"still here"
    lab.group.remove("closed")
    assert lab.group.port == port
    (_, writer), (far_reader, _) = await lab.connect()
    writer.write(b"back")
    assert await within(far_reader.readexactly(4)) == b"back"


async def test_a_limit_lets_so_many_bytes_through_and_closes(lab: Lab) -> None:
    lab.group.set("limit", Limit(after_bytes=5, direction="up"))
    (reader, writer), (far_reader, _) = await lab.connect()
    writer.write(b"abcdefgh")
    assert await within(far_reader.read()) == b"abcde"
    assert await within(reader.read()) == b""
    await until(lambda: not lab.group.counters.open)


async def test_a_slow_close_is_noticed_late(lab: Lab) -> None:
    loop = asyncio.get_running_loop()
    lab.group.set("slow", SlowClose(delay_s=0.05))
    (_, writer), (far_reader, _) = await lab.connect()
    began_s = loop.time()
    writer.write(b"x")
    writer.write_eof()
    assert await within(far_reader.read()) == b"x"
    assert loop.time() - began_s >= 0.05


async def test_a_broker_that_is_not_there_is_a_reset_and_counted() -> None:
    with bound(0) as nobody:
        group = Group("127.0.0.1", nobody.getsockname()[1], "g", seed=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", group.port)
        with pytest.raises(ConnectionResetError):
            await within(reader.read())
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        assert group.counters.refused == 1
        await group.close()


async def test_a_sender_is_held_up_when_too_much_is_held(lab: Lab) -> None:
    lab.group.set("far", Latency(delay_s=0.2, direction="up"))
    (_, writer), (far_reader, _) = await lab.connect()
    data = bytes(range(256)) * 2_000
    writer.write(data)
    (connection,) = lab.group._connections.values()
    most = 0
    got = asyncio.ensure_future(far_reader.readexactly(len(data)))
    while not got.done():
        most = max(most, connection.up.queued_bytes)
        await asyncio.sleep(0.001)
    assert await got == data
    assert 0 < most <= MOST_QUEUED_BYTES + LARGEST_READ_BYTES


async def test_a_group_is_closed_whatever_is_open() -> None:
    process = psutil.Process()
    before = process.num_fds()
    for toxic in (None, Blackhole(), Refuse(), Latency(delay_s=60.0)):
        lab = Lab()
        await lab.start()
        for _ in range(3):
            (_, writer), _ = await lab.connect()
            writer.write(b"x" * 100_000)
        if toxic is not None:
            lab.group.set("toxic", toxic)
        if not isinstance(toxic, Refuse):
            await lab.dial()  # perhaps not yet accepted
        await lab.close()
        assert lab.group.counters.open == 0
        assert len(asyncio.all_tasks()) == 1
    await until(lambda: process.num_fds() == before)


async def test_a_toxic_that_is_set_while_the_broker_is_dialled_acts(lab: Lab) -> None:
    client = await lab.dial()
    await until(lambda: lab.group.counters.connections == 1)
    lab.group.set("dark", Blackhole(direction="up"))
    far_reader, _ = await asyncio.wait_for(lab.accepted.get(), WITHIN_S)
    client[1].write(b"x")
    got = asyncio.ensure_future(far_reader.readexactly(1))
    await (await lab.connect())[0][1].drain()
    assert not got.done()
    lab.group.remove("dark")
    assert await within(got) == b"x"


# --- nothing is missing -----------------------------------------------------------------------------------------------

HARMLESS: st.SearchStrategy[Toxic] = st.one_of(
    st.builds(Latency, delay_s=st.floats(0, 0.003), jitter_s=st.floats(0, 0.003)),
    st.builds(Bandwidth, bytes_per_s=st.floats(200_000, 10_000_000)),
    st.builds(Slicer, slice_bytes=st.integers(20, 5_000), gap_s=st.sampled_from([0.0, 0.00001])),
    st.builds(
        Stall,
        chain=st.builds(BurstLoss, worsen=st.floats(0.01, 0.5), recover=st.floats(0.3, 1.0)),
        first_s=st.just(0.0005),
        longest_s=st.just(0.001),
    ),
    st.builds(SlowClose, delay_s=st.floats(0, 0.003)),
    st.just(Refuse()),
)
ACTS = st.one_of(
    st.binary(min_size=1, max_size=4_000).map(lambda data: ("send", data)),
    st.tuples(st.sampled_from(["a", "b", "c"]), HARMLESS),
    st.sampled_from(["a", "b", "c"]).map(lambda name: (name, None)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTS, max_size=20), st.integers(1, 30_000))
def test_whatever_else_is_wrong_with_the_network_bytes_are_complete_and_in_order(
    acts: list[tuple[str, bytes | Toxic | None]], answer_bytes: int
) -> None:
    async def play() -> None:
        lab = Lab()
        await lab.start()
        (reader, writer), (far_reader, far_writer) = await lab.connect()
        got, back = asyncio.ensure_future(far_reader.read()), asyncio.ensure_future(reader.read())
        answer = bytes(nth % 251 for nth in range(answer_bytes))
        far_writer.write(answer)
        sent = b""
        for name, what in acts:
            if isinstance(what, bytes):
                writer.write(what)
                await writer.drain()
                await asyncio.sleep(0)
                sent += what
            elif what is None:
                lab.group.remove(name)
            else:
                lab.group.set(name, what)
        writer.write_eof()
        far_writer.write_eof()
        assert await within(got) == sent
        assert await within(back) == answer
        await until(lambda: not lab.group.counters.open)
        assert (lab.group.counters.up_bytes, lab.group.counters.down_bytes) == (len(sent), len(answer))
        await lab.close()

    asyncio.run(play())


# --- without a loop ---------------------------------------------------------------------------------------------------


def test_the_proxy_has_a_thread_and_a_port_for_each_group_and_leaves_none() -> None:
    process = psutil.Process()
    before, threads = process.num_fds(), threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = FaultProxy("127.0.0.1", server.getsockname()[1], groups=2, seed=1)
        ports = proxy.open()
        assert len(dict.fromkeys(ports)) == 2
        proxy.set(0, "closed", Refuse())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports[0]), WITHIN_S)
        with socket.create_connection(("127.0.0.1", ports[1]), WITHIN_S) as client:
            client.sendall(b"x")
            far, _ = server.accept()
            with far:
                far.settimeout(WITHIN_S)
                assert far.recv(1) == b"x"
        proxy.remove(0, "closed")
        socket.create_connection(("127.0.0.1", ports[0]), WITHIN_S).close()
        assert proxy.counters(1).up_bytes == 1
        proxy.close()
        proxy.close()
    assert process.num_fds() == before
    assert threading.active_count() == threads
