"""Broken parts of bearings, found in records of twins that know what is broken."""

from __future__ import annotations

import numpy as np
import pytest

from twinstorm.detectors.values.spectral import Orders, diagnose, envelope_spectrum
from twinstorm.twin.physics.bearing import CWRU_6205
from twinstorm.twin.physics.shaken import RATE_HZ
from twinstorm.twin.physics.waveform import Defects, acceleration

TURNS_PER_S = 24.6
ORDERS = Orders.of(CWRU_6205.rollers, CWRU_6205.roller_mm, CWRU_6205.pitch_mm)


@pytest.mark.parametrize("part", ["outer", "inner", "ball", "cage", ""])
@pytest.mark.parametrize("key", [1, 2])
def test_the_part_that_is_broken_is_named_and_of_a_whole_bearing_none(part: str, key: int) -> None:
    severity = {part: 0.3} if part else {}
    record = acceleration(CWRU_6205, TURNS_PER_S, Defects(imbalance_mm_s=1.0, **severity), key, samples=51_200)
    found = diagnose(record.astype(np.float64), RATE_HZ, TURNS_PER_S, ORDERS)
    assert found.part == part
    if part in ("outer", "inner", "ball"):
        assert found.lines[0].score > 3.0 * found.lines[1].score
        assert found.lines[0].found_hz == pytest.approx(found.lines[0].expected_hz, rel=0.02)


def test_orders_are_those_of_the_geometry() -> None:
    assert (ORDERS.outer, ORDERS.inner) == pytest.approx((CWRU_6205.outer, CWRU_6205.inner))
    assert (ORDERS.ball, ORDERS.cage) == pytest.approx((2.0 * CWRU_6205.spin, CWRU_6205.cage))


def test_a_modulated_tone_has_its_modulation_in_the_envelope_spectrum() -> None:
    at_s = np.arange(20_000) / 20_000.0
    record = (1.0 + 0.5 * np.cos(2.0 * np.pi * 37.0 * at_s)) * np.sin(2.0 * np.pi * 4_000.0 * at_s)
    at_hz, heights = envelope_spectrum(record, 20_000.0)
    assert at_hz[np.argmax(heights)] == 37.0
    assert heights.max() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "turns_per_s", "said"),
    [
        (np.zeros(10), 25_600.0, 25.0, "turns of the shaft"),
        (np.zeros(60_000), 2_000.0, 25.0, "hold no band"),
        (np.full(60_000, np.nan), 25_600.0, 25.0, "no gaps"),
        (np.zeros(60_000), 25_600.0, 0.0, "must turn"),
    ],
)
def test_a_record_that_cannot_tell_is_refused(
    samples: np.ndarray[tuple[int], np.dtype[np.float64]], rate_hz: float, turns_per_s: float, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        diagnose(samples, rate_hz, turns_per_s, ORDERS)
