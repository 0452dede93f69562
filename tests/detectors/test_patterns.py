"""Patterns of events: the matcher beside one that tries everything, and what it makes of what a core knows."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import Lab, delivery, registry_of
from twinstorm.detectors.conformance import CHECKS
from twinstorm.detectors.contract import Batch
from twinstorm.detectors.happenings import BOOT, CONNECT, DISCONNECT, EVENTS, Happened, Happenings
from twinstorm.detectors.options import typed
from twinstorm.detectors.patterns import MOST_A_PANE, EventPattern, Matcher, made
from twinstorm.scenarios.language import patterns
from twinstorm.scenarios.language.patterns import Pattern
from twinstorm.twin.flow import SECOND_US, Alarm, Registry, SessionEvent, Severity

WORDS = EVENTS[:4]
Event = tuple[int, int, int]
"""Time, device, code."""


def columns(events: list[Event]) -> Happened:
    rows = np.array(events, np.int64).reshape(-1, 3)
    return Happened(rows[:, 0], rows[:, 1].astype(np.int32), rows[:, 2].astype(np.uint8))


def by_trying(pattern: Pattern, events: list[Event]) -> list[tuple[int, int]]:
    """Device and time of every match: each event that ends a row of others since the match before."""
    found = []
    for device in sorted({event[1] for event in events}):
        mine = [(at_us, EVENTS[what]) for at_us, who, what in events if who == device]
        first = 0
        for last in range(len(mine)):
            if any(_is_match(pattern, mine, rows) for rows in _rows(first, last, len(pattern.steps))):
                found.append((device, mine[last][0]))
                first = last + 1
    return found


def _rows(first: int, last: int, count: int) -> Iterator[tuple[int, ...]]:
    return ((*rows, last) for rows in combinations(range(first, last), count - 1))


def _is_match(pattern: Pattern, events: list[tuple[int, str]], rows: tuple[int, ...]) -> bool:
    if any(events[row][1] not in step for row, step in zip(rows, pattern.steps, strict=True)):
        return False
    between = (row for row in range(rows[0], rows[-1]) if row not in rows)
    if any(events[row][1] in pattern.without for row in between):
        return False
    return len(rows) == 1 or events[rows[-1]][0] - events[rows[0]][0] <= pattern.within_us


some_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2, unique=True).map(tuple)
some_patterns = st.builds(
    Pattern,
    text=st.just(""),
    steps=st.lists(some_words, min_size=1, max_size=4).map(tuple),
    within_us=st.integers(1, 8),
    without=st.one_of(st.just(()), some_words),
)
some_events = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 3)), max_size=16)


@given(some_patterns, some_events, st.lists(st.integers(0, 16), max_size=3))
def test_matches_are_those_that_trying_everything_finds(pattern: Pattern, steps: list[Event], cuts: list[int]) -> None:
    now_us, events = 0, []
    for pause_us, device, what in steps:
        now_us += pause_us
        events.append((now_us, device, what))
    matcher = Matcher(pattern, Happenings(), 2)
    found: list[tuple[int, int]] = []
    edges = [0, *sorted(cuts), len(events)]
    for begin, end in pairwise(edges):
        devices, instants_us, passed_over = matcher.take(columns(events[begin:end]))
        found += zip(devices.tolist(), instants_us.tolist(), strict=True)
        assert passed_over == 0
    assert sorted(found) == sorted(by_trying(pattern, events))


@pytest.mark.parametrize(
    ("text", "events", "matches"),
    [
        ("disconnect then connect within 5 us", "d0 c5", [5]),
        ("disconnect then connect within 5 us", "d0 c6", []),
        # The latest beginning counts, and no event twice.
        ("disconnect then connect within 5 us", "d0 d3 c7 c8", [7]),
        ("disconnect then connect within 9 us without boot", "d0 b1 c2", []),
        ("disconnect then connect within 9 us without boot", "b0 d1 c2 b3", [2]),
        ("disconnect then connect within 9 us without disconnect", "d0 d1 c2", [2]),
        ("3 x connect within 4 us", "c0 c2 c4 c5 c6 c7", [4, 7]),
        ("3 x connect within 4 us", "c0 c3 c6 c9", []),
        ("disconnect or will then connect within 9 us", "w1 c2 d3 c4", [2, 4]),
        ("boot", "b1 c2 b3", [1, 3]),
        ("connect then connect then boot within 3 us", "c0 c1 c2 b3", [3]),
    ],
)
def test_patterns_by_hand(text: str, events: str, matches: list[int]) -> None:
    codes = {"d": DISCONNECT, "c": CONNECT, "b": BOOT, "w": EVENTS.index("will")}
    rows = [(int(each[1:]), 0, codes[each[0]]) for each in events.split()]
    _, at_us, _ = Matcher(patterns.parse(text), Happenings(), 1).take(columns(rows))
    assert at_us.tolist() == matches


def test_of_one_device_a_hundred_events_in_a_pane_are_looked_at_and_the_rest_counted() -> None:
    matcher = Matcher(patterns.parse("boot"), Happenings(), 2)
    events = [(number, 0, BOOT) for number in range(MOST_A_PANE + 7)]
    device, _, passed_over = matcher.take(columns([*events, (500, 1, BOOT)]))
    assert device.tolist() == [0, 1, *[0] * (MOST_A_PANE - 1)]
    assert passed_over == 7


# --- as one of a core's detectors -------------------------------------------------------------------------------------

FLEET = registry_of(motors=12, climate=3, climate_every_us=5 * SECOND_US)


class OfStory(EventPattern):
    """Gets the events that the story of the conformance suite tells by its columns."""

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        pattern = patterns.parse("disconnect then boot or connect within 90 s")
        super().__init__(registry, typed("pattern", EventPattern.options, {**settings, "pattern": pattern}))
        self.happenings = Happenings()
        self.follow(self.happenings)

    def learn(self, batch: Batch) -> None:
        # What came in the pane that was scored just now counts from the next on: the suite scores before it learns.
        for since_us, what in ((batch.ended_us, DISCONNECT), (batch.rebooted_us, BOOT), (batch.born_us, CONNECT)):
            now = np.flatnonzero(since_us > batch.now_us - SECOND_US).astype(np.int32)
            self.happenings.add(since_us[now], now, what)
        self.take(self.happenings.turn())


OfStory.options = tuple(option for option in EventPattern.options if option.name != "pattern")


@pytest.mark.parametrize("rule", sorted(set(CHECKS) - {"rests_truthfully", "passes_by_truthfully"}))
def test_it_keeps_the_contract(rule: str) -> None:
    story: Any = OfStory  # `name` is that of the instance here, as a scenario gives it
    CHECKS[rule](story, FLEET)


def lab_with(pattern: str, **settings: Any) -> Lab:
    detectors: dict[str, Any] = {"flapping-link": {"pattern": patterns.parse(pattern), **settings}}
    return Lab.start(FLEET, warm_up_s=0, **detectors)


def test_a_link_that_flaps_is_an_alarm_of_the_name_that_it_was_given() -> None:
    lab = lab_with("disconnect then connect within 5 s without boot", times="3", during="2 min", severity="page")
    lab.play(10)
    flapping, booting = np.arange(12, 20), np.arange(30, 36)
    for _ in range(3):
        lab.drop(np.concatenate((flapping, booting)))
        lab.play(2)
        lab.reconnects(flapping)
        lab.boots(booting)
        lab.play(8)
    (alarm,) = lab.core.alarms
    assert (alarm.name, alarm.severity, alarm.group) == ("flapping-link", Severity.PAGE, "site=fra-1")
    assert alarm.device.tolist() == flapping.tolist()
    (incident,) = lab.core.incidents
    assert incident.title == "8 devices go through the events of a pattern, site=fra-1"
    lab.play(130)
    assert alarm.resolved_us is not None


def test_as_many_matches_are_wanted_in_as_short_a_time_as_was_said() -> None:
    lab = lab_with("takeover", times="2", during="20 s")
    lab.play(5)
    lab.tell([3], SessionEvent.TAKEN_OVER)
    lab.play(25)
    lab.tell([3, 4], SessionEvent.TAKEN_OVER)
    lab.play(10)
    assert lab.core.alarms == []
    lab.tell([4], SessionEvent.TAKEN_OVER)
    lab.play(5)
    (alarm,) = lab.core.alarms
    assert alarm.device.tolist() == [4]


def test_late_readings_dead_letters_and_alarms_are_events() -> None:
    lab = lab_with("late then dead-letter then alarm silence within 1 min")
    pattern = lab.core.patterns[0]
    lab.play(5)
    now_us = lab.second * SECOND_US
    lab.core.ingest(delivery([7], [900], arrived_us=now_us))
    lab.core.ingest(delivery([7], [800], arrived_us=now_us + 1))
    lab.core.ingest(delivery([7, 5_000], [901, 1], arrived_us=now_us + 2, values=[[900.0, 1.0], [1.0, 1.0]]))
    lab.play(1)
    assert lab.core.alarms == []
    silence = Alarm("silence", now_us, Severity.TICKET, "all", np.array([7, 8], np.int32), "", 0)
    lab.core._panel.tell_patterns([silence], now_us)
    lab.play(5)
    (alarm,) = lab.core.alarms
    assert (alarm.name, alarm.device.tolist()) == ("flapping-link", [7])
    assert pattern.passed_over == 0


def test_an_alarm_that_a_core_raises_is_an_event_of_the_next_second() -> None:
    given = {"pattern": patterns.parse("will then alarm silence within 1 min"), "hold": "0 s"}
    lab = Lab.start(FLEET, warm_up_s=0, silence={"shadow": "false"}, gone=given)
    lab.play(5)
    away = np.arange(12)
    lab.power_off(away)
    lab.play(5)
    lab.tell(away, SessionEvent.LOST)
    lab.play(20)
    silence, gone = lab.core.alarms
    assert [silence.name, gone.name] == ["silence", "gone"]
    assert gone.at_us == silence.at_us + SECOND_US
    assert gone.device.tolist() == silence.device.tolist()


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    labs = [lab_with("disconnect then connect within 30 s") for _ in "ab"]
    for lab in labs:
        lab.play(5)
        lab.drop([1, 2])
        lab.play(5)
    labs[1].core = pickle.loads(pickle.dumps(labs[1].core))
    for lab in labs:
        lab.reconnects([1])
        lab.play(5)
        assert [(alarm.name, alarm.device.tolist()) for alarm in lab.core.alarms] == [("flapping-link", [1])]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pattern": "boot"}, "setting `pattern` is a pattern of events that was read, not `boot`"),
        ({"pattern": patterns.parse("boot"), "time": "3"}, "detector `mine` has no setting `time`; allowed: clear, "),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(settings: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="mine") as raised:
        made("mine", FLEET, settings)
    assert message in str(raised.value)
