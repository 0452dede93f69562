"""Clocks that run wrong, and what setting and trimming them does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.clockwork import DAY_S, DS3231, M41T00, YEAR_S, Clock, Trim, compensated_ppm, tuning_fork_ppm

CLOCKS = st.builds(Clock, st.floats(-10.0, 10.0), st.floats(-100.0, 100.0), st.floats(-5.0, 5.0))
SPANS_S = st.floats(0.0, 3 * YEAR_S)


@given(CLOCKS, SPANS_S, SPANS_S)
def test_a_clock_that_is_set_goes_on_as_it_went(clock: Clock, until_s: float, further_s: float) -> None:
    gained_s = clock.error_s(until_s + further_s) - clock.error_s(until_s)
    assert clock.synchronised(until_s, 0.25).error_s(further_s) == pytest.approx(0.25 + gained_s, abs=1e-6)


def test_rate_is_what_an_hour_gains() -> None:
    clock = Clock(3.0, 12.0, -2.0)
    at_s, hour_s = 0.7 * YEAR_S, 3_600.0
    gained_s = clock.error_s(at_s + hour_s / 2) - clock.error_s(at_s - hour_s / 2)
    assert gained_s / hour_s * 1e6 == pytest.approx(clock.rate_ppm(at_s))
    assert clock.error_s(0.0) == 3.0


@given(st.floats(0.0, 60.0))
def test_a_tuning_fork_is_fastest_at_its_turnover_and_alike_on_both_sides(away_k: float) -> None:
    assert tuning_fork_ppm(27.0 + away_k, turnover_c=27.0) == pytest.approx(tuning_fork_ppm(27.0 - away_k, 27.0))
    assert tuning_fork_ppm(25.0 + away_k) <= 0.0 == tuning_fork_ppm(25.0)


def test_a_compensated_clock_holds_the_narrowest_range_that_applies() -> None:
    assert [compensated_ppm(c) for c in (-40.0, -0.1, 0.0, 40.0, 40.1, 85.0)] == [3.5, 3.5, 2.0, 2.0, 3.5, 3.5]
    assert compensated_ppm(25.0, DS3231[1:]) == 3.5
    with pytest.raises(ValueError, match="90 C"):
        compensated_ppm(90.0)


@given(st.floats(-126.0, 63.0))
def test_trimming_leaves_at_most_half_a_step(rate_ppm: float) -> None:
    step_ppm = M41T00.faster_ppm if rate_ppm < 0.0 else M41T00.slower_ppm
    assert abs(M41T00.left_ppm(rate_ppm)) <= step_ppm / 2 + 1e-9


@given(st.floats(-500.0, 500.0))
def test_trimming_never_makes_it_worse_and_stays_in_the_register(rate_ppm: float) -> None:
    trim = Trim(cycles=1_000_000, added=5, dropped=3, steps=10)
    assert abs(trim.left_ppm(rate_ppm)) <= abs(rate_ppm)
    assert -10 <= trim.nearest(rate_ppm) <= 10
    assert trim.nearest(-500.0) == 10
    assert trim.left_ppm(-500.0) == pytest.approx(-450.0)
    assert trim.left_ppm(500.0) == pytest.approx(470.0)


def test_a_day_and_a_year() -> None:
    assert DAY_S == 86_400.0
    assert YEAR_S == 8766 * 3_600.0
