"""Clocks: drift, temperature, trimming."""

from __future__ import annotations

from tests.validation.case import Case, Subject
from twinstorm.twin.clockwork import DAY_S, M41T00, MONTH_S, YEAR_S, Clock, compensated_ppm, tuning_fork_ppm

CRYSTAL = "tuning-fork crystal, -0.034 ppm/K² about 25 °C"
DS3231 = "Maxim DS3231, data sheet"
ST = "ST M41T00, data sheet"
ARITHMETIC = "seconds in a day and a year"


def month_s(ppm: float) -> float:
    return Clock(drift_ppm=ppm).error_s(MONTH_S)


SUBJECT = Subject(
    "Clocks",
    "`twin/clockwork.py`",
    (
        Case("20 ppm, s in a day", ARITHMETIC, 1.728, 1e-6, lambda: Clock(drift_ppm=20.0).error_s(DAY_S)),
        Case("1 ppm, s in a year", ARITHMETIC, 31.6, 0.05, lambda: Clock(drift_ppm=1.0).error_s(YEAR_S)),
        Case(
            "1 s ahead, 5 ppm, ageing 2 ppm a year, s after a year",
            "offset + (drift + ageing t) t",
            221.9,
            0.05,
            lambda: Clock(1.0, 5.0, 2.0).error_s(YEAR_S),
        ),
        Case("crystal at 10 °C, ppm", CRYSTAL, -7.65, 1e-6, lambda: tuning_fork_ppm(10.0)),
        Case("crystal at 40 °C, ppm", CRYSTAL, -7.65, 1e-6, lambda: tuning_fork_ppm(40.0)),
        Case("crystal at -20 °C, ppm", CRYSTAL, -68.9, 0.06, lambda: tuning_fork_ppm(-20.0)),
        Case(
            "the same, s in a day",
            CRYSTAL,
            -5.95,
            5e-3,
            lambda: Clock(drift_ppm=tuning_fork_ppm(-20.0)).error_s(DAY_S),
        ),
        Case("compensated clock at 25 °C, ppm", DS3231, 2.0, 1e-6, lambda: compensated_ppm(25.0)),
        Case("compensated clock at -30 °C, ppm", DS3231, 3.5, 1e-6, lambda: compensated_ppm(-30.0)),
        Case("trimming, one step forwards, ppm", ST, 4.068, 2e-3, lambda: M41T00.faster_ppm),
        Case("trimming, one step back, ppm", ST, 2.034, 1e-3, lambda: M41T00.slower_ppm),
        Case("one step forwards, s in a month", ST, 10.7, 0.05, lambda: month_s(M41T00.faster_ppm)),
        Case("one step back, s in a month", ST, 5.35, 0.005, lambda: month_s(M41T00.slower_ppm)),
        Case(
            "all steps forwards, min in a month",
            ST,
            5.5,
            0.05,
            lambda: month_s(M41T00.steps * M41T00.faster_ppm) / 60.0,
        ),
        Case("a crystal 20 ppm fast, steps", ST, -10.0, 0.0, lambda: float(M41T00.nearest(20.0))),
    ),
)
