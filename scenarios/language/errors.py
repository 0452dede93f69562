"""What can be wrong with a scenario, told so that it can be repaired: what, where, the line, one thing to try.

    ScenarioErrors      everything that is wrong with one file and its settings, raised once
      Problem           one thing that is wrong: a stable code, a message, a place, advice

Modules that read collect into `Problems` and go on; whoever started the reading calls `Problems.check`. A parser that
knows only its own text raises `Refused`, and the field that called it adds the place.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

MOST_PROBLEMS = 100
"""Of one file: nobody repairs more at a time, and a file that is no scenario at all would fill the screen."""

_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_WIDEST_EXCERPT = 160
_WIDEST_VALUE = 60
_WIDEST_PATH = 200
_MOST_ALLOWED = 12

_RED, _BLUE, _BOLD, _PLAIN = "\x1b[1;31m", "\x1b[34m", "\x1b[1m", "\x1b[0m"


# --- where ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A text that somebody wrote.

    Attributes:
        name: a file as the user typed it, ``library:NAME``, or an option with its value, e.g. ``--set duration=1 h``.
        text: all of it; of an option the value.
        is_option: it came from the command line and has no line numbers.
    """

    name: str
    text: str
    is_option: bool = False

    @cached_property
    def lines(self) -> Sequence[str]:
        """Without line breaks; YAML's idea of a line, so that numbers agree with the parser's."""
        return _LINE_BREAK.split(self.text)


@dataclass(frozen=True)
class Place:
    """A stretch of one line. Lines and columns count characters from 1; line 0 means the source as a whole."""

    source: Source
    line: int = 0
    column: int = 0
    length: int = 1

    @property
    def short(self) -> str:
        return f"{self.line}:{self.column}"


def from_top(places: Iterable[Place]) -> list[Place]:
    """In the order of the text; options, which are usually to blame, stand on line 1."""
    return sorted(places, key=lambda place: (place.line, place.column))


# --- what -------------------------------------------------------------------------------------------------------------


class Refused(ValueError):
    """A text cannot be read as what it should be. Carries everything but the place, which its caller knows.

    Attributes:
        offset, length: which characters of the text are to blame; length 0: all of it.
        others: what else is wrong with the same text.
    """

    others: tuple[Refused, ...] = ()

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        offset: int = 0,
        length: int = 0,
        allowed: tuple[str, ...] = (),
        suggestion: str = "",
    ) -> None:
        super().__init__(code, message, hint, offset, length, allowed, suggestion)
        self.code, self.message, self.hint = code, message, hint
        self.offset, self.length = offset, length
        self.allowed, self.suggestion = allowed, suggestion

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


_R = TypeVar("_R", bound=Refused)


def together(reasons: Sequence[_R]) -> _R:
    """One to raise for everything that is wrong with a text, in its order."""
    first, *others = sorted(reasons, key=lambda reason: reason.offset)
    first.others = tuple(others)
    return first


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: e.g. ``S102``; stable, explained in `CODES`.
        path: of the key, as `--set` takes it, e.g. ``steps[0].lasts``.
        value: as it was read; empty where nothing is there.
        allowed: everything that could stand there instead, if that is a closed list.
        suggestion: the one of them that was probably meant.
        hint: one thing to try, beyond the suggestion.
        also: further places of the same problem.
    """

    code: str
    message: str
    place: Place
    path: str = ""
    value: str = ""
    allowed: tuple[str, ...] = ()
    suggestion: str = ""
    hint: str = ""
    also: tuple[Place, ...] = ()

    @property
    def advice(self) -> str:
        """What to try, on one line."""
        parts = [f"did you mean {quoted(self.suggestion)}?"] if self.suggestion else []
        if self.hint:
            parts.append(self.hint)
        elif self.allowed:
            parts.append(f"allowed: {listed(self.allowed)}")
        return "  ".join(parts)

    def render(self, color: bool = False) -> str:
        """As people read it: headline, place, the line with what is wrong underlined, advice."""
        paint = _paint if color else _leave
        headline = paint(f"error[{self.code}]", _RED) + paint(f": {self.message}", _BOLD)
        places = [self.place, *(place for place in self.also if place.line)]
        width = max(2, *(len(str(place.line)) for place in places))
        where = self.place.source.name
        if self.place.line and not self.place.source.is_option:
            where += ":" + " and ".join(place.short for place in places)
        where = f"{printable(where)}  {printable(self.path[:_WIDEST_PATH])}".rstrip()
        rows = [headline, f"{' ' * width}{paint('-->', _BLUE)} {where}"]
        if not self.place.line:
            return "\n".join([*rows, *([f"{' ' * width}{paint(' =', _BLUE)} {self.advice}"] if self.advice else [])])
        for place in places:
            last = place is places[-1]
            excerpt, before, carets = _excerpt(place)
            number = "" if place.source.is_option else str(place.line)
            rows.append(f"{paint(f'{number:>{width}} |', _BLUE)} {excerpt}".rstrip())
            mark = paint("^" * carets, _RED) + (f" {self.advice}" if last and self.advice else "")
            rows.append(f"{paint(f'{chr(32) * width} |', _BLUE)} {' ' * before}{mark}")
        return "\n".join(rows)

    def to_json(self) -> dict[str, Any]:
        """For tools: every part by itself."""
        source = self.place.source
        return {
            "code": self.code,
            "message": self.message,
            "file": "" if source.is_option else source.name,
            "option": source.name if source.is_option else "",
            "line": 0 if source.is_option else self.place.line,
            "column": self.place.column,
            "length": self.place.length,
            "path": self.path,
            "value": self.value,
            "allowed": list(self.allowed),
            "suggestion": self.suggestion,
            "advice": self.advice,
            "also": [{"line": place.line, "column": place.column, "length": place.length} for place in self.also],
        }

    def to_github(self) -> str:
        """A workflow command: GitHub shows the problem at its line of the file."""
        where = []
        if not self.place.source.is_option:
            where.append(f"file={_github(self.place.source.name, in_property=True)}")
            if self.place.line:
                end = self.place.column + self.place.length
                where.append(f"line={self.place.line},col={self.place.column},endColumn={end}")
        where.append(f"title={_github(f'error[{self.code}]', in_property=True)}")
        text = f"{self.message} ({self.path})" if self.path else self.message
        advice = f"\n{self.advice}" if self.advice else ""
        return f"::error {','.join(where)}::{_github(text + advice)}"


class ScenarioErrors(Exception):
    """Everything that is wrong with one scenario, in the order of the file, settings of the command line last.

    Attributes:
        problems: at least one, at most `MOST_PROBLEMS`.
        left_out: how many more there are.
    """

    def __init__(self, problems: tuple[Problem, ...], left_out: int = 0) -> None:
        super().__init__(problems, left_out)
        self.problems, self.left_out = problems, left_out

    def __str__(self) -> str:
        return self.render()

    def render(self, color: bool = False) -> str:
        blocks = [problem.render(color) for problem in self.problems]
        if self.left_out:
            blocks.append(f"and {thousands(self.left_out)} more: repair these first")
        return "\n".join(blocks)

    def to_json(self) -> list[dict[str, Any]]:
        return [problem.to_json() for problem in self.problems]

    def to_github(self) -> str:
        return "\n".join(problem.to_github() for problem in self.problems)


@dataclass
class Problems:
    """Collects, so that all problems of a file are told at once."""

    found: list[Problem] = field(default_factory=list)
    left_out: int = 0

    @property
    def full(self) -> bool:
        return len(self.found) >= MOST_PROBLEMS

    def add(self, problem: Problem) -> None:
        if self.full:
            self.left_out += 1
        else:
            self.found.append(problem)

    def check(self) -> None:
        """Raise what was found.

        Raises:
            ScenarioErrors: if anything was.
        """
        if self.found:
            raise ScenarioErrors(tuple(sorted(self.found, key=_order)), self.left_out)


def _order(problem: Problem) -> tuple[bool, int, int]:
    """The file from top to bottom, then options as they came; sorting keeps the order of what is equal."""
    place = problem.place
    return (True, 0, 0) if place.source.is_option else (False, place.line, place.column)


# --- words ------------------------------------------------------------------------------------------------------------


def closest(word: str, candidates: Iterable[str], likeness: float = 0.6) -> str:
    """The candidate that was probably meant; empty if none comes near.

    Args:
        likeness: how near it must come, 1 is the same word.
    """
    names = {name.casefold(): name for name in candidates}
    near = difflib.get_close_matches(word.casefold()[:64], names, n=1, cutoff=likeness)
    return names[near[0]] if near else ""


def printable(text: str) -> str:
    """Control and other invisible characters as escapes, so that a file cannot play with the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(text: str) -> str:
    """A value as it was read, in backticks, cut if long."""
    shown = printable(text)
    return f"`{shown}`" if len(shown) <= _WIDEST_VALUE else f"`{shown[: _WIDEST_VALUE - 3]}...`"


def listed(names: Sequence[str], most: int = _MOST_ALLOWED) -> str:
    """``a, b, c``, cut if there are many."""
    shown = ", ".join(printable(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {thousands(len(names) - most)} more"


def thousands(number: int) -> str:
    """10000 -> ``10,000``."""
    return f"{number:,}"


# --- rendering --------------------------------------------------------------------------------------------------------


def _paint(text: str, style: str) -> str:
    return f"{style}{text}{_PLAIN}"


def _leave(text: str, style: str) -> str:  # noqa: ARG001 - the same signature as `_paint`
    return text


def _excerpt(place: Place) -> tuple[str, int, int]:
    """The line without surprises, cells before the marked part, cells of the marked part (at least 1)."""
    lines = place.source.lines
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    start = min(place.column - 1, len(line))
    end = min(start + max(place.length, 1), max(len(line), start + 1))
    first = max(0, min(start - 20, len(line) - _WIDEST_EXCERPT)) if len(line) > _WIDEST_EXCERPT else 0
    left, right = "..." if first else "", "..." if len(line) > first + _WIDEST_EXCERPT else ""
    last = first + _WIDEST_EXCERPT
    before, marked, after = line[first:start], line[start : min(end, last)], line[end:last]
    shown = left + _flat(before) + _flat(marked) + _flat(after) + right
    return shown, _cells(left) + _cells(_flat(before)), max(_cells(_flat(marked)), 1)


def _flat(text: str) -> str:
    """One character each: a tab is a blank, what has no sign of its own is a question mark."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in text)


def _cells(text: str) -> int:
    """Columns of a terminal."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _github(text: str, in_property: bool = False) -> str:
    """Escaped as workflow commands want it."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text
