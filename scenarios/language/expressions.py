"""Expressions such as ``online / devices < 90 % and attempts > 1000``: parsed to a tree, units checked, then looked at
once a simulated second.

The grammar, loosest first; nothing else is part of it:

    or:          and {"or" and}
    and:         not {"and" not}
    not:         "not" not | comparison
    comparison:  sum [("<" | "<=" | ">" | ">=" | "=" | "!=") sum]
    sum:         product {("+" | "-") product}
    product:     sign {("*" | "/") sign}
    sign:        "-" sign | value
    value:       NUMBER [UNIT] | NAME ["[" SELECTOR "]"] | FUNCTION "(" arguments ")" | "(" or ")"
                 | FIGURE "(" NAME ["," ("most" | "least")] ")" ["[" SELECTOR "]"]

Truth has three values: a comparison without data is unknown (None), and `and`, `or`, `not` follow Kleene.
"""

from __future__ import annotations

import math
import operator
import re
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from twinstorm.scenarios.language import figures, selectors, units, values
from twinstorm.scenarios.language.catalogue import COUNTERS, FUNCTIONS, OF_CONTINUITY, SLIS
from twinstorm.scenarios.language.errors import Refused, closest, listed, quoted, together
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.language.units import Kind

LONGEST = 200
DEEPEST = 8

SLI_WINDOW_US = 10_000_000
"""A bare SLI is its value over the last 10 s."""

LONGEST_WINDOW_US = 24 * values.US["h"]
SHORTEST_WINDOW_US = values.US["s"]

LookUp = Callable[[str, Selector | None, int], float | None]
"""(name, selector, window in microseconds; 0: as it is now) -> value, None without data."""


class ExpressionError(Refused):
    """A text is no expression: `message`, `offset` and `length` of the part to blame, `hint`."""


# --- the tree ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A literal, in shares of 1, seconds, or per second."""

    value: float


@dataclass(frozen=True)
class Name:
    """An SLI, a counter or a named figure (`figures.Asked`), or `share` or `count` of what a selector names."""

    name: str
    selector: Selector | None
    window_us: int


@dataclass(frozen=True)
class Negative:
    of: Tree


@dataclass(frozen=True)
class Not:
    of: Tree


@dataclass(frozen=True)
class Binary:
    """Arithmetic or a comparison."""

    op: str
    left: Tree
    right: Tree


@dataclass(frozen=True)
class Logic:
    op: str
    """and, or."""
    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class Call:
    """`min`, `max`, `abs`."""

    function: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True)
class Windowed:
    """`avg`, `rate`, `baseline` of something over a time. `number` is its place among the windows of the expression."""

    function: str
    of: Tree
    window_us: int
    number: int


Tree = Number | Name | Negative | Not | Binary | Logic | Call | Windowed


@dataclass(frozen=True)
class Expression:
    """A checked expression with its source."""

    text: str
    root: Tree
    kind: Kind = Kind.TRUTH


def look_ups(expression: Expression) -> tuple[Name, ...]:
    """Every name as it is asked for, in the order of the text."""
    return tuple(node for node in _walk(expression.root) if isinstance(node, Name))


def names(expression: Expression) -> tuple[str, ...]:
    """SLIs and counters of an expression, each once, sorted."""
    return tuple(sorted({name.name for name in look_ups(expression)}))


def _walk(tree: Tree) -> Iterator[Tree]:
    yield tree
    match tree:
        case Negative(of) | Not(of) | Windowed(of=of):
            yield from _walk(of)
        case Binary(left=left, right=right):
            yield from _walk(left)
            yield from _walk(right)
        case Logic(parts=parts) | Call(arguments=parts):
            for part in parts:
                yield from _walk(part)


# --- parsing ----------------------------------------------------------------------------------------------------------


def parse(text: str, wanted: Kind | None = Kind.TRUTH) -> Expression:
    """Read an expression.

    Args:
        wanted: what it must be; None: anything.

    Raises:
        ExpressionError: with what is wrong and where in the text; of names, selectors and units all that are wrong.
    """
    if len(text) > LONGEST:
        hint = "split it: several expectations hold together"
        raise ExpressionError("S505", f"an expression has at most {LONGEST} characters, this has {len(text)}", hint)
    tree, kind = _Parser(text).whole(wanted)
    return Expression(text.strip(), tree, kind)


@dataclass(frozen=True)
class _Part:
    """A parsed stretch of the text.

    Attributes:
        kind: None for what is wrong in itself: that has been told, and what is done with it is not judged.
    """

    tree: Tree
    kind: Kind | None
    start: int
    end: int


_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<duration>{values.DURATION})(?![A-Za-z0-9_(])
    | (?P<share_rate>{values.NUMBER}\s*%\s*{values.PER})(?![A-Za-z0-9_(])
    | (?P<rate>{values.NUMBER}\s*{values.PER})(?![A-Za-z0-9_(])
    | (?P<share>{values.NUMBER}\s*%)
    | (?P<number>{values.NUMBER})(?![0-9.:]|\s*(?!(?:and|or)\b)[A-Za-z_])
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign><=|>=|!=|==|<>|&&|\|\||[-+*/<>=(),\[\]])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)

_LITERALS: Mapping[str, tuple[Kind, Callable[[str], float]]] = {
    "duration": (Kind.DURATION, lambda text: values.duration(text) / values.US["s"]),
    "share_rate": (Kind.SHARE_RATE, lambda text: float(values.rate(text).per_s)),
    "rate": (Kind.RATE, lambda text: float(values.rate(text).per_s)),
    "share": (Kind.SHARE, lambda text: float(Fraction(text.rstrip("% \t")) / 100)),
    "number": (Kind.NUMBER, lambda text: float(Fraction(text))),
}

_COMPARISONS = ("<", "<=", ">", ">=", "=", "!=")
_INSTEAD = {"==": "=", "<>": "!=", "&&": "and", "||": "or"}
_KEYWORDS = ("and", "or", "not")
_WINDOWED = ("avg", "rate", "baseline")
_PLAIN_CALLS = {"min": 2, "max": 2, "abs": 1}
_COUNTING = ("routed", "pairs")
"""Figures that are counts of the whole fleet."""
_SELECTING = {"share": Kind.SHARE, "count": Kind.COUNT}


class _Parser:
    """Recursive descent; every level down is counted, so that no text can exhaust the stack.

    What does not fit the grammar ends it; a name, a selector or a unit that is wrong is kept, and the parsing goes on.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._windows = 0
        self._wrong_parts: list[ExpressionError] = []
        self._kind, self._word, self._start, self._end = "", "", 0, 0

    def whole(self, wanted: Kind | None) -> tuple[Tree, Kind]:
        """The tree of the text and its kind; raises everything that is wrong with it."""
        try:
            part = self._all()
            if wanted is not None and part.kind not in (wanted, None):
                self._tell_no_condition(part)
        except ExpressionError as error:
            raise together([*self._wrong_parts, error]) from None
        if self._wrong_parts:
            raise together(self._wrong_parts)
        assert part.kind is not None, "what has no kind has been told"
        return part.tree, part.kind

    def _all(self) -> _Part:
        self._advance(0)
        if self._kind == "end":
            raise ExpressionError("S502", "an expression is missing", "write a condition: `connectivity > 90 %`")
        part = self._or()
        if self._kind != "end":
            raise self._unexpected()
        return part

    def _tell(self, code: str, message: str, hint: str, part: _Part) -> None:
        """Keep what is wrong with a part of the text that could be parsed."""
        self._wrong_parts.append(ExpressionError(code, message, hint, part.start, part.end - part.start))

    def _shown(self, part: _Part) -> str:
        return self._text[part.start : part.end]

    def _tell_no_condition(self, part: _Part) -> None:
        if part.kind is None:
            return
        example = {Kind.SHARE: "90 %", Kind.DURATION: "30 s", Kind.RATE: "10/s", Kind.SHARE_RATE: "1 %/s"}
        shown = self._shown(part)
        hint = f"compare it: `{shown} > {example.get(part.kind, '0')}`"
        self._tell("S504", f"{quoted(shown)} is {part.kind.spoken}, not a condition", hint, part)

    # tokens

    def _advance(self, at: int) -> None:
        match = _TOKEN.match(self._text, at)
        if not match:
            raise self._no_token(at)
        self._kind = match.lastgroup or ""
        self._word, self._start, self._end = match[self._kind], match.start(self._kind), match.end()

    def _take(self, *words: str) -> str:
        """The current word, if it is one of these; then the next becomes the current one."""
        if self._kind in ("sign", "name") and self._word in words:
            word = self._word
            self._advance(self._end)
            return word
        return ""

    def _no_token(self, at: int) -> ExpressionError:
        start = at + len(self._text[at:]) - len(self._text[at:].lstrip())
        number = re.match(rf"{values.NUMBER}\s*([A-Za-z_][A-Za-z0-9_]*)?", self._text[start:])
        if number and number[1]:
            hint = f"units: {', '.join(values.TIME_UNITS)}, %, and rates such as `10/s`, `1 %/min`"
            return self._wrong(f"{quoted(number[0])} has no unit that is known here", hint, start, number.end())
        word = re.match(r"[0-9][^\s()\[\]]*|'[^']*'?|\"[^\"]*\"?|.", self._text[start:], re.DOTALL)
        length = word.end() if word else 1
        shown = quoted(self._text[start : start + length])
        return self._wrong(f"{shown} is not part of an expression", _signs(), start, length)

    def _last(self) -> int:
        """The last sign of the text, where something is missing behind it."""
        return max(len(self._text.rstrip()) - 1, 0)

    def _unexpected(self) -> ExpressionError:
        if self._kind == "end":
            return self._wrong("the expression ends too early", "a value is missing at its end", self._last(), 1)
        if self._word in _INSTEAD:
            hint = f"write `{_INSTEAD[self._word]}`"
            return self._wrong(f"{quoted(self._word)} is not part of an expression", hint, self._start, len(self._word))
        if self._word in _COMPARISONS:
            hint = "join two comparisons with `and`"
            message = f"comparisons cannot be chained: {quoted(self._word)} stands behind another"
            return ExpressionError("S506", message, hint, self._start, len(self._word))
        hint = "put `and`, `or` or an operator before it" if self._kind not in ("sign",) else _signs()
        message = f"{quoted(self._word)} cannot stand here"
        return self._wrong(message, hint, self._start, max(len(self._word), 1))

    @staticmethod
    def _wrong(message: str, hint: str, start: int, length: int) -> ExpressionError:
        return ExpressionError("S502", message, hint, start, length)

    def _deeper(self, parse: Callable[[], _Part]) -> _Part:
        self._depth += 1
        if self._depth > DEEPEST:
            hint = "split it: several expectations hold together"
            message = f"an expression has at most {DEEPEST} levels"
            raise ExpressionError("S505", message, hint, self._start, max(len(self._word), 1))
        part = parse()
        self._depth -= 1
        return part

    # levels

    def _or(self) -> _Part:
        return self._logic("or", self._and)

    def _and(self) -> _Part:
        return self._logic("and", self._not)

    def _logic(self, word: str, below: Callable[[], _Part]) -> _Part:
        parts = [below()]
        while self._take(word):
            parts.append(below())
        if len(parts) == 1:
            return parts[0]
        for part in parts:
            if part.kind is not Kind.TRUTH:
                self._tell_no_condition(part)
        tree = Logic(word, tuple(part.tree for part in parts))
        return _Part(tree, Kind.TRUTH, parts[0].start, parts[-1].end)

    def _not(self) -> _Part:
        start = self._start
        if not self._take("not"):
            return self._comparison()
        part = self._deeper(self._not)
        if part.kind is not Kind.TRUTH:
            self._tell_no_condition(part)
        return _Part(Not(part.tree), Kind.TRUTH, start, part.end)

    def _comparison(self) -> _Part:
        left = self._sum()
        op = self._take(*_COMPARISONS)
        if not op:
            return left
        right = self._sum()
        self._same_kind(left, right, "compared")
        return _Part(Binary(op, left.tree, right.tree), Kind.TRUTH, left.start, right.end)

    def _sum(self) -> _Part:
        left = self._product()
        while op := self._take("+", "-"):
            right = self._product()
            kind = self._same_kind(left, right, "added" if op == "+" else "subtracted")
            left = _Part(Binary(op, left.tree, right.tree), kind, left.start, right.end)
        return left

    def _product(self) -> _Part:
        left = self._sign()
        while op := self._take("*", "/"):
            right = self._sign()
            kind = None
            if left.kind is not None and right.kind is not None:
                kind = (units.product if op == "*" else units.quotient)(left.kind, right.kind)
                if kind is None:
                    self._tell_not_together(left, right, "multiplied" if op == "*" else "divided")
            left = _Part(Binary(op, left.tree, right.tree), kind, left.start, right.end)
        return left

    def _sign(self) -> _Part:
        start = self._start
        if not self._take("-"):
            return self._value()
        part = self._deeper(self._sign)
        if part.kind is Kind.TRUTH:
            raise self._wrong("a condition has no sign", "write `not`", start, 1)
        return _Part(Negative(part.tree), part.kind, start, part.end)

    def _value(self) -> _Part:
        start, end, word = self._start, self._end, self._word
        if self._kind in _LITERALS:
            kind, read = _LITERALS[self._kind]
            try:
                tree = Number(read(word))
            except Refused as refused:
                raise ExpressionError(refused.code, refused.message, refused.hint, start, len(word)) from None
            self._advance(end)
            return _Part(tree, kind, start, start + len(word))
        if self._take("("):
            inner = self._deeper(self._or)
            return _Part(inner.tree, inner.kind, start, self._close(")"))
        if self._kind == "name" and word not in _KEYWORDS:
            follows = self._text[end:].lstrip()[:1]
            return self._call(word, start) if follows == "(" else self._name(word, start, end)
        raise self._unexpected()

    def _close(self, sign: str) -> int:
        """End of the bracket that closes here."""
        end = self._end
        if not self._take(sign):
            if self._kind == "end":
                raise self._wrong(f"`{sign}` is missing", f"add `{sign}` at the end", self._last(), 1)
            raise self._unexpected()
        return end

    # names and calls

    def _name(self, word: str, start: int, end: int) -> _Part:
        kind: Kind | None
        try:
            kind, window_us = self._kind_of(word, start)
        except ExpressionError as error:
            self._wrong_parts.append(error)
            kind, window_us = None, 0
        self._advance(end)
        selector = None
        if self._kind == "sign" and self._word == "[":
            whole = word in COUNTERS and word not in OF_CONTINUITY
            if whole or (word in SLIS and (SLIS[word].of_events or not SLIS[word].has_devices)):
                hint = "write `count[state=online ...]`, or an SLI of devices: `connectivity[...]`"
                self._wrong_parts.append(self._wrong(f"`{word}` is of the whole fleet", hint, start, self._end - start))
            selector = self._selector(self._end, at_any_moment=word in _SELECTING)
            end = self._close("]")
        elif word in _SELECTING:
            hint = f"write `{word}[state=offline]`"
            self._wrong_parts.append(self._wrong(f"`{word}` of what?", hint, start, len(word)))
            kind = None
        return _Part(Name(word, selector, window_us), kind, start, end)

    def _kind_of(self, word: str, start: int) -> tuple[Kind, int]:
        """Kind and window of an SLI, a counter, `share` or `count`; raises for what is none."""
        if word in _SELECTING:
            return _SELECTING[word], 0
        if word in COUNTERS:
            return COUNTERS[word].kind, 0
        sli = SLIS.get(word)
        known = (*(name for name, one in SLIS.items() if not one.is_later), *COUNTERS, *FUNCTIONS)
        if sli is not None and sli.is_later:
            hint = f"SLIs: {listed([name for name, one in SLIS.items() if not one.is_later])}"
            raise ExpressionError("S103", f"`{word}` is not yet in this version", hint, start, len(word))
        if sli is not None:
            return sli.kind, SLI_WINDOW_US
        if word in FUNCTIONS:
            raise self._wrong(f"`{word}` is a function", f"write {FUNCTIONS[word].split(':')[0]}", start, len(word))
        hint = f"names: {', '.join(known[: -len(FUNCTIONS)])}"
        message = f"unknown name {quoted(word)} in an expression"
        raise ExpressionError("S501", message, hint, start, len(word), known, closest(word, known))

    def _selector(self, start: int, at_any_moment: bool) -> Selector | None:
        """What stands between brackets, None if it is wrong; the closing one becomes the current sign."""
        end = self._text.find("]", start)
        if end < 0:
            raise self._wrong("`]` is missing", "close the selector with `]`", start - 1, 1)
        selector = None
        try:
            selector = selectors.parse(self._text[start:end])
        except Refused as first:
            self._wrong_parts += (
                ExpressionError(
                    refused.code,
                    refused.message,
                    refused.hint,
                    start + refused.offset,
                    refused.length or max(end - start, 1),
                    refused.allowed,
                    refused.suggestion,
                )
                for refused in (first, *first.others)
            )
        if selector is not None and not (selector.is_fixed or at_any_moment):
            moment = next(term.key for term in selector.terms if term.key not in selectors.FIXED_KEYS)
            hint = (
                f"`{moment}` may stand in `target`, `share[...]` and `count[...]`; keys: {listed(selectors.FIXED_KEYS)}"
            )
            message = f"`{moment}` changes while the run goes on"
            self._wrong_parts.append(ExpressionError("S305", message, hint, start, end - start))
        self._advance(end)
        return selector

    def _call(self, word: str, start: int) -> _Part:
        if word in figures.KEYS:
            return self._figure(word, start)
        if word not in _PLAIN_CALLS and word not in _WINDOWED:
            return self._no_call(word, start)
        self._advance(self._end)
        self._take("(")
        arguments: list[_Part] = []
        windows: list[_Part] = []
        wanted = _PLAIN_CALLS.get(word, 2)
        while True:
            windowed = word in _WINDOWED and len(arguments) == 1
            arguments.append(self._deeper(self._or))
            if windowed:
                windows.append(arguments[-1])
            if not self._take(","):
                break
        end = self._close(")")
        tree = Call(word, tuple(argument.tree for argument in arguments))
        if len(arguments) != wanted:
            message = f"`{word}` takes {wanted} values, not {len(arguments)}"
            self._tell("S502", message, _as_called(word), _Part(tree, None, start, end))
            return _Part(tree, None, start, end)
        conditions = [argument for argument in arguments if argument.kind is Kind.TRUTH]
        for argument in conditions:
            message = f"{quoted(self._shown(argument))} is a condition, `{word}` takes quantities"
            self._tell("S502", message, "compare outside of it", argument)
        if conditions:
            return _Part(tree, None, start, end)
        if windows:
            return self._windowed(word, arguments[0], windows[0], start, end)
        kind = arguments[0].kind if wanted == 1 else self._same_kind(arguments[0], arguments[1], "compared")
        return _Part(tree, kind, start, end)

    def _figure(self, word: str, start: int) -> _Part:
        """A named figure: its name is no expression, for it may hold a `-`."""
        match = figures.ARGUMENTS.match(self._text, self._end)
        if match is None:
            raise self._wrong(f"`{word}` takes a name", _as_called(word), start, len(word) + 1)
        end = match.end()
        self._advance(end)
        selector = None
        if self._kind == "sign" and self._word == "[":
            if word in _COUNTING:
                hint = "leave the selector out"
                self._wrong_parts.append(self._wrong(f"`{word}` is of the whole fleet", hint, start, self._end - start))
            selector = self._selector(self._end, at_any_moment=False)
            end = self._close("]")
        if word in _COUNTING and match[2]:
            self._wrong_parts.append(self._wrong(f"`{word}` is one number", _as_called(word), start, end - start))
        name = figures.Asked(word, match[1], match[2] == figures.LEAST).name
        kind = Kind.COUNT if word in _COUNTING else Kind.NUMBER
        return _Part(Name(name, selector, 0), kind, start, end)

    def _no_call(self, word: str, start: int) -> _Part:
        """A call of what cannot be called is told; what stands between its brackets is not looked at."""
        names = () if word in _SELECTING else tuple(FUNCTIONS)
        hint = f"functions: {', '.join(names)}" if names else f"write `{word}[...]`"
        message = f"{quoted(f'{word}(')} is not part of an expression"
        suggestion = closest(word, names) if names else ""
        error = ExpressionError("S502", message, hint, start, len(word) + 1, names, suggestion)
        at, open_brackets = self._text.index("(", start) + 1, 1
        while open_brackets and at < len(self._text):
            open_brackets += {"(": 1, ")": -1}.get(self._text[at], 0)
            at += 1
        if open_brackets:
            raise error
        self._wrong_parts.append(error)
        self._advance(at)
        return _Part(Name(word, None, 0), None, start, at)

    def _windowed(self, word: str, of: _Part, window: _Part, start: int, end: int) -> _Part:
        window_us = 0
        if window.kind is Kind.DURATION and isinstance(window.tree, Number):
            window_us = round(window.tree.value * values.US["s"])
            if not SHORTEST_WINDOW_US <= window_us <= LONGEST_WINDOW_US:
                message = f"{quoted(self._shown(window))} is no time that `{word}` can look back over"
                self._tell("S210", message, "write between `1 s` and `1 d`", window)
        elif window.kind is not None:
            message = f"{quoted(self._shown(window))} is not a duration, `{word}` looks back over one"
            self._tell("S503", message, _as_called(word), window)
        kind = of.kind
        if word == "rate" and of.kind is not None:
            kind = units.change(of.kind)
            if kind is None:
                message = f"{quoted(self._shown(of))} is {of.kind.spoken}: its change means nothing"
                self._tell("S503", message, "take the rate of a count or of a share", of)
        self._windows += 1
        return _Part(Windowed(word, of.tree, window_us, self._windows - 1), kind, start, end)

    # units

    def _same_kind(self, left: _Part, right: _Part, verb: str) -> Kind | None:
        """The kind of both; None, after telling, if they have none in common."""
        if left.kind is None or right.kind is None:
            return None
        kind = units.common(left.kind, right.kind)
        if kind is None or kind is Kind.TRUTH:
            self._tell_not_together(left, right, verb)
            return None
        return kind

    def _tell_not_together(self, left: _Part, right: _Part, verb: str) -> None:
        assert left.kind is not None
        assert right.kind is not None
        message = (
            f"{quoted(self._shown(left))} is {left.kind.spoken}, {quoted(self._shown(right))} is {right.kind.spoken}: "
            f"they cannot be {verb}"
        )
        self._tell("S503", message, _other_unit(left, right), _Part(left.tree, None, left.start, right.end))


def _as_called(function: str) -> str:
    return f"write {FUNCTIONS[function].split(':')[0]}"


def _other_unit(left: _Part, right: _Part) -> str:
    """What to write instead, where one side is a literal of the wrong kind."""
    for literal, other in ((right, left), (left, right)):
        if not isinstance(literal.tree, Number):
            continue
        value = Fraction(literal.tree.value).limit_denominator(10**9)
        if other.kind is Kind.SHARE and literal.kind is Kind.NUMBER:
            return f"write `{values.decimal(value * 100 if value <= 1 else value)} %`"
        if other.kind is Kind.COUNT and literal.kind is Kind.SHARE:
            return f"write a number, or compare a share: `... / devices > {values.decimal(value * 100)} %`"
        if other.kind is Kind.DURATION and literal.kind is Kind.NUMBER:
            return f"write `{values.decimal(value)} s`"
        if other.kind is Kind.RATE and literal.kind in (Kind.NUMBER, Kind.COUNT):
            return f"write `{values.decimal(value)}/s`"
        if other.kind not in (Kind.TRUTH, None):
            return f"write {other.kind.spoken} there"
    return "compare, add and subtract like with like"


def _signs() -> str:
    return "an expression has numbers, names, `( ) + - * / < <= > >= = !=`, `and or not` and functions"


# --- looking ----------------------------------------------------------------------------------------------------------


@dataclass
class _Window:
    """What one `avg`, `rate` or `baseline` remembers: plain data, at most one entry a second of its window."""

    at_us: deque[int] = field(default_factory=deque)
    seen: deque[float] = field(default_factory=deque)
    ordered: list[float] = field(default_factory=list)
    """The same values in order, for `baseline`."""

    def forget(self, before_us: int) -> None:
        while self.at_us and self.at_us[0] < before_us:
            self.at_us.popleft()
            value = self.seen.popleft()
            if self.ordered:
                del self.ordered[bisect_left(self.ordered, value)]

    def remember(self, now_us: int, value: float, in_order: bool) -> None:
        self.at_us.append(now_us)
        self.seen.append(value)
        if in_order:
            insort(self.ordered, value)


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}

_CALLS: Mapping[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs}


class Evaluator:
    """One expression while a run goes on. Its state is plain data and can be saved with the run."""

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self.windows = [_Window() for node in _walk(expression.root) if isinstance(node, Windowed)]

    def step(self, now_us: int, look_up: LookUp) -> bool | float | None:
        """The value at this second; called once a simulated second, in order. None: unknown."""
        return self._value(self.expression.root, now_us, look_up)

    def _value(self, tree: Tree, now_us: int, look_up: LookUp) -> bool | float | None:
        match tree:
            case Number(literal):
                return literal
            case Name(name, selector, window_us):
                return _finite(look_up(name, selector, window_us))
            case Windowed():
                return self._windowed(tree, self._value(tree.of, now_us, look_up), now_us)
            case Logic(op, parts):
                # Every part is looked at, also behind a false one: their windows must see every second.
                return _kleene(op, [self._value(part, now_us, look_up) for part in parts])
            case Not(of):
                truth = self._value(of, now_us, look_up)
                return None if truth is None else not truth
            case Negative(of):
                value = self._value(of, now_us, look_up)
                return None if value is None else -value
            case Binary(op, left, right):
                return _apply(_ARITHMETIC[op], [self._value(part, now_us, look_up) for part in (left, right)])
            case Call(function, arguments):
                return _apply(_CALLS[function], [self._value(part, now_us, look_up) for part in arguments])

    def _windowed(self, tree: Windowed, value: bool | float | None, now_us: int) -> float | None:
        window = self.windows[tree.number]
        # A mean is of the seconds since then, a rate also needs where it began.
        window.forget(now_us - tree.window_us + (tree.function == "avg"))
        if tree.function == "baseline":
            usual = _median(window.ordered)  # Before this second is remembered: what is usual does not include now.
            if value is not None:
                window.remember(now_us, value, in_order=True)
            return usual
        if value is not None:
            window.remember(now_us, value, in_order=False)
        if tree.function == "avg":
            return math.fsum(window.seen) / len(window.seen) if window.seen else None
        passed_us = window.at_us[-1] - window.at_us[0] if window.at_us else 0
        return (window.seen[-1] - window.seen[0]) * values.US["s"] / passed_us if passed_us else None


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _apply(function: Callable[..., Any], arguments: list[bool | float | None]) -> bool | float | None:
    """The function of known arguments; unknown if one of them is, or if the result is no number (a division by 0)."""
    if None in arguments:
        return None
    try:
        result: bool | float = function(*arguments)
    except (ZeroDivisionError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def _kleene(op: str, parts: list[bool | float | None]) -> bool | None:
    """`and` is false as soon as one part is, `or` true as soon as one is; else an unknown part makes it unknown."""
    decisive = op == "or"
    if any(part is not None and bool(part) is decisive for part in parts):
        return decisive
    return None if None in parts else not decisive


def _median(ordered: list[float]) -> float | None:
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
