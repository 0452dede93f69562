"""Numbers and times as people read them, the same in the printed run and in every report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twinstorm.scenarios.result import ObjectiveResult

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def clock(at_s: float) -> str:
    """Simulated time since the start.

    Example:
        >>> clock(341.7)
        '00:05:41'
    """
    seconds = int(at_s)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def duration(seconds: float) -> str:
    """A length of time in the two largest units that it fills.

    Example:
        >>> duration(1800), duration(5430), duration(0.25)
        ('30 min', '1 h 30 min', '250 ms')
    """
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds else "0 s"
    if seconds < 60:
        return f"{seconds:.3g} s"
    left = round(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        amount, left = divmod(left, size)
        if amount or parts:
            parts.append(f"{amount} {unit}" if amount else "")
    return " ".join(filter(None, parts[:2]))


def number(value: float) -> str:
    """Thousands in groups; three or four figures, without zeros that say nothing.

    Example:
        >>> number(46300), number(812.0), number(0.12345)
        ('46,300', '812', '0.1235')
    """
    if not math.isfinite(value):
        return str(value)
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def share(value: float, up: bool = False) -> str:
    """A share 0..1 in per cent, rounded down (`up`: up), so that a bound that was just missed never reads as reached.

    Example:
        >>> share(0.957), share(0.99996), share(1.0), share(0.00012), share(0.010001, up=True)
        ('95.7 %', '99.99 %', '100 %', '0.012 %', '1.01 %')
    """
    if value == 0:
        return "0 %"
    # Two decimals; below 1 % two figures.
    decimals = 2 if abs(value) >= 0.01 else min(1 - math.floor(math.log10(abs(value) * 100)), 9)
    scale = 10.0**decimals
    # The inner rounding takes out what binary fractions add (0.29 * 10000 = 2899.9999...); the outer keeps the promise.
    steps = round(value * 100 * scale, 6)
    shown = (math.ceil(steps) if up else math.floor(steps)) / scale
    return (f"{shown:.{decimals}f}".rstrip("0").rstrip(".") or "0") + " %"


def quantity(value: float | None, unit: str, up: bool = False) -> str:
    """A value with its unit; `%` stands for a share 0..1."""
    if value is None:
        return "no data"
    return share(value, up) if unit == "%" else f"{number(value)} {unit}".strip()


def objective_value(objective: ObjectiveResult) -> str:
    return quantity(objective.value, objective.unit, up=objective.wanted.startswith("at most"))


def missed_interval(objective: ObjectiveResult) -> str:
    """When an objective's bound was broken; empty if it never was."""
    if objective.missed_from_s is None:
        return ""
    start = clock(objective.missed_from_s)
    if objective.missed_to_s is None or clock(objective.missed_to_s) == start:
        return start
    return f"{start} to {clock(objective.missed_to_s)}"


def evidence(counts: dict[str, int]) -> str:
    """What a fault did; the unit is in the name of each count.

    Example:
        >>> evidence({"devices_without_power": 6000, "devices_booted": 0})
        '6,000 devices without power'
    """
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def size(bytes_: int) -> str:
    """A number of bytes with three digits: ``1.23 MB``; k is 1,000."""
    value, units = float(bytes_), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1_000
        del units[0]
    return f"{value:.3g} {units[0]}"
