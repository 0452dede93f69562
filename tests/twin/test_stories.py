"""Stories act at their instant, in the order of their ranks, and survive being rebuilt."""

from __future__ import annotations

import pytest

from twinstorm.twin.flow import NEVER_US
from twinstorm.twin.stories import Stage, Story


def play(stage: Stage, until_us: int) -> None:
    while stage.next_us() <= until_us:
        stage.step()


def test_equal_instants_are_ordered_by_rank_whatever_the_order_of_entering() -> None:
    acted: list[tuple[int, int]] = []

    def act(story: Story, now_us: int) -> None:
        acted.append((now_us, story.rank))
        story.due_us = now_us + 10

    play(Stage({"x": act}, [Story("x", rank, 5) for rank in (3, 0, 2, 1)], 0), 15)
    assert acted == [(5, 0), (5, 1), (5, 2), (5, 3), (15, 0), (15, 1), (15, 2), (15, 3)]


def test_a_stage_rebuilt_between_two_stories_of_one_instant_goes_on_with_the_next() -> None:
    acted: list[tuple[int, int]] = []

    def act(story: Story, now_us: int) -> None:
        acted.append((now_us, story.rank))
        story.due_us = NEVER_US if now_us else 7

    stories = [Story("x", rank, 0) for rank in range(3)]
    first = Stage({"x": act}, stories, 0)
    first.next_us()
    first.step()
    play(Stage({"x": act}, stories, 0), 100)
    assert acted == [(0, 0), (0, 1), (0, 2), (7, 0), (7, 1), (7, 2)]


def test_a_story_moved_from_outside_acts_once_at_its_new_instant() -> None:
    acted: list[int] = []

    def act(story: Story, now_us: int) -> None:
        acted.append(now_us)
        story.due_us = NEVER_US

    story = Story("x", 0, 50)
    stage = Stage({"x": act}, [story], 0)
    stage.next_us()
    story.due_us = 20
    stage.enter(story)
    play(stage, 100)
    assert acted == [20]


def test_a_story_that_does_not_move_forward_is_a_bug_and_said_so() -> None:
    stage = Stage({"x": lambda story, now_us: None}, [Story("x", 0, 5)], 0)
    with pytest.raises(RuntimeError, match="did not move its due instant forward"):
        play(stage, 10)
