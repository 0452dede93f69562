"""Settings of detectors: what each is called, how people write it, and how its text becomes a number.

Imports nothing heavy, so that whoever only wants to list or check settings pays for nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

OptionKind = Literal["duration", "share", "count", "number", "word", "pattern", "model"]

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Option:
    """One setting of a detector.

    Attributes:
        name: as it stands in a scenario.
        kind: what Python gets: duration -> int microseconds, share -> float 0..1, count -> int, number -> float,
            word -> str, one of `choices`; pattern, model -> what the language reads, which nobody here can read from
            text.
        default: as people would write it.
        least, most: bounds of what a scenario may say, written likewise; empty: none, but numbers are not negative.
    """

    name: str
    kind: OptionKind
    default: str
    summary: str
    choices: tuple[str, ...] = ()
    least: str = ""
    most: str = ""


def typed(owner: str, options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of all options: the given ones, the defaults for the rest.

    Args:
        owner: whose they are, for messages, e.g. ``detector `silence` ``.
        given: text as in a scenario (``5 %``, ``60 s``), or values that have their type already.

    Raises:
        ValueError: for a name that is not among the options, or a value of another kind; the text says what is allowed.
    """
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            raise ValueError(f"{owner} has no setting `{name}`; allowed: {', '.join(sorted(known)) or 'none'}")
    return {name: _value(owner, option, given.get(name, option.default)) for name, option in known.items()}


def _value(owner: str, option: Option, given: Any) -> Any:
    value = _read(option, given) if isinstance(given, str) else _checked(option, given)
    if value is None:
        wanted = {
            "duration": "a duration such as `60 s`",
            "share": "a share such as `5 %`",
            "count": "a whole number",
            "number": "a number",
            "word": "one of " + ", ".join(option.choices),
            "pattern": "a pattern of events that was read",
            "model": "a stored model that was read",
        }[option.kind]
        raise ValueError(f"{owner}: setting `{option.name}` is {wanted}, not `{given}`")
    bounds: list[Any] = [_read(option, bound) if bound else None for bound in (option.least, option.most)]
    least, most = bounds
    if least is not None and value < least:
        raise ValueError(f"{owner}: setting `{option.name}` is at least {option.least}, not `{given}`")
    if most is not None and value > most:
        raise ValueError(f"{owner}: setting `{option.name}` is at most {option.most}, not `{given}`")
    return value


def _read(option: Option, text: str) -> int | float | str | None:
    text = text.strip()
    match option.kind:
        case "duration":
            return _duration_us(text)
        case "share":
            amount = text.removesuffix("%").strip()
            # Exactly as the language reads it: 2.6 / 100 is not 0.026 in floating point.
            return float(Fraction(amount) / 100) if text.endswith("%") and _is_share(amount) else None
        case "count":
            return int(text) if text.isdecimal() else None
        case "number":
            return (
                float(text)
                if _NUMBER.fullmatch(text.removeprefix("-" if option.least.startswith("-") else ""))
                else None
            )
        case "word":
            return text if text in option.choices else None
        case "pattern" | "model":
            return None


def _is_share(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and float(text) <= 100


def _duration_us(text: str) -> int | None:
    total, place = 0.0, 0
    while place < len(text):
        part = _DURATION.match(text, place)
        if part is None or part[2] not in _UNITS_US:
            return None
        total += float(part[1]) * _UNITS_US[part[2]]
        place = part.end()
    return round(total) if text else None


def _checked(option: Option, value: Any) -> Any:
    """A value that somebody else has read already."""
    if option.kind == "pattern":
        return value if hasattr(value, "steps") else None
    if option.kind == "model":
        return value if hasattr(value, "model") else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if value < 0 and not option.least.startswith("-"):
        return None
    match option.kind:
        case "duration" | "count":
            return value if isinstance(value, int) else None
        case "share":
            return float(value) if value <= 1 else None
        case "number":
            return float(value)
        case _:
            return None
