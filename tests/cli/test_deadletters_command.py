"""`twinstorm deadletters`: from a run that is played to what would become of its letters now."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.record.recorded import record
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.record import recorder
from twinstorm.scenarios.record.read import open_run
from twinstorm.scenarios.record.recorder import Recorder

Command = Callable[..., Ran]

STALE = """storm: 1
name: letters
story: The registry lags behind the fleet, and some devices speak a newer version.
duration: 40 s
fleet:
  devices: 8
  sites: [a, b]
  segments:
    motors: {kind: motor, share: 75 %, every: 1 s}
    pilot: {kind: motor, share: 25 %, every: 1 s, firmware: 2.0.0}
firmware:
  1.0.0: {}
  2.0.0: {schema: 2}
steps:
  - {name: new, at: 10 s, fault: stale-registry, target: segment=motors site=a, lasts: 10 s}
expect:
  - {ledger: delivered, at_least: 1}
"""


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    scenario = read(STALE, "letters.storm.yaml")
    keeper = Recorder.start(scenario, seed=1, out=tmp_path / "runs")
    Run(scenario, RunOptions(seed=1), [keeper]).execute()
    return keeper.folder


def test_letters_are_recorded_and_understood_by_a_core_that_knows_more(recorded: Path, command: Command) -> None:
    letters = open_run(str(recorded)).letters()
    assert {letter.reason for letter in letters} == {"unknown device", "unknown schema 2"}
    assert all(letter.whole and letter.body for letter in letters)
    strange = [letter for letter in letters if letter.is_reading]
    newer = [letter for letter in letters if not letter.is_reading]
    assert {letter.source.partition("/")[0] for letter in strange} == {"a"}
    assert {letter.reason for letter in newer} == {"unknown schema 2"}

    told = command("deadletters", "last", "--last", "2").out
    assert told.splitlines()[:2] == [f"{len(newer):>7,}  unknown schema 2", f"{len(strange):>7,}  unknown device"]
    assert len(told.splitlines()) == 5
    told = command("deadletters", "last", "--replay", "--last", "0").out
    assert f"played again:\n{len(newer):>7,}  unknown schema 2\n{len(strange):>7,}  accepted\n" in told
    told = command("deadletters", "last", "--replay", "--schema", "2", "--reason", "schema", "--last", "1").out
    assert f"played again:\n{len(newer):>7,}  accepted\n" in told
    assert told.splitlines()[-1].endswith("  -> accepted")


def test_a_record_keeps_the_first_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_LETTERS", 7)
    scenario = read(STALE, "letters.storm.yaml")
    keeper = Recorder.start(scenario, seed=1, out=tmp_path / "runs")
    Run(scenario, RunOptions(seed=1), [keeper]).execute()
    assert len(open_run(str(keeper.folder)).letters()) == 7


def test_a_record_of_an_older_version_has_none(command: Command, tmp_path: Path) -> None:
    folder = record(tmp_path / "runs").folder
    with sqlite3.connect(folder / "run.db") as database:
        database.execute("DROP TABLE dead_letters")
    database.close()
    assert command("deadletters", "last").out == "no dead letters\n"


def test_what_is_asked_wrongly_is_usage(recorded: Path, command: Command) -> None:
    assert command("deadletters", "no-such-1").err.startswith("error: no run")
    ran = command("deadletters", "last", "--schema", "2")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "error: --schema needs --replay")
    ran = command("deadletters", recorded.name, "--reason", "xyz")
    assert ran.out == "no letter's reason contains `xyz`: unknown device, unknown schema 2\n"
