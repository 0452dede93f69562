"""A connection that was accepted is somebody's to close, whenever the broker ends."""

from __future__ import annotations

import asyncio
import socket

from twinstorm.broker.listening import Streams
from twinstorm.broker.own_loop import cancel_others


async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise AssertionError("nothing is served")


async def test_one_that_is_cancelled_before_it_is_handed_over_is_closed() -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    Streams(asyncio.get_running_loop(), nobody).take(near)
    await cancel_others()
    assert near.fileno() == -1
    far.close()
