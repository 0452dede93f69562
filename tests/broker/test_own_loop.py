"""A loop in a thread of its own: what it does for others, and when it is too busy for that."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from twinstorm.broker.own_loop import NotAnswered, OwnLoop


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    made = OwnLoop("test-loop")
    made.start()
    yield made
    made.close()


def test_it_answers(own: OwnLoop) -> None:
    async def work() -> str:
        return threading.current_thread().name

    assert own.call(work()) == "test-loop"


def test_work_that_never_ends_is_told_as_such_and_cancelled(own: OwnLoop) -> None:
    ended = threading.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(NotAnswered, match=r"no answer for 0\.05 s"):
        own.call(work(), timeout_s=0.05)
    assert ended.wait(10.0)


def test_what_the_work_raises_comes_back_as_it_is(own: OwnLoop) -> None:
    async def work() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own") as raised:
        own.call(work())
    assert not isinstance(raised.value, NotAnswered)


def test_what_is_still_to_do_at_the_end_is_cancelled_and_closes_its_sockets(own: OwnLoop) -> None:
    near, far = socket.socketpair()
    begun = threading.Event()

    async def work() -> None:
        _, writer = await asyncio.open_connection(sock=near)
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            writer.close()

    kept: list[asyncio.Task[None]] = []
    with far:
        own.loop.call_soon_threadsafe(lambda: kept.append(own.loop.create_task(work())))
        assert begun.wait(10.0)
        own.close()
        own.close()
        assert kept[0].cancelled()
        assert near.fileno() == -1
