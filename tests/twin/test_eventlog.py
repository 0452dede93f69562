"""The digest depends on the rows alone: not on batching, not on the order in which a batch was written."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.eventlog import BLOCK_ROWS, Code, EventLog

ROWS = st.lists(st.tuples(st.integers(0, 50), st.sampled_from([33, 34, 38]), st.integers(0, 9)), max_size=80)


def digest(rows: list[tuple[int, int, int]], cuts: list[int]) -> str:
    log = EventLog()
    ordered = sorted(rows)
    edges = sorted({0, *(cut % (len(rows) + 1) for cut in cuts), len(rows)})
    for low, high in pairwise(edges):
        part = ordered[low:high]
        # Within one call the order does not matter.
        time, code, subject = (np.array(column) for column in zip(*reversed(part), strict=True))
        log.add(time, code.astype(np.uint8), subject.astype(np.int32))
        log.seal(part[0][0])
    log.seal(1_000)
    return log.digest()


@given(ROWS.filter(bool), st.lists(st.integers(0, 1_000), max_size=5))
def test_batching_does_not_enter_the_digest(rows: list[tuple[int, int, int]], cuts: list[int]) -> None:
    assert digest(rows, cuts) == digest(rows, [])


def test_every_row_counts() -> None:
    one, other = EventLog(), EventLog()
    for log, value in ((one, 1), (other, 2)):
        for at_us in range(BLOCK_ROWS + 10):
            log.tell(at_us, Code.PANE, 0, value if at_us == 17 else 0)
        log.seal(1 << 40)
    assert one.digest() != other.digest()
    assert one.rows_hashed == BLOCK_ROWS
    assert one.counts == {Code.PANE: BLOCK_ROWS + 10}


TOLD = st.lists(st.tuples(st.integers(0, 50), st.sampled_from([Code.PANE, Code.MARK]), st.integers(0, 9)), max_size=60)


@given(TOLD, ROWS, st.lists(st.integers(0, 50), max_size=6))
def test_rows_of_stories_are_sealed_alone_or_among_those_of_devices_in_the_same_order(
    told: list[tuple[int, Code, int]], rows: list[tuple[int, int, int]], seals: list[int]
) -> None:
    """The few rows of a calm second are sorted and counted by plain Python, beside devices' by NumPy."""
    log = EventLog(keep=[])
    log_once = EventLog(keep=[])
    edges = [0, *sorted(seals), 51]
    for low, high in pairwise(edges):
        for at_us, code, subject in told:
            if low <= at_us < high:
                log.tell(at_us, code, subject, subject * 3)
        part = [row for row in rows if low <= row[0] < high]
        if part:
            time, code_of, device = (np.array(column) for column in zip(*part, strict=True))
            log.add(time, code_of.astype(np.uint8), device.astype(np.int32))
        log.seal(high)
    for at_us, code, subject in told:
        log_once.tell(at_us, code, subject, subject * 3)
    # One device row makes the general way do all of it; the other log gets the same one at the end.
    for one in (log, log_once):
        one.add(np.array([60]), np.array([33], np.uint8), np.array([1], np.int32))
    if rows:
        time, code_of, device = (np.array(column) for column in zip(*rows, strict=True))
        log_once.add(time, code_of.astype(np.uint8), device.astype(np.int32))
    for one in (log, log_once):
        one.seal(1_000)
    assert log.keep is not None
    assert log_once.keep is not None
    assert np.concatenate(log.keep).tolist() == np.concatenate(log_once.keep).tolist()
    assert log.counts == log_once.counts
    assert log.digest() == log_once.digest()
