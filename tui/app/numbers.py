"""Numbers as people read them. Times go in as integer microseconds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": SECOND_US,
    "min": MINUTE_US,
    "m": MINUTE_US,
    "h": HOUR_US,
    "d": 24 * HOUR_US,
    "w": 7 * 24 * HOUR_US,
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|min|s|m|h|d|w)")


def count(number: int) -> str:
    """All digits, in threes.

    >>> count(46300)
    '46,300'
    """
    return f"{number:,}"


def short(number: float) -> str:
    """At most three digits that count, with k, M, G; what a count becomes before it has to go.

    >>> short(812), short(46_300), short(912_040), short(999_960), short(2_000_000)
    ('812', '46.3k', '912k', '1M', '2M')
    """
    size = abs(number)
    for limit, divisor, suffix in ((999.5, 1, ""), (999_500, 1e3, "k"), (999.5e6, 1e6, "M"), (math.inf, 1e9, "G")):
        if size < limit:
            return _three_digits(number / divisor) + suffix
    return "?"  # not a number


def _three_digits(number: float) -> str:
    decimals = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    text = f"{number:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(number: int, room: int) -> str:
    """`count` if it fits `room` columns, else `short`."""
    text = count(number)
    return text if len(text) <= room else short(number)


def rate(per_s: float) -> str:
    """Events a second.

    >>> rate(0.0), rate(0.25), rate(41_234.0)
    ('0/s', '0.25/s', '41.2k/s')
    """
    return f"{short(per_s)}/s"


def value(number: float | None, unit: str) -> str:
    """A measured value and its unit. A percentage just under 100 never reads as 100.

    >>> value(95.71, "%"), value(99.998, "%"), value(812.4, "ms"), value(None, "%")
    ('95.7 %', '99.99 %', '812 ms', 'no data')
    """
    if number is None:
        return "no data"
    if unit == "%":
        text = f"{math.floor(number * 100) / 100:.2f}" if 99 < number < 100 else f"{number:.1f}".removesuffix(".0")
    elif abs(number) >= 10_000:
        text = short(number)
    else:
        text = _three_digits(number)
    return f"{text} {unit}".rstrip()


def share(part: int, whole: int) -> str:
    """Part of a whole in percent; never 0 % for something, never 100 % for less than all.

    >>> share(463, 10_000), share(1, 100_000), share(9_999, 10_000), share(0, 0)
    ('4.6 %', '< 0.1 %', '99.9 %', '0 %')
    """
    if part <= 0 or whole <= 0:
        return "0 %"
    if part >= whole:
        return "100 %"
    percent = math.floor(1000 * part / whole) / 10
    return "< 0.1 %" if percent == 0 else f"{percent:g} %"


def shares(parts: Sequence[int], whole: int) -> list[str]:
    """`share` of each part, rounded so that parts which make up the whole also do so as written.

    >>> shares([977_52, 22_48], 1000_00), shares([2, 1], 3)
    (['97.8 %', '2.2 %'], ['66.7 %', '33.3 %'])
    """
    if whole <= 0:
        return ["0 %"] * len(parts)
    tenths = [1000 * part // whole for part in parts]
    missing = round(1000 * sum(parts) / whole) - sum(tenths)
    by_rest = sorted(range(len(parts)), key=lambda place: -(1000 * parts[place] % whole))
    for place in by_rest[: max(missing, 0)]:
        tenths[place] += 1
    made = []
    for part, number in zip(parts, tenths, strict=True):
        rounded = 0 < number < 1000
        made.append(f"{number / 10:g} %" if rounded else share(part, whole))
    return made


def clock(at_us: int) -> str:
    """An instant of the run.

    >>> clock(842_000_000), clock(100 * 3_600_000_000)
    ('00:14:02', '100:00:00')
    """
    seconds = max(at_us, 0) // SECOND_US
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def span(length_us: int) -> str:
    """A length of time that counts up or down.

    >>> span(48_000_000), span(70_900_000), span(7_384_000_000)
    ('0:48', '1:10', '2:03:04')
    """
    seconds = max(length_us, 0) // SECOND_US
    if seconds >= 3600:
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{seconds // 60}:{seconds % 60:02d}"


def lifetime(length_us: int) -> str:
    """A life in the unit that fits it.

    >>> lifetime(14 * 365 * 86_400_000_000), lifetime(36 * 86_400_000_000), lifetime(5_400_000_000), lifetime(0)
    ('14 years', '36 days', '1.5 h', 'nothing')
    """
    for unit, unit_us in (("years", 31_557_600_000_000), ("days", 86_400_000_000), ("h", 3_600_000_000)):
        if length_us >= unit_us * (2 if unit != "h" else 1):
            return f"{_three_digits(length_us / unit_us)} {unit}"
    return span(length_us) if length_us else "nothing"


def speed(asked: float, holding: float, *, running: bool) -> str:
    """The asked speed and, when the machine cannot hold it, the real one.

    >>> speed(10, 9.97, running=True), speed(100, 37.2, running=True), speed(0, 231.0, running=True)
    ('10x', '100x, holding 37.2x', 'max 231x')
    """
    if asked <= 0:
        return f"max {short(holding)}x" if running and holding > 0 else "max"
    text = f"{asked:g}x"
    if running and 0 < holding < 0.9 * asked:
        text += f", holding {short(holding)}x"
    return text


def duration(length_us: int) -> str:
    """A length of time as scenarios write it, in the largest unit that is exact.

    >>> duration(120_000_000), duration(90_000_000), duration(1_500)
    ('2 min', '90 s', '1500 us')
    """
    for unit in ("h", "min", "s", "ms"):
        if length_us and length_us % _UNITS_US[unit] == 0:
            return f"{length_us // _UNITS_US[unit]} {unit}"
    return f"{length_us} us"


def parse_duration(text: str) -> int:
    """Microseconds of a duration as scenarios write it.

    >>> parse_duration("90 s"), parse_duration("1h30min")
    (90000000, 5400000000)

    Raises:
        ValueError: the text says what is wrong and what would be right.
    """
    rest, total_us = text.strip(), 0.0
    if re.fullmatch(r"\d+(?:\.\d+)?", rest):
        raise ValueError(f"a duration needs a unit, `{rest}` has none: write `{rest} s` or `{rest} min`")
    if not rest:
        raise ValueError("a duration is missing: write `90 s` or `5 min`")
    while rest:
        part = _PART.match(rest)
        if part is None:
            raise ValueError(f"`{text.strip()}` is not a duration: write `90 s`, `5 min` or `1h30min`")
        total_us += float(part[1]) * _UNITS_US[part[2]]
        rest = rest[part.end() :].strip()
    if total_us < 1:
        raise ValueError(f"`{text.strip()}` is shorter than a microsecond")
    return round(total_us)
