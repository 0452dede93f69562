"""A detector on values that looks several times, under names that a scenario chooses."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine import memory
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import read

FILE = """storm: 1
name: instances
story: Limits of two channels, and one of both.
duration: 2 min
warm_up: 30 s
fleet:
  devices: 6
  segments: {motors: {kind: motor, share: 100 %, every: 1 s}}
detectors:
  hot: {detector: limit, channels: [winding_temperature_c], highest: 1, severity: page, devices: 6}
  fast: {detector: limit, channels: [speed_rpm], highest: 1700}
  limit: {channels: [speed_rpm], lowest: 1700, highest: 1800, shadow: true}
expect:
  - {alarm: hot}
  - {no_alarm: fast}
"""


def test_each_has_its_own_settings_and_raises_the_alarm_of_its_name() -> None:
    result = Run(read(FILE, "instances.storm.yaml"), RunOptions(seed=1)).execute()
    assert {(alarm.name, alarm.severity) for alarm in result.alarms} == {("hot", "page")}
    assert result.verdict == "held"
    assert [note for note in result.notes if note.startswith("in the shadow `limit` would have raised an alarm once")]


def test_a_limit_may_lie_below_0() -> None:
    text = FILE.replace("channels: [speed_rpm], highest: 1700}", "channels: [speed_rpm], lowest: -40, highest: -4}")
    result = Run(read(text, "instances.storm.yaml"), RunOptions(seed=1)).execute()
    assert {alarm.name for alarm in result.alarms} == {"hot", "fast"}


def test_one_more_instance_takes_as_much_memory_as_the_first() -> None:
    def needed(detectors: str) -> int:
        text = FILE[: FILE.index("detectors:")] + f"detectors:\n{detectors}"
        return memory.needed_bytes(read(text, "instances.storm.yaml"))

    none, one = needed("  silence: {}\n"), needed("  flat-line: {}\n")
    two = needed("  flat-line: {}\n  stuck: {detector: flat-line, values: 5}\n")
    assert two - one == one - none > 0


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("detector: limt, highest: 1", "did you mean `limit`"),
        ("detector: silence", "unknown detector on values `silence`"),
        ("detector: limit, hihest: 1", "did you mean `highest`"),
        ("detector: limit, lowest: 5, highest: -3", "`lowest` is 5, and `highest` no more than -3"),
        ("detector: limit", "no limit is set, so it could never alarm"),
        ("detector: limit, channels: [speed_rpm]", "say `lowest`, `highest` or both"),
        ("detector: limit, highest: 1, channels: [speed]", "no machine of the fleet has a channel `speed`"),
    ],
)
def test_what_is_wrong_with_one_is_told(written: str, told: str) -> None:
    with pytest.raises(ScenarioErrors, match=told):
        read(FILE.replace("detector: limit, channels: [speed_rpm], highest: 1700", written), "instances.storm.yaml")


@pytest.mark.parametrize("written", ["[silence, limit]", "{limit: {}}", "{limit: }", "{limit: {hold: 5 s}}"])
def test_a_limit_without_a_limit_could_never_alarm(written: str) -> None:
    text = f"{FILE[: FILE.index('detectors:')]}detectors: {written}\n"
    with pytest.raises(ScenarioErrors, match="`limit`: no limit is set, so it could never alarm") as raised:
        read(text, "instances.storm.yaml")
    assert [problem.code for problem in raised.value.problems] == ["S212"]


def test_the_alarm_of_a_name_that_nobody_chose_is_unknown() -> None:
    with pytest.raises(ScenarioErrors, match="unknown alarm `hit`"):
        read(FILE.replace("{alarm: hot}", "{alarm: hit}"), "instances.storm.yaml")
