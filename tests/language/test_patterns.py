"""Patterns of events as people write them: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from tests.language.test_reader import small
from twinstorm.detectors.happenings import EVENTS as OF_THE_CORE
from twinstorm.scenarios.language.errors import Problem, Refused, ScenarioErrors
from twinstorm.scenarios.language.patterns import EVENTS, Pattern, parse

S = 1_000_000


def test_the_language_and_the_core_know_the_same_events() -> None:
    assert tuple(EVENTS) == OF_THE_CORE


@pytest.mark.parametrize(
    ("text", "steps", "within_us", "without"),
    [
        ("boot", (("boot",),), 0, ()),
        ("disconnect then connect within 5 s", (("disconnect",), ("connect",)), 5 * S, ()),
        ("3 x will within 5 min", (("will",),) * 3, 300 * S, ()),
        ("3x will within 1min30s", (("will",),) * 3, 90 * S, ()),
        (
            "  2 x disconnect or will then boot within 1 h without connect or late ",
            (("disconnect", "will"), ("disconnect", "will"), ("boot",)),
            3600 * S,
            ("connect", "late"),
        ),
        (
            "alarm silence then dead-letter within 30 s without alarm pyod:ECOD",
            (("alarm silence",), ("dead-letter",)),
            30 * S,
            ("alarm pyod:ECOD",),
        ),
    ],
)
def test_patterns_are_events_in_turn_and_a_time(
    text: str, steps: tuple[tuple[str, ...], ...], within_us: int, without: tuple[str, ...]
) -> None:
    assert parse(text) == Pattern(text.strip(), steps, within_us, without)


def test_a_pattern_knows_which_alarms_it_asks_for() -> None:
    assert parse("alarm b then will or alarm a within 5 s without alarm b").alarms == ("a", "b")


@pytest.mark.parametrize(
    ("text", "blamed", "message", "advice"),
    [
        ("", "", "a pattern is missing", "write `disconnect then connect within 5 s`"),
        ("disconnect then", "n", "the pattern ends too early", "an event is missing at its end: connect, "),
        ("disconect then connect within 5 s", "disconect", "a pattern knows no `disconect`", "disconnect"),
        ("disconnect and connect within 5 s", "and", "a pattern knows no `and`", ""),
        ("disconnect connect within 5 s", "connect", "`connect` cannot stand here", "with `then` between them"),
        ("disconnect then connect", "t", "`within` is missing", "say in which time: `... within 5 s`"),
        ("disconnect then connect within", "n", "a duration is missing behind `within`", "within 5 s"),
        ("disconnect then connect within five", "five", "a duration follows `within`, not `five`", "within 5 s"),
        ("disconnect then connect within 5", "5", "`5` is not part of a pattern", "durations with a unit"),
        ("disconnect then connect within 0 s", "0 s", "nothing happens within no time", "`1 s` or more"),
        ("boot within 5 s", "within", "`within` is about two events or more", "`times` counts events"),
        ("0 x boot then will within 5 s", "0", "`0 x` is not from 1 to 20", "`times` counts more"),
        ("3 boot within 5 s", "3", "`3` is not part of a pattern", "counts are written `3 x will`"),
        ("alarm then will within 5 s", "then", "the name of the alarm is missing", "`alarm silence`"),
        ("boot then will within 5 s without", "t", "the pattern ends too early", "an event is missing"),
        ("boot then will within 5 s or 6 s", "or", "`or` cannot stand here", ""),
        ("boot; will", ";", "`;` is not part of a pattern", ""),
        ("11 x boot then 10 x will within 5 s", "", "a pattern has at most 20 events, this has 21", "`times`"),
        ("boot or " * 30 + "boot", "", "a pattern has at most 200 characters", "two patterns"),
    ],
)
def test_what_is_no_pattern_is_told_with_its_place(text: str, blamed: str, message: str, advice: str) -> None:
    with pytest.raises(Refused) as raised:
        parse(text)
    wrong = raised.value
    assert message in wrong.message
    assert advice in wrong.hint or advice == wrong.suggestion
    if blamed:
        assert text[wrong.offset : wrong.offset + wrong.length] == blamed
    assert wrong.offset + wrong.length <= max(len(text), 1)


# --- in a scenario ----------------------------------------------------------------------------------------------------


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(ScenarioErrors) as raised:
        small(text)
    return list(raised.value.problems)


def test_a_pattern_in_a_scenario_has_a_name_and_settings() -> None:
    scenario = small(
        "detectors:\n"
        "  silence: {}\n"
        "  flapping-link: {pattern: disconnect then connect within 5 s, times: 3, during: 2 min, shadow: true}\n"
        "  lost-twice: {pattern: alarm silence then alarm flapping-link within 1 min}\n"
        "expect:\n  - no_alarm: flapping-link\n  - {alarm: lost-twice, within: 1 min}\n"
    )
    assert scenario.detectors is not None
    assert scenario.detectors["flapping-link"] == {
        "pattern": parse("disconnect then connect within 5 s"),
        "times": 3,
        "during": 120 * S,
        "shadow": "true",
    }
    assert [each.name for each in scenario.expectations] == ["flapping-link", "lost-twice"]


def test_what_is_wrong_with_a_pattern_is_told_where_it_stands() -> None:
    (wrong,) = problems_of("detectors:\n  flapping: {pattern: disconnect then conect within 5 s}\n")
    assert (wrong.code, wrong.path, wrong.suggestion) == ("S507", "detectors.flapping.pattern", "connect")
    line = wrong.place.source.lines[wrong.place.line - 1]
    assert line[wrong.place.column - 1 :][: wrong.place.length] == "conect"


@pytest.mark.parametrize(
    ("text", "code", "path", "suggestion"),
    [
        ("detectors: {flapping: {patern: boot}}\n", "S104", "detectors.flapping", ""),
        ("detectors: {flapping: {pattern: boot, time: 3}}\n", "S102", "detectors.flapping.times", "times"),
        ("detectors: {flapping: {pattern: boot, times: 0}}\n", "S210", "detectors.flapping.times", ""),
        ("detectors: {Flapping: {pattern: boot}}\n", "S109", "detectors.Flapping", ""),
        ("detectors: {any: {pattern: boot}}\n", "S204", "detectors.any", ""),
        ("detectors: {my-burn: {pattern: boot}}\n", "S204", "detectors.my-burn", ""),
        ("detectors: {silence: {pattern: boot}}\n", "S102", "detectors.silence.pattern", ""),
        (
            "detectors: {gone: {pattern: will then alarm silenc within 5 s}, silence: {}}\n",
            "S308",
            "detectors.gone.pattern",
            "silence",
        ),
        (
            "detectors: {flapping: {pattern: boot}}\nexpect: [{no_alarm: flaping}]\n",
            "S104",
            "expect[0].no_alarm",
            "flapping",
        ),
    ],
)
def test_names_and_settings_are_checked_like_all_others(text: str, code: str, path: str, suggestion: str) -> None:
    (wrong,) = problems_of(text)
    assert (wrong.code, wrong.path, wrong.suggestion) == (code, path, suggestion)
