"""What belongs together: joined in event time, and correlated over windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import registry_of
from twinstorm.detectors.event_time import Figure
from twinstorm.detectors.joins import Correlation, IntervalJoin, Pairs, Series
from twinstorm.detectors.windows import Span, Windows, keys_of
from twinstorm.twin.flow import SECOND_US, Channel

FLEET = registry_of(sites=("a-1", "b-1"), motors=2, climate=1)
"""Devices 0 to 3 are motors, 4 and 5 climate sensors; of each the first half at a-1."""
LATENESS_US = 4 * SECOND_US
ROW = st.tuples(st.integers(0, 5), st.integers(0, 30 * SECOND_US), st.integers(0, LATENESS_US))


def join(before_us: int, after_us: int) -> IntervalJoin:
    motors, climate = (keys_of(FLEET, kind, "site")[0] for kind in ("motor", "climate"))
    return IntervalJoin(motors, 2, climate, 1, before_us, after_us)


def add(into: IntervalJoin, rows: list[tuple[int, int]]) -> None:
    for motors, feed in ((True, into.add_left), (False, into.add_right)):
        mine = [row for row in rows if (row[0] < 4) == motors]
        device = np.array([row[0] for row in mine], np.int32)
        at_us = np.array([row[1] for row in mine], np.int64)
        # Values that say whose they are.
        values = np.repeat((at_us / 1e3).astype(np.float32)[:, np.newaxis], 2 if motors else 1, axis=1)
        feed(device, at_us, values)


def told(pairs: Pairs) -> list[tuple[int, int, int, int]]:
    assert np.array_equal(pairs.left_values[:, 0], (pairs.left_us / 1e3).astype(np.float32))
    assert np.array_equal(pairs.right_values[:, 0], (pairs.right_us / 1e3).astype(np.float32))
    columns = (pairs.left_us, pairs.left, pairs.right_us, pairs.right)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(
    st.lists(ROW, max_size=40, unique_by=lambda row: row[:2]),
    st.integers(0, 3 * SECOND_US),
    st.integers(0, 3 * SECOND_US),
)
def test_a_shuffled_log_gives_every_pair_once(sent: list[tuple[int, int, int]], before_us: int, after_us: int) -> None:
    joined = join(before_us, after_us)
    found = []
    for second in range(50):
        low = second * SECOND_US if second else -1
        mine = [row[:2] for row in sent if low < row[1] + row[2] <= (second + 1) * SECOND_US]
        add(joined, mine)
        found += told(joined.close((second + 1) * SECOND_US - LATENESS_US))
    site = FLEET.site
    wanted = [
        (left[1], left[0], right[1], right[0])
        for left in sent
        for right in sent
        if left[0] < 4 <= right[0]
        and site[left[0]] == site[right[0]]
        and left[1] - before_us <= right[1] <= left[1] + after_us
    ]
    assert found == sorted(wanted)
    assert joined.late == 0
    assert joined.waiting == 0


def test_what_waits_is_no_more_than_interval_and_lateness() -> None:
    joined = join(2 * SECOND_US, SECOND_US)
    for second in range(100):
        add(joined, [(device, second * SECOND_US) for device in range(6)])
        joined.close(second * SECOND_US - LATENESS_US)
        assert joined.waiting <= 6 * (LATENESS_US // SECOND_US + 4)


def test_a_late_reading_finds_nobody() -> None:
    joined = join(SECOND_US, SECOND_US)
    joined.close(10 * SECOND_US)
    add(joined, [(0, 10 * SECOND_US), (4, 10 * SECOND_US - 1)])
    assert len(joined.close(20 * SECOND_US)) == 0
    assert joined.late == 1


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        join(-1, 0)


# --- correlation ------------------------------------------------------------------------------------------------------

HEAT = (Channel("heat_c", "C", -100.0, 100.0, 0.01),)
SPAN = Span.tumbling(SECOND_US)
FIGURE = Figure("motor", "device", SPAN)


def correlated(values: list[list[float]], pairs: list[tuple[int, int]], windows: int = 100) -> Any:
    """`values`: of each second, of each device."""
    series = [(Series(FIGURE, left, 0), Series(FIGURE, right, 0)) for left, right in pairs]
    found = Correlation(series, windows)
    n = len(values[0])
    kept = Windows(HEAT, np.arange(n, dtype=np.int32), n, [SPAN])
    for second, row in enumerate(values):
        kept.add(np.arange(n, dtype=np.int32), np.full(n, second * SECOND_US), np.array(row, np.float32)[:, np.newaxis])
        found.take({FIGURE: kept.close((second + 1) * SECOND_US)})
    return found.values()


def test_correlation_of_anscombes_first_two_sets() -> None:
    """Anscombe 1973: 0.816 for both, to three digits."""
    x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0]
    first = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]
    second = [9.14, 8.14, 8.74, 8.77, 9.26, 8.10, 6.13, 3.10, 9.13, 7.26, 4.74]
    found = correlated([list(row) for row in zip(x, first, second, strict=True)], [(0, 1), (0, 2), (1, 0)])
    assert found.round(3).tolist() == [0.816, 0.816, 0.816]


def test_correlation_looks_at_windows_that_both_have_and_forgets_old_ones() -> None:
    up, nan = [float(second) for second in range(10)], math.nan
    rows = [[value, -value if second < 5 else value, nan, 3.0] for second, value in enumerate(up)]
    assert correlated(rows, [(0, 1)], windows=5).tolist() == pytest.approx([1.0])
    assert correlated(rows[:5], [(0, 1)]).tolist() == pytest.approx([-1.0])
    assert np.isnan(correlated(rows, [(0, 2), (0, 3)])).all()
    assert np.isnan(correlated(rows[:2], [(0, 1)])).all()


def test_series_of_two_spans_do_not_go_together() -> None:
    other = Figure("motor", "device", Span.tumbling(60 * SECOND_US))
    with pytest.raises(ValueError, match="one span"):
        Correlation([(Series(FIGURE, 0, 0), Series(other, 0, 0))], 5)
