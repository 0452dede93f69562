"""Draws that were made before their time are those that would have been made in it."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.ahead import AHEAD_ROWS, Ahead
from twinstorm.twin.chance import words

KEY = np.array([3, 5, 1 << 60], np.uint64)
SKIPS = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=40)


@given(SKIPS, st.integers(0, 39))
def test_every_draw_is_that_of_its_device_and_number_whoever_rests_in_between(
    samplings: list[list[bool]], saved_at: int
) -> None:
    ahead = Ahead(partial(words, 7), KEY)
    number = np.zeros(3, np.int64)
    for nth, powered in enumerate(samplings):
        # A device without power takes no number.
        assert ahead.draws(number + 1).tolist() == words(7, KEY, number + 1).tolist()
        number = number + np.array(powered)
        if nth == saved_at:
            ahead = pickle.loads(pickle.dumps(ahead))


def test_a_large_group_draws_one_sampling_at_a_call() -> None:
    assert Ahead.pays(AHEAD_ROWS // 2)
    assert not Ahead.pays(AHEAD_ROWS // 2 + 1)
    many = np.arange(AHEAD_ROWS + 1, dtype=np.uint64)
    ahead = Ahead(partial(words, 7), many)
    for number in (1, 2, 5):
        numbers = np.full(len(many), number, np.int64)
        assert ahead.draws(numbers).tolist() == words(7, many, numbers).tolist()


def test_a_small_group_asks_once_for_many_samplings() -> None:
    calls = []

    def make(key: np.ndarray, number: np.ndarray) -> np.ndarray:
        calls.append(len(number))
        return words(7, key, number)

    ahead = Ahead(make, KEY)
    for number in range(1, AHEAD_ROWS // 3 + 1):
        ahead.draws(np.full(3, number))
    assert calls == [AHEAD_ROWS // 3 * 3]
