"""Numbers, durations and speeds as people read them."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.tui.app import actions, lines, numbers


@pytest.mark.parametrize("module", [numbers, actions, lines])
def test_examples_of_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@given(st.integers(0, 999_000_000_000))
def test_short_numbers_take_at_most_five_columns_and_are_close(number: int) -> None:
    text = numbers.short(number)
    assert len(text) <= 5
    factor = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1.0)
    assert float(text.rstrip("kMG")) * factor == pytest.approx(number, rel=0.006, abs=0.006)


@given(st.integers(1, 10**15))
def test_durations_are_read_back_as_written(length_us: int) -> None:
    assert numbers.parse_duration(numbers.duration(length_us)) == length_us


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("300", "needs a unit"),
        ("", "is missing"),
        ("soon", "is not a duration"),
        ("5 min later", "is not a duration"),
        ("0 s", "shorter"),
        ("-3 s", "is not a duration"),
    ],
)
def test_a_wrong_duration_says_what_is_wrong(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        numbers.parse_duration(text)


def test_a_percentage_below_a_hundred_never_reads_as_a_hundred() -> None:
    assert numbers.value(99.9999, "%") == "99.99 %"
    assert numbers.value(100.0, "%") == "100 %"
    assert numbers.share(9_999_999, 10_000_000) == "99.9 %"


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=6))
def test_shares_of_all_parts_sum_up_to_a_hundred_as_written(parts: list[int]) -> None:
    whole = sum(parts)
    written = numbers.shares(parts, whole)
    tiny = [place for place, part in enumerate(parts) if 0 < 1_000 * part < whole]
    if whole and not tiny:
        assert sum(round(10 * float(share.split()[0])) for share in written) == 1_000
    assert all((share == "0 %") == (part == 0) for share, part in zip(written, parts, strict=True))
    assert all(share != "100 %" or part == whole for share, part in zip(written, parts, strict=True))


def test_amounts_shrink_only_when_they_must() -> None:
    assert numbers.amount(46_300, 6) == "46,300"
    assert numbers.amount(46_300, 5) == "46.3k"
