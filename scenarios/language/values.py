"""Values as people write them: a number never stands without its unit.

Each reader takes the text of one value, returns what Python works with and raises `Refused` with advice. Durations
become whole microseconds, shares fractions of 1; everything is exact, nothing passes through a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from urllib.parse import urlsplit

from twinstorm.scenarios.language.errors import Refused, quoted
from twinstorm.scenarios.language.quantities import Count, Instant, Quantity, Range, Rate

US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
"""Microseconds in each unit of time; `m` is read as minutes."""

TIME_UNITS = ("us", "ms", "s", "min", "h", "d", "w")

LONGEST_US = 520 * US["w"]
"""Ten years."""

LONGEST_NAME = 64
LONGEST_ADDRESS = 2_000

NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,12})?"
_UNIT = r"(?:us|ms|min|[smhdw])"
DURATION = rf"{NUMBER}\s*{_UNIT}(?:\s*{NUMBER}\s*{_UNIT})*"
SHARE = rf"{NUMBER}\s*%"
PER = r"/\s*(?:ms|s|min|h|d)"
RATE = rf"{NUMBER}\s*%?\s*{PER}"
COUNT = rf"[0-9]{{1,15}}|{SHARE}"
RANGE = rf"{DURATION}(?:\s*\.\.\s*{DURATION})?"
SIGNED_RANGE = rf"-?\s*{DURATION}(?:\s*\.\.\s*-?\s*{DURATION})?"
NAME = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"

_NUMBER = re.compile(NUMBER)
_LOOKS_LIKE_NUMBER = re.compile(r"[+-]?[0-9][0-9_., ]*(?:[eE][+-]?[0-9]+)?")
_DURATION = re.compile(DURATION)
_DURATION_PART = re.compile(rf"({NUMBER})\s*({_UNIT})\s*")
_SHARE = re.compile(rf"({NUMBER})\s*%")
_RATE = re.compile(rf"({NUMBER})\s*(%?)\s*/\s*(ms|s|min|h|d)")
_WHOLE = re.compile(r"[0-9]{1,15}")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_NAME = re.compile(NAME)
_REFERENCE = re.compile(rf"({NAME})(\.[a-z_]+)?(?:\s+([+-])\s*(.+)|\s*(\+)\s*(.+))?")
_CALENDAR = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_SIZE = re.compile(rf"({NUMBER})\s*([kKMGT]i?)?(B|bit)(/s)?")
UNIT = r"(?:1/)?[A-Za-z%°µ][A-Za-z0-9%°µ/^.]*(?:\([A-Za-z0-9 ]+\))?"
QUANTITY = rf"-?{NUMBER}\s*{UNIT}"
_QUANTITY = re.compile(rf"(-?{NUMBER})\s*({UNIT})")

_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_PREFIXES |= {f"{prefix}i": 1 << (10 * power) for power, prefix in enumerate("KMGT", 1)}


# --- durations and instants -------------------------------------------------------------------------------------------


def duration(text: str) -> int:
    """Whole microseconds, e.g. from ``90 s``, ``1h30min``, ``1.5 h``."""
    if not _DURATION.fullmatch(text):
        raise _no_duration(text)
    total = Fraction(0)
    smallest = None
    for part in _DURATION_PART.finditer(text):
        unit_us = US[part[2]]
        if smallest is not None and unit_us >= smallest:
            raise Refused(
                "S202",
                f"the parts of {quoted(text)} are out of order",
                "write the larger unit first, each once: `1h30min`",
            )
        smallest = unit_us
        total += Fraction(part[1]) * unit_us
    if total.denominator != 1:
        nearest_us = max(total.numerator // total.denominator, 1)
        raise Refused("S202", f"{quoted(text)} is finer than 1 us", f"write `{nearest_us} us`")
    if total > LONGEST_US:
        raise Refused("S210", f"{quoted(text)} is longer than ten years", "write a shorter duration")
    return int(total)


def duration_or_none(text: str) -> int:
    """As `duration`; ``none`` is 0."""
    return 0 if text == "none" else duration(text)


def _no_duration(text: str) -> Refused:
    if ".." in text:
        return Refused("S209", f"one duration is wanted, {quoted(text)} is a range", "write one of its ends")
    if _NUMBER.fullmatch(text):
        return Refused("S201", f"a duration needs a unit, {quoted(text)} has none", _with_unit(text))
    clock = _CLOCK.fullmatch(text)
    if clock:
        return _no_clock(text, clock)
    if _LOOKS_LIKE_NUMBER.fullmatch(text):
        return Refused(
            "S202", f"{quoted(text)} is not a duration", "write digits and a unit: `90 s`, `5 min`, `1h30min`"
        )
    if text.startswith("-"):
        return Refused("S202", f"{quoted(text)} is not a duration", "a duration is never negative")
    hint = f"write a number and one of {', '.join(TIME_UNITS)}: `90 s`, `1h30min`"
    return Refused("S202", f"{quoted(text)} is not a duration", hint)


def _with_unit(number: str) -> str:
    """The two durations that a bare number most likely means."""
    seconds = Fraction(number)
    for unit in ("h", "min"):
        bigger = seconds * US["s"] / US[unit]
        if bigger >= 1 and bigger.denominator == 1:
            return f"write `{number} s` or `{bigger} {unit}`"
    return f"write `{number} s` or `{number} min`"


def _no_clock(text: str, clock: re.Match[str]) -> Refused:
    first, second, third = clock[1].lstrip("0") or "0", clock[2].lstrip("0") or "0", clock[3]
    if third:
        hint = f"write `{first}h{second}min{third.lstrip('0') or '0'}s`"
    else:
        hint = f"write `{first} min {second} s` or `{first}h{second}min`"
    return Refused("S202", f"{quoted(text)} is a time on a clock, not a duration", hint)


def instant(text: str) -> Instant:
    """`5 min` from the start of the run; `outage`, `outage.end + 30 s`, `end - 1 min` from a step or the end."""
    if _DURATION.fullmatch(text):
        return Instant(step=None, edge="start", offset_us=duration(text), text=text)
    match = _REFERENCE.fullmatch(text)
    if not match:
        if text[:1].isdigit() or text.startswith(("-", "+")):
            raise _no_duration(text)
        raise Refused(
            "S211", f"{quoted(text)} is not an instant", "write `5 min`, `outage`, `outage.end + 30 s` or `end`"
        )
    name, edge = match[1], match[2]
    if edge not in (None, ".end") or (name == "end" and edge):
        hint = f"write `{name}` for its start" + ("" if name == "end" else f" or `{name}.end`")
        raise Refused("S211", f"{quoted(name + (edge or ''))} is not an instant", hint, length=match.end(2))
    offset_us = 0
    if match[3] or match[5]:
        behind = 4 if match[3] else 6
        try:
            offset_us = duration(match[behind])
        except Refused as refused:
            refused.offset, refused.length = match.start(behind), len(match[behind])
            raise
        offset_us *= -1 if match[3] == "-" else 1
    if name == "end":
        return Instant(step=None, edge="end", offset_us=offset_us, text=text)
    return Instant(step=name, edge="end" if edge else "start", offset_us=offset_us, text=text)


def calendar(text: str) -> str:
    """RFC 3339 with an offset, checked and returned as written."""
    hint = "write it like `2030-01-07T00:00:00Z`"
    if not _CALENDAR.fullmatch(text):
        raise Refused("S213", f"{quoted(text)} is not an instant of the calendar", hint)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Refused("S213", f"{quoted(text)} is not in the calendar", hint) from None
    return text


def duration_range(text: str) -> Range:
    """``8 s .. 12 s``, both ends inclusive; a single duration is a range of width 0."""
    return _ends(text, duration)


def signed_range(text: str) -> Range:
    """``-2 s .. 5 s``: as `duration_range`, but either end may lie below zero."""

    def signed(part: str) -> int:
        return -duration(part[1:].strip()) if part.startswith("-") else duration(part)

    return _ends(text, signed)


def _ends(text: str, read: Callable[[str], int]) -> Range:
    low, dots, high = text.partition("..")
    low_us = read(low.strip())
    if not dots:
        return Range(low_us, low_us)
    high_us = read(high.strip())
    if high_us < low_us:
        raise Refused(
            "S209", f"the range {quoted(text)} ends before it begins", f"write `{high.strip()} .. {low.strip()}`"
        )
    return Range(low_us, high_us)


# --- shares, rates, counts --------------------------------------------------------------------------------------------


def share(text: str) -> Fraction:
    """``20 %`` -> 1/5; between 0 % and 100 %."""
    match = _SHARE.fullmatch(text)
    if not match:
        if _NUMBER.fullmatch(text):
            meant = Fraction(text) if Fraction(text) > 1 else Fraction(text) * 100
            raise Refused("S205", f"a share needs `%`, {quoted(text)} has none", f"write `{decimal(meant)} %`")
        raise Refused("S205", f"{quoted(text)} is not a share", "write a number and `%`: `20 %`, `99.95 %`")
    value = Fraction(match[1]) / 100
    if value > 1:
        raise Refused("S210", f"{quoted(text)} is more than 100 %", "write a share between `0 %` and `100 %`")
    return value


def portion(text: str) -> Fraction:
    """``150 %`` -> 3/2: as a share, but of what can be more than everything."""
    match = _SHARE.fullmatch(text)
    return Fraction(match[1]) / 100 if match else share(text)


def rate(text: str) -> Rate:
    """``500/s``, ``30/min``, or of the fleet's devices: ``1 %/s``."""
    match = _RATE.fullmatch(text)
    if not match:
        if _NUMBER.fullmatch(text):
            raise Refused("S206", f"a rate needs a time, {quoted(text)} has none", f"write `{text}/s` or `{text}/min`")
        if _SHARE.fullmatch(text):
            raise Refused("S206", f"a rate needs a time, {quoted(text)} has none", f"write `{text}/s`")
        raise Refused("S206", f"{quoted(text)} is not a rate", "write `500/s`, `30/min` or `1 %/s`")
    per_s = Fraction(match[1]) * US["s"] / US[match[3]]
    return Rate(per_s / 100, of_fleet=True) if match[2] else Rate(per_s, of_fleet=False)


def count(text: str) -> Count:
    """``10000``, or of the fleet's devices: ``1 %``."""
    if _SHARE.fullmatch(text):
        return Count(share(text), of_fleet=True)
    return Count(Fraction(whole(text)), of_fleet=False)


def whole(text: str) -> int:
    """A whole number, digits only."""
    if _WHOLE.fullmatch(text):
        return int(text)
    hint = "write digits only, without separators or abbreviations: `10000`"
    spelled = _spelled_out(text)
    if spelled is not None:
        hint = f"write `{spelled}`"
    elif _NUMBER.fullmatch(text):
        hint = "write a whole number"
    raise Refused("S207", f"{quoted(text)} is not a whole number", hint)


def _spelled_out(text: str) -> int | None:
    """What `10k`, `1e4`, `10,000` and `10_000` mean."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(?:([kKM])|[eE]([0-9]))", text)
    if match:
        factor = 10 ** int(match[3]) if match[3] else {"k": 10**3, "K": 10**3, "M": 10**6}[match[2]]
        value = Fraction(match[1]) * factor
        return int(value) if value.denominator == 1 else None
    if re.fullmatch(r"[0-9]{1,3}([,_ '][0-9]{3}){1,3}", text):
        return int(re.sub("[^0-9]", "", text))
    return None


def number(text: str) -> float:
    """A plain number."""
    if not _NUMBER.fullmatch(text.removeprefix("-")):
        raise Refused("S207", f"{quoted(text)} is not a number", "write digits, with a point if need be: `2.5`")
    return float(Fraction(text))


# --- sizes and quantities ---------------------------------------------------------------------------------------------


def size(text: str) -> Quantity:
    """Bytes (``64 kB``, ``2 MiB``) or bits (``256 kbit``), each also per second; k is 1000, Ki is 1024."""
    match = _SIZE.fullmatch(text)
    prefix = "" if match is None or match[2] is None else match[2]
    if match is None or prefix not in _PREFIXES:
        meant = text.replace("K", "k") if match else ""
        hint = (
            f"write `{meant}` or `{text.replace('K', 'Ki')}`"
            if prefix == "K"
            else "write `64 kB`, `2 MiB` or `256 kbit/s`"
        )
        raise Refused("S208", f"{quoted(text)} is not a size", hint)
    return Quantity(Fraction(match[1]) * _PREFIXES[prefix], match[3] + (match[4] or ""))


def bytes_of(text: str) -> float:
    """A size in bytes."""
    found = size(text)
    if "/" in found.unit:
        raise Refused("S208", f"{quoted(text)} is a rate, not a size", "write `64 kB` or `2 MiB`")
    return float(found.value / (8 if found.unit == "bit" else 1))


def bytes_per_s(text: str) -> float:
    """A size per time in bytes per second: ``24 kB/min``."""
    amount, slash, unit = text.partition("/")
    unit = unit.strip()
    if not slash or unit not in US:
        raise Refused("S208", f"{quoted(text)} is not a size per time", "write `24 kB/min` or `1 MB/h`")
    return bytes_of(amount.strip()) / (US[unit] / 1e6)


def quantity(text: str) -> Quantity:
    """A number and a unit, e.g. ``80 C``, ``7.1 mm/s``."""
    match = _QUANTITY.fullmatch(text)
    if not match:
        if _NUMBER.fullmatch(text.removeprefix("-")):
            raise Refused("S208", f"a quantity needs a unit, {quoted(text)} has none", "write `80 C` or `7.1 mm/s`")
        raise Refused("S208", f"{quoted(text)} is not a quantity", "write a number and a unit: `80 C`, `7.1 mm/s`")
    return Quantity(Fraction(match[1]), match[2])


def amount_in(unit: str) -> Callable[[str], float]:
    """Reads a number in just this unit, e.g. ``20 ppm``."""

    def read(text: str) -> float:
        written = quantity(text)
        if written.unit != unit:
            number = text.removesuffix(written.unit).strip()
            raise Refused("S208", f"this is in {unit}, not in {written.unit}", f"write `{number} {unit}`")
        return float(written.value)

    return read


# --- names ------------------------------------------------------------------------------------------------------------


def name(text: str) -> str:
    """A kebab-case name."""
    if _NAME.fullmatch(text) and len(text) <= LONGEST_NAME:
        return text
    if len(text) > LONGEST_NAME:
        raise Refused("S109", f"{quoted(text)} is longer than {LONGEST_NAME} characters", "choose a shorter name")
    meant = re.sub(r"[^a-z0-9]+", "-", re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", text).lower()).strip("-")
    hint = f"write `{meant}`" if _NAME.fullmatch(meant) else "write small letters, digits and `-`, a letter first"
    raise Refused("S109", f"{quoted(text)} is not a kebab-case name", hint)


def address(text: str) -> str:
    """Of a page on the web, e.g. ``https://example.org/runbooks/silence``."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fits = False
    if fits and len(text) <= LONGEST_ADDRESS and re.fullmatch(r"[!-~]+", text):
        return text
    raise Refused("S217", f"{quoted(text)} is not an address of a page", "write `https://example.org/runbooks/silence`")


def version(text: str) -> str:
    """A firmware version, e.g. ``2.4.1``: a word without blanks."""
    if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}", text):
        return text
    raise Refused("S109", f"{quoted(text)} is not a version", "write digits, letters, `.`, `-`, `+`: `2.4.1`")


# --- as people write them ---------------------------------------------------------------------------------------------


def decimal(value: Fraction) -> str:
    """At most six decimals, none that say nothing."""
    return f"{float(value):.6f}".rstrip("0").rstrip(".")


def show_share(value: Fraction) -> str:
    """1/5 -> ``20 %``."""
    return f"{decimal(value * 100)} %"


def show_duration(us: int) -> str:
    """In the largest unit that leaves a whole number; reads back exactly.

    Example:
        >>> show_duration(90_000_000), show_duration(7_200_000_000)
        ('90 s', '2 h')
    """
    for unit in reversed(TIME_UNITS):
        if us and us % US[unit] == 0:
            return f"{us // US[unit]} {unit}"
    return "0 s"
