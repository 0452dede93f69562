"""Burn rates: thresholds of windows, and how long an outage takes to be noticed and to use the budget up."""

from __future__ import annotations

from bisect import bisect_left
from functools import partial

from tests.validation.case import Case, Subject
from twinstorm.detectors.burn import MONTH_US, Spent, rules_of
from twinstorm.scenarios.language.slis import downtime_us
from twinstorm.twin.flow import DAY_US, HOUR_US, MINUTE_US

WORKBOOK = "Google, The Site Reliability Workbook, chapter 5"
SLOTH = "slok/sloth, catalogue of 28 days"


def threshold(period_us: int, rule: int) -> float:
    return rules_of(period_us)[rule].burn


def short_min(rule: int) -> float:
    return rules_of(MONTH_US)[rule].short_us / MINUTE_US


def outage_s(allowed: float, window_us: int, burn: float) -> float:
    """Seconds of a full outage, from clean, until a window burns faster."""
    panes = window_us // 1_000_000
    burns = (Spent(down, allowed * panes, panes, panes).burn(panes) for down in range(1, panes))
    return float(next(down for down, rate in enumerate(burns) if rate is not None and rate > burn))


def exhausted_min(burn: int) -> float:
    """Minutes of errors at one burn rate until they have used up a budget of 30 days at 99.9 %."""
    events_a_second, allowed = 1_000, 0.001
    month_s = MONTH_US // 1_000_000

    def burnt(seconds: int) -> float:
        events = events_a_second * seconds
        return Spent(burn * seconds, allowed * events, events, seconds).burn(month_s) or 0.0

    return (bisect_left(range(1, month_s), 1.0, key=burnt) + 1) / 60


_WINDOWS = ("2 % in 1 h", "5 % in 6 h", "10 % in 1 d", "10 % in 3 d")

SUBJECT = Subject(
    "Burn rates",
    "`detectors/burn.py`",
    (
        *(
            Case(f"burn threshold, 30 d, {spends}", WORKBOOK, published, 0.0005, partial(threshold, MONTH_US, rule))
            for rule, (spends, published) in enumerate(zip(_WINDOWS, (14.4, 6.0, 3.0, 1.0), strict=True))
        ),
        *(
            Case(f"burn threshold, 28 d, {spends}", SLOTH, published, 0.0005, partial(threshold, 28 * DAY_US, rule))
            for rule, (spends, published) in enumerate(zip(_WINDOWS, (13.44, 5.6, 2.8, 0.9333), strict=True))
        ),
        *(
            Case(f"short window beside {spends}, min", WORKBOOK, published, 0.0, partial(short_min, rule))
            for rule, (spends, published) in enumerate(zip(_WINDOWS, (5.0, 30.0, 120.0, 360.0), strict=True))
        ),
        Case(
            "full outage at 99.9 % until 36 h burn at 1, s",
            WORKBOOK,
            129.6,
            0.6,
            partial(outage_s, 0.001, 36 * HOUR_US, 1),
        ),
        Case(
            "full outage at 99.9 % until 10 min burn at 1, s",
            WORKBOOK,
            0.6,
            0.6,
            partial(outage_s, 0.001, 10 * MINUTE_US, 1),
        ),
        *(
            Case(
                f"budget of 30 d at 99.9 % used up at burn {burn}, min",
                WORKBOOK,
                minutes,
                0.05,
                partial(exhausted_min, burn),
            )
            for burn, minutes in ((1, 43_200.0), (2, 21_600.0), (10, 4_320.0), (1_000, 43.2))
        ),
        Case(
            "downtime in 30 d at 99.99 %, min",
            "Google, Site Reliability Engineering, appendix A",
            4.32,
            0.005,
            lambda: downtime_us(0.9999, MONTH_US) / MINUTE_US,
        ),
    ),
)
