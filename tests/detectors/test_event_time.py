"""Windows of a fleet: every reading that ingest accepts is in them once, whatever its way in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import Lab, delivery, registry_of
from twinstorm.detectors.event_time import Asked, EventTime, Figure
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.windows import Span
from twinstorm.twin.flow import HOUR_US, SECOND_US, Delivery

FLEET = registry_of(sites=("a-1", "b-1"), motors=4, climate=2)
"""Devices 0 to 7 are motors, 8 to 11 climate sensors."""
ASKED = [
    Asked("device", Span.tumbling(SECOND_US)),
    Asked("site", Span.tumbling(5 * SECOND_US)),
    Asked("all", Span(4 * SECOND_US, 2 * SECOND_US)),
]
LATENESS_US = 3 * SECOND_US
SENT = st.tuples(
    st.integers(0, 7), st.integers(0, 20 * SECOND_US), st.integers(0, LATENESS_US), st.booleans(), st.integers(-40, 150)
)


def dated(sent: Delivery, at_us: Any) -> Delivery:
    assert sent.readings is not None
    at = np.broadcast_to(np.asarray(at_us, np.int64), len(sent.arrived_us))
    return replace(sent, readings=replace(sent.readings, device_time_us=at))


def door() -> tuple[Ingest, EventTime]:
    ingest, windows = Ingest(FLEET), EventTime(FLEET, ASKED, LATENESS_US)
    ingest.taps.append(windows)
    return ingest, windows


def told(windows: EventTime, closed: dict[Figure, list[Any]], now_us: int) -> None:
    for figure, mine in windows.close(now_us).items():
        closed.setdefault(figure, []).extend(mine)


def bits(closed: dict[Figure, list[Any]]) -> Any:
    return {
        figure: [(each.to_us, [np.where(each.count, one, 0).tolist() for one in each.sums.columns()]) for each in mine]
        for figure, mine in closed.items()
    }


@given(st.lists(SENT, max_size=30, unique_by=lambda row: row[:2]), st.integers(1, 9))
def test_windows_depend_neither_on_the_order_of_arrival_nor_on_blocks(sent: Any, block: int) -> None:
    """Each as it is sampled, one by one, and late by up to the lateness, in blocks."""
    number = {row[:2]: rank for rank, row in enumerate(sorted(sent), 1)}
    results = []
    for delayed in (False, True):
        ingest, windows = door()
        closed: dict[Figure, list[Any]] = {}
        rows = sorted(sent, key=lambda row: (row[1] + delayed * row[2], row[0]))
        for second in range(32):
            low = second * SECOND_US if second else -1
            mine = [row for row in rows if low < row[1] + delayed * row[2] <= (second + 1) * SECOND_US]
            for first in range(0, len(mine), block if delayed else 1):
                part = mine[first : first + (block if delayed else 1)]
                at_us = [row[1] for row in part]
                values = [[float(row[4]), float("nan") if row[3] else 20.0] for row in part]
                arrived_us = [row[1] + delayed * row[2] for row in part]
                seq = [number[row[:2]] for row in part]
                made = delivery([row[0] for row in part], seq, values=values, arrived_us=arrived_us)
                ingest.take(dated(made, at_us))
            told(windows, closed, (second + 1) * SECOND_US)
        counted = sum(int(each.count[0].sum()) for each in closed.get(Figure("motor", "device", ASKED[0].span), []))
        assert counted == ingest.accepted == len(sent)
        assert windows.late == 0
        results.append(bits(closed))
    assert results[0] == results[1]


def test_dense_and_sparse_readings_give_the_same_windows() -> None:
    every = []
    for dense in (True, False):
        ingest, windows = door()
        closed: dict[Figure, list[Any]] = {}
        for second in range(12):
            present = [(device + second) % 3 != 0 for device in range(8)]
            device = list(range(8)) if dense else [each for each in range(8) if present[each]][::-1]
            values = [[20.0 + each, 200.0 if each == 5 else 1.0] for each in device]
            made = delivery(
                device,
                second,
                values=values,
                arrived_us=second * SECOND_US + 1,
                dense=dense,
                present=present if dense else None,
            )
            ingest.take(dated(made, second * SECOND_US))
            told(windows, closed, (second + 1) * SECOND_US)
        every.append((ingest.accepted, dict(ingest.dead.counts), bits(closed)))
    assert every[0] == every[1]


def test_late_overtaken_and_misdated_readings_are_told_apart() -> None:
    ingest, windows = door()
    windows.close(10 * SECOND_US)
    for seq, (at_us, arrived_us) in enumerate(
        [
            (9 * SECOND_US, 10 * SECOND_US),
            (8 * SECOND_US, 10 * SECOND_US),  # overtaken
            (6 * SECOND_US, 10 * SECOND_US),  # overtaken and late
            (20 * SECOND_US, 10 * SECOND_US),  # from the future
            (-25 * HOUR_US, 10 * SECOND_US),  # from 1970
        ]
    ):
        ingest.take(dated(delivery([0], seq, arrived_us=arrived_us), at_us))
    assert (windows.out_of_order, windows.late, windows.misdated) == (2, 1, 2)
    assert (ingest.accepted, ingest.misdated) == (5, 2)
    assert windows.close(60 * SECOND_US)[Figure("motor", "device", ASKED[0].span)][0].count[0, 0] == 1


def test_overtaken_readings_of_one_block_are_counted_against_each_other() -> None:
    ingest, windows = door()
    at_us = [3, 1, 2, 7, 5]
    ingest.take(dated(delivery([1, 1, 1, 0, 0], [1, 2, 3, 1, 2], arrived_us=SECOND_US), at_us))
    assert windows.out_of_order == 3


def test_a_core_keeps_windows_when_it_is_asked_to() -> None:
    lab = Lab.start(FLEET)
    windows = lab.core.keep_windows(ASKED, LATENESS_US)
    lab.play(12)
    newest = windows.newest[Figure("motor", "site", ASKED[1].span)]
    # The lab dates all its readings 0: those that come after the lateness are late.
    assert windows.names("motor", "site") == ("a-1", "b-1")
    assert newest.to_us == 5 * SECOND_US
    assert newest.count.tolist() == [[16, 16], [16, 16]]
    assert newest.mean.tolist() == [[20.0, 20.0], [20.0, 20.0]]
    assert windows.late == 8 * 8
