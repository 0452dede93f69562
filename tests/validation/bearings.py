"""Rolling bearings: rates of their defects, rating life, scatter of lives, zones of severity."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from tests.validation.case import Case, Subject
from twinstorm.twin.chance import stream, words
from twinstorm.twin.physics import bearing, spread
from twinstorm.twin.physics.bearing import CWRU_6205
from twinstorm.twin.physics.waveform import Defects, acceleration

CWRU = "Bearing Data Center, Case Western Reserve University, 6205-2RS"
ISO_281 = "ISO 281"
ISO_10816_1 = "ISO 10816-1"
ISO_10816_3 = "ISO 10816-3; charts in circulation differ"
TURNS_PER_S = 1797.0 / 60.0


@cache
def heard_order(part: str) -> float:
    """Strongest rate in the envelope of a simulated record, in turns of the shaft; sidebands are weaker."""
    rate_hz, seconds = 25_600.0, 4
    defects = Defects(**{part: 1.0})
    record = acceleration(CWRU_6205, TURNS_PER_S, defects, key=7, samples=int(rate_hz) * seconds, rate_hz=rate_hz)
    lines = np.fft.fft(record.astype(np.float64))
    rates = np.fft.fftfreq(len(record), 1.0 / rate_hz)
    lines[(rates < 2_000.0) | (rates > 5_000.0)] = 0.0
    envelope = np.abs(np.fft.ifft(lines))
    amplitudes = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(len(envelope))))
    lowest = 3 * seconds
    return float(lowest + amplitudes[lowest:].argmax()) / seconds / TURNS_PER_S


def upper_limit(machine_class: str, worst: str) -> float:
    """Highest velocity, in steps of 0.01 mm/s, of a zone no worse than this."""
    return max(v for v in (step / 100.0 for step in range(2_000)) if bearing.zone(v, machine_class) <= worst)


def upper_limit_of_group(group: int, foundation: str, worst: str) -> float:
    limits = bearing.ISO_10816_3_MM_S[group, foundation]
    return max(v for v in (step / 100.0 for step in range(2_000)) if bearing.zone_within(v, limits) <= worst)


def zone_number(velocity_mm_s: float, machine_class: str) -> float:
    return float("ABCD".index(bearing.zone(velocity_mm_s, machine_class)) + 1)


@cache
def drawn_share_alive(life_10_h: float, shape: float, age_h: float) -> float:
    """Of 100,000 machines, drawn by the chance of the fleet."""
    scale = bearing.weibull_scale(life_10_h, shape)
    draws = words(stream(42, 1), np.arange(100_000, dtype=np.uint64), 0)
    return float((spread.weibull(draws, scale, shape) > age_h).mean())


def share_alive_at_scale(shape: float) -> float:
    scale = bearing.weibull_scale(940.0, shape)
    return bearing.survival(scale, scale, shape)


def needed_rating() -> float:
    """C/P at which a ball bearing lasts 20,000 h at 1,500 rpm, searched for."""
    low, high = 1.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if bearing.rating_life_hours(middle, 1.0, 1_500.0) < 20_000.0 else (low, middle)
    return low


def limits_of_1(machine_class: str, published: tuple[float, float, float]) -> tuple[Case, ...]:
    return tuple(
        Case(
            f"class {machine_class}, zone {zone} up to, mm/s",
            ISO_10816_1,
            limit,
            5e-3,
            partial(upper_limit, machine_class, zone),
        )
        for zone, limit in zip("ABC", published, strict=True)
    )


def limits_of_3(group: int, foundation: str, published: tuple[float, float, float]) -> tuple[Case, ...]:
    return tuple(
        Case(
            f"group {group} {foundation}, zone {zone} up to, mm/s",
            ISO_10816_3,
            limit,
            5e-3,
            partial(upper_limit_of_group, group, foundation, zone),
        )
        for zone, limit in zip("ABC", published, strict=True)
    )


SUBJECT = Subject(
    "Bearings",
    "`twin/physics/bearing.py`, `spread.py`; what is heard: the envelope of a record of `waveform.py`",
    (
        Case("outer race, order", CWRU, 3.5848, 1e-4, lambda: CWRU_6205.outer),
        Case("inner race, order", CWRU, 5.4152, 1e-4, lambda: CWRU_6205.inner),
        Case("cage, order", CWRU, 0.39828, 5e-5, lambda: CWRU_6205.cage),
        Case("rolling element on both races, order", CWRU, 4.7135, 5e-4, lambda: 2.0 * CWRU_6205.spin),
        Case("outer and inner race, orders together", "geometry", 9.0, 1e-6, lambda: CWRU_6205.outer + CWRU_6205.inner),
        Case(
            "outer race as heard at 1797 rpm, order", CWRU, 3.5848, 0.01, partial(heard_order, "outer"), relative=True
        ),
        Case(
            "inner race as heard at 1797 rpm, order", CWRU, 5.4152, 0.01, partial(heard_order, "inner"), relative=True
        ),
        Case(
            "rolling element as heard at 1797 rpm, order",
            CWRU,
            4.7135,
            0.01,
            partial(heard_order, "ball"),
            relative=True,
        ),
        Case("cage as heard at 1797 rpm, order", CWRU, 0.39828, 0.02, partial(heard_order, "cage"), relative=True),
        Case("6309 at 10 kN, million turns", "SKF catalogue", 169.0, 0.5, lambda: bearing.rating_life_mrev(55.3, 10.0)),
        Case(
            "6309 at 10 kN, 3000 rpm, h",
            "SKF catalogue",
            940.0,
            1.0,
            lambda: bearing.rating_life_hours(55.3, 10.0, 3000.0),
        ),
        Case(
            "6309 at 4 kN, 1800 rpm, h",
            "SKF calculator, three digits",
            24_500.0,
            50.0,
            lambda: bearing.rating_life_hours(55.3, 4.0, 1800.0),
        ),
        Case(
            "roller bearing at a tenth of its rating, million turns",
            ISO_281,
            2154.4,
            0.1,
            lambda: bearing.rating_life_mrev(40.0, 4.0, bearing.ROLLER),
        ),
        *(
            Case(
                f"{kind} bearing, load over rating 1/{ratio:g}, million turns",
                ISO_281 + ", basic rating life",
                life,
                5e-3,
                partial(bearing.rating_life_mrev, ratio, 1.0, exponent),
                relative=True,
            )
            for kind, exponent, ratio, life in (
                ("ball", bearing.BALL, 2.0, 8.0),
                ("ball", bearing.BALL, 4.64, 100.0),
                ("ball", bearing.BALL, 10.0, 1000.0),
                ("roller", bearing.ROLLER, 2.0, 10.1),
                ("roller", bearing.ROLLER, 3.98, 100.0),
            )
        ),
        Case(
            "ball bearing at 1,500 rpm that lasts 20,000 h: rating over load",
            "SKF catalogue, table of C/P",
            12.2,
            0.05,
            needed_rating,
        ),
        Case("alive at the scale, slope 1.5, share", "Weibull: 1/e", 0.36788, 1e-5, partial(share_alive_at_scale, 1.5)),
        *(
            Case(
                f"alive at twice L10, slope {slope:g}, of 100,000 drawn, share",
                "Weibull: 0.9 to the power 2^slope",
                published,
                5e-3,
                partial(drawn_share_alive, 940.0, slope, 2 * 940.0),
            )
            for slope, published in ((0.7, 0.8427), (1.0, 0.81), (1.5, 0.7423), (3.0, 0.4305))
        ),
        Case("class II at 3.2 mm/s, zone (A 1 to D 4)", ISO_10816_1, 3.0, 0.0, partial(zone_number, 3.2, "II")),
        *limits_of_1("I", (0.71, 1.8, 4.5)),
        *limits_of_1("II", (1.12, 2.8, 7.1)),
        *limits_of_1("III", (1.8, 4.5, 11.2)),
        *limits_of_1("IV", (2.8, 7.1, 18.0)),
        *limits_of_3(1, "rigid", (2.3, 4.5, 7.1)),
        *limits_of_3(1, "soft", (3.5, 7.1, 11.0)),
        *limits_of_3(2, "rigid", (1.4, 2.8, 4.5)),
        *limits_of_3(2, "soft", (2.3, 4.5, 7.1)),
    ),
)
