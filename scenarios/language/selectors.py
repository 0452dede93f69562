"""Selectors: which devices are meant. The same text in `target`, in `[...]`, in the screen's filter.

    site=fra-* segment=motors,pumps firmware<2.4 share=20 %

Terms joined by blanks must all hold; a comma means any of the values; `*` stands for any characters; `share=` or
`first=` comes last and takes a part of what the terms leave.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.errors import Refused, closest, listed, quoted, together

FIXED_KEYS = (
    "id",
    "region",
    "site",
    "zone",
    "segment",
    "kind",
    "firmware",
    "link",
    "gateway",
    "tenant",
    "line",
    "certificate_batch",
    "wave",
    "origin",
)
"""What a device is told by for the whole run. A zone is a power zone: in this version every site is one."""

MOMENT_KEYS = ("state", "battery")
"""Read once when the step starts."""

STATES = ("online", "degraded", "reconnecting", "updating", "offline", "failed", "unknown")

LONGEST = 500

_ORDERED_KEYS = ("firmware", "battery")
_TAKING_KEYS = ("share", "first")

_BLANK = re.compile(r"\s*")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_OPERATOR = re.compile(r"\s*(!=|<=|>=|==|=|<|>)\s*")
_VALUE = re.compile(r"[^\s,<>=!%\[\]]+(?:\s*%)?")
_COMMA = re.compile(r"\s*,\s*")
_BATTERY = re.compile(rf"({values.NUMBER})\s*%")
_NEXT_TERM = re.compile(rf"\s(?={_KEY.pattern}{_OPERATOR.pattern})")
_RELEASE = r"v?[0-9]+(?:\.[0-9]+)*"
_ORDERED_VERSION = re.compile(rf"{_RELEASE}(?:[-+_.]?[A-Za-z][0-9A-Za-z._+-]*|[-+_][0-9A-Za-z._+-]+)?")
_ANY_NUMBER = re.compile(r"\.[xX](?=\.|$)")
"""In `2.x`, which is a way to write a family of versions and no version."""


class SelectorError(Refused):
    """A text is no selector: `message`, `offset` and `length` of the part to blame, `hint`."""


@dataclass(frozen=True)
class Term:
    """One condition.

    Attributes:
        op: one of ``= != < <= > >=``.
        values: any of them with ``=``, none of them with ``!=``; exactly one with an order.
    """

    key: str
    op: str
    values: tuple[str, ...]

    def holds(self, fact: str) -> bool:
        """Whether a device with this value is meant."""
        if self.key == "battery":
            level = _percent(fact)
            return level is not None and self._compares(level, [_percent(value) for value in self.values])
        if self.op in ("=", "!="):
            return any(like(value, fact) for value in self.values) == (self.op == "=")
        return self._compares(version_key(fact), [version_key(value) for value in self.values])

    def _compares(self, fact: object, wanted: Sequence[object]) -> bool:
        if self.op == "!=":
            return fact not in wanted
        compare = _ORDERS[self.op]
        return any(compare(fact, value) for value in wanted)


@dataclass(frozen=True)
class Selector:
    """Some devices of a fleet. `all` has no terms.

    Attributes:
        text: as written.
        share, first: how many of the devices that the terms leave; at most one of the two is set.
    """

    text: str
    terms: tuple[Term, ...]
    share: Fraction | None
    first: int | None

    @property
    def is_fixed(self) -> bool:
        """It means the same devices for the whole run."""
        return all(term.key in FIXED_KEYS for term in self.terms)

    def matches(self, facts: Mapping[str, str]) -> bool:
        """Whether all terms hold for a device, whatever `share` and `first` would take.

        Args:
            facts: key to value, e.g. ``{"site": "fra-2"}``. A term whose key is missing does not hold.
        """
        return all(term.key in facts and term.holds(facts[term.key]) for term in self.terms)


def like(pattern: str, text: str) -> bool:
    """Whether a text is what the pattern says: `*` stands for any characters, everything else for itself."""
    head, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, tail = rest
    if not text.startswith(head) or len(text) < len(head) + len(tail):
        return False
    at, end = len(head), len(text) - len(tail)
    if not text.endswith(tail):
        return False
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


VersionKey = tuple[tuple[int, ...], int, tuple[tuple[int, str], ...]]


def version_key(text: str) -> VersionKey:
    """Orders versions by their numbers: 2.9 before 2.10, 2.4 like 2.4.0, 2.4.0-rc1 before 2.4.0."""
    release = re.match("v?[0-9.]*", text)
    assert release is not None, "every part of the pattern may be empty"
    suffix = text[release.end() :]
    numbers = [int(part) for part in re.findall("[0-9]+", release[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    parts = re.findall("([0-9]+)|([A-Za-z]+)", suffix)
    tail = tuple((int(digits), "") if digits else (-1, word) for digits, word in parts)
    # What follows `+` names a build of the same version; anything else comes before it.
    return tuple(numbers), 0 if suffix.startswith("+") or not suffix else -1, tail


def _percent(text: str) -> Fraction | None:
    """A battery level; None for what has no battery."""
    digits = text.removesuffix("%").strip()
    return Fraction(digits) if re.fullmatch(values.NUMBER, digits) else None


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


# --- parsing ----------------------------------------------------------------------------------------------------------


def parse(text: str) -> Selector:
    """Read a selector.

    Raises:
        SelectorError: with what is wrong and where in the text, once for every term.
    """
    if len(text) > LONGEST:
        raise SelectorError("S303", f"a selector has at most {LONGEST} characters", "use `*` or name a region")
    at, end = _skip(text, 0), len(text.rstrip())
    if at >= end:
        raise SelectorError("S303", "a selector is missing", "write `all` or terms such as `site=fra-*`")
    terms: list[Term] = []
    seen_all = False
    taken: Term | None = None
    wrong: list[SelectorError] = []
    while at < end:
        start = at
        if not terms and not seen_all and re.match(r"all(?=\s|$)", text[at:]):
            seen_all, at = True, _skip(text, at + 3)
            continue
        try:
            term, at = _term(text, at, wrong)
        except SelectorError as error:
            wrong.append(error)
            following = _NEXT_TERM.search(text, start)
            at = following.end() if following else end
            continue
        part = text[start:at].rstrip()
        if taken is not None:
            hint = "`share=` or `first=` stands last, and only one of them"
            message = f"{quoted(part)} stands behind `{taken.key}=`"
            wrong.append(SelectorError("S303", message, hint, start, len(part)))
        elif term.key in _TAKING_KEYS:
            taken = term
        elif seen_all:
            message = "`all` leaves nothing for further terms"
            wrong.append(SelectorError("S303", message, "remove `all`", start, len(part)))
        else:
            terms.append(term)
    if wrong:
        raise together(wrong)
    share = values.share(taken.values[0]) if taken and taken.key == "share" else None
    first = int(taken.values[0]) if taken and taken.key == "first" else None
    return Selector(text.strip(), tuple(terms), share, first)


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _term(text: str, start: int, wrong: list[SelectorError]) -> tuple[Term, int]:
    """One term and where the next one begins. What its key and values cannot be goes to `wrong`.

    Raises:
        SelectorError: this is no term, and nobody can tell where it ends.
    """
    key = _KEY.match(text, start)
    if not key:
        word = text[start:].split(maxsplit=1)[0]
        raise SelectorError(
            "S303", f"{quoted(word)} is not a term", "write terms such as `site=fra-*`", start, len(word)
        )
    unknown = _key_problem(key[0], start)
    sign = _OPERATOR.match(text, key.end())
    if not sign:
        raise unknown or SelectorError(
            "S303",
            f"{quoted(key[0])} has no value",
            f"write `{key[0]}=...`, or `all` for every device",
            start,
            len(key[0]),
            suggestion="all" if key[0].casefold() in ("all", "any", "every") else "",
        )
    if sign[1] == "==":
        raise SelectorError("S303", "a selector compares with one `=`", "write `=`", sign.start(1), 2)
    if key[0] == "all":
        unknown = SelectorError("S303", "`all` is every device and has no value", "write `all`", start, len(key[0]))
    if unknown:
        wrong.append(unknown)
    at, found = sign.end(), []
    while True:
        value = _VALUE.match(text, at)
        if not value:
            length = max(len(text.rstrip()) - start, 1)
            raise SelectorError(
                "S303", f"a value of `{key[0]}` is missing", f"write it behind `{sign[1]}`", start, min(length, 40)
            )
        found.append(re.sub(r"\s*%$", " %", value[0]))
        problem = None if unknown else _value_problem(key[0], sign[1], found[-1], at, len(value[0]))
        if problem:
            wrong.append(problem)
        comma = _COMMA.match(text, value.end())
        if not comma:
            break
        at = comma.end()
    part = text[start : value.end()]
    if len(found) > 1 and (sign[1] not in ("=", "!=") or key[0] in _TAKING_KEYS):
        message = f"{quoted(part)} compares with several values"
        wrong.append(SelectorError("S303", message, "keep one", start, len(part)))
    rest = value.end()
    if rest < len(text) and not text[rest].isspace():
        raise SelectorError(
            "S303", f"{quoted(text[rest])} is not part of a selector", "put a blank between two terms", rest, 1
        )
    return Term(key[0], sign[1], tuple(found)), _skip(text, rest)


def _key_problem(key: str, at: int) -> SelectorError | None:
    known = (*FIXED_KEYS, *MOMENT_KEYS, *_TAKING_KEYS)
    if key in known or key == "all":
        return None
    return SelectorError(
        "S304",
        f"{quoted(key)} is not something devices are selected by",
        f"keys: {listed(known, len(known))}",
        at,
        len(key),
        known,
        closest(key, known),
    )


def _value_problem(key: str, op: str, value: str, at: int, length: int) -> SelectorError | None:
    is_order = op in ("<", "<=", ">", ">=")
    if is_order and key not in _ORDERED_KEYS:
        hint = f"write `{key}=...`; only {' and '.join(_ORDERED_KEYS)} have an order"
        return SelectorError("S303", f"`{key}` has no order", hint, at, length)
    if key in _TAKING_KEYS and op != "=":
        return SelectorError("S303", f"`{key}` takes a part and compares nothing", f"write `{key}=...`", at, length)
    if is_order and "*" in value:
        return SelectorError("S303", f"{quoted(value)} has no order", "write a value without `*`", at, length)
    match key:
        case "share":
            try:
                values.share(value)
            except Refused as refused:
                return SelectorError(refused.code, refused.message, refused.hint, at, length)
        case "first":
            if not re.fullmatch("[0-9]{1,9}", value):
                return SelectorError("S207", f"{quoted(value)} is not a whole number", "write `first=50`", at, length)
        case "battery":
            if not _BATTERY.fullmatch(value):
                message = f"the battery is a share, {quoted(value)} is none"
                return SelectorError("S205", message, "write `battery<20 %`", at, length)
        case "state":
            if not any(like(value, state) for state in STATES):
                hint = f"states: {', '.join(STATES)}"
                suggestion = closest(value, STATES)
                return SelectorError("S204", f"unknown state {quoted(value)}", hint, at, length, STATES, suggestion)
        case _ if "%" in value:
            return SelectorError("S303", f"{quoted(value)} is not a value of `{key}`", "remove `%`", at, length)
        case "firmware" if is_order and (not _ORDERED_VERSION.fullmatch(value) or _ANY_NUMBER.search(value)):
            family = re.match(rf"{_RELEASE}(?=\.[xX])", value)
            hint = f"write `firmware{op}{family[0]}` or `firmware={family[0]}.*`" if family else "write it like `2.4.1`"
            return SelectorError("S109", f"{quoted(value)} is not a version", hint, at, length)
    return None
