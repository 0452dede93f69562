"""Named figures: what a plain recomputation from the readings gives, in whatever order they come."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors.lab import registry_of
from twinstorm.detectors.figures import MEASURES, FigurePlan, Measure, NamedFigure
from twinstorm.detectors.windows import Span
from twinstorm.twin.flow import SECOND_US

FLEET = registry_of(sites=("a-1", "b-1"), motors=2, climate=1)
"""Devices 0 and 1 are motors of a-1, 2 and 3 of b-1."""
LATENESS_US = 3 * SECOND_US
ROW = st.tuples(st.integers(0, 3), st.integers(0, 30 * SECOND_US), st.integers(-40, 150) | st.none())
ROWS = st.lists(ROW, max_size=40, unique_by=lambda row: row[:2])


def figure_of(measure: Measure, level: str, span: Span | None, gap_us: int = 0) -> NamedFigure:
    return NamedFigure(
        FLEET, FigurePlan("heat", "motor", "winding_temperature_c", measure, level, span, gap_us, LATENESS_US)
    )


def fed(figure: NamedFigure, rows: Any, delays_us: Any) -> NamedFigure:
    """These readings, each so long after its stamp, and all seconds until everything is closed."""
    arrivals = sorted((row[1] + delay_us, row) for row, delay_us in zip(rows, delays_us, strict=True))
    for second in range(100):
        mine = [row for at_us, row in arrivals if second * SECOND_US <= at_us < (second + 1) * SECOND_US]
        if mine:
            values = np.array([[math.nan if row[2] is None else row[2], 1.0] for row in mine], np.float32)
            device, at_us = np.array([row[0] for row in mine], np.int32), np.array([row[1] for row in mine], np.int64)
            figure.take(device, at_us, values, None)
        figure.close((second + 1) * SECOND_US)
    return figure


def by_hand(measure: str, values: list[int]) -> float:
    if measure == "count":
        return float(len(values))
    if measure == "sd":
        return statistics.stdev(values) if len(values) > 1 else math.nan
    plain: dict[str, Any] = {"mean": statistics.fmean, "least": min, "most": max, "sum": sum}
    return float(plain[measure](values)) if values else math.nan


def columns(figure: NamedFigure) -> list[list[float]]:
    return [column.tolist() for column in (figure.last, figure.least, figure.most, figure.windows)]


@settings(deadline=None)
@given(
    ROWS, st.sampled_from(MEASURES), st.sampled_from([Span.tumbling(5 * SECOND_US), Span(6 * SECOND_US, 2 * SECOND_US)])
)
def test_last_least_and_greatest_by_key_are_those_of_all_windows(rows: Any, measure: Measure, span: Span) -> None:
    figure = fed(figure_of(measure, "site", span), rows, [0] * len(rows))
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for device, at_us, value in rows:
        first = at_us // span.every_us + 1
        for end in range(first, first + span.width_us // span.every_us):
            if value is not None:
                found[device // 2, end].append(value)
    assert figure.late == 0
    for site in range(2):
        ends = sorted(end for key, end in found if key == site)
        told = [by_hand(measure, found[site, end]) for end in ends]
        known = [value for value in told if not math.isnan(value)]
        assert figure.windows[site] == len(told)
        for column, wanted in (
            (figure.last, told[-1] if told else math.nan),
            (figure.least, min(known, default=math.nan)),
            (figure.most, max(known, default=math.nan)),
        ):
            assert column[site] == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


@settings(deadline=None)
@given(ROWS, st.data(), st.sampled_from(["device", "site", "all"]), st.booleans())
def test_readings_that_are_late_by_no_more_than_allowed_change_nothing(
    rows: Any, data: st.DataObject, level: str, sessions: bool
) -> None:
    delays_us = data.draw(st.lists(st.integers(0, LATENESS_US - SECOND_US), min_size=len(rows), max_size=len(rows)))
    span, gap_us = (None, 4 * SECOND_US) if sessions else (Span.tumbling(5 * SECOND_US), 0)
    ordered = fed(figure_of("mean", level, span, gap_us), rows, [0] * len(rows))
    shuffled = fed(figure_of("mean", level, span, gap_us), rows, delays_us)
    np.testing.assert_array_equal(columns(shuffled), columns(ordered))
    assert (shuffled.closed, shuffled.late) == (ordered.closed, 0)


def test_the_newest_window_is_asked_and_a_silent_one_has_no_data() -> None:
    figure = figure_of("mean", "site", Span.tumbling(5 * SECOND_US))
    assert figure.newest() is None
    rows = [(0, SECOND_US, 20), (2, 2 * SECOND_US, 30), (2, 6 * SECOND_US, 50)]
    device, at_us = np.array([0, 2, 2], np.int32), np.array([row[1] for row in rows], np.int64)
    figure.take(device, at_us, np.array([[20, 1], [30, 1], [50, 1]], np.float32), None)
    figure.close(7 * SECOND_US)
    assert figure.value(None) is None
    figure.close(8 * SECOND_US)
    assert (figure.value(None), figure.value(None, least=True)) == (30.0, 20.0)
    only_a = figure.keys_among(np.array([True] + [False] * 5))
    assert figure.value(only_a) == 20.0
    figure.close(13 * SECOND_US)
    assert (figure.value(None), figure.value(only_a)) == (50.0, None)
    figure.close(18 * SECOND_US)
    assert figure.value(None) is None
    assert figure.closed == 2


def test_a_count_of_nobody_is_nothing_and_not_unknown() -> None:
    figure = figure_of("count", "site", Span.tumbling(5 * SECOND_US))
    assert figure.value(None) is None
    figure.close(8 * SECOND_US)
    assert (figure.value(None), figure.value(None, least=True)) == (0.0, 0.0)


def test_sessions_of_a_site_are_those_of_all_its_devices_together() -> None:
    figure = figure_of("count", "site", None, gap_us=3 * SECOND_US)
    at_us = np.array([1, 3, 5, 15, 1, 9], np.int64) * SECOND_US
    device = np.array([0, 1, 0, 1, 2, 3], np.int32)
    figure.take(device, at_us, np.full((6, 2), 20.0, np.float32), None)
    for second in range(1, 30):
        figure.close(second * SECOND_US)
    assert figure.windows.tolist() == [2, 2]
    assert figure.last.tolist() == [1.0, 1.0]
    assert figure.most.tolist() == [3.0, 1.0]
    assert figure.closed == 4


def test_late_readings_are_counted_and_in_no_window() -> None:
    figure = figure_of("sum", "all", Span.tumbling(5 * SECOND_US))
    figure.close(10 * SECOND_US)
    device, at_us = np.array([0, 1], np.int32), np.array([6, 8], np.int64) * SECOND_US
    figure.take(device, at_us, np.full((2, 2), 20.0, np.float32), None)
    figure.close(20 * SECOND_US)
    assert (figure.late, figure.most.tolist()) == (1, [20.0])


def test_a_channel_that_the_kind_lacks_is_told() -> None:
    plan = FigurePlan("x", "motor", "speed", "mean", "all", Span.tumbling(SECOND_US), 0, 0)
    with pytest.raises(ValueError, match="`motor` has no channel `speed`; there are winding_temperature_c"):
        NamedFigure(FLEET, plan)
