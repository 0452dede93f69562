"""The arithmetic that other figures rest on: sums of very many parts, and statistics of figures that hardly differ."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.validation.case import Case, Subject
from tests.validation.moments import moments
from twinstorm.twin.chance import stream, words
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.normal import normals
from twinstorm.twin.physics.counting import add_to

NIST = "NIST Statistical Reference Datasets, NumAcc"
ALTERNATING = {2: 1.2, 3: 1_000_000.2, 4: 10_000_000.2}
"""The first figure of these sets; 500 pairs of one 0.1 below and one 0.1 above follow."""


def accuracy_set(number: int) -> list[float]:
    if number == 1:
        return [10_000_001.0, 10_000_003.0, 10_000_002.0]
    middle = ALTERNATING[number]
    whole = round(middle - 0.2)
    return [middle, *([whole + 0.1, whole + 0.3] * 500)]


def mean_of(number: int) -> float:
    return moments(accuracy_set(number)).mean


def deviation_of(number: int) -> float:
    return moments(accuracy_set(number)).deviation


def clock_after_tenths(count: int) -> float:
    """Simulated time in seconds after so many steps of a tenth, as the world counts."""
    now_us = 0
    for _ in range(count):
        now_us += SECOND_US // 10
    return now_us / SECOND_US


def counted_in_float32(count: int) -> float:
    """So many tenths, added by the registers of machines to a column of float32."""
    total, rest = np.zeros(1, np.float32), np.zeros(1, np.float32)
    for _ in range(count):
        add_to(total, rest, np.full(1, 0.1, np.float32))
    return float(total[0]) + float(rest[0])


def share_beyond(sigmas: float) -> float:
    """Of a million normal draws, by the chance of the fleet: how many lie farther out, as a share."""
    drawn = normals(words(stream(42, 8), np.arange(250_000, dtype=np.uint64), 0))
    return float((np.abs(drawn) > sigmas).mean())


SUBJECT = Subject(
    "Arithmetic",
    "`twin/flow.py` (time), `twin/physics/counting.py`, `twin/normal.py`; the moments are those of these checks",
    (
        *(
            Case(f"NumAcc{number}, mean", NIST, mean, 1e-8, partial(mean_of, number))
            for number, mean in ((1, 10_000_002.0), (2, 1.2), (3, 1_000_000.2), (4, 10_000_000.2))
        ),
        *(
            Case(f"NumAcc{number}, standard deviation", NIST, deviation, 1e-7, partial(deviation_of, number))
            for number, deviation in ((1, 1.0), (2, 0.1), (3, 0.1), (4, 0.1))
        ),
        Case("100,000 steps of 0.1 s, s", "exact", 10_000.0, 0.0, partial(clock_after_tenths, 100_000)),
        Case("10,000 parts of 0.1, added in float32", "exact", 1_000.0, 1e-3, partial(counted_in_float32, 10_000)),
        Case("normal draws beyond 1 sigma, share", "normal distribution", 0.317311, 0.0015, partial(share_beyond, 1.0)),
        Case("normal draws beyond 2 sigma, share", "normal distribution", 0.0455, 0.0007, partial(share_beyond, 2.0)),
        Case("normal draws beyond 3 sigma, share", "normal distribution", 0.0027, 0.0002, partial(share_beyond, 3.0)),
    ),
)
