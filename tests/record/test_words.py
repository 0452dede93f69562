"""Numbers and times as people read them."""

from __future__ import annotations

import doctest
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.record.recorded import result
from twinstorm.scenarios.reports import svg, words


@pytest.mark.parametrize("module", [words, svg])
def test_examples_of_the_documentation_hold(module: object) -> None:
    done = doctest.testmod(module)  # type: ignore[arg-type]
    assert done.attempted
    assert not done.failed


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.0312, "31.2 ms"),
        (2.8, "2.8 s"),
        (59.9999, "60 s"),
        (60, "1 min"),
        (5400, "1 h 30 min"),
        (3661, "1 h 1 min"),
        (86_460, "1 d"),
        (604_800, "7 d"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert words.duration(seconds) == told


@given(st.floats(0.0, 1.0))
def test_a_share_never_reads_as_more_than_it_is(value: float) -> None:
    shown = float(words.share(value).removesuffix(" %"))
    assert shown <= value * 100 + 1e-6
    assert float(words.share(value, up=True).removesuffix(" %")) >= value * 100 - 1e-6


def test_a_bound_that_was_just_missed_does_not_read_as_reached() -> None:
    (objective,) = result().objectives
    assert objective.wanted == "at least 99.9 %"
    assert words.share(0.998999) == "99.89 %"
    assert words.share(0.01001, up=True) == "1.01 %"


@given(st.lists(st.integers(0, 10**7), min_size=2, unique=True))
def test_clocks_sort_like_times_up_to_a_hundred_hours(seconds: list[int]) -> None:
    told = [words.clock(each) for each in sorted(each % 360_000 for each in seconds)]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", each) for each in told)
    assert all(earlier <= later for earlier, later in pairwise(told))


def test_evidence_reads_as_words_and_leaves_out_what_is_nothing() -> None:
    assert words.evidence({"devices_without_power": 6000, "devices_booted": 0}) == "6,000 devices without power"
    assert words.evidence({"sessions_ended": 0}) == ""
