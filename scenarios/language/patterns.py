"""Patterns of events such as ``disconnect then connect within 5 s without boot``: what happens to one device, in turn.

The grammar; nothing else is part of it:

    pattern:  step {"then" step} ["within" DURATION ["without" events]]
    step:     [COUNT "x"] events
    events:   event {"or" event}
    event:    "connect" | "disconnect" | "will" | "takeover" | "boot" | "late" | "dead-letter" | "alarm" NAME

``3 x will within 5 min`` is three wills, the last at most 5 min after the first. Other events may come in between, but
for those of `without`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.errors import Refused, closest, listed, quoted

EVENTS: Final[Mapping[str, str]] = {
    "connect": "the device announced itself on a new session",
    "disconnect": "its connection ended otherwise than by a will: a reset, a broker that stopped, a clean end",
    "will": "the broker heard nothing for one and a half keep-alives, and published the will",
    "takeover": "a new connection with its client id replaced the old one",
    "boot": "it showed a new boot number; the first one ever seen is none",
    "late": "a reading of it came behind a newer one",
    "dead-letter": "a reading in its name was refused",
}
"""What may stand in a pattern beside `alarm NAME`: an alarm that was raised about the device."""

ALARM: Final = "alarm"
MOST_EVENTS: Final = 20
LONGEST: Final = 200

_KEYWORDS: Final = ("then", "within", "without", "or", "x", ALARM)
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<duration>{values.DURATION})(?![A-Za-z0-9_(])
    | (?P<count>[0-9]{{1,4}})\s*x(?![A-Za-z0-9_-])
    | (?P<word>[A-Za-z][A-Za-z0-9_:-]*)
    | (?P<end>$)
    )""",
    re.VERBOSE,
)
_EXAMPLE: Final = "write `disconnect then connect within 5 s`"


@dataclass(frozen=True)
class Pattern:
    """A pattern that was read.

    Attributes:
        steps: the events that must come in turn; of each, which would do. At least one, at most `MOST_EVENTS`.
        within_us: the last comes at most so long after the first; 0 if there is one only.
        without: what must not come between the first and the last.
    """

    text: str
    steps: tuple[tuple[str, ...], ...]
    within_us: int
    without: tuple[str, ...] = ()

    @property
    def alarms(self) -> tuple[str, ...]:
        """Names of the alarms that it asks for, each once, sorted."""
        words = {word for events in (*self.steps, self.without) for word in events}
        return tuple(sorted(word.removeprefix(f"{ALARM} ") for word in words if word.startswith(f"{ALARM} ")))


def parse(text: str) -> Pattern:
    """Read a pattern.

    Raises:
        Refused: with what is wrong, where in the text, and what would do.
    """
    if len(text) > LONGEST:
        hint = "make two patterns of it"
        raise Refused("S505", f"a pattern has at most {LONGEST} characters, this has {len(text)}", hint)
    return _Parser(text).whole()


class _Parser:
    """One word ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._kind, self._word, self._start, self._end = "", "", 0, 0

    def whole(self) -> Pattern:
        self._advance()
        if self._kind == "end":
            raise Refused("S507", "a pattern is missing", _EXAMPLE)
        steps = self._step()
        while self._take("then"):
            steps += self._step()
        if len(steps) > MOST_EVENTS:
            message = f"a pattern has at most {MOST_EVENTS} events, this has {len(steps)}"
            raise Refused("S505", message, "count matches instead: `times`", 0, len(self._text))
        within_us, without = self._limits(len(steps))
        if self._kind != "end":
            raise self._unexpected()
        return Pattern(self._text.strip(), tuple(steps), within_us, without)

    def _limits(self, events: int) -> tuple[int, tuple[str, ...]]:
        """What follows the events."""
        start, word = self._start, self._word
        if events == 1 and word in ("within", "without"):
            hint = "leave it out, or say what follows: `boot then will within 1 min`; `times` counts events"
            raise self._wrong(f"{quoted(word)} is about two events or more, and this is one", hint, start, len(word))
        if events == 1:
            return 0, ()
        if not self._take("within"):
            if self._kind == "end":
                hint = "say in which time: `... within 5 s`"
                raise self._wrong("`within` is missing", hint, self._last(), 1)
            raise self._unexpected()
        if self._kind != "duration":
            hint = "write a duration: `within 5 s`"
            if self._kind == "end":
                raise self._wrong("a duration is missing behind `within`", hint, self._last(), 1)
            message = f"a duration follows `within`, not {quoted(self._word)}"
            raise self._wrong(message, hint, self._start, len(self._word))
        try:
            within_us = values.duration(self._word)
        except Refused as reason:
            raise self._wrong(reason.message, reason.hint, self._start, len(self._word)) from None
        if not within_us:
            raise self._wrong("nothing happens within no time", "write `1 s` or more", self._start, len(self._word))
        self._advance()
        return within_us, self._events() if self._take("without") else ()

    def _step(self) -> list[tuple[str, ...]]:
        """As many times the events as it says."""
        if self._kind != "count":
            return [self._events()]
        start, word = self._start, self._word
        count = int(word)
        if not 1 <= count <= MOST_EVENTS:
            raise self._wrong(f"`{count} x` is not from 1 to {MOST_EVENTS}", "`times` counts more", start, len(word))
        self._advance()
        return [self._events()] * count

    def _events(self) -> tuple[str, ...]:
        found = [self._event()]
        while self._take("or"):
            found.append(self._event())
        return tuple(dict.fromkeys(found))

    def _event(self) -> str:
        if self._kind != "word":
            raise self._unexpected()
        if self._take(ALARM):
            name = self._word
            if self._kind != "word" or name in _KEYWORDS:
                hint = "name a detector, or an objective with `burn`: `alarm silence`"
                start = self._last() if self._kind == "end" else self._start
                raise self._wrong("the name of the alarm is missing", hint, start, len(name) or 1)
            self._advance()
            return f"{ALARM} {name}"
        if self._word not in EVENTS:
            raise self._unexpected()
        word = self._word
        self._advance()
        return word

    def _advance(self) -> None:
        match = _TOKEN.match(self._text, self._end)
        if match is None:
            rest = self._text[self._end :]
            start = self._end + len(rest) - len(rest.lstrip())
            length = len(re.match(r"[^\s]+", self._text[start:])[0])  # type: ignore[index]  # `_TOKEN` takes blanks
            shown = quoted(self._text[start : start + length])
            hint = f"counts are written `3 x will`, durations with a unit: {', '.join(values.TIME_UNITS)}"
            raise self._wrong(f"{shown} is not part of a pattern", hint, start, length)
        self._kind = match.lastgroup or ""
        self._word, self._start, self._end = match[self._kind], match.start(self._kind), match.end()

    def _take(self, word: str) -> bool:
        """Whether this is the current word; then the next becomes the current one."""
        if self._kind != "word" or self._word != word:
            return False
        self._advance()
        return True

    def _last(self) -> int:
        """The last sign of the text, where something is missing behind it."""
        return max(len(self._text.rstrip()) - 1, 0)

    def _unexpected(self) -> Refused:
        if self._kind == "end":
            hint = f"an event is missing at its end: {_events_told()}"
            return self._wrong("the pattern ends too early", hint, self._last(), 1)
        known = (*EVENTS, *_KEYWORDS)
        word, length = self._word, max(len(self._word), 1)
        if self._kind == "word" and word not in known:
            meant = closest(word, known)
            hint = "" if meant else f"events are {_events_told()}"
            message = f"a pattern knows no {quoted(word)}"
            return Refused("S507", message, hint, self._start, length, allowed=known, suggestion=meant)
        hint = f"a pattern is events with `then` between them: {_EXAMPLE.removeprefix('write ')}"
        return self._wrong(f"{quoted(word)} cannot stand here", hint, self._start, length)

    @staticmethod
    def _wrong(message: str, hint: str, start: int, length: int) -> Refused:
        return Refused("S507", message, hint, start, length)


def _events_told() -> str:
    return listed((*EVENTS, f"{ALARM} NAME"))
