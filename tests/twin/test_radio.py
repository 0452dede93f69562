"""Time on air, silence after it, and the chain of Gilbert and Elliott against one packet at a time."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twinstorm.twin.chance import stream, words
from twinstorm.twin.radio import LORAWAN_HEADER_BYTES, BurstLoss, Lora, off_us

PROBABILITIES = st.sampled_from((0.0, 0.01, 0.2, 0.5, 0.8, 1.0)) | st.floats(0.0, 1.0)


# --- LoRa -------------------------------------------------------------------------------------------------------------


@given(st.integers(7, 12), st.sampled_from((125_000, 250_000, 500_000)), st.integers(1, 4), st.integers(0, 254))
def test_more_bytes_and_more_redundancy_never_take_less_time(
    spreading: int, bandwidth_hz: int, coding: int, payload_bytes: int
) -> None:
    modem = Lora(spreading, bandwidth_hz, coding)
    assert modem.airtime_us(payload_bytes) <= modem.airtime_us(payload_bytes + 1)
    if coding < 4:
        assert modem.airtime_us(payload_bytes) <= Lora(spreading, bandwidth_hz, coding + 1).airtime_us(payload_bytes)
    if spreading < 12:
        assert modem.airtime_us(payload_bytes) < Lora(spreading + 1, bandwidth_hz, coding).airtime_us(payload_bytes)


def test_what_header_checksum_and_preamble_cost() -> None:
    whole = Lora(7)
    assert whole.symbols(14) == 8 + 5 * 5
    assert Lora(7, checksum=False).symbols(14) == 8 + 5 * 4
    assert Lora(7, explicit_header=False).symbols(14) == 8 + 5 * 4
    assert Lora(7, preamble=12).airtime_us(13) - whole.airtime_us(13) == 4 * 1_024
    assert Lora(12, explicit_header=False, checksum=False).symbols(0) == 8


@pytest.mark.parametrize(
    ("spreading", "bandwidth_hz", "slow"),
    [(10, 125_000, False), (11, 125_000, True), (12, 125_000, True), (11, 250_000, False), (12, 250_000, True)],
)
def test_low_rates_are_optimised_where_symbols_are_long(spreading: int, bandwidth_hz: int, slow: bool) -> None:
    assert Lora(spreading, bandwidth_hz).symbols(51) == Lora(spreading, bandwidth_hz, low_rate=slow).symbols(51)
    assert Lora(spreading, bandwidth_hz).symbols(51) != Lora(spreading, bandwidth_hz, low_rate=not slow).symbols(51)


def test_a_begun_microsecond_counts_whole() -> None:
    assert Lora(7, 41_700).symbol_us == Fraction(128_000_000, 41_700)
    exact = (Fraction(49, 4) + Lora(7, 41_700).symbols(10)) * Lora(7, 41_700).symbol_us
    assert 0 < Lora(7, 41_700).airtime_us(10) - exact < 1


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"spreading": 5}, "spreading"),
        ({"spreading": 13}, "spreading"),
        ({"spreading": 6}, "explicit_header"),
        ({"spreading": 7, "bandwidth_hz": 0}, "bandwidth_hz"),
        ({"spreading": 7, "coding": 5}, "coding"),
        ({"spreading": 7, "preamble": -1}, "preamble"),
    ],
)
def test_impossible_modems_are_named(settings: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Lora(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("payload_bytes", [-1, 256])
def test_a_payload_that_no_frame_holds_is_refused(payload_bytes: int) -> None:
    with pytest.raises(ValueError, match="payload_bytes"):
        Lora(7).airtime_us(payload_bytes)


def test_a_header_is_thirteen_bytes_and_the_silence_keeps_the_duty_cycle() -> None:
    airtime_us = Lora(12).airtime_us(LORAWAN_HEADER_BYTES + 51)
    for duty in (Fraction(1, 1000), Fraction(1, 100), Fraction(1, 10), Fraction(1)):
        silent_us = off_us(airtime_us, duty)
        assert Fraction(airtime_us, airtime_us + silent_us) <= duty
        assert silent_us == 0 or Fraction(airtime_us, airtime_us + silent_us - 1) > duty


@pytest.mark.parametrize("duty", [Fraction(0), Fraction(11, 10)])
def test_a_duty_cycle_is_a_share(duty: Fraction) -> None:
    with pytest.raises(ValueError, match="duty"):
        off_us(1_000, duty)


# --- bursts -----------------------------------------------------------------------------------------------------------


def one_at_a_time(chain: BurstLoss, bad: bool, draws: list[int]) -> tuple[list[bool], bool]:
    lost = []
    for draw in draws:
        high, low = (draw >> 32) / 2**32, (draw % 2**32) / 2**32
        bad = high < (1.0 - chain.recover if bad else chain.worsen)
        lost.append(low < 1.0 - (chain.through_bad if bad else chain.through_good))
    return lost, bad


@given(
    st.tuples(PROBABILITIES, PROBABILITIES, PROBABILITIES, PROBABILITIES),
    st.lists(st.booleans(), min_size=1, max_size=4),
    st.integers(0, 40),
    st.integers(0, 2**32),
)
def test_all_packets_at_once_are_one_packet_at_a_time(
    chances: tuple[float, float, float, float], bad: list[bool], packets: int, seed: int
) -> None:
    assume(chances[0] + chances[1] > 0.0)
    chain = BurstLoss(*chances)
    draws = words(seed, np.arange(packets * len(bad), dtype=np.uint64), 0).reshape(packets, len(bad))
    lost, last = chain.lost(np.array(bad), draws)
    for link, was_bad in enumerate(bad):
        assert (lost[:, link].tolist(), bool(last[link])) == one_at_a_time(chain, was_bad, draws[:, link].tolist())


@given(st.integers(0, 30), st.integers(0, 2**32))
def test_sending_in_two_parts_changes_nothing(cut: int, seed: int) -> None:
    chain = BurstLoss(0.3, 0.8, 0.9, 0.2)
    draws = words(seed, np.arange(90, dtype=np.uint64), 0).reshape(30, 3)
    bad = np.array([False, True, False])
    whole, last = chain.lost(bad, draws)
    first, between = chain.lost(bad, draws[:cut])
    rest, end = chain.lost(between, draws[cut:])
    assert np.array_equal(np.concatenate([first, rest]), whole)
    assert np.array_equal(end, last)
    assert bad.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "chain",
    [BurstLoss(0.02, 0.5), BurstLoss(0.1, 0.05, 0.999, 0.1), BurstLoss(0.9, 0.8), BurstLoss(0.3, 0.7, 0.8, 0.3)],
    ids=str,
)
def test_the_sampler_has_the_statistics_of_the_formulas(chain: BurstLoss) -> None:
    links, packets = 1_000, 700
    draws = words(stream(1, 2), np.arange(links * packets, dtype=np.uint64), 0).reshape(packets, links)
    lost = chain.lost(np.zeros(links, np.bool_), draws)[0][100:]
    share, both = lost.mean(), (lost[1:] & lost[:-1]).mean()
    assert share == pytest.approx(chain.loss, rel=0.02)
    assert (both - share**2) / (share - share**2) == pytest.approx(chain.correlation, abs=0.01)
    assert share / (lost[:-1] & ~lost[1:]).mean() == pytest.approx(chain.mean_burst, rel=0.02)
    assert (1 - share) / (~lost[:-1] & lost[1:]).mean() == pytest.approx(chain.mean_gap, rel=0.02)


def test_links_that_lose_all_or_nothing() -> None:
    never, always, in_turn = BurstLoss(0.0, 0.5), BurstLoss(0.5, 0.0), BurstLoss(1.0, 1.0)
    assert (never.loss, never.mean_burst, never.mean_gap, never.correlation) == (0.0, 0.0, math.inf, 0.0)
    assert (always.loss, always.mean_burst, always.mean_gap, always.correlation) == (1.0, math.inf, 0.0, 0.0)
    assert (in_turn.loss, in_turn.mean_burst, in_turn.mean_gap, in_turn.correlation) == (0.5, 1.0, 1.0, -1.0)


@pytest.mark.parametrize(
    ("settings", "name"),
    [((0.0, 0.0), "worsen or recover"), ((1.1, 0.2), "worsen"), ((0.1, -0.2), "recover"), ((0.1, math.nan), "recover")],
)
def test_impossible_chains_are_named(settings: tuple[float, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        BurstLoss(*settings)
