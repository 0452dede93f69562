"""Where devices stand: exact numbers, by shares, and one device more never moves another."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.scenarios.language.model import Scenario, Site
from twinstorm.scenarios.language.placement import apportion, place
from twinstorm.scenarios.language.reach import Reach
from twinstorm.scenarios.language.selectors import parse

REPEATABLE = settings(derandomize=True, deadline=None)


def sites(*weights: int) -> list[Site]:
    total = sum(weights)
    return [Site(f"s-{index}", "s", Fraction(weight, total)) for index, weight in enumerate(weights)]


WEIGHTS = st.lists(st.integers(1, 50), min_size=1, max_size=12)


def test_with_equal_shares_device_k_goes_to_site_k_mod_s() -> None:
    before: tuple[int, ...] = (0,) * 5
    for k in range(23):
        after = place(k + 1, sites(1, 1, 1, 1, 1))
        assert [b - a for a, b in zip(before, after, strict=True)] == [int(s == k % 5) for s in range(5)]
        before = after


@REPEATABLE
@given(WEIGHTS, st.integers(0, 300))
def test_one_device_more_moves_no_other(weights: list[int], devices: int) -> None:
    before, after = place(devices, sites(*weights)), place(devices + 1, sites(*weights))
    assert sum(before) == devices
    assert sorted(b - a for a, b in zip(before, after, strict=True)) == [0] * (len(weights) - 1) + [1]


@REPEATABLE
@given(WEIGHTS, st.integers(0, 300))
def test_counting_the_bulk_gives_what_dealing_one_by_one_gives(weights: list[int], devices: int) -> None:
    dealt = [0] * len(weights)
    for _ in range(devices):
        behind = [Fraction(2 * count + 1, weight) for count, weight in zip(dealt, weights, strict=True)]
        dealt[behind.index(min(behind))] += 1
    assert place(devices, sites(*weights)) == tuple(dealt)


@REPEATABLE
@given(WEIGHTS, st.integers(1, 40))
def test_whole_rounds_meet_the_shares_exactly(weights: list[int], rounds: int) -> None:
    assert place(sum(weights) * rounds, sites(*weights)) == tuple(weight * rounds for weight in weights)


def test_a_million_devices_on_ten_thousand_sites_are_counted_not_dealt() -> None:
    counts = place(1_000_003, sites(*([1] * 10_000)))
    assert sum(counts) == 1_000_003
    assert counts[:4] == (101, 101, 101, 100)


def test_awkward_shares_are_exact() -> None:
    awkward = [Site("a", "a", Fraction(1, 3)), Site("b", "b", Fraction(333_333_333, 10**9))]
    awkward.append(Site("c", "c", 1 - awkward[0].share - awkward[1].share))
    assert place(9, awkward) == (3, 3, 3)


def test_a_share_of_nothing_gets_nothing() -> None:
    assert apportion(7, [Fraction(0), Fraction(1, 3), Fraction(2, 3)]) == (0, 2, 5)


@pytest.mark.parametrize("devices", range(100, 400))
def test_no_segment_of_the_plant_mix_loses_a_device_when_one_joins(devices: int) -> None:
    mix = [Fraction(share, 1_000) for share in (600, 100, 65, 200, 30, 5)]
    before, after = apportion(devices, mix), apportion(devices + 1, mix)
    assert sorted(b - a for a, b in zip(before, after, strict=True)) == [0] * 5 + [1]


@pytest.mark.parametrize(
    ("selector", "devices"),
    [
        ("all", 10_000),
        ("site=fra-*", 6_000),
        ("region=fra", 6_000),
        ("zone=fra-1,fra-2", 4_000),
        ("site!=fra-1", 8_000),
        ("segment=climate", 2_000),
        ("kind=motor site=arn-1", 1_600),
        ("link=wifi region=sin", 400),
        ("firmware<2", 10_000),
        ("firmware>=2", 0),
        ("origin=simulated", 10_000),
        ("origin=guest", 0),
        ("id=fra-2/motors-0042", 1),
        ("id=fra-2/motors-004*", 10),
        ("id=*/motors-1600", 5),
        ("id=*/motors-1601", 0),
        ("id=fra-2/* segment=climate", 400),
        ("id!=fra-2/motors-0042 site=fra-2 kind=motor", 1_599),
        ("site=fra-* share=0.5 %", 30),
        ("site=fra-* first=7", 7),
        ("site=arn-1 first=999999", 2_000),
        ("all share=0.004 %", 0),
        ("site=iad-*", 0),
        ("segment=climate kind=motor", 0),
    ],
)
def test_how_many_devices_a_selector_names(storm: Callable[..., Scenario], selector: str, devices: int) -> None:
    assert Reach(storm().fleet).count(parse(selector)) == devices


def test_known_values_are_those_of_the_fleet(storm: Callable[..., Scenario]) -> None:
    reach = Reach(storm().fleet)
    assert reach.known("site") == ("arn-1", "fra-1", "fra-2", "fra-3", "sin-1")
    assert reach.known("region") == ("arn", "fra", "sin")
    assert reach.known("kind") == ("motor", "environment")
    assert reach.known("id")[0] == "arn-1/motors-0001"
