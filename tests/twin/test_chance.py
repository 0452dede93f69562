"""Keyed chance: a draw depends on seed, purpose, device and number, and on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from twinstorm.twin.chance import Purpose, below, below_one, device_key, stream, word, words

U64 = st.integers(0, 2**64 - 1)
SEEDS = st.integers(0, 2**63 - 1)
NUMBERS = st.integers(0, 2**62)


def keys(count: int, name: str = "fra-1/motors") -> NDArray[np.uint64]:
    return np.array([device_key(f"{name}-{i:04d}") for i in range(count)], np.uint64)


def test_draws_are_the_same_for_ever() -> None:
    """If one of these changes, every digest of every run changes."""
    key = device_key("fra-1/motors-0001")
    assert key == 0x43FF0B5C3E5C375E
    assert stream(42, Purpose.NOISE) == 0xF06DB12C7D532987
    assert word(stream(42, Purpose.NOISE), key, 5) == 0xABE41ADF230E967A


def test_numbers_of_purposes_never_change() -> None:
    """Add at the end; the names below keep their numbers."""
    assert [purpose.name for purpose in sorted(Purpose)][:12] == [
        "UPLINK", "DOWNLINK", "BACKOFF", "BOOT", "RESET", "DETECT",
        "MACHINE", "NOISE", "READING_LINK", "SELECT", "RANGE", "PORT",
    ]  # fmt: skip
    assert sorted(Purpose) == list(range(1, len(Purpose) + 1))


@given(U64, st.lists(U64, min_size=1, max_size=20), NUMBERS)
def test_one_draw_equals_many(stream_key: int, device_keys: list[int], number: int) -> None:
    many = words(stream_key, np.array(device_keys, np.uint64), number).tolist()
    assert many == [word(stream_key, key, number) for key in device_keys]
    each = words(stream_key, np.array(device_keys, np.uint64), np.full(len(device_keys), number)).tolist()
    assert each == many


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64])
def test_the_type_of_the_number_does_not_matter(dtype: Any) -> None:
    numbers = np.arange(50).astype(dtype)
    assert words(3, keys(50), numbers).tolist() == [word(3, int(k), i) for i, k in enumerate(keys(50))]


@given(st.permutations(range(40)), st.integers(1, 39))
def test_draws_depend_neither_on_order_nor_on_blocks(order: list[int], cut: int) -> None:
    device_keys, numbers = keys(40), np.arange(40) * 7
    whole = words(9, device_keys, numbers)
    shuffled = words(9, device_keys[order], numbers[order])
    assert np.array_equal(shuffled, whole[order])
    parts = [words(9, device_keys[rows], numbers[rows]) for rows in (slice(cut), slice(cut, None))]
    assert np.array_equal(np.concatenate(parts), whole)
    strided = np.repeat(device_keys, 3)[::3]
    assert np.array_equal(words(9, strided, numbers), whole)


def test_drawing_changes_nothing() -> None:
    device_keys = keys(10)
    before = device_keys.copy()
    first = words(1, device_keys, 0)
    assert np.array_equal(words(1, device_keys, 0), first)
    assert np.array_equal(device_keys, before)


def test_a_new_device_moves_no_other() -> None:
    assert np.array_equal(words(1, keys(11), 4)[:10], words(1, keys(10), 4))


def test_seed_purpose_device_and_number_each_matter() -> None:
    base = (7, Purpose.BOOT, device_key("a/x-1"), 3)
    others = [(8, *base[1:]), (7, Purpose.BACKOFF, *base[2:]), (*base[:2], device_key("a/x-2"), 3), (*base[:3], 4)]
    drawn = [word(stream(seed, purpose), key, number) for seed, purpose, key, number in [base, *others]]
    assert len(set(drawn)) == 5


@given(SEEDS, st.sampled_from(Purpose), U64, NUMBERS, st.integers(0, 61), st.sampled_from(["seed", "key", "number"]))
def test_one_bit_of_any_part_turns_about_half_of_the_draw(
    seed: int, purpose: Purpose, key: int, number: int, bit: int, part: str
) -> None:
    changed = {"seed": seed, "key": key, "number": number}
    changed[part] ^= 1 << bit
    first = word(stream(seed, purpose), key, number)
    second = word(stream(changed["seed"], purpose), changed["key"], changed["number"])
    assert 8 <= (first ^ second).bit_count() <= 56  # beyond six standard deviations of 32 +- 4


@pytest.mark.parametrize("over", ["devices", "numbers", "seeds"])
def test_draws_are_uniform_and_independent(over: str) -> None:
    n = 1 << 16
    if over == "devices":
        drawn = words(stream(1, Purpose.RESET), np.arange(n, dtype=np.uint64), 0)
    elif over == "numbers":
        drawn = words(stream(1, Purpose.RESET), np.full(n, device_key("a/b-1"), np.uint64), np.arange(n))
    else:
        drawn = np.array([word(stream(seed, Purpose.RESET), 5, 0) for seed in range(n)], np.uint64)
    assert len(np.unique(drawn)) == n
    # Every byte: chi-square of 256 bins, mean 255, standard deviation 22.6.
    for byte in drawn.view(np.uint8).reshape(n, 8).T:
        counts = np.bincount(byte, minlength=256)
        chi_square = float(((counts - n / 256) ** 2).sum() / (n / 256))
        assert 255 - 6 * 22.6 < chi_square < 255 + 6 * 22.6
    unit = drawn.astype(np.float64) / 2.0**64
    neighbours = float(np.corrcoef(unit[:-1], unit[1:])[0, 1])
    assert abs(neighbours) < 5 / n**0.5


@given(st.lists(U64, min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_below_stays_below_and_equals_one_at_a_time(draws: list[int], limit: int) -> None:
    found = below(np.array(draws, np.uint64), limit).tolist()
    assert found == [below_one(draw, limit) for draw in draws]
    assert all(0 <= value < max(limit, 1) for value in found)
    each = below(np.array(draws, np.uint64), np.full(len(draws), limit, np.int64))
    assert each.dtype == np.int64
    assert each.tolist() == found


def test_below_reaches_both_ends_evenly() -> None:
    counts = np.bincount(below(words(2, np.arange(60_000, dtype=np.uint64), 0), 6), minlength=6)
    assert (np.abs(counts - 10_000) < 500).all()
    assert below_one(0, 10) == 0
    assert below_one(2**64 - 1, 10) == 9
