"""Seconds in which silences change something: those that looking at every second finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.turns import Line, Turn
from twinstorm.twin.flow import SECOND_US

DEVICES = 3
PANES = 30
TENTHS = SECOND_US // 10


@given(
    last=st.lists(st.integers(-90, 0), min_size=DEVICES, max_size=DEVICES),
    came=st.lists(st.tuples(st.integers(0, DEVICES - 1), st.integers(1, 10 * PANES)), max_size=30, unique=True),
    silences=st.lists(
        st.one_of(st.integers(1, 120), st.lists(st.integers(1, 120), min_size=DEVICES, max_size=DEVICES)), max_size=3
    ),
)
def test_every_second_in_which_somebody_becomes_silent_or_is_heard_again_is_found(
    last: list[int], came: list[tuple[int, int]], silences: list[int | list[int]]
) -> None:
    last_us = np.array(last, np.int64) * TENTHS
    rows = sorted(came)
    who = np.array([device for device, _ in rows], np.int32)
    at_us = np.array([tenth for _, tenth in rows], np.int64) * TENTHS
    lines = [line_of(who, at_us, last_us)] if rows else []
    limits = [np.array(each, np.int64) * TENTHS if isinstance(each, list) else each * TENTHS for each in silences]
    found = Turn.of(lines).changes_us(limits, last_us, 0, PANES * SECOND_US)

    expected = []
    before = [silent(who, at_us, last_us, limit, 0) for limit in limits]
    for pane in range(1, PANES + 1):
        now = [silent(who, at_us, last_us, limit, pane * SECOND_US) for limit in limits]
        if now != before:
            expected.append(pane * SECOND_US)
        before = now
    assert set(found) >= set(expected)
    assert len(found) == len(set(found))
    # A silence that ends in the second in which another of the same device begins shows no change.
    assert len(found) - len(expected) <= len(rows)


def silent(who: np.ndarray, at_us: np.ndarray, last_us: np.ndarray, limit_us: np.ndarray | int, now_us: int) -> bytes:
    heard_us = last_us.copy()
    here = at_us <= now_us
    np.maximum.at(heard_us, who[here], at_us[here])
    return bytes((now_us - heard_us >= limit_us).tobytes())


def line_of(who: np.ndarray, at_us: np.ndarray, last_us: np.ndarray) -> Line:
    device, first, times = np.unique(who, return_index=True, return_counts=True)
    before_us = np.append(0, at_us[:-1])
    before_us[first] = last_us[device]
    values = np.zeros((len(device), 1), np.float32)
    return Line(device.astype(np.int32), times, np.zeros(len(device), np.int64), values, who, at_us, before_us)
