"""The memory of sequence numbers: set semantics within its bounds, and never the same reading twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.dedupe import WINDOW, Seen

Key = tuple[int, int, int]


def take(seen: Seen, keys: Sequence[Key]) -> list[bool]:
    device, boot, seq = (np.array(column) for column in zip(*keys, strict=True))
    return seen.take(device.astype(np.int32), boot.astype(np.int32), seq.astype(np.int64)).new.tolist()


def numbers(seen: Seen, seqs: Sequence[int], boot: int = 1) -> list[int]:
    """Those of the numbers that were new, sent one batch."""
    return [seq for seq, new in zip(seqs, take(seen, [(0, boot, seq) for seq in seqs]), strict=True) if new]


def test_a_number_counts_once() -> None:
    seen = Seen(1)
    assert numbers(seen, [1, 2, 2, 1, 3]) == [1, 2, 3]
    assert numbers(seen, [3, 2, 4]) == [4]


def test_numbers_that_change_places_all_count() -> None:
    seen = Seen(1)
    for seq in (5, 3, 4, 1, 2):
        assert numbers(seen, [seq]) == [seq]
    assert numbers(seen, [1, 2, 3, 4, 5]) == []


def test_a_number_at_the_edge_of_the_window_counts_and_an_older_one_does_not() -> None:
    seen = Seen(1)
    numbers(seen, [seq for seq in range(1, 201) if seq not in (200 - WINDOW, 200 - WINDOW + 1)])
    # The longest stretch that was skipped is remembered as a gap; make it another one.
    numbers(seen, [205])
    seen.current.gap_from[:] = seen.current.gap_to[:] = 0
    assert numbers(seen, [205 - WINDOW, 205 - WINDOW + 1]) == []
    assert numbers(seen, [202, 203]) == [202, 203]
    assert numbers(seen, [206, 206 - WINDOW + 1]) == [206]


def test_sixty_four_numbers_are_remembered_one_by_one() -> None:
    seen = Seen(1)
    numbers(seen, [100])
    seen.current.gap_from[:] = seen.current.gap_to[:] = 0
    assert numbers(seen, [36, 37]) == [37]


def test_what_was_buffered_counts_after_live_readings_that_overtook_it() -> None:
    seen = Seen(1)
    numbers(seen, range(1, 11))
    assert numbers(seen, [500]) == [500]
    for seq in range(11, 500):
        assert numbers(seen, [seq]) == [seq], "oldest first, one by one"
        if seq % 100 == 0:
            assert numbers(seen, [500 + seq // 100]) == [500 + seq // 100], "with live readings in between"
    assert numbers(seen, range(1, 505)) == []


def test_a_first_reading_that_is_not_the_first_leaves_room_for_those_before() -> None:
    seen = Seen(1)
    assert numbers(seen, [300]) == [300]
    assert numbers(seen, range(300)) == list(range(300))
    assert numbers(seen, range(301)) == []


def test_numbers_may_go_on_over_a_boot_or_begin_again() -> None:
    seen = Seen(2)
    assert take(seen, [(0, 1, 7), (1, 1, 7)]) == [True, True]
    assert take(seen, [(0, 2, 8), (1, 2, 1)]) == [True, True]
    assert take(seen, [(0, 2, 8), (1, 2, 1), (0, 1, 7), (1, 1, 7)]) == [False] * 4
    assert take(seen, [(0, 1, 6), (1, 1, 6), (1, 2, 2)]) == [True, True, True]


def test_what_a_new_boot_skipped_may_still_come() -> None:
    """Its first reading is live, and what it had buffered since the boot follows."""
    seen = Seen(1)
    numbers(seen, range(1, 11))
    assert numbers(seen, [500], boot=2) == [500]
    assert numbers(seen, range(11, 500), boot=2) == list(range(11, 500))
    assert numbers(seen, range(11, 501), boot=2) == []


def test_several_boots_in_one_batch() -> None:
    seen = Seen(1)
    keys = [(0, 3, 1), (0, 1, 5), (0, 2, 2), (0, 2, 1), (0, 3, 2), (0, 1, 5)]
    assert take(seen, keys) == [True, True, True, True, True, False]
    assert seen.current.boot[0] == 3
    assert seen.former.boot[0] == 2
    assert take(seen, [(0, 1, 6)]) == [False], "older than the two boots that are remembered"


def test_judged_names_the_newest_rows_and_new_boots_in_order() -> None:
    seen = Seen(3)
    take(seen, [(0, 1, 10), (1, 1, 10)])
    device = np.array([1, 0, 1, 0, 2], np.int32)
    boot = np.array([2, 1, 1, 1, 4], np.int32)
    judged = seen.take(device, boot, np.array([11, 9, 11, 11, 1], np.int64))
    assert judged.new.tolist() == [True] * 5
    assert judged.newest.tolist() == [3, 2, 0, 4], "device 0 seq 11; device 1 boot 1, then boot 2; device 2"
    assert judged.began.tolist() == [0, 4]


KEYS = st.tuples(st.integers(0, 2), st.integers(1, 4), st.one_of(st.integers(0, 12), st.integers(0, 300)))


@given(st.lists(st.lists(KEYS, min_size=1, max_size=30), max_size=12))
def test_no_reading_counts_twice_whatever_comes(batches: list[list[Key]]) -> None:
    seen, counted = Seen(3), list[Key]()
    for batch in batches:
        counted.extend(key for key, new in zip(batch, take(seen, batch), strict=True) if new)
    assert len(counted) == len(set(counted))


@given(st.data(), st.integers(2, 3), st.booleans())
def test_a_stream_with_repeats_shuffled_within_the_window_is_the_set(
    data: st.DataObject, boots: int, restarts: bool
) -> None:
    """One device; two boots at most are mixed, and readings are late by fewer than the window."""
    length = data.draw(st.integers(1, 60))
    sent: list[Key] = []
    for boot in range(1, boots + 1):
        first = 1 if restarts else 1 + (boot - 1) * length
        sent.extend((0, boot, seq) for seq in range(first, first + length))
    late = data.draw(st.lists(st.integers(0, min(WINDOW, length) - 1), min_size=len(sent), max_size=len(sent)))
    arrival = [
        key
        for _, key in sorted(zip((i + by for i, by in enumerate(late)), sent, strict=True), key=lambda each: each[0])
    ]
    stream = [key for key in arrival for _ in range(data.draw(st.integers(1, 2)))]
    cut = data.draw(st.integers(1, 20))
    seen, counted = Seen(1), list[Key]()
    for at in range(0, len(stream), cut):
        batch = stream[at : at + cut]
        counted.extend(key for key, new in zip(batch, take(seen, batch), strict=True) if new)
    assert sorted(counted) == sorted(sent)


@given(st.lists(KEYS, min_size=1, max_size=80), st.integers(1, 80))
def test_cutting_a_stream_of_one_reading_a_device_and_batch_changes_nothing(stream: list[Key], cut: int) -> None:
    """In order of arrival, however the stream is cut between batches that hold a device once."""
    whole, parts = Seen(3), Seen(3)
    one_by_one = [take(whole, [key])[0] for key in stream]
    runs: list[list[Key]] = [[]]
    for key in stream:
        if len(runs[-1]) == cut or any(key[0] == other[0] for other in runs[-1]):
            runs.append([])
        runs[-1].append(key)
    assert [new for run in runs for new in take(parts, run)] == one_by_one


def test_numbers_too_far_apart_for_packed_keys_are_sorted_all_the_same() -> None:
    seen = Seen(2)
    keys = [(1, 1, (1 << 53) - 1), (0, 2_000_000_000, 0), (0, 1, (1 << 53) - 1), (0, 1, 0), (1, 1, (1 << 53) - 1)]
    assert take(seen, keys) == [True, True, True, True, False]
