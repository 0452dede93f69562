"""Queues of messages in one table, against lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.backlog import Backlog, Messages, runs

QUEUES = 5


def messages(queue: list[int], seq: list[int]) -> Messages:
    n = len(seq)
    column = np.array(seq, np.int64)
    device = np.array(queue, np.int32)
    return Messages(
        device.astype(np.int64),
        np.zeros(n, np.int16),
        device,
        np.ones(n, np.int32),
        column,
        column,
        column,
        column,
        np.zeros((n, 2), np.float32),
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "put_back", "take", "newest", "drop", "move"]),
            st.lists(st.integers(0, 90), min_size=QUEUES, max_size=QUEUES),
        ),
        max_size=25,
    )
)
def test_queues_do_what_lists_do(acts: list[tuple[str, list[int]]]) -> None:
    backlog, lists, number = Backlog(QUEUES, 2), [list[int]() for _ in range(QUEUES)], 0
    every = np.arange(QUEUES, dtype=np.int64)
    for what, counts in acts:
        if what.startswith("put"):
            queue = [one for one, count in enumerate(counts) for _ in range(count)]
            fresh = list(range(number, number + len(queue)))
            number += len(queue)
            getattr(backlog, what)(np.array(queue, np.int64), messages(queue, fresh))
            for one in range(QUEUES):
                mine = [seq for seq, where in zip(fresh, queue, strict=True) if where == one]
                lists[one] = mine + lists[one] if what == "put_back" else lists[one] + mine
        elif what == "move":
            backlog.move(np.array([0, 1]), np.array([3, 4]))
            for source, target in ((0, 3), (1, 4)):
                lists[target] += lists[source]
                lists[source] = []
        else:
            count = np.minimum(np.array(counts), backlog.depth)
            expected = []
            for one, taken in enumerate(count.tolist()):
                at = len(lists[one]) - taken if what == "newest" else 0
                expected += lists[one][at : at + taken]
                lists[one] = lists[one][:at] + lists[one][at + taken :]
            if what == "drop":
                assert len(backlog.drop(every, count)) == len(expected)
            else:
                assert backlog.take(every, count, newest=what == "newest").seq.tolist() == expected
        assert backlog.depth.tolist() == [len(one) for one in lists]
        held = [one for one in range(QUEUES) if lists[one]]
        assert backlog.oldest_us(np.array(held, np.int64)).tolist() == [lists[one][0] for one in held]
    assert backlog.take(every, backlog.depth.copy()).seq.tolist() == [seq for one in lists for seq in one]


def test_one_long_queue_makes_no_other_long() -> None:
    backlog = Backlog(30_000, 2)
    backlog.put(np.zeros(50_000, np.int64), messages([0] * 50_000, list(range(50_000))))
    assert backlog._ring.size < 1_000_000


def test_runs_of_a_sorted_column() -> None:
    which, count, nth = runs(np.array([2, 2, 5, 7, 7, 7]))
    assert (which.tolist(), count.tolist(), nth.tolist()) == ([2, 5, 7], [2, 1, 3], [0, 1, 0, 0, 1, 2])
    assert [len(part) for part in runs(np.zeros(0, np.int64))] == [0, 0, 0]
