"""The newest frame replaces an unread one; everything else stays, in order."""

from __future__ import annotations

import asyncio

import pytest

from tests.tui.fake_engine import HELLO, FakeEngine
from twinstorm.scenarios.protocol import Answered, Ended, Event, Frame
from twinstorm.tui.app.connection import Inbox

OK = Answered(ok=True, text="first")
BYE = Ended(ended="completed", verdict="held", exit_code=0, report="", text="")


def frame(at_s: float) -> Frame:
    return FakeEngine(at_s=at_s).frame()


async def test_a_slow_reader_gets_the_newest_frame_and_every_other_event() -> None:
    inbox = Inbox()
    for event in (HELLO, frame(1), OK, frame(2), frame(3), BYE):
        inbox.put(event)
    inbox.close()
    read: list[Event] = []
    while (unread := await inbox.get()) is not None:
        read.append(unread)
    assert [type(event).__name__ for event in read] == ["Hello", "Answered", "Frame", "Ended"]
    assert isinstance(read[2], Frame)
    assert read[2].at_us == 3_000_000


async def test_a_reader_that_waits_is_woken() -> None:
    inbox = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put(OK)
    assert await reading is OK


async def test_closing_with_a_reason_is_an_error_after_the_last_event() -> None:
    inbox = Inbox()
    inbox.put(OK)
    inbox.close("killed by signal 9")
    assert await inbox.get() is OK
    with pytest.raises(ConnectionError, match="killed by signal 9"):
        await inbox.get()
