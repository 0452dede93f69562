"""Draws that were made before their time are those that would have been made in it."""

from __future__ import annotations

import pickle
from functools import partial
from operator import itemgetter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.ahead import AHEAD_ROWS, DeviceDraws, GroupDraws
from twinstorm.twin.chance import Words, words

WHOLE = slice(0, 3)
KEY = np.array([3, 5, 1 << 60], np.uint64)
SKIPS = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=40)


@given(SKIPS, st.integers(0, 39))
def test_every_draw_is_that_of_its_device_and_number_whoever_rests_in_between(
    samplings: list[list[bool]], saved_at: int
) -> None:
    ahead = GroupDraws([7, 8], KEY, itemgetter(slice(None)))
    number = np.zeros(3, np.int64)
    for nth, powered in enumerate(samplings):
        # A device without power takes no number.
        expected = [words(stream, KEY, number + 1).tolist() for stream in (7, 8)]
        assert ahead.draws(WHOLE, number + 1).tolist() == expected
        number = number + np.array(powered)
        if nth == saved_at:
            ahead = pickle.loads(pickle.dumps(ahead))


@given(SKIPS, st.integers(0, 39), st.sampled_from([0, AHEAD_ROWS // 3 - 2]))
def test_devices_that_ask_one_by_one_get_the_same_draws(samplings: list[list[bool]], saved_at: int, first: int) -> None:
    ahead = DeviceDraws(7, KEY, itemgetter(0))
    number = np.full(3, first, np.int64)
    for nth, asks in enumerate(samplings):
        rows = np.flatnonzero(asks)
        number[rows] += 1
        assert ahead.draws(rows, number[rows]).tolist() == words(7, KEY[rows], number[rows]).tolist()
        if nth == saved_at:
            ahead = pickle.loads(pickle.dumps(ahead))


def test_devices_of_a_large_group_are_not_drawn_ahead() -> None:
    calls: list[int] = []
    many = np.arange(AHEAD_ROWS, dtype=np.uint64)
    ahead = DeviceDraws(7, many, partial(first_of, calls))
    for number in (1, 2, 5):
        ahead.draws(np.array([4, 9]), np.full(2, number, np.int64))
    assert calls == [2] * 3


def test_a_part_of_a_group_gets_the_draws_of_its_devices() -> None:
    ahead = GroupDraws([7], KEY, itemgetter(0))
    numbers = np.array([4, 9])
    assert ahead.draws(slice(1, 3), numbers).tolist() == words(7, KEY[1:], numbers).tolist()


def test_a_large_group_draws_one_sampling_at_a_call() -> None:
    calls: list[int] = []
    many = np.arange(AHEAD_ROWS + 1, dtype=np.uint64)
    ahead = GroupDraws([7], many, partial(first_of, calls))
    for number in (1, 2, 5):
        numbers = np.full(len(many), number, np.int64)
        assert ahead.draws(slice(0, len(many)), numbers).tolist() == words(7, many, numbers).tolist()
    assert calls == [len(many)] * 3


def test_a_small_group_asks_once_for_many_samplings() -> None:
    calls: list[int] = []
    ahead = GroupDraws([7], KEY, partial(first_of, calls))
    for number in range(1, AHEAD_ROWS // 3 + 1):
        ahead.draws(WHOLE, np.full(3, number))
    assert calls == [AHEAD_ROWS // 3 * 3]


def test_a_group_whose_readings_take_no_chance_gets_none() -> None:
    assert GroupDraws([], KEY, itemgetter(slice(None))).draws(WHOLE, np.ones(3, np.int64)).shape == (0, 3)


def first_of(calls: list[int], drawn: Words) -> Words:
    """The only stream's draws; counts them."""
    calls.append(drawn.shape[1])
    return drawn[0]
