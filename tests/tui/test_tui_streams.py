"""What the processing core does, on the screen: the pool beside the broker, and what a scenario asks of the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.image import SVGImageSnapshotExtension

from tests.tui.stage import Stage, on_stage, picture
from twinstorm.scenarios.protocol import AskStreams, Frame, ProcessingRow, StreamKey, StreamRow
from twinstorm.tui.app.look import Look

POOL = ProcessingRow(
    functions=False, consumers=4, waiting=96_120, lag_s=41.3, processed_per_s=2_000.0, took_s=38.2,
    policy="room 100,000, then the oldest go", shed=1_882, replayed=120, crashed=1, deepest=100_000,
)  # fmt: skip
FUNCTIONS = ProcessingRow(
    functions=True, consumers=12, waiting=0, lag_s=0.0, processed_per_s=8_067.0, took_s=0.021,
    policy="no limit: none is shed", shed=0, replayed=0, crashed=0, deepest=40, calls=412_000, cold=31, cost=0.0824,
)  # fmt: skip
ROWS = [
    StreamRow(word="processing", name="pool", of="readings on their way into the core", figure=41.3,
              whose="the oldest has waited", unit="s",
              counts={"waiting now": 96_120, "deepest": 100_000, "shed": 1_882}, trouble="1,882 shed, 96,120 waiting",
              lines=["Policy: room 100,000, then the oldest go."]),
    StreamRow(word="windows", name="heat", of="mean of motor.winding_temperature_c by site", figure=71.23,
              whose="greatest now, fra-1", unit="C",
              counts={"closed": 48, "late": 3_559, "out of order": 120, "misdated": 0}, trouble="3,559 late",
              keys=[StreamKey(name="fra-1", figure=71.23, unit="C"),
                    StreamKey(name="fra-[b]2", figure=58.0, unit="C")]),
    StreamRow(word="correlations", name="together", of="heat with load, 6 windows", figure=0.93,
              whose="highest, fra-1", unit="", counts={"keys": 5}, trouble=""),
    StreamRow(word="routes", name="hot", of="to store", figure=None, whose="", unit="",
              counts={"taken": 8_371, "delivered": 8_371, "retried": 0, "waiting": 0, "dead": 0}, trouble=""),
    StreamRow(word="models", name="pumps", of="pumps@2 in the shadow, 200 of kind pump", figure=0.31,
              whose="drift, current_a sd, 0.20 allowed", unit="", counts={"would have alarmed": 2},
              trouble="drift of current_a sd"),
    StreamRow(word="ingest", name="core", of="what the core took, and what it refused", figure=None, whose="", unit="",
              counts={"accepted": 878_700, "repeated": 31, "misdated": 0}, trouble=""),
]  # fmt: skip
SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])


def told(processing: ProcessingRow | None = POOL) -> Callable[[Frame], Frame]:
    return lambda frame: msgspec.structs.replace(frame, processing=processing, has_streams=True, streams=ROWS)


@asynccontextmanager
async def busy(
    size: tuple[int, int] = (120, 36), processing: ProcessingRow | None = POOL, look: Look | None = None
) -> AsyncIterator[Stage]:
    async with on_stage(size, look=look) as stage:
        await stage.show(330, change=told(processing))
        yield stage


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SVGImageSnapshotExtension)


@SIZES
async def test_the_streams(size: tuple[int, int], svg: SnapshotAssertion) -> None:
    async with busy(size) as stage:
        await stage.press("0", "down")
        assert picture(stage.app) == svg


@SIZES
async def test_the_broker_beside_a_pool_that_lags(size: tuple[int, int], svg: SnapshotAssertion) -> None:
    async with busy(size) as stage:
        await stage.press("5")
        assert picture(stage.app) == svg


async def test_rows_are_asked_for_while_their_screen_is_open() -> None:
    async with busy() as stage:
        assert stage.engine.sent_of(AskStreams) == []
        await stage.press("0", "question_mark", "escape", "1", "0")
        assert stage.engine.sent_of(AskStreams) == [AskStreams(on=on) for on in (True, False, True)]
        await stage.show(331, change=lambda frame: msgspec.structs.replace(frame, has_streams=True))
        assert "Asking the engine for them." in stage.screen_text


async def test_a_scenario_without_them_has_no_trace_of_them() -> None:
    async with on_stage() as stage:
        assert "1-5 8 screens" in stage.screen_text
        await stage.press("5")
        assert "Processing" not in stage.screen_text
        assert "core behind" not in stage.screen_text
        await stage.press("0")
        assert "asks nothing of the stream" in stage.screen_text


async def test_the_overview_says_how_far_the_core_is_behind() -> None:
    async with busy() as stage:
        assert "core waits 96.1k, 41.3 s  shed 1.88k" in stage.screen_text
        assert "1-5 8 0 screens" in stage.screen_text


async def test_functions_show_their_price() -> None:
    async with busy(processing=FUNCTIONS) as stage:
        await stage.press("5")
        assert "412,000 calls, 31 cold, cost 0.0824" in stage.screen_text
        assert "none is shed" in stage.screen_text


async def test_enter_opens_a_row_where_it_is_narrow_and_esc_closes_it() -> None:
    async with busy((80, 24)) as stage:
        await stage.press("0", "down", "enter")
        assert "mean of motor.winding_temperature_c by site" in stage.screen_text
        assert "fra-[b]2" in stage.screen_text
        await stage.press("escape")
        assert "^ models" in stage.screen_text


async def test_in_ascii_and_one_colour_trouble_has_its_sign() -> None:
    async with busy(look=Look("none", ascii=True)) as stage:
        await stage.press("0")
        assert "^ windows      heat  71.2 C" in stage.screen_text
        assert "  routes       hot  8,371 taken, 8,371 delivered" in stage.screen_text
        assert stage.screen_text.isascii()
