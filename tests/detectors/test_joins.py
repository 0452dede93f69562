"""What belongs together: joined in event time, and correlated over windows."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors.lab import registry_of
from twinstorm.detectors.correlation import CorrelationPlan, NamedCorrelation
from twinstorm.detectors.figures import FigurePlan, NamedFigure
from twinstorm.detectors.joins import IntervalJoin, Met
from twinstorm.detectors.named_joins import JoinPlan, NamedJoin, Side
from twinstorm.detectors.windows import Span, keys_of
from twinstorm.twin.flow import SECOND_US

FLEET = registry_of(sites=("a-1", "b-1"), motors=2, climate=1)
"""Devices 0 to 3 are motors, 4 and 5 climate sensors; of each the first half at a-1."""
LATENESS_US = 4 * SECOND_US
ROW = st.tuples(st.integers(0, 5), st.integers(0, 30 * SECOND_US), st.integers(0, LATENESS_US))


def join(before_us: int, after_us: int) -> IntervalJoin:
    motors, climate = (keys_of(FLEET, kind, "site")[0] for kind in ("motor", "climate"))
    return IntervalJoin(motors, climate, before_us, after_us)


def add(into: IntervalJoin, rows: list[tuple[int, int]]) -> None:
    for motors, feed in ((True, into.add_left), (False, into.add_right)):
        mine = [row for row in rows if (row[0] < 4) == motors]
        device = np.array([row[0] for row in mine], np.int32)
        at_us = np.array([row[1] for row in mine], np.int64)
        # Values that say whose they are.
        feed(device, at_us, (at_us / 1e6).astype(np.float32))


def told(met: Met) -> list[tuple[int, int, int, float]]:
    assert np.array_equal(met.value, (met.left_us / 1e6).astype(np.float32))
    assert np.array_equal(met.key, FLEET.site[met.left])
    mean = np.where(met.partners > 0, met.right_mean, -1.0)
    columns = (met.left_us, met.left, met.partners, mean)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(deadline=None)
@given(
    st.lists(ROW, max_size=40, unique_by=lambda row: row[:2]),
    st.integers(0, 3 * SECOND_US),
    st.integers(0, 3 * SECOND_US),
)
def test_a_shuffled_log_gives_every_reading_its_partners(
    sent: list[tuple[int, int, int]], before_us: int, after_us: int
) -> None:
    joined = join(before_us, after_us)
    found = []
    for second in range(50):
        low = second * SECOND_US if second else -1
        mine = [row[:2] for row in sent if low < row[1] + row[2] <= (second + 1) * SECOND_US]
        add(joined, mine)
        found += told(joined.close((second + 1) * SECOND_US - LATENESS_US))
    site = FLEET.site
    wanted = []
    for left in sent:
        if left[0] < 4:
            partners = [
                right[1] / 1e6
                for right in sent
                if right[0] >= 4
                and site[left[0]] == site[right[0]]
                and left[1] - before_us <= right[1] <= left[1] + after_us
            ]
            wanted.append((left[1], left[0], len(partners), sum(partners) / len(partners) if partners else -1.0))
    assert [row[:3] for row in found] == [row[:3] for row in sorted(wanted)]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in sorted(wanted)], rel=1e-6)
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
    assert joined.close(20 * SECOND_US).partners.tolist() == [0]
    assert joined.late == 1


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        join(-1, 0)


# --- with a name ------------------------------------------------------------------------------------------------------


def plan(**changes: Any) -> JoinPlan:
    settled: dict[str, Any] = {
        "name": "warm",
        "left": Side("motor", "winding_temperature_c"),
        "right": Side("climate", "humidity_pct"),
        "level": "site",
        "before_us": 5 * SECOND_US,
        "after_us": 0,
        "lateness_us": SECOND_US,
        "above": None,
    }
    return JoinPlan(**settled | changes)


def played(found: NamedJoin, seconds: int, heat: float = 50.0) -> NamedJoin:
    """Motors of a-1 at `heat`, of b-1 at 10 more; climate of 20 at a-1 every five seconds, and silent at b-1."""
    for second in range(seconds):
        at_us = np.full(4, second * SECOND_US)
        motors = np.array([[heat, 1], [heat, 1], [heat + 10, 1], [math.nan, 1]], np.float32)
        found.take("motor", np.arange(4, dtype=np.int32), at_us, motors, None)
        if second % 5 == 0:
            climate = np.array([[20.0], [math.nan]], np.float32)
            found.take("climate", np.array([4, 5], np.int32), at_us[:2], climate, None)
        found.close((second + 1) * SECOND_US)
    return found


def test_differences_are_counted_by_key_and_those_of_a_minute_are_what_it_says_now() -> None:
    found = NamedJoin(FLEET, plan())
    assert found.value(None) is None
    played(found, 100)
    # Of each second but the last one, which waits; at whole fives two readings lie within the interval.
    assert found.pairs.tolist() == [2 * (99 + 19), 0]
    assert found.difference.tolist() == [30.0 * found.pairs[0], 0.0]
    assert (found.value(None), found.value(None, least=True)) == (30.0, 30.0)
    assert found.value(found.keys_among(np.arange(6) == 2)) is None
    assert found.alone == 99, "the one motor of b-1 that says something"
    played(found, 0)
    for second in range(100, 200):
        found.close((second + 1) * SECOND_US)
    assert found.value(None) is None
    assert pickle.loads(pickle.dumps(found)).pairs.tolist() == found.pairs.tolist()


def test_what_lies_too_far_above_its_partners_is_struck() -> None:
    assert played(NamedJoin(FLEET, plan()), 20).alarm is None
    for above, struck in ((29.0, [True, True, False, False]), (30.0, [False] * 4)):
        alarm = played(NamedJoin(FLEET, plan(above=above)), 20).alarm
        assert alarm is not None
        assert (alarm._struck[:4] > 0).tolist() == struck


def test_a_join_that_cannot_be_is_told() -> None:
    with pytest.raises(ValueError, match="`motor` has no channel `heat`"):
        NamedJoin(FLEET, plan(left=Side("motor", "heat")))
    with pytest.raises(ValueError, match="no `device` in common"):
        NamedJoin(FLEET, plan(level="device"))


# --- correlation ------------------------------------------------------------------------------------------------------

SPAN = Span.tumbling(SECOND_US)


def figure(channel: str, span: Span = SPAN, level: str = "device") -> NamedFigure:
    return NamedFigure(FLEET, FigurePlan(channel, "motor", channel, "mean", level, span, 0, 0))


def correlated(values: list[list[tuple[float, float]]], over: int = 100) -> list[float]:
    """`values`: of each second, of each motor, of both channels; what is found of each motor."""
    left, right = figure("winding_temperature_c"), figure("current_a")
    found = NamedCorrelation(CorrelationPlan("both", left.plan.name, right.plan.name, over), left, right)
    for second, row in enumerate(values):
        device = np.arange(len(row), dtype=np.int32)
        for each in (left, right):
            each.take(device, np.full(len(row), second * SECOND_US), np.array(row, np.float32), None)
        found.take(*(each.close((second + 1) * SECOND_US) for each in (left, right)))
    assert found.value(None) == (None if np.isnan(found.newest()).all() else np.nanmax(found.newest()))
    return [float(value) for value in found.newest()[: len(values[0])]]


def test_correlation_of_anscombes_first_two_sets() -> None:
    """Anscombe 1973: 0.816 for both, to three digits."""
    x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0]
    first = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]
    second = [9.14, 8.14, 8.74, 8.77, 9.26, 8.10, 6.13, 3.10, 9.13, 7.26, 4.74]
    found = correlated([[(a, b), (a, c)] for a, b, c in zip(x, first, second, strict=True)])
    assert [round(each, 2) for each in found] == [0.82, 0.82]


def test_correlation_looks_at_windows_that_both_have_and_forgets_old_ones() -> None:
    nan = math.nan
    rows = [
        [(second, 20.0 - second if second < 5 else second), (second, nan), (second, 3.3), (nan, nan)]
        for second in range(10)
    ]
    found = correlated(rows, over=5)
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1:]).all()
    assert correlated(rows[:5])[0] == pytest.approx(-1.0)
    assert np.isnan(correlated(rows[:2])).all()


def test_figures_that_do_not_go_together_are_told() -> None:
    plan = CorrelationPlan("both", "a", "b", 5)
    with pytest.raises(ValueError, match="one span"):
        NamedCorrelation(plan, figure("current_a"), figure("current_a", Span.tumbling(60 * SECOND_US)))
    with pytest.raises(ValueError, match="same keys"):
        NamedCorrelation(plan, figure("current_a"), figure("current_a", level="site"))
