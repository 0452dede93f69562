"""From a file to a scenario: what each line becomes, where files are found, and that nothing but errors comes out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.scenarios.faults.devices import MemoryLeak
from twinstorm.scenarios.language.errors import Problem, ScenarioErrors
from twinstorm.scenarios.language.expressions import parse as parse_expression
from twinstorm.scenarios.language.model import (
    Broker,
    Buffer,
    Count,
    Expectation,
    Instant,
    Objective,
    Range,
    Rate,
    Reconnect,
    Scenario,
    Segment,
    Site,
)
from twinstorm.scenarios.language.nodes import MOST_BYTES
from twinstorm.scenarios.language.reader import library_names, load, read
from twinstorm.scenarios.language.selectors import parse as parse_selector

REPEATABLE = settings(derandomize=True, deadline=None)

S = 1_000_000
MIN = 60 * S

SMALL = """\
storm: 1
name: small
story: Hardly anything.
duration: 10 min
fleet:
  devices: 10
  segments:
    all-of-it: {kind: motor, share: 100 %}
"""


def small(more: str = "", old: str = "", new: str = "") -> Scenario:
    assert old in SMALL
    return read(SMALL.replace(old, new) + more, "small.storm.yaml")


# --- what a scenario becomes ------------------------------------------------------------------------------------------


def test_the_storm_of_the_library(storm: Callable[..., Scenario]) -> None:
    scenario = storm()
    assert scenario.name == "reboot-storm"
    assert scenario.story.startswith("Three of five sites lose power for two minutes. Then 6,000 machines")
    assert "\n" not in scenario.story
    assert (scenario.duration_us, scenario.warm_up_us, scenario.tick_us) == (30 * MIN, 3 * MIN, 100_000)
    assert scenario.fleet.devices == 10_000
    assert scenario.fleet.sites == tuple(
        Site(f"{region}-{number}", region, Fraction(1, 5))
        for region, number in (("arn", 1), ("fra", 1), ("fra", 2), ("fra", 3), ("sin", 1))
    )
    motors, climate = scenario.fleet.segments
    assert motors == Segment(
        name="motors",
        kind="motor",
        devices=8_000,
        every_us=S,
        link="ethernet",
        keep_alive_us=60 * S,
        boot_us=Range(8 * S, 12 * S),
        reconnect=Reconnect("exponential", S, 120 * S, "full", 10 * S),
        buffer=Buffer(300, "oldest"),
        qos=1,
        firmware="1.0.0",
    )
    assert climate == replace(motors, name="climate", kind="environment", devices=2_000, every_us=30 * S, link="wifi")
    assert scenario.broker == Broker(
        model="amqtt",
        connect_rate=Rate(Fraction(1, 100), of_fleet=True),
        connect_burst=Count(Fraction(1, 100), of_fleet=True),
        connect_queue=Count(Fraction(1, 100), of_fleet=True),
    )
    assert scenario.objectives == (
        Objective("connected", "connectivity", 0.9, None, None, None, None, 26),
        Objective("fresh", "freshness", 0.9, None, None, 60 * S, None, 27),
    )
    (outage,) = scenario.steps
    assert (outage.name, outage.action, outage.value, outage.line) == ("outage", "fault", "power-outage", 30)
    assert outage.at == Instant(None, "start", 5 * MIN, "5 min")
    assert outage.after is None
    assert outage.target == parse_selector("site=fra-*")
    assert (outage.lasts_us, outage.ramp_us, outage.settings, outage.expect) == (2 * MIN, 0, {}, None)
    alarm, recovered, pages, lost = scenario.expectations
    assert alarm == Expectation(
        form="alarm",
        text="alarm: reboot-storm, after: outage.end, within: 60 s",
        line=37,
        name="reboot-storm",
        after=Instant("outage", "end", 0, "outage.end"),
        within_us=60 * S,
    )
    assert recovered == Expectation(
        form="recovered",
        text="recovered: 99 %, of: outage, within: 5 min",
        line=38,
        share=0.99,
        of="outage",
        within_us=5 * MIN,
    )
    assert pages == Expectation(form="count", text="count: pages, at_most: 1", line=39, name="pages", at_most=1.0)
    assert lost == Expectation(
        form="ledger", text="ledger: lost, at_most: 0.1 %", line=40, name="lost", at_most=0.001, bound_is_share=True
    )
    assert (scenario.detectors, scenario.stop_when, scenario.start) == (None, None, None)
    assert (scenario.title, scenario.tags, scenario.look_for) == ("", (), ())
    assert scenario.path == "reboot-storm.storm.yaml"


def test_what_is_not_said_has_its_default() -> None:
    scenario = small()
    (segment,) = scenario.fleet.segments
    assert segment == Segment(
        name="all-of-it",
        kind="motor",
        devices=10,
        every_us=1 * S,
        link="ethernet",
        keep_alive_us=60 * S,
        boot_us=Range(8 * S, 12 * S),
        reconnect=Reconnect(),
        buffer=Buffer(),
        qos=1,
        firmware="1.0.0",
    )
    assert scenario.fleet.sites == (Site("site-1", "site", Fraction(1)),)
    assert scenario.broker == Broker()
    assert scenario.warm_up_us == 0
    assert (scenario.objectives, scenario.steps, scenario.expectations) == ((), (), ())


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        (
            "3",
            [
                ("site-1", "site", Fraction(1, 3)),
                ("site-2", "site", Fraction(1, 3)),
                ("site-3", "site", Fraction(1, 3)),
            ],
        ),
        ("[fra-east-1, plant]", [("fra-east-1", "fra-east", Fraction(1, 2)), ("plant", "plant", Fraction(1, 2))]),
        (
            "{fra-1: {region: eu, share: 75 %}, sin-1: {share: 25 %}}",
            [("fra-1", "eu", Fraction(3, 4)), ("sin-1", "sin", Fraction(1, 4))],
        ),
        ("{fra-1: {region: eu}, sin-1: {}}", [("fra-1", "eu", Fraction(1, 2)), ("sin-1", "sin", Fraction(1, 2))]),
    ],
)
def test_sites_are_a_number_a_list_or_a_mapping(sites: str, expected: list[tuple[str, str, Fraction]]) -> None:
    scenario = small(old="  devices: 10\n", new=f"  devices: 10\n  sites: {sites}\n")
    assert [(site.name, site.region, site.share) for site in scenario.fleet.sites] == expected


def test_a_segment_overrides_key_by_key() -> None:
    scenario = small(
        old="  segments:\n    all-of-it: {kind: motor, share: 100 %}\n",
        new=(
            "  keep_alive: 30 s\n"
            "  reconnect: {base: 2 s, cap: 40 s}\n"
            "  buffer: {readings: 7}\n"
            "  segments:\n"
            "    plain: {kind: motor, share: 50 %}\n"
            "    own:\n"
            "      kind: environment\n"
            "      share: 50 %\n"
            "      keep_alive: 90 s\n"
            "      boot: 3 s\n"
            "      reconnect: {jitter: decorrelated, cap: 20 s}\n"
            "      buffer: {evict: newest}\n"
            "      qos: 0\n"
            "      firmware: 2.10\n"
        ),
    )
    plain, own = scenario.fleet.segments
    assert plain.reconnect == Reconnect("exponential", 2 * S, 40 * S, "full", 10 * S)
    assert own.reconnect == Reconnect("exponential", 2 * S, 20 * S, "decorrelated", 10 * S)
    assert (plain.buffer, own.buffer) == (Buffer(7, "oldest"), Buffer(7, "newest"))
    assert (plain.keep_alive_us, own.keep_alive_us) == (30 * S, 90 * S)
    assert (own.boot_us, own.qos, own.firmware) == (Range(3 * S, 3 * S), 0, "2.10")


def test_segments_may_state_numbers_of_devices() -> None:
    text = SMALL.replace("  devices: 10\n", "").replace("share: 100 %", "devices: 7") + (
        "    others: {kind: environment, devices: 5}\n"
    )
    scenario = read(text, "small.storm.yaml")
    assert scenario.fleet.devices == 12
    assert [segment.devices for segment in scenario.fleet.segments] == [7, 5]


def test_devices_go_to_segments_by_largest_remainder() -> None:
    scenario = small(
        "    b: {kind: motor, share: 33.3 %}\n    c: {kind: motor, share: 33.3 %}\n", "share: 100 %", "share: 33.4 %"
    )
    assert [segment.devices for segment in scenario.fleet.segments] == [4, 3, 3]


def test_all_forms_of_steps_and_expectations() -> None:
    scenario = small(
        """\
warm_up: 30 s
tags: [network, "no"]
look_for: ["A sentence: with a colon."]
title: A small one
start: 2031-02-03T04:05:06+01:00
tick: 50 ms
broker:
  model: ideal
  backlog: 20
  messages: {rate: 500/s, queue: 1000}
detectors: {silence: {periods: 4, least: 20 s, share: 5 %, devices: 3}, reboot-storm: {}}
objectives:
  gone: {sli: reboot_rate, at_most: 1 %, of: kind=motor share=50 %}
steps:
  - {name: cut, at: 1 min, fault: partition, target: state=online, ramp: 10 s, with: {direction: up}}
  - {after: cut + 1 min, end: cut}
  - {name: note, after: cut.end, mark: Now., expect: online = devices}
  - {at: end - 1 min, expect: freshness > 1 %}
  - {name: dead, at: 8 min, fault: broker-outage, lasts: 10 s}
expect:
  - {alarm: silence, after: cut, within: 60 s, target: kind=motor, severity: ticket}
  - {no_alarm: any, from: note, to: end}
  - {objective: gone, verdict: missed}
  - always: devices = 10
  - never: connectivity[site=site-*] < 1 %
  - eventually: share[state=offline] > 50 %
    after: cut
    within: 2 min
  - at: 9 min
    that: online = 10
  - {count: reboots, at_most: 50 %, at_least: 0}
  - {ledger: delivered, at_least: 100}
  - {recovered: 90 %, of: cut}
stop_when: {when: online < 1, hold: 30 s}
"""
    )
    assert (scenario.title, scenario.tags, scenario.look_for) == (
        "A small one",
        ("network", "no"),
        ("A sentence: with a colon.",),
    )
    assert (scenario.start, scenario.tick_us) == ("2031-02-03T04:05:06+01:00", 50_000)
    assert scenario.broker == Broker(
        model="ideal", backlog=20, message_rate=Rate(Fraction(500), of_fleet=False), message_queue=1_000
    )
    assert scenario.detectors == {
        "silence": {"periods": 4.0, "least": 20 * S, "share": 0.05, "devices": 3},
        "reboot-storm": {},
    }
    (gone,) = scenario.objectives
    assert (gone.at_most, gone.at_least, gone.of) == (0.01, None, parse_selector("kind=motor share=50 %"))

    cut, end, note, expect, dead = scenario.steps
    assert [step.name for step in scenario.steps] == ["cut", "step-2", "note", "step-4", "dead"]
    assert [step.action for step in scenario.steps] == ["fault", "end", "mark", "expect", "fault"]
    assert (cut.ramp_us, cut.lasts_us, cut.settings) == (10 * S, None, {"direction": "up", "on": "model"})
    assert (end.value, end.after) == ("cut", Instant("cut", "start", MIN, "cut + 1 min"))
    assert (note.value, note.expect) == ("Now.", parse_expression("online = devices"))
    assert (expect.value, expect.expect) == ("freshness > 1 %", parse_expression("freshness > 1 %"))
    assert dead.settings == {"connections": "reset"}
    assert dead.target is None

    alarm, quiet, objective, always, never, eventually, at, count, ledger, recovered = scenario.expectations
    assert (alarm.severity, alarm.target) == ("ticket", parse_selector("kind=motor"))
    assert (quiet.name, quiet.since, quiet.to) == (
        "any",
        Instant("note", "start", 0, "note"),
        Instant(None, "end", 0, "end"),
    )
    assert (objective.name, objective.verdict) == ("gone", "missed")
    assert always.expression == parse_expression("devices = 10")
    assert never.text == "never: connectivity[site=site-*] < 1 %"
    assert eventually.expression == parse_expression("share[state=offline] > 50 %")
    assert (eventually.after, eventually.within_us) == (Instant("cut", "start", 0, "cut"), 2 * MIN)
    assert (at.at, at.expression) == (Instant(None, "start", 9 * MIN, "9 min"), parse_expression("online = 10"))
    assert (count.at_most, count.at_least, count.bound_is_share) == (5.0, 0.0, False)
    assert (ledger.at_least, ledger.bound_is_share) == (100.0, False)
    assert (recovered.of, recovered.within_us) == ("cut", None)
    assert scenario.stop_when is not None
    assert (scenario.stop_when.when, scenario.stop_when.hold_us) == (parse_expression("online < 1"), 30 * S)


def test_a_list_of_detectors_takes_their_defaults() -> None:
    assert small("detectors: [silence, connect-storm]\n").detectors == {"silence": {}, "connect-storm": {}}


def test_a_detector_on_values_has_devices_channels_and_a_decision_beside_its_own_settings() -> None:
    found = small(
        "detectors:\n  flat-line: {on: kind=motor, channels: [current_a], values: 30, persist: 2, within: 1 min}\n"
        "  silence: {shadow: true}\n"
    ).detectors
    assert found is not None
    assert found["silence"] == {"shadow": "true"}
    assert found["flat-line"] == {
        "on": parse_selector("kind=motor"),
        "channels": ["current_a"],
        "values": 30,
        "persist": 2,
        "within": 60 * S,
    }


def test_misspelt_devices_and_channels_of_a_detector_are_told_once() -> None:
    with pytest.raises(ScenarioErrors) as raised:
        small("detectors: {flat-line: {onn: kind=pump, chanels: [flow]}, flatline: {}}\n")
    assert [(one.code, one.path) for one in raised.value.problems if one.code in ("S102", "S104")] == [
        ("S102", "detectors.flat-line.on"),
        ("S102", "detectors.flat-line.channels"),
        ("S104", "detectors.flatline"),
    ]


def test_settings_of_detectors_are_checked_like_all_others() -> None:
    with pytest.raises(ScenarioErrors) as raised:
        small("detectors: {silence: {period: 4, least: 20, severity: pager}}\n")
    assert [(one.code, one.path) for one in raised.value.problems] == [
        ("S102", "detectors.silence.periods"),
        ("S201", "detectors.silence.least"),
        ("S204", "detectors.silence.severity"),
    ]


def test_settings_of_faults_are_their_own(problem_of: Callable[..., Problem]) -> None:
    problem = problem_of(("lasts: 2 min", "lasts: 2 min\n    with: {direction: up}"))
    assert (problem.code, problem.path) == ("S102", "steps[0].with.direction")
    assert problem.advice == "remove it: nothing may stand here"
    problem = problem_of(
        ("fault: power-outage", "fault: partition"), ("lasts: 2 min", "lasts: 2 min\n    with: {direction: bth}")
    )
    assert (problem.code, problem.suggestion) == ("S204", "both")


@pytest.mark.parametrize(
    ("fault", "setting", "code"),
    [
        ("peak", "factor: 1", "S210"),
        ("peak", "factor: 101", "S210"),
        ("payload-corruption", "bits: 0", "S210"),
        ("payload-reorder", "by: 0 s", "S210"),
        ("late-flood", "hold: 100 ms", "S210"),
        ("crash-loop", "uptime: 0 s", "S210"),
        ("watchdog-storm", "every: 0 s", "S210"),
        ("memory-leak", "rate: 0 kB/min", "S210"),
        ("memory-leak", "free: 0 B", "S210"),
        ("churn", "rate: 0/min", "S210"),
        ("sensor-noise", "deviation: -5 %", "S210"),
        ("sensor-drift", "each: 0 s", "S210"),
        ("sensor-drift", "by: 0 C", "S309"),
        ("sensor-bias", "by: 0 %", "S309"),
        ("sensor-noise", "deviation: 0 %", "S309"),
        ("sensor-spike", "height: 0 C", "S309"),
        ("sensor-spike", "share: 0 %", "S210"),
        ("sensor-dropout", "share: 0 %", "S210"),
        ("machine-failure", "severity: 0 %, mode: imbalance", "S210"),
        ("bearing-spall", "severity: 0 %", "S210"),
        ("brown-out", "depth: 0 %", "S210"),
        ("churn", "rate: 50 %/s", "S309"),
        ("clock-drift", "by: 20000 ppm", "S309"),
        ("clock-drift", "by: 3 %", "S309"),
        ("sensor-swap", "other: vibration_x_mm_s", "S309"),
        ("sensor-unit", "channel: nonsense", "S309"),
        ("machine-failure", "mode: nonsense", "S309"),
    ],
)
def test_a_setting_that_means_nothing_is_told_at_its_value(
    problem_of: Callable[..., Problem], fault: str, setting: str, code: str
) -> None:
    problem = problem_of(
        ("fault: power-outage", f"fault: {fault}"),
        ("lasts: 2 min", f"lasts: 2 min\n    with: {{{setting}}}"),
        ("target: site=fra-*", "target: segment=motors"),
    )
    assert (problem.code, problem.path) == (code, f"steps[0].with.{setting.partition(':')[0]}")
    assert problem.advice, "what may be written instead?"


def test_a_calibration_without_gain_and_shift_is_none_and_with_either_it_is(
    problem_of: Callable[..., Problem], storm: Callable[..., Scenario]
) -> None:
    fault = ("fault: power-outage", "fault: sensor-calibration")
    problem = problem_of(fault, ("lasts: 2 min", "lasts: 2 min\n    with: {gain: 1, by: 0 %}"))
    assert (problem.code, problem.path) == ("S309", "steps[0].with.by")
    storm(fault, ("lasts: 2 min", "lasts: 2 min\n    with: {gain: 1.1, by: 0 %}"))
    storm(fault, ("lasts: 2 min", "lasts: 2 min\n    with: {gain: 1, by: 1 %}"))


def test_a_swap_of_channels_that_nobody_named_asks_for_their_names(problem_of: Callable[..., Problem]) -> None:
    fault, climate = ("fault: power-outage", "fault: sensor-swap"), ("target: site=fra-*", "target: segment=climate")
    problem = problem_of(fault, climate)
    assert (problem.code, problem.path) == ("S309", "steps[0].fault")
    assert problem.message == "`channel` and `other` must name a channel of the targeted machines"
    assert "temperature_c" in problem.advice
    half = problem_of(fault, climate, ("lasts: 2 min", "lasts: 2 min\n    with: {channel: temperature_c}"))
    assert half.message == "`other` must name a channel of the targeted machines"


def test_no_more_devices_leave_than_come_back(
    problem_of: Callable[..., Problem], storm: Callable[..., Scenario]
) -> None:
    def churn(rate: str) -> tuple[tuple[str, str], tuple[str, str]]:
        settings = f"lasts: 2 min\n    with: {{rate: {rate}, away: 1 h}}"
        return ("fault: power-outage", "fault: churn"), ("lasts: 2 min", settings)

    every = ("target: site=fra-*", "target: all")
    storm(*churn("100 %/h"), every)
    problem = problem_of(*churn("101 %/h"), every)
    assert (problem.code, problem.path) == ("S309", "steps[0].with.rate")
    assert "targeted devices that each stay away for 3600 s can leave at" in problem.message
    assert "lower `rate`, or let `away` be at most 3564" in problem.advice


def test_a_parameter_without_its_unit_is_told_its_own_unit_and_range(problem_of: Callable[..., Problem]) -> None:
    problem = problem_of(("kind: motor,", "kind: motor, machine: {life_rate: 5},"))
    assert (problem.code, problem.message) == ("S208", "a quantity needs a unit, `5` has none")
    assert problem.advice == "`life_rate` is in 1/s; allowed: 1e-11 1/s .. 0.001 1/s"


def test_a_failure_that_nobody_named_is_told_with_those_that_there_are(problem_of: Callable[..., Problem]) -> None:
    problem = problem_of(("fault: power-outage", "fault: machine-failure"))
    assert problem.code == "S309"
    assert "`mode`" in problem.message
    assert "bearing-spall" in problem.advice


def test_a_leak_that_takes_longer_than_any_run_is_one_all_the_same(storm: Callable[..., Scenario]) -> None:
    scenario = storm(
        ("fault: power-outage", "fault: memory-leak"),
        ("lasts: 2 min", "lasts: 2 min\n    with: {rate: 1 B/d, free: 1000000 TB}"),
    )
    shortest_us, longest_us = MemoryLeak.up_us(scenario.steps[0].settings, 1)
    assert 0 < shortest_us < longest_us < 1 << 62


def test_scalars_of_several_lines_are_one_line_of_prose() -> None:
    scenario = small(old="story: Hardly anything.", new="story: |\n  Hardly\n\n  anything\n  at all.")
    assert scenario.story == "Hardly anything at all."


# --- the command line -------------------------------------------------------------------------------------------------


def test_devices_replaces_the_number_of_the_file(storm: Callable[..., Scenario]) -> None:
    scenario = storm(devices=200)
    assert scenario.fleet.devices == 200
    assert [segment.devices for segment in scenario.fleet.segments] == [160, 40]


def test_devices_of_segments_do_not_scale() -> None:
    text = SMALL.replace("  devices: 10\n", "").replace("share: 100 %", "devices: 7")
    with pytest.raises(ScenarioErrors) as raised:
        read(text, "small.storm.yaml", devices=200)
    (problem,) = raised.value.problems
    assert problem.code == "S212"
    assert problem.place.source.name == "--devices 200"


def same_but_for_places(scenario: Scenario) -> Scenario:
    return replace(
        scenario,
        path="",
        resolved="",
        objectives=tuple(replace(one, line=0) for one in scenario.objectives),
        steps=tuple(replace(one, line=0) for one in scenario.steps),
        expectations=tuple(replace(one, line=0) for one in scenario.expectations),
    )


def test_an_unchanged_scenario_is_recorded_as_it_was_written(storm: Callable[..., Scenario], storm_text: str) -> None:
    assert storm().resolved == storm_text


@pytest.mark.parametrize("name", library_names())
def test_what_is_recorded_reads_back_to_the_same_scenario(name: str) -> None:
    settings = ["fleet.reconnect.jitter=none", "story=Other: # \\ \"'\u2028 words", "fleet.keep_alive=55 s"]
    scenario = load(name, settings, devices=640)
    again = read(scenario.resolved, "scenario.storm.yaml")
    assert same_but_for_places(again) == same_but_for_places(scenario)
    assert again.resolved == scenario.resolved


# --- files ------------------------------------------------------------------------------------------------------------


def test_names_are_of_the_library_and_paths_of_the_disk(tmp_path: Path, storm_text: str) -> None:
    file = tmp_path / "reboot-storm.storm.yaml"
    file.write_text(storm_text)
    from_disk, from_library = load(file), load("reboot-storm")
    assert from_library.path == "library:reboot-storm"
    assert from_disk.path == str(file)
    assert same_but_for_places(from_disk) == same_but_for_places(from_library)
    assert load(str(file)).path == str(file)


def test_a_relative_path_is_kept_as_typed(tmp_path: Path, storm_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("any.yaml").write_text(storm_text)
    assert load("any.yaml").path == "any.yaml"
    assert load("./any.yaml").path == "./any.yaml"


def test_a_name_that_the_library_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ScenarioErrors) as raised:
        load("reboot-strom")
    (problem,) = raised.value.problems
    assert (problem.code, problem.suggestion) == ("S111", "reboot-storm")
    assert "library: all-quiet, bad-firmware" in problem.advice


@pytest.mark.parametrize("name", ["..", "", "reboot-storm.storm", "__init__", "Reboot-Storm"])
def test_what_is_no_name_is_not_looked_for_on_the_disk(name: str) -> None:
    with pytest.raises(ScenarioErrors) as raised:
        load(name)
    assert raised.value.problems[0].code == "S111"


def test_a_rate_of_devices_may_be_more_than_all_of_them(storm: Callable[..., Scenario]) -> None:
    scenario = storm(("sli: connectivity, at_least: 90 %", "sli: reboot_rate, at_most: 150 %"))
    assert scenario.objectives[0].at_most == 1.5


def test_a_count_of_what_cannot_happen_yet_is_read(storm: Callable[..., Scenario]) -> None:
    scenario = storm(("{count: pages, at_most: 1}", "{count: bricked, at_most: 0}"))
    assert (scenario.expectations[2].name, scenario.expectations[2].at_most) == ("bricked", 0.0)


def test_the_same_verdict_may_be_expected_twice(storm: Callable[..., Scenario]) -> None:
    twice = "  - {objective: fresh, verdict: missed}\n" * 2
    assert len(storm(("  - {ledger", f"{twice}  - {{ledger")).expectations) == 6


@pytest.mark.parametrize("detectors", ["[reboot-storm]", "[silence, reboot-storm, silence]", "{reboot-storm: {}}"])
def test_an_alarm_is_expected_where_its_detector_looks(storm: Callable[..., Scenario], detectors: str) -> None:
    chosen = ("\nobjectives", f"\ndetectors: {detectors}\n\nobjectives")
    assert storm(chosen, ("{count: pages", "{no_alarm: any}\n  - {count: pages")).expectations[0].name == "reboot-storm"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes("storm: 1\nname: größe\n".encode("latin-1"))
    (tmp_path / "large.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    expected = {
        "gone.yaml": "there is no such file",
        "folder.yaml": "this is a folder",
        "latin.yaml": "not UTF-8: byte 17, in line 2, is 0xf6",
        "large.yaml": "larger than 1,048,576 bytes",
        "nul\0.yaml": "cannot be read",
    }
    for name, words in expected.items():
        with pytest.raises(ScenarioErrors) as raised:
            load(f"{tmp_path}/{name}")
        (problem,) = raised.value.problems
        assert problem.code == "S111"
        assert words in problem.message
        assert problem.advice
        problem.render()


def test_the_largest_allowed_file_and_a_byte_order_mark_are_read() -> None:
    padding = "# " + "x" * (MOST_BYTES - len(SMALL.encode()) - 6) + "\n"
    data = b"\xef\xbb\xbf" + SMALL.encode() + padding.encode()
    assert len(data) == MOST_BYTES
    assert read(data, "small.storm.yaml").name == "small"


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        ("small.storm.yaml", True),
        ("some/where/small.storm.yaml", True),
        ("library:small", True),
        ("runs/small-42/scenario.storm.yaml", True),
        ("other.yaml", True),
        ("-", True),
        ("other.storm.yaml", False),
        ("library:other", False),
        ("small/other.storm.yaml", False),
    ],
)
def test_a_storm_file_is_called_after_its_scenario(path: str, fits: bool) -> None:
    if fits:
        read(SMALL, path)
        return
    with pytest.raises(ScenarioErrors) as raised:
        read(SMALL, path)
    assert [problem.code for problem in raised.value.problems] == ["S109"]


# --- nothing but errors -----------------------------------------------------------------------------------------------


def errors_of(text: str | bytes, settings: list[str]) -> ScenarioErrors | None:
    try:
        read(text, "any.yaml", settings)
    except ScenarioErrors as errors:
        return errors
    return None


def only_errors(text: str | bytes, settings: list[str]) -> None:
    """A text is a scenario, or its errors can be told in every form."""
    errors = errors_of(text, settings)
    if errors:
        assert errors.problems
        assert "\x1b" not in errors.render()
        errors.render(color=True).encode()
        json.dumps(errors.to_json())
        errors.to_github().encode()


LIBRARY = {name: (files("twinstorm.scenarios.library") / f"{name}.storm.yaml").read_text() for name in library_names()}

SNIPPETS = ["{", "}", "[", "]", ":", ": ", "-", " - ", "%", "&a ", "*a", "!!str ", "\n", "  ", "'", '"', "|", ">", "#"]
SNIPPETS += ["<<: ", "0", "-1", "1e9", "end", "all", "any", "\t", "\u2028", "\ufeff", "é", "...", "---\n", ", ", "null"]
SNIPPETS += ["share: 0 %", "devices: 0", "sites: {}", "segments: {}", "steps: []", "lasts:", "at: outage.end", "<", "="]


@REPEATABLE
@given(
    st.sampled_from(sorted(LIBRARY)),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(SNIPPETS) | st.text(max_size=5)), max_size=6
    ),
)
def test_no_change_of_a_file_brings_anything_but_errors(name: str, edits: list[tuple[float, int, str]]) -> None:
    text = LIBRARY[name]
    for where, removed, inserted in edits:
        at = int(where * len(text))
        text = text[:at] + inserted + text[at + removed :]
    only_errors(text, [])


@REPEATABLE
@given(st.sampled_from(sorted(LIBRARY)), st.randoms(use_true_random=False))
def test_lines_that_are_moved_lost_or_doubled_bring_nothing_but_errors(name: str, chance: random.Random) -> None:
    lines = LIBRARY[name].splitlines(keepends=True)
    for _ in range(chance.randrange(1, 4)):
        at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(4):
            case 0:
                lines.insert(to, lines[at])
            case 1:
                del lines[at]
                lines = lines or ["\n"]
            case 2:
                lines[at], lines[to] = lines[to], lines[at]
            case _:
                words = lines[at].split(" ")
                chance.shuffle(words)
                lines[at] = " ".join(words)
    only_errors("".join(lines), [])


VALUES = st.sampled_from(
    [*SNIPPETS, "5 min", "1 %", "none", "{}", "[]", "{a: b}", "site=fra-*", "online > 5", "outage"]
)
PATH_TEXT = """
    fleet fleet.sites fleet.segments.motors steps steps[0] steps.outage.at expect[0].after name storm a.b[c].d duration
    objectives.connected.of expect[9] broker.connects steps[0].fault steps[0].with detectors detectors.silence.least
    stop_when.when fleet.reconnect.base expect
"""
PATHS = st.sampled_from(PATH_TEXT.split())


@REPEATABLE
@given(st.lists(st.builds("{}={}".format, PATHS, VALUES) | st.text(max_size=30), max_size=4))
def test_no_setting_brings_anything_but_errors(settings: list[str]) -> None:
    only_errors(LIBRARY["reboot-storm"], settings)


@REPEATABLE
@given(st.binary(max_size=300) | st.text(max_size=300))
def test_nothing_that_can_be_read_brings_anything_but_errors(data: bytes | str) -> None:
    only_errors(data, [])


def test_hostile_files_are_told_in_a_bounded_number_of_errors() -> None:
    many_keys = SMALL + "".join(f"key{n}: x\n" for n in range(5_000))
    long_chain = SMALL + "steps:\n" + "".join(f"  - {{name: s{n}, after: s{n + 1}, mark: x}}\n" for n in range(199))
    for text in (many_keys, long_chain, SMALL + "steps: [" + "{}," * 20_000 + "]\n", SMALL.replace("10 min", "9" * 99)):
        with pytest.raises(ScenarioErrors) as raised:
            read(text, "small.storm.yaml")
        assert len(raised.value.problems) <= 100


def test_the_longest_chain_of_steps_is_followed() -> None:
    steps = "".join(f"  - {{name: s{n}, after: s{n + 1} + 1 s, mark: x}}\n" for n in range(198))
    scenario = small("steps:\n" + steps + "  - {name: s198, at: 1 s, mark: x}\n")
    assert len(scenario.steps) == 199


def test_a_limit_may_be_taken_away() -> None:
    assert load("reboot-storm").broker.connect_rate is not None
    without = load("reboot-storm", ["broker.connects=none"]).broker
    assert (without.connect_rate, without.connect_burst, without.connect_queue) == (None, None, None)
    with pytest.raises(ScenarioErrors, match="or none, is wanted"):
        load("reboot-storm", ["broker.connects=nothing"])
