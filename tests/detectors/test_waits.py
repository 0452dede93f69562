"""For how long the first of a queue has waited, against a queue whose messages are known one by one."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.waits import LONGEST, HeadWait
from twinstorm.twin.flow import SECOND_US

SECONDS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=60)


@given(SECONDS)
def test_it_is_right_to_a_second_and_never_too_much(seconds: list[tuple[int, int]]) -> None:
    head, queue, left = HeadWait(), deque[int](), 0
    for second, (come, served) in enumerate(seconds, 1):
        now_us = second * SECOND_US
        # They come in the middle of the second, and are served at its end.
        queue.extend([now_us - SECOND_US // 2] * come)
        for _ in range(min(served, len(queue))):
            queue.popleft()
            left += 1
        told_us = head.look(now_us, len(queue), left)
        true_us = now_us - queue[0] if queue else 0
        assert told_us <= true_us < told_us + SECOND_US or (told_us, true_us) == (0, 0)


def test_a_queue_that_is_never_empty_is_none_that_waits() -> None:
    head = HeadWait()
    assert [head.look(second * SECOND_US, 3, 3 * second) for second in range(1, 200)] == [0] * 199


def test_a_broker_that_begins_anew_has_nothing_that_waited() -> None:
    head = HeadWait()
    assert [head.look(second * SECOND_US, 5, 40) for second in (1, 2, 3)] == [0, SECOND_US, 2 * SECOND_US]
    assert head.look(4 * SECOND_US, 5, 0) == 0
    assert head.look(5 * SECOND_US, 0, 0) == 0


def test_memory_is_bounded() -> None:
    head = HeadWait()
    for second in range(1, LONGEST + 1_000):
        told_us = head.look(second * SECOND_US, 1, 0)
    assert told_us == (LONGEST - 1) * SECOND_US
