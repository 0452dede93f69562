"""Seconds gathered into intervals: nothing is lost, no storm is averaged away."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.record.recorded import panes
from twinstorm.scenarios.reports.series import COUNTS, Impact, coarser, gather, objective_key, storm_window

ALL = panes(400)


@given(st.integers(1, 400), st.integers(1, 300), st.integers(1, 40))
def test_sums_and_extremes_survive_any_gathering(seconds: int, room: int, table_room: int) -> None:
    rows = ALL[:seconds]
    fine = gather(rows, seconds, room)
    assert len(fine) <= room
    for intervals in (fine, coarser(fine, table_room)):
        assert [each.from_s for each in intervals] == [0, *(each.to_s for each in intervals[:-1])]
        assert intervals[-1].to_s == seconds
        for name in COUNTS:
            assert sum(each.total[name] for each in intervals) == sum(getattr(row, name) for row in rows)
            assert max(each.high[name] for each in intervals) == max(getattr(row, name) for row in rows)
        assert min(each.low["online"] for each in intervals) == min(row.online for row in rows)
    assert len(coarser(fine, table_room)) <= table_room


def test_a_storm_of_one_second_in_a_day_is_still_seen() -> None:
    quiet = panes(1)[0]
    rows = [
        msgspec.structs.replace(quiet, at_s=at_s, attempts=9_000 if at_s == 40_000 else 0) for at_s in range(1, 86_401)
    ]
    assert max(each.high["attempts"] for each in gather(rows, 86_400, 600)) == 9_000


def test_a_short_storm_in_a_long_run_gets_a_window_of_its_own() -> None:
    assert storm_window(gather(panes(600), 600, 600), 600) == (230, 310)
    assert storm_window(gather(panes(300), 300, 300), 300) == (230, 300)


def test_a_storm_that_fills_the_run_or_none_at_all_needs_no_window() -> None:
    busy = [msgspec.structs.replace(row, attempts=10) for row in panes(100)]
    assert storm_window(gather(busy, 100, 100), 100) is None
    assert storm_window(gather(panes(200), 200, 200), 200) is None
    assert storm_window([], 0) is None


def test_an_objective_without_data_leaves_a_gap() -> None:
    intervals = gather(panes(120), 120, 120)
    key = objective_key("connected")
    assert all(key not in each.low for each in intervals[:60])
    assert intervals[60].low[key] == 1.0


def test_an_objective_named_like_a_column_does_not_hide_it() -> None:
    row = msgspec.structs.replace(panes(1)[0], slis={"online": 0.25})
    (interval,) = gather([row], 1, 10)
    assert interval.low["online"] == 1_000
    assert interval.low[objective_key("online")] == 0.25


def test_impact_counts_devices_and_minutes_after_the_warm_up_only() -> None:
    quiet = panes(1)[0]
    rows = [msgspec.structs.replace(quiet, at_s=at_s, online=40 if at_s <= 20 else 90) for at_s in range(1, 81)]
    impact = Impact(devices=100, warm_up_s=20)
    assert list(impact.watch(rows)) == rows
    assert (impact.most_offline, impact.worst_s) == (10, 21)
    assert round(impact.device_minutes, 9) == 10.0
