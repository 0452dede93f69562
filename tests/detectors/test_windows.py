"""Windows in event time: what a plain recomputation on the ordered log gives, whatever the order of arrival."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import registry_of
from twinstorm.detectors.session_windows import Sessions, SessionWindows
from twinstorm.detectors.sums import Scale, Summary, Sums
from twinstorm.detectors.windows import LEVELS, TUMBLING_US, Span, Watermark, Window, Windows, keys_of
from twinstorm.twin.flow import HOUR_US, MINUTE_US, SECOND_US, Channel

TENTHS = Channel("temperature_c", "C", -40.0, 150.0, 0.1)
OFFSET = Channel("position_m", "m", 900.0, 1100.0, 0.5, offset=1000.0)
WIDE = Channel("energy_kwh", "kWh", 0.0, 160_000.0, 0.01)
CHANNELS = (TENTHS, OFFSET)
LATENESS_US = 5 * SECOND_US
SPANS = [Span.tumbling(SECOND_US), Span.tumbling(5 * SECOND_US), Span(6 * SECOND_US, 2 * SECOND_US)]

Row = tuple[int, int, int | None, int]
"""Device, stamp, steps of the first channel or silence, steps of the second one."""

ROW = st.tuples(
    st.integers(0, 3),
    st.integers(0, 40 * SECOND_US),
    st.none() | st.integers(-400, 1500),
    st.integers(-200, 200),
)


def values_of(rows: list[Row]) -> Any:
    first = [math.nan if row[2] is None else row[2] * 0.1 for row in rows]
    return np.array([first, [1000.0 + row[3] * 0.5 for row in rows]], np.float32).T


def fed(windows: Windows, arrivals: list[tuple[int, Row]], cuts: list[int]) -> list[Window]:
    """Windows of rows that arrive in this order, in blocks that end at these places, and seconds that are closed."""
    closed: list[Window] = []
    arrivals = sorted(arrivals, key=lambda each: each[0])
    for second in range(60):
        mine = [row for at_us, row in arrivals if second * SECOND_US < at_us <= (second + 1) * SECOND_US]
        mine += [row for at_us, row in arrivals if at_us == 0 and second == 0]
        ends = sorted({*(cut for cut in cuts if cut < len(mine)), len(mine)})
        begin = 0
        for end in ends:
            part = mine[begin:end]
            begin = end
            device = np.array([row[0] for row in part], np.int32)
            windows.add(device, np.array([row[1] for row in part], np.int64), values_of(part))
        closed += windows.close((second + 1) * SECOND_US - LATENESS_US)
    return closed


def bits(window: Window) -> Any:
    columns = [np.where(window.count > 0, column, 0).tolist() for column in window.sums.columns()]
    return window.span, window.from_us, window.to_us, columns


def batch(rows: list[Row], key: Any, span: Span, until_us: int) -> dict[tuple[int, int, int], list[int]]:
    """(end, key, channel) to the steps in it, by the definition of a window."""
    found: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for device, at_us, *steps in rows:
        first = at_us // span.every_us + 1
        for end in range(first, first + span.width_us // span.every_us):
            for channel, step in enumerate(steps):
                if step is not None and end * span.every_us <= until_us:
                    found[end * span.every_us, int(key[device]), channel].append(step)
    return found


@given(
    st.lists(st.tuples(ROW, st.integers(0, LATENESS_US)), max_size=40),
    st.lists(st.integers(1, 8), max_size=3),
    st.sampled_from(["device", "pairs"]),
)
def test_a_log_shuffled_within_the_lateness_gives_the_windows_of_the_ordered_one_and_of_a_batch(
    sent: list[tuple[Row, int]], cuts: list[int], level: str
) -> None:
    key = np.array([0, 1, 2, 3] if level == "device" else [0, 0, 1, 1], np.int32)
    keys = int(key.max()) + 1
    late, ordered = Windows(CHANNELS, key, keys, SPANS), Windows(CHANNELS, key, keys, SPANS)
    shuffled = fed(late, [(row[1] + delay, row) for row, delay in sent], cuts)
    in_order = fed(ordered, [(row[1], row) for row, _ in sorted(sent, key=lambda each: each[0][1])], [])
    assert late.late == ordered.late == 0
    assert [bits(window) for window in shuffled] == [bits(window) for window in in_order]
    for span in SPANS:
        wanted = batch([row for row, _ in sent], key, span, 55 * SECOND_US)
        mine = {window.to_us: window for window in shuffled if window.span == span}
        assert {end for end, _, _ in wanted} <= set(mine)
        for end, window in mine.items():
            told = np.array([window.count, window.total, window.mean, window.least, window.most, window.sd])
            for channel, known in enumerate(CHANNELS):
                for one in range(keys):
                    steps = wanted.get((end, one, channel), [])
                    expected = figures([step * known.step + known.offset for step in steps])
                    np.testing.assert_allclose(told[:, channel, one], expected, rtol=0, atol=1e-6)


def figures(values: list[float]) -> list[float]:
    if not values:
        return [0, *[math.nan] * 5]
    sd = statistics.stdev(values) if len(values) > 1 else math.nan
    return [len(values), math.fsum(values), statistics.fmean(values), min(values), max(values), sd]


def test_every_width_of_the_hour_is_what_its_seconds_add_up_to() -> None:
    spans = [Span.tumbling(width_us) for width_us in TUMBLING_US]
    windows = Windows((TENTHS,), np.zeros(1, np.int32), 1, spans)
    at_us = np.arange(0, HOUR_US, SECOND_US)
    steps = np.arange(len(at_us)) % 7
    device = np.zeros(len(at_us), np.int32)
    windows.add(device, at_us, (steps * 0.1).astype(np.float32)[:, np.newaxis])
    closed = windows.close(HOUR_US)
    for span in spans:
        mine = [window for window in closed if window.span == span]
        assert len(mine) == HOUR_US // span.width_us
        assert sum(int(window.count[0, 0]) for window in mine) == 3600
        each = span.width_us // SECOND_US
        assert [int(window.sums.total[0, 0]) for window in mine] == steps.reshape(-1, each).sum(axis=1).tolist()


def test_what_is_dated_behind_the_watermark_is_late_and_counts_nowhere() -> None:
    windows = Windows((TENTHS,), np.zeros(1, np.int32), 1, [Span.tumbling(MINUTE_US)])
    windows.close(30 * SECOND_US)
    one, value = np.zeros(1, np.int32), np.full((1, 1), 20.0, np.float32)
    windows.add(one, np.array([30 * SECOND_US - 1]), value)
    windows.add(one, np.array([30 * SECOND_US]), value)
    (closed,) = windows.close(MINUTE_US)
    assert (windows.late, int(closed.count[0, 0])) == (1, 1)


def test_windows_that_hold_nothing_are_left_out_and_cost_nothing() -> None:
    windows = Windows((TENTHS,), np.zeros(1, np.int32), 1, [Span(MINUTE_US, SECOND_US)])
    one, value = np.zeros(1, np.int32), np.full((1, 1), 20.0, np.float32)
    windows.close(0)
    for hour in (1, 1000):
        windows.add(one, np.array([hour * HOUR_US]), value)
        closed = windows.close(hour * HOUR_US + HOUR_US // 2)
        assert len(closed) == 60
        assert all(int(window.count[0, 0]) == 1 for window in closed)
        assert windows.nbytes == 0


def test_memory_is_that_of_the_panes_that_are_open() -> None:
    """However long the log, and however many readings a pane has."""
    windows = Windows(CHANNELS, np.arange(100, dtype=np.int32), 100, [Span.tumbling(SECOND_US)])
    device = np.arange(100, dtype=np.int32)
    most = 0
    for second in range(200):
        for _ in range(3):
            windows.add(device, np.full(100, second * SECOND_US), np.full((100, 2), 950.0, np.float32)[:, ::1])
        windows.close(second * SECOND_US - LATENESS_US)
        most = max(most, windows.nbytes)
    assert most <= (LATENESS_US // SECOND_US + 1) * 2 * 100 * 32


def test_a_slice_of_devices_and_rows_in_any_order_give_the_same_bits() -> None:
    key = np.arange(50, dtype=np.int32)
    device = np.arange(50, dtype=np.int32)
    values = np.linspace(900, 1100, 100, dtype=np.float32).reshape(50, 2)
    values[:, 0] = values[:, 0] / 10
    values[::7, 0] = np.nan
    where = device % 3 != 0
    dense, sparse = (Windows(CHANNELS, key, 50, [Span.tumbling(SECOND_US)]) for _ in range(2))
    at_us = np.full(50, 500_000)
    dense.add(device, at_us, values, where)
    back = np.flatnonzero(where)[::-1]
    sparse.add(device[back], at_us[back], values[back])
    assert [bits(each) for each in dense.close(SECOND_US)] == [bits(each) for each in sparse.close(SECOND_US)]


def test_nist_numacc3() -> None:
    """1000000.2, then 500 times 1000000.1 and 1000000.3: mean 1000000.2, deviation exactly 0.1."""
    channel = Channel("x", "", 0.0, 1_600_000.0, 0.1)
    steps = [10_000_002, *([10_000_001, 10_000_003] * 500)]
    assert_sums(channel, steps, mean=1000000.2, sd=0.1)


@given(st.lists(st.integers(-(2**24) + 1, 2**24 - 1), min_size=2, max_size=30), st.integers(1, 2**31))
def test_deviation_is_right_where_squares_overflow(steps: list[int], times: int) -> None:
    """Of a wide channel, merged with itself until 64 bits are far too few."""
    scale = Scale((WIDE,))
    sums = Sums(1, 1, wide=True)
    q = np.array(steps)
    sums.add_runs(0, np.array([0]), np.array([0]), q, None)
    for column in (sums.count, sums.total, sums.squares, sums.upper):
        assert column is not None
        with np.errstate(over="ignore"):
            column *= times
    n = len(steps) * times
    exact = times * (sum(Fraction(step) ** 2 for step in steps)) - Fraction(times * sum(steps)) ** 2 / n
    wanted = math.sqrt(exact / (n - 1)) * WIDE.step
    assert Summary(scale, sums).sd[0, 0] == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def assert_sums(channel: Channel, steps: list[int], mean: float, sd: float) -> None:
    windows = Windows((channel,), np.zeros(1, np.int32), 1, [Span.tumbling(SECOND_US)])
    values = (np.array(steps) * channel.step).astype(np.float32)[:, np.newaxis]
    windows.add(np.zeros(len(steps), np.int32), np.zeros(len(steps), np.int64), values)
    (window,) = windows.close(SECOND_US)
    assert window.mean[0, 0] == pytest.approx(mean, rel=1e-15)
    assert window.sd[0, 0] == pytest.approx(sd, rel=1e-14)


def test_a_span_that_is_none_is_refused() -> None:
    for span in (Span(5, 2), Span(5, 0), Span(-1, -1)):
        with pytest.raises(ValueError, match="no window"):
            span.checked()


def test_keys_of_every_level_name_devices_of_one_kind_only() -> None:
    registry = registry_of(sites=("a-1", "b-1"), motors=4, climate=2)
    for level in LEVELS:
        key, names = keys_of(registry, "climate", level)
        assert (key[:8] == -1).all()
        assert (key[8:] >= 0).all() == (level != "line"), "nobody stands on a line"
        assert int(key.max()) < len(names) or level == "line"
    key, names = keys_of(registry, "climate", "site")
    assert [names[each] for each in key[8:]] == ["a-1", "a-1", "b-1", "b-1"]
    with pytest.raises(ValueError, match="unknown level `customer`"):
        keys_of(registry, "climate", "customer")


def test_a_log_has_a_watermark_of_its_own() -> None:
    watermark = Watermark(2 * SECOND_US)
    assert watermark.seen(np.empty(0, np.int64)) is None
    assert watermark.seen(np.array([5 * SECOND_US, SECOND_US])) == 3 * SECOND_US
    assert watermark.seen(np.array([4 * SECOND_US])) == 3 * SECOND_US


# --- sessions ---------------------------------------------------------------------------------------------------------


def sessions_fed(windows: SessionWindows, arrivals: list[tuple[int, Row]]) -> list[Any]:
    told = []
    for second in range(60):
        low = second * SECOND_US if second else -1
        mine = [row for at_us, row in arrivals if low < at_us <= (second + 1) * SECOND_US]
        device = np.array([row[0] for row in mine], np.int32)
        windows.add(device, np.array([row[1] for row in mine], np.int64), values_of(mine))
        told += listed(windows.close((second + 1) * SECOND_US - LATENESS_US))
    return sorted(told)


def listed(sessions: Sessions) -> list[Any]:
    return [
        (
            int(sessions.device[row]),
            int(sessions.from_us[row]),
            int(sessions.last_us[row]),
            int(sessions.readings[row]),
            [column[:, row].tolist() for column in (sessions.sums.count, sessions.sums.total, sessions.sums.squares)],
        )
        for row in range(len(sessions))
    ]


@given(st.lists(st.tuples(ROW, st.integers(0, LATENESS_US)), max_size=40))
def test_sessions_of_a_shuffled_log_are_those_of_a_batch(sent: list[tuple[Row, int]]) -> None:
    gap_us = 3 * SECOND_US
    windows = SessionWindows(CHANNELS, 4, gap_us)
    found = sessions_fed(windows, [(row[1] + delay, row) for row, delay in sent])
    wanted = []
    for device in range(4):
        mine = sorted((row for row, _ in sent if row[0] == device), key=lambda row: row[1])
        open_: list[Row] = []
        for row in [*mine, (device, 10**12, 0, 0)]:
            if open_ and row[1] - open_[-1][1] >= gap_us:
                heard = [[each[2] for each in open_ if each[2] is not None], [each[3] for each in open_]]
                sums = [[len(each) for each in heard], [sum(each) for each in heard]]
                sums.append([sum(step * step for step in each) for each in heard])
                wanted.append((device, open_[0][1], open_[-1][1], len(open_), sums))
                open_ = []
            open_.append(row)
    assert windows.late == 0
    assert found == sorted(wanted)
    assert windows.waiting == 0


def test_a_reading_between_two_sessions_joins_them_unless_it_is_late() -> None:
    for watermark_us, joined in ((4 * SECOND_US, 1), (6 * SECOND_US, 2)):
        windows = SessionWindows((TENTHS,), 1, 4 * SECOND_US)
        one, value = np.zeros(1, np.int32), np.full((1, 1), 20.0, np.float32)
        for at_s in (1, 8):
            windows.add(one, np.array([at_s * SECOND_US]), value)
        told = len(windows.close(watermark_us))
        windows.add(one, np.array([4_500_000]), value)
        told += len(windows.close(HOUR_US))
        assert told == joined
        assert windows.late == joined - 1
