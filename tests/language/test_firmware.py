"""What a file says of a firmware, once, and who follows it."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.model import Clock, Hazards, Scenario, Segment, Slots
from twinstorm.scenarios.language.reader import read

TEXT = """
storm: 1
name: profiles
story: Two versions.
duration: 10 min
firmware:
  2.5.0:
    keep_alive: 30 s
    qos: 0
    watchdog: 20 s
    reconnect: {base: 5 s, jitter: equal}
    clock: {sync: 1 h, backup: none}
    hazards: {crash_every: 30 d, leak: 60 kB/min}
  3.0.0: {qos: 0}
fleet:
  devices: 100
  keep_alive: 90 s
  boot: 5 s
  reconnect: {base: 2 s, cap: 60 s}
  segments:
    old: {kind: motor, share: 50 %}
    new: {kind: motor, share: 25 %, firmware: 2.5.0}
    own: {kind: motor, share: 25 %, firmware: 2.5.0, keep_alive: 10 s, reconnect: {jitter: none},
          hazards: {memory: 1.2 MB}, clock: {drift: 20 ppm}}
"""

Segments = dict[str, Segment]


def segments(text: str = TEXT, *settings: str) -> Segments:
    scenario: Scenario = read(text.lstrip(), "profiles.storm.yaml", settings)
    return {segment.name: segment for segment in scenario.fleet.segments}


def test_devices_follow_their_firmware_where_their_segment_says_nothing_and_then_the_fleet() -> None:
    new = segments()["new"]
    assert (new.firmware, new.keep_alive_us, new.qos, new.boot_us.low) == ("2.5.0", 30_000_000, 0, 5_000_000)
    assert (new.reconnect.base_us, new.reconnect.cap_us, new.reconnect.jitter) == (5_000_000, 60_000_000, "equal")
    assert new.clock == Clock(sync_us=3_600_000_000, backup="none")
    assert new.hazards == Hazards(crash_us=30 * 86_400_000_000, full_us=1_500_000_000, watchdog_us=20_000_000)


def test_what_a_segment_says_comes_before_its_firmware_key_by_key() -> None:
    own = segments()["own"]
    assert (own.keep_alive_us, own.qos) == (10_000_000, 0)
    assert (own.reconnect.base_us, own.reconnect.jitter) == (5_000_000, "none")
    assert own.clock == Clock(sync_us=3_600_000_000, drift_ppm=20.0, backup="none")
    assert own.hazards.full_us == 1_200_000_000


@pytest.mark.parametrize(
    ("written", "low_us", "high_us"),
    [("5 min", 300_000_000, 300_000_000), ("-90 s", -90_000_000, -90_000_000), ("-2 s .. 500 ms", -2_000_000, 500_000)],
)
def test_the_offset_of_clocks_has_a_sign(written: str, low_us: int, high_us: int) -> None:
    clock = segments(TEXT, f"fleet.segments.own.clock.offset={written}")["own"].clock
    assert clock is not None
    assert (clock.offset_us.low, clock.offset_us.high) == (low_us, high_us)


def test_a_segment_may_have_no_keep_alive_where_its_firmware_has_one() -> None:
    assert segments(TEXT, "fleet.segments.own.keep_alive=none")["own"].keep_alive_us == 0


def test_other_versions_are_as_the_fleet_says() -> None:
    old = segments()["old"]
    assert (old.firmware, old.keep_alive_us, old.qos) == ("1.0.0", 90_000_000, 1)
    assert (old.reconnect.base_us, old.clock, old.hazards) == (2_000_000, None, Hazards())


def test_the_fleet_may_name_the_version_of_all_and_the_command_line_change_it() -> None:
    found = segments(TEXT, "fleet.firmware=3.0.0", "firmware[2.5.0].watchdog=1min")
    assert found["old"].qos == 0
    assert found["new"].hazards.watchdog_us == 60_000_000


@pytest.mark.parametrize(
    ("setting", "code", "path"),
    [
        ("firmware[2.5.0].keepalive=5s", "S102", "firmware[2.5.0].keep_alive"),
        ("firmware[2.5.0].qos=3", "S204", "firmware[2.5.0].qos"),
        ("firmware[2.5.0].hazards.leak=24 kB", "S208", "firmware[2.5.0].hazards.leak"),
        ("firmware[2.5.0].hazards.leak=1 kB/w", "S212", "firmware[2.5.0].hazards.leak"),
        ("firmware[2.5.0].hazards.memory=1 kB", "S212", "firmware[2.5.0].hazards.leak"),
        ("fleet.segments.own.hazards.memory=1 B", "S212", "fleet.segments.own.hazards.memory"),
        ("firmware[2.5.0].reconnect.base=61 s", "S212", "firmware[2.5.0].reconnect.base"),
        ("firmware[2.5.0].clock.drift=20 C", "S208", "firmware[2.5.0].clock.drift"),
        ("firmware[2.5.0].clock.drift=2000 ppm", "S210", "firmware[2.5.0].clock.drift"),
        ("firmware[2.5.0].clock.offset=5 s .. -2 s", "S209", "firmware[2.5.0].clock.offset"),
        ("firmware[2.5.0].clock.offset=600 w", "S210", "firmware[2.5.0].clock.offset"),
        ("firmware[2.5.0].clock.offset=--2 s", "S202", "firmware[2.5.0].clock.offset"),
        ("firmware[2.5.0].keep_alive=0 s", "S210", "firmware[2.5.0].keep_alive"),
        ("firmware[2.5.0].keep_alive=never", "S202", "firmware[2.5.0].keep_alive"),
        ("firmware[2.5.0].clock.backup=no", "S204", "firmware[2.5.0].clock.backup"),
        ("firmware[2.5.0].clock.epoch=1970", "S213", "firmware[2.5.0].clock.epoch"),
        ("firmware[2.5.0].size=2 MB", "S103", "firmware[2.5.0].size"),
        ("firmware=2.5.0", "S108", "firmware"),
        ("firmware[2.5.0].fault=memory-leek", "S104", "firmware[2.5.0].fault"),
        ("firmware[2.5.0].fault=broker-outage", "S410", "firmware[2.5.0].fault"),
        ("firmware[2.5.0].with={rate: 1 kB/s}", "S405", "firmware[2.5.0].with"),
        ("firmware[2.5.0].schema=100", "S210", "firmware[2.5.0].schema"),
        ("firmware[2.5.0].slots={boot_limit: 3}", "S105", "firmware[2.5.0].slots.other"),
        ("firmware[2.5.0].slots={other: 2.5.0}", "S212", "firmware[2.5.0].slots.other"),
        ("firmware[2.5.0].slots={other: 3.0.0, boot_limit: 0}", "S210", "firmware[2.5.0].slots.boot_limit"),
    ],
)
def test_what_is_wrong_with_a_firmware_is_told_at_its_place(setting: str, code: str, path: str) -> None:
    with pytest.raises(ScenarioErrors) as raised:
        segments(TEXT, setting)
    # A segment that has a part of its own is wrong with it, and told as well.
    assert (code, path) in [(one.code, one.path) for one in raised.value.problems]
    assert {one.code for one in raised.value.problems} == {code}


def test_the_other_slot_has_the_hazards_and_the_schema_of_its_version_with_what_the_segment_says() -> None:
    found = segments(
        TEXT, "firmware[2.5.0].slots={other: 3.0.0}", "firmware[3.0.0]={schema: 2, hazards: {crash_every: 1 h}}"
    )
    assert found["new"].slots == Slots("3.0.0", 3, 60_000_000, Hazards(crash_us=3_600_000_000), 2)
    assert (found["new"].schema, found["old"].slots) == (1, None)


def test_an_image_with_a_fault_is_no_image_to_fall_back_to() -> None:
    with pytest.raises(ScenarioErrors) as raised:
        segments(TEXT, "firmware[2.5.0].slots={other: 3.0.0}", "firmware[3.0.0].fault=churn")
    assert [(one.code, one.path) for one in raised.value.problems] == [("S212", "firmware[2.5.0].slots.other")]


def test_a_bad_image_is_a_step_that_begins_when_the_warm_up_ends_on_whoever_runs_it() -> None:
    text = TEXT.replace("duration: 10 min", "duration: 10 min\nwarm_up: 1 min")
    bad = ("firmware[2.5.0].fault=memory-leak", "firmware[2.5.0].with={rate: 1 kB/s}", "firmware[3.0.0].fault=churn")
    (step,) = read(text.lstrip(), "profiles.storm.yaml", bad).steps
    assert (step.name, step.value, step.lasts_us) == ("firmware=2.5.0", "memory-leak", None)
    assert step.at is not None
    assert step.at.offset_us == 60_000_000
    assert step.target is not None
    assert step.target.text == "firmware=2.5.0"
    assert step.settings == {"rate": 1_000.0, "free": 1_500_000.0}


@pytest.mark.parametrize(
    ("setting", "path"), [("by: 3 C", "firmware[2.5.0].with"), ("bye: 1", "firmware[2.5.0].with.by")]
)
def test_settings_of_what_an_image_carries_are_checked_as_those_of_a_step(setting: str, path: str) -> None:
    with pytest.raises(ScenarioErrors) as raised:
        segments(TEXT, "firmware[2.5.0].fault=clock-drift", "firmware[2.5.0].with={" + setting + "}")
    assert raised.value.problems[0].path.startswith(path)
