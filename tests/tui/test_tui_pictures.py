"""Pictures of the screen. After a wanted change: ``pytest tests/tui --snapshot-update``, then look at the SVG files."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.image import SVGImageSnapshotExtension

from tests.tui.stage import on_stage, picture
from twinstorm.tui.app.look import Look


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SVGImageSnapshotExtension)


@pytest.mark.parametrize(
    ("size", "at_s", "look"),
    [
        pytest.param((120, 36), 330, Look(), id="outage-120x36"),
        pytest.param((80, 24), 440, Look(), id="recovery-80x24"),
        pytest.param((200, 60), 440, Look(), id="recovery-200x60"),
        pytest.param((120, 36), 330, Look(ascii=True), id="outage-ascii-120x36"),
        pytest.param((80, 24), 330, Look("none"), id="outage-no-colour-80x24"),
        pytest.param((80, 24), 330, Look("light"), id="outage-light-80x24"),
        pytest.param((50, 12), 330, Look(), id="too-small-50x12"),
    ],
)
async def test_the_overview(size: tuple[int, int], at_s: float, look: Look, svg: SnapshotAssertion) -> None:
    async with on_stage(size, at_s=at_s, look=look) as stage:
        assert picture(stage.app) == svg


@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
async def test_the_question_before_a_fault(size: tuple[int, int], svg: SnapshotAssertion) -> None:
    async with on_stage(size) as stage:
        await stage.press("i", "p", "a", "r", "t", "enter", "enter")
        assert picture(stage.app) == svg


async def test_the_device_page(svg: SnapshotAssertion) -> None:
    async with on_stage((80, 24), at_s=330) as stage:
        await stage.press("enter", "enter")
        assert picture(stage.app) == svg


async def test_the_frozen_screen_of_a_dead_engine(svg: SnapshotAssertion) -> None:
    async with on_stage((80, 24), at_s=330) as stage:
        stage.engine.inbox.close("killed by signal 9")
        await stage.settle()
        assert picture(stage.app) == svg
