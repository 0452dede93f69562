"""What models said of machines, as a section of a report."""

from __future__ import annotations

from typing import Final

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.reports.sections import Section, Table
from twinstorm.scenarios.reports.words import clock, duration
from twinstorm.scenarios.result import ConditionResult, DeviceConditionResult, RunResult

SHOWN: Final = 20
"""Devices of a detector in a report; `report --format json` has up to 1,000."""
_LONGEST_H: Final = 10_000.0
"""Lives from here on are not told apart."""
_HEAD: Final = ("device", "at", "failure", "health", "remaining life", "at least", "at most")


def condition_sections(result: RunResult) -> list[Section]:
    """One, if a model of conditions looked."""
    if not result.conditions:
        return []
    lines = [_line(found) for found in result.conditions]
    lines.append("Health goes from 0 to 100; bounds should hold for four devices of five.")
    tables = [
        Table(_HEAD, [_row(each) for each in found.first[:SHOWN]], frozenset({3, 4, 5, 6}))
        for found in result.conditions
        if found.first
    ]
    return [Section("Condition of machines, as told", lines, tables)]


def _line(found: ConditionResult) -> str:
    told = f"{found.judged:,} of {found.devices:,} devices judged"
    if found.judged > SHOWN:
        told += f", the {SHOWN} that are expected to fail first below"
    within = duration(found.horizon_s)
    return f"{printable(found.detector)} ({found.model}): {told}; {found.failing:,} expected to fail within {within}."


def _row(found: DeviceConditionResult) -> tuple[str, ...]:
    lives = (found.remaining_h, found.least_h, found.most_h)
    return (
        printable(found.device),
        clock(found.at_s),
        found.failure,
        f"{found.health:.0f}",
        *map(_life, lives),
    )


def _life(hours: float) -> str:
    if hours >= _LONGEST_H:
        return f"{_LONGEST_H:,.0f} h or more"
    return f"{hours:,.1f} h" if hours >= 1.0 else f"{hours * 60.0:.0f} min"
