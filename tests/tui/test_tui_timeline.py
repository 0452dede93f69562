"""The line of time: what happened, what is to come, what wins a column."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.fake_engine import DURATION_S, SECOND, FakeEngine
from twinstorm.scenarios.protocol import MARK_KINDS, Frame, Mark
from twinstorm.tui.app.lines import text, width_of
from twinstorm.tui.app.look import Look
from twinstorm.tui.app.signs import MARK_LETTERS, Signs
from twinstorm.tui.app.timeline_lines import axis, captions, mark_line, next_brief, of_kind, planned_and_past, times

SIGNS = Signs.of(Look(ascii=True))
DURATION_US = DURATION_S * SECOND


def frame_with(*marks: tuple[int, str], at_s: int = 900, next_mark: Mark | None = None) -> Frame:
    made = [Mark(at_us=mark_s * SECOND, kind=kind, text=kind) for mark_s, kind in marks]
    return msgspec.structs.replace(FakeEngine(at_s=at_s).frame(), marks=made, next_mark=next_mark)


def test_marks_stand_where_they_happened_and_steps_to_come_are_hollow() -> None:
    frame = frame_with((0, "step"), (450, "fault"), (1_350, "step"))
    assert text(axis(frame, DURATION_US, 21, SIGNS)) == "S====F====|----o-----"


def test_a_fault_wins_its_column_over_what_it_causes() -> None:
    frame = frame_with((450, "alarm"), (450, "incident"), (450, "fault"), (450, "weather"))
    assert text(axis(frame, DURATION_US, 21, SIGNS)) == "=====F====|----------"


def test_every_kind_of_mark_has_a_letter_of_its_own() -> None:
    assert set(MARK_KINDS) <= set(MARK_LETTERS)
    assert len(set(MARK_LETTERS.values())) == len(MARK_LETTERS)


def test_a_note_that_was_sent_late_stands_where_it_belongs() -> None:
    frame = frame_with((450, "fault"), (600, "alarm"), (500, "note"))
    assert [text(line).split()[0] for line in captions(frame, SIGNS, 60, 3)] == ["00:10:00", "00:08:20", "00:07:30"]


def test_a_kind_that_is_not_known_is_a_star() -> None:
    frame = frame_with((450, "weather"))
    assert text(axis(frame, DURATION_US, 21, SIGNS)) == "=====*====|----------"
    assert of_kind(frame.marks, ()) == frame.marks
    assert text(mark_line(frame.marks[0], frame, SIGNS)) == "00:07:30 * weather"


def test_the_next_step_is_shown_also_if_only_it_is_told() -> None:
    step = Mark(at_us=1_350 * SECOND, kind="step", text="drill")
    frame = frame_with(next_mark=step)
    assert text(axis(frame, DURATION_US, 21, SIGNS)) == "==========|----o-----"
    assert planned_and_past(frame) == [step]
    assert "22:30" in text(times(frame, DURATION_US, 41, SIGNS))


def test_of_the_next_step_the_name_is_cut_and_not_the_time() -> None:
    frame = frame_with(next_mark=Mark(at_us=958 * SECOND, kind="step", text="update wave two"))
    assert next_brief(frame, 60) == "next: update wave two in 0:58"
    assert next_brief(frame, 22) == "next: update w in 0:58"


@given(
    st.integers(3, 200),
    st.integers(0, DURATION_S),
    st.lists(st.tuples(st.integers(0, DURATION_S), st.sampled_from([*MARK_LETTERS, "weather"])), max_size=30),
)
def test_the_axis_has_its_width_and_one_now(width: int, at_s: int, marks: list[tuple[int, str]]) -> None:
    frame = msgspec.structs.replace(frame_with(*marks, at_s=900), at_us=at_s * SECOND)
    line = axis(frame, DURATION_US, width, SIGNS)
    assert width_of(line) == width
    assert text(line).count(SIGNS.now) == 1
    assert width_of(times(frame, DURATION_US, width, SIGNS)) == width
