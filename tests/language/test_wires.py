"""Wire profiles in scenarios: files beside them, what is wrong in these with its own lines, and who says what."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinstorm.scenarios.language.errors import Problem, ScenarioErrors
from twinstorm.scenarios.language.model import Scenario, Speech
from twinstorm.scenarios.language.reader import load, read
from twinstorm.twin.wire.spec import Flat

PROFILE = """wire: 1
name: plant
topics:
  telemetry: plant/{site}/{device}/telemetry
  state: plant/{site}/{device}/state
documents: flat
reading: {ts: time_ms, boot: boot, seq: seq}
channels: {flow_m3_h: flow}
"""
STORM = """storm: 1
name: storm
story: Who says what.
duration: 10 min
fleet:
  devices: 100
  codec: cbor
  segments:
    a: {kind: motor, share: 25 %}
    b: {kind: pump, share: 25 %, wire: plant.wire.yaml}
    c: {kind: pump, share: 25 %, codec: msgpack, firmware: 2.0.0}
    d: {kind: pump, share: 25 %, wire: twinstorm, firmware: 2.0.0}
firmware:
  2.0.0: {wire: plant.wire.yaml, codec: json}
expect:
  - {ledger: lost, at_most: 1 %}
"""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "storm.storm.yaml").write_text(STORM)
    (tmp_path / "plant.wire.yaml").write_text(PROFILE)
    return tmp_path


def speeches(scenario: Scenario) -> dict[str, tuple[str, str] | None]:
    """Codec and profile of each segment."""
    return {
        part.name: None
        if part.speech is None
        else (part.speech.codec, part.speech.profile.name if part.speech.profile else "")
        for part in scenario.fleet.segments
    }


def test_a_segment_comes_before_its_firmware_and_that_before_the_fleet(folder: Path) -> None:
    scenario = load(folder / "storm.storm.yaml")
    assert speeches(scenario) == {
        "a": ("cbor", ""),
        "b": ("cbor", "plant"),
        "c": ("msgpack", "plant"),
        "d": ("json", ""),
    }
    speech = scenario.fleet.segments[1].speech
    assert isinstance(speech, Speech)
    assert speech.profile is not None
    assert speech.profile.flat == Flat(channels=(("flow_m3_h", "flow"),))


def test_without_a_word_of_it_nothing_is_chosen() -> None:
    assert all(part.speech is None for part in load("reboot-storm").fleet.segments)


def test_what_a_record_keeps_needs_no_second_file(folder: Path) -> None:
    scenario = load(folder / "storm.storm.yaml", settings=["duration=20 min"])
    again = read(scenario.resolved, "elsewhere/scenario.storm.yaml")
    assert again.fleet == scenario.fleet
    assert "plant.wire.yaml" not in scenario.resolved


@pytest.mark.parametrize("name", ["flat", "twinstorm"])
def test_the_profiles_to_copy_are_read(folder: Path, name: str) -> None:
    (folder / "plant.wire.yaml").write_text((EXAMPLES / f"{name}.wire.yaml").read_text())
    assert speeches(load(folder / "storm.storm.yaml"))["b"] == ("cbor", name)


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "path", "words"),
    [
        ("name: plant", "name: Plant", "S109", "2:7", "name", "write `plant`"),
        ("topics:", "topic:", "S102", "3:1", "topics", "did you mean `topics`"),
        ("{device}/telemetry", "{decive}/telemetry", "S216", "4:14", "topics.telemetry", "did you mean `{device}`"),
        ("{device}/telemetry", "telemetry", "S216", "4:14", "topics.telemetry", "`{device}` is missing"),
        ("plant/{site}/{device}/state", "plant/{site}/{device}/{kind}", "S212", "5:10", "topics.state", "differ"),
        ("documents: flat", "documents: flt", "S204", "6:12", "documents", "did you mean `flat`"),
        ("time_ms", "time_m", "S204", "7:15", "reading.ts", "did you mean `time_ms`"),
        ("time_ms", "__import__('os')", "S204", "7:15", "reading.ts", "allowed: time, time_s"),
        (", seq: seq", "", "S105", "7:1", "reading", "no field holds `seq`"),
        ("ts: time_ms, ", "", "S105", "7:1", "reading", "no field holds the time"),
        ("ts: time_ms", "ts: time_ms, t: time_s", "S212", "7:27", "reading.t", "the time stands here twice"),
        ("seq: seq", "seq: seq, n: seq", "S212", "7:49", "reading.n", "`seq` stands here twice"),
        ("flow_m3_h: flow", "flow_m3_h: ts", "S212", "8:23", "channels.flow_m3_h", "cannot have one field: `ts`"),
    ],
)
def test_what_is_wrong_in_a_profile_is_told_with_its_own_file_and_line(
    folder: Path, old: str, new: str, code: str, place: str, path: str, words: str
) -> None:
    assert old in PROFILE
    (folder / "plant.wire.yaml").write_text(PROFILE.replace(old, new, 1))
    # The same file is named twice here; a person mends it once.
    (folder / "storm.storm.yaml").write_text(STORM.replace("{wire: plant.wire.yaml, codec", "{codec"))
    with pytest.raises(ScenarioErrors) as raised:
        load(folder / "storm.storm.yaml")
    problem: Problem = raised.value.problems[0]
    assert len(raised.value.problems) == 1, raised.value.render()
    assert (problem.code, problem.place.short, problem.path) == (code, place, path)
    assert problem.place.source.name == str(folder / "plant.wire.yaml")
    assert words in f"{problem.message} {problem.advice}"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, "S111", "No such file"),
        (b"\xff", "S111", "not UTF-8"),
        (b"- a\n", "S108", "is a mapping"),
        (b"{", "S101", ""),
    ],
)
def test_a_file_that_is_no_profile_is_told(folder: Path, content: bytes | None, code: str, words: str) -> None:
    if content is None:
        (folder / "plant.wire.yaml").unlink()
    else:
        (folder / "plant.wire.yaml").write_bytes(content)
    with pytest.raises(ScenarioErrors) as raised:
        load(folder / "storm.storm.yaml")
    assert {problem.code for problem in raised.value.problems} == {code}
    assert words in raised.value.problems[0].message


def test_documents_that_are_not_flat_have_no_fields_of_their_own(folder: Path) -> None:
    (folder / "plant.wire.yaml").write_text(PROFILE.replace("flat", "standard"))
    with pytest.raises(ScenarioErrors) as raised:
        load(folder / "storm.storm.yaml")
    assert {(problem.code, problem.path) for problem in raised.value.problems} == {
        ("S212", "reading"),
        ("S212", "channels"),
    }
