"""`windows`: what a scenario asks of the stream of readings, by their stamps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.errors import Problems, Refused, closest, listed, quoted
from twinstorm.scenarios.language.expressions import Expression, names
from twinstorm.scenarios.language.fields import Key, Record, Single, Table, duration, words, wrong
from twinstorm.scenarios.language.figures import KEYS, asked
from twinstorm.scenarios.language.model import NO_LINE, Continuity, Fleet, Window
from twinstorm.scenarios.language.nodes import MapNode, ScalarNode

LEVELS: Final = ("device", "gateway", "line", "segment", "site", "region", "firmware", "link", "tenant", "all")
MEASURES: Final = ("mean", "sd", "least", "most", "count", "sum")
MOST_STEPS: Final = 1_000
"""Steps within the width of a sliding window, all of which are kept."""

_CHANNEL = rf"{values.NAME}\.[a-z][a-z0-9_]*"


class Series(NamedTuple):
    """A channel of a kind of machine."""

    kind: str
    channel: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.channel}"


def _series(text: str) -> Series:
    if not re.fullmatch(_CHANNEL, text):
        hint = "write the kind, a dot and the channel: `motor.winding_temperature_c`"
        raise Refused("S218", f"{quoted(text)} is no channel of a kind of machine", hint)
    return Series(*text.split("."))


SERIES = Single("a channel of a kind of machine", _series, "motor.winding_temperature_c", _CHANNEL)

WINDOW = Table(
    "a window",
    (
        Key("of", SERIES, "what is measured: kind of machine, dot, channel", required=True),
        Key("figure", words("figure", *MEASURES), "what is told of it", default="mean"),
        Key("by", words("level", *LEVELS), "whose readings are taken together", default="all"),
        Key("every", duration("1 s", "1 d", "1 min"), "how often a window ends; or `gap`"),
        Key("width", duration("1 s", "7 d", "5 min"), "how much a window holds; by default what `every` says"),
        Key("gap", duration("1 s", "1 d", "30 s"), "sessions in place of windows: a pause that ends one"),
        Key("lateness", duration("0 s", "1 d", "10 s"), "how long a window stays open behind its end", default="10 s"),
    ),
)


CONTINUITY = Table(
    "the continuity",
    (
        Key(
            "periods",
            Single("a number", values.number, "3", values.NUMBER, "1", "1000", may_be_number=True),
            "silent for so many sampling periods is dead",
            default="3",
        ),
        Key("least", duration("1 s", "1 d", "10 s"), "but not before", default="10 s"),
    ),
)


def read_continuity(record: Record | None) -> Continuity | None:
    """When silence is death; None: nobody asks."""
    return None if record is None else Continuity(float(record.value("periods")), record.value("least"))


def check_silences(record: Record, problems: Problems) -> None:
    """Tell of dead sensors and links in expressions where nobody listens for them.

    Args:
        record: an expectation, a step, or the stop condition.
    """
    for key, value in record.read.items():
        for word in names(value) if isinstance(value, Expression) else ():
            if word in catalogue.OF_CONTINUITY:
                message = f"there is no {quoted(word)} without `continuity`"
                problems.add(wrong(record.at(key), "S310", message, "add `continuity: {}`"))


def read_windows(records: Mapping[str, Record], fleet: Fleet, run_us: int | None, problems: Problems) -> list[Window]:
    """What a scenario keeps windows of; those that make no sense are told and left out. Loads the kinds.

    Args:
        run_us: duration of the run; None: nobody knows.
    """
    found = (_window(name, record, fleet, run_us, problems) for name, record in records.items())
    return [window for window in found if window is not None]


def _window(name: str, record: Record, fleet: Fleet, run_us: int | None, problems: Problems) -> Window | None:
    before = len(problems.found)
    assert record.node is not None
    if record.has("every") == record.has("gap"):
        message = "write one of `every`, for windows, and `gap`, for sessions"
        problems.add(wrong(record.node, "S212", message, "write `every: 1 min`", record.node.key_place))
    if record.has("gap") and record.has("width"):
        message = "a session is as long as somebody speaks: it has no `width`"
        problems.add(wrong(record.at("width"), "S212", message, "leave `width` out", record.at("width").key_place))
    every_us: int | None = record.own("every")
    width_us = record.own("width") or every_us
    if every_us is not None and width_us is not None:
        _check_span(record, every_us, width_us, problems)
    lateness_us = record.value("lateness")
    waits_us = (every_us or record.own("gap") or 0) + lateness_us
    if run_us is not None and waits_us > run_us:
        message = "no window closes within the run"
        hint = "make `every`, `gap` or `lateness` shorter, or `duration` longer"
        problems.add(wrong(record.node, "S212", message, hint, record.node.key_place))
    of: Series | None = record.own("of")
    unit = None if of is None else unit_of(of, record, "of", fleet, problems)
    check_level(record, fleet, problems)
    if of is None or unit is None or len(problems.found) > before:
        return None
    return Window(
        name=name,
        kind=of.kind,
        channel=of.channel,
        unit=unit,
        measure=record.value("figure"),
        by=record.value("by"),
        every_us=every_us or 0,
        width_us=width_us or 0,
        gap_us=record.own("gap") or 0,
        lateness_us=lateness_us,
    )


def _check_span(record: Record, every_us: int, width_us: int, problems: Problems) -> None:
    node = record.at("width") if record.has("width") else record.at("every")
    if width_us % every_us:
        message = "a window is as wide as some whole number of its steps"
        problems.add(wrong(node, "S212", message, "make `width` a multiple of `every`"))
    elif width_us // every_us > MOST_STEPS:
        message = f"a window of {width_us // every_us:,} steps: all of them would be kept"
        problems.add(wrong(node, "S210", message, f"make `every` longer: at most {MOST_STEPS:,} steps"))


def check_level(record: Record, fleet: Fleet, problems: Problems) -> None:
    """Levels of which this fleet has one key only."""
    if record.own("by") == "gateway" and not any(segment.through for segment in fleet.segments):
        message = "no device is behind a gateway: all would count together"
        problems.add(wrong(record.at("by"), "S212", message, "write `by: all`, or `by: site`"))
    if record.own("by") == "line" and all(segment.line == NO_LINE for segment in fleet.segments):
        message = "no device stands on a line: nothing would count"
        problems.add(wrong(record.at("by"), "S212", message, "write `line: NAME` in segments, or `by: site`"))


def unit_of(of: Series, record: Record, key: str, fleet: Fleet, problems: Problems) -> str | None:
    """Unit of a channel; None, after telling, if no machine of the fleet has it."""
    kinds = sorted({segment.kind for segment in fleet.segments})
    node = record.at(key)
    if of.kind not in kinds:
        message = f"no machine of the fleet is {quoted(of.kind)}"
        hint = f"kinds of the fleet: {listed(kinds)}"
        close = closest(of.kind, kinds)
        problems.add(wrong(node, "S309", message, hint, allowed=tuple(kinds), suggestion=close))
        return None
    channels = {channel.name: channel for kind in catalogue.machines([of.kind]) for channel in kind.channels}
    if of.channel not in channels:
        message = f"{quoted(of.kind)} has no channel {quoted(of.channel)}"
        close = closest(of.channel, channels)
        hint = f"it has {listed(sorted(channels), len(channels))}"
        suggestion = f"{of.kind}.{close}" if close else ""
        problems.add(wrong(node, "S309", message, hint, allowed=tuple(channels), suggestion=suggestion))
        return None
    return str(channels[of.channel].unit)


def named_of(scenario: Record) -> Mapping[str, tuple[str, ...] | None]:
    """Function of expressions to the names that it may ask for; None: they could not be read."""
    return {function: _names_under(scenario, key) for function, key in KEYS.items()}


def _names_under(scenario: Record, key: str) -> tuple[str, ...] | None:
    if not scenario.has(key):
        return ()
    node = scenario.at(key)
    return tuple(node.entries) if isinstance(node, MapNode) else None


def check_figures(record: Record, named: Mapping[str, tuple[str, ...] | None], problems: Problems) -> None:
    """Tell of figures in expressions that the scenario does not have.

    Args:
        record: an expectation, a step, or the stop condition.
        named: see `named_of`.
    """
    for key, function, of in _asked_in(record):
        known = named[function]
        if known is None or of in known:
            continue
        under = KEYS[function]
        message = f"there is no {under.removesuffix('s')} {quoted(of)}"
        hint = f"{under}: {listed(known)}" if known else f"add `{under}: {{{of}: {_EXAMPLES[function]}}}`"
        node = record.at(key)
        at = node.text.find(of) if isinstance(node, ScalarNode) else -1
        place = node.part(at, len(of)) if isinstance(node, ScalarNode) and at >= 0 else node.place
        problems.add(wrong(node, "S302", message, hint, place, allowed=known, suggestion=closest(of, known)))


_EXAMPLES: Mapping[str, str] = {
    "window": "{of: motor.winding_temperature_c, every: 1 min}",
    "correlation": "{left: heat, right: rooms}",
    "difference": "{left: motor.winding_temperature_c, right: environment.temperature_c}",
    "pairs": "{left: motor.winding_temperature_c, right: environment.temperature_c}",
    "routed": "{when: winding_temperature_c > 80, to: store}",
}


def _asked_in(record: Record) -> Iterator[tuple[str, str, str]]:
    """Key of a mapping, function and name of every figure in its expressions."""
    value: Any
    for key, value in record.read.items():
        for name in names(value) if isinstance(value, Expression) else ():
            found = asked(name)
            if found is not None:
                yield key, found.function, found.of
