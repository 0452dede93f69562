"""The page of a device: the one line that is the truth says so, and stands only where somebody tells it."""

from __future__ import annotations

import msgspec

from tests.tui.fake_engine import SECOND, FakeEngine
from twinstorm.tui.app.lines import text
from twinstorm.tui.app.look import Look
from twinstorm.tui.app.screens.device import page_lines
from twinstorm.tui.app.signs import Signs

SIGNS = Signs.of(Look(ascii=True))


def page(health: float | None, remaining_us: int | None) -> str:
    engine = FakeEngine(at_s=300)
    engine.device = "arn-1/motors-0001"
    known = engine.page(300 * SECOND)
    assert known is not None
    known = msgspec.structs.replace(known, health=health, remaining_us=remaining_us)
    return "\n".join(text(line) for line in page_lines(known, engine.frame(), SIGNS, 110))


def test_health_and_life_are_marked_as_the_truth() -> None:
    told = page(0.4567, 36 * 86_400 * SECOND)
    assert "TRUTH health 45.7 %, 36 days of life left (the core and its operators do not know)" in told
    assert "TRUTH health 0.0 %, nothing of life left" in page(0.0, 0)
    assert "TRUTH health 100.0 %, nothing wears" in page(1.0, None)


def test_where_nobody_tells_the_truth_there_is_no_line_of_it() -> None:
    assert "TRUTH" not in page(None, None)
