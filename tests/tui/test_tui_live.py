"""A live run on the screen: what it reaches is always in view, and what it cannot do says why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.image import SVGImageSnapshotExtension

from tests.tui.fake_engine import FakeEngine
from tests.tui.stage import Clock, Stage, on_stage, picture
from twinstorm.scenarios.protocol import AbortAll, LiveRow, Pause, Resume, SetSpeed, Step
from twinstorm.tui.app.app import Outcome, StormApp
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.lines import text
from twinstorm.tui.app.live_row import live_row
from twinstorm.tui.app.look import Look
from twinstorm.tui.app.signs import Signs

LIVE = LiveRow(
    broker="embedded 127.0.0.1:40123 over TLS",
    asked_per_s=8_067.0,
    reached_per_s=7_950.0,
    connects_asked_per_s=320.0,
    connects_admitted_per_s=100.0,
    connects_most_per_s=200,
    connects_held=1_240,
)
AWAY = msgspec.structs.replace(LIVE, broker="127.0.0.1:1883", reached_per_s=0.0, away_s=12.0, patience_s=30.0)


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SVGImageSnapshotExtension)


@pytest.mark.parametrize(
    ("size", "at_s", "live"),
    [
        pytest.param((120, 36), 330, LIVE, id="outage-120x36"),
        pytest.param((80, 24), 440, AWAY, id="broker-away-80x24"),
    ],
)
async def test_a_live_overview(size: tuple[int, int], at_s: float, live: LiveRow, svg: SnapshotAssertion) -> None:
    async with on_stage(size, at_s=at_s, live=live, lag_s=1.2, speed=1.0) as stage:
        assert picture(stage.app) == svg


async def test_the_row_of_a_live_run_is_on_every_screen_and_above_every_dialog() -> None:
    async with on_stage(at_s=330, live=LIVE) as stage:
        for key in ("2", "3", "4", "5", "8", "question_mark", "escape", "colon", "escape", "q"):
            await stage.press(key)
            (row,) = (line for line in stage.screen_text.splitlines() if "ctrl+x CLOSES ALL" in line)
            assert "msg/s 8.07k/7.95k" in row, key
            assert "lag 0.0 s" in row, key


def row(width: int, **change: Any) -> str:
    engine = FakeEngine(at_s=330, live=msgspec.structs.replace(LIVE, **change))
    board = Board()
    engine.greet()
    engine.show()
    while (event := engine.inbox._next()) is not None:
        board.take(event, 0.0)
    return "".join(text(line) for line in live_row(board, Signs.of(Look()), width, "ctrl+x"))


def test_the_row_says_less_where_there_is_less_room_and_what_is_wrong_first() -> None:
    assert row(200) == (
        " ctrl+x CLOSES ALL | messages/s 8.07k asked 7.95k reached | connects/s 320 asked 100 admitted, "
        "1,240 held back at 200/s | lag 0.0 s | embedded 127.0.0.1:40123 over TLS"
    )
    assert row(80) == " ctrl+x CLOSES ALL | msg/s 8.07k/7.95k | conn/s 320/100, 1.24k held | lag 0.0 s"
    assert row(200, connects_held=0).count("at most 200") == 1
    away = row(200, away_s=12.4, patience_s=30.0)
    assert away.startswith(" ctrl+x CLOSES ALL | BROKER AWAY 12 s, ends in 18 s | m")
    assert row(60, away_s=12.4, patience_s=30.0).startswith(" ctrl+x CLOSES ALL | AWAY 12 of 30 s")
    assert "AWAY" not in row(200, away_s=0.4)


async def test_what_a_live_run_cannot_do_says_why_and_sends_nothing() -> None:
    async with on_stage(at_s=330, live=LIVE) as stage:
        for key, why in (("space", "cannot pause"), ("plus", "keeps the speed"), ("full_stop", "no steps")):
            await stage.press(key)
            assert why in stage.toasts[-1]
        assert not [one for one in stage.engine.sent if isinstance(one, Pause | Resume | SetSpeed | Step)]
        keys = stage.screen_text.splitlines()[-1]
        assert "pause" not in keys
        assert "speed" not in keys


async def test_the_abort_key_ends_a_live_run_also_while_it_still_connects() -> None:
    async with on_stage(at_s=None, live=LIVE) as stage:
        stage.engine.load(0.3)
        await stage.settle()
        assert "ctrl+x CLOSES ALL" in stage.screen_text
        await stage.press("ctrl+x")
        assert len(stage.engine.sent_of(AbortAll)) == 1
        assert "aborted, exit code 5" in stage.screen_text


# --- before it --------------------------------------------------------------------------------------------------------

REASONS = ["10.1.2.3 is not this machine: a storm against it needs --yes, and its owner's consent"]


class Lobby:
    """The list of scenarios before a run with reasons to ask."""

    def __init__(self, first: str = "") -> None:
        self.engine = FakeEngine(live=LIVE)
        self.started: list[str] = []
        self.app = StormApp(
            scenarios=[("storm", "Storm", "A storm.")],
            start=self.start,
            asks=lambda _: REASONS,
            first=first,
            clock=Clock(),
        )

    async def start(self, name: str) -> FakeEngine:
        self.started.append(name)
        self.engine.greet()
        self.engine.show(250)
        return self.engine


@pytest.mark.parametrize("first", ["", "storm"], ids=["chosen from the list", "named on the command line"])
async def test_what_needs_consent_is_asked_on_the_screen_and_enter_alone_starts_nothing(first: str) -> None:
    lobby = Lobby(first)
    async with lobby.app.run_test(size=(100, 30), notifications=True) as pilot:
        stage = Stage(lobby.app, lobby.engine, pilot, Clock())
        await stage.settle()
        if not first:
            await stage.press("enter")
        assert "10.1.2.3 is not this machine" in stage.screen_text
        await stage.press("enter")  # the answer that stands ready is the harmless one
        assert lobby.started == []
        assert "10.1.2.3" not in stage.screen_text
        await stage.press("enter", "S")
        assert lobby.started == ["storm"]
        assert "CLOSES ALL" in stage.screen_text
    assert lobby.app.return_value in (None, Outcome(None, None))
