"""From a scenario to its verdict: what was not seen is never held."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.reports.words import objective_value
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult
from twinstorm.scenarios.verdict import ExitCode, exit_code
from twinstorm.twin.flow import SECOND_US

HEAD = """storm: 1
name: small
story: A small plant.
duration: 6 min
fleet:
  devices: 40
  sites: [fra-1, sin-1]
  keep_alive: 10 s
  boot: 2 s
  reconnect: {backoff: fixed, base: 1 s, jitter: full}
  segments:
    motors: {kind: motor, share: 100 %, every: 1 s}
"""
OBJECTIVE = """objectives:
  connected: {sli: connectivity, at_least: 10 %}
"""
OUTAGE = """steps:
  - {name: outage, at: 60 s, fault: power-outage, target: site=fra-1, lasts: 30 s}
"""


class Told:
    """A sink that remembers events."""

    def __init__(self) -> None:
        self.rows: list[EventRow] = []

    def event(self, row: EventRow) -> None:
        self.rows.append(row)

    def pane(self, row: PaneRow) -> None: ...

    def close(self, result: RunResult | None, why: str = "") -> None: ...


class Write(Protocol):
    """Builds the engine of a scenario."""

    def __call__(self, text: str, until_s: int | None = None) -> Engine: ...


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def engine(text: str, until_s: int | None = None) -> Engine:
        path = tmp_path / "small.storm.yaml"
        path.write_text(text)
        return build(load(str(path)), RunOptions(seed=1, until_us=None if until_s is None else until_s * SECOND_US))

    return engine


def judged(engine: Engine) -> RunResult:
    engine.play()
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def verdicts(result: RunResult) -> dict[str, str]:
    return {each.text: each.verdict for each in result.expectations}


def test_a_run_of_which_nothing_is_expected_is_inconclusive_and_says_so(write: Write) -> None:
    result = judged(write(HEAD))
    assert result.verdict == "inconclusive"
    assert any("nothing is expected" in note for note in result.notes)


def test_a_ledger_that_does_not_close_is_a_bug_whatever_else_held(write: Write) -> None:
    result = judged(write(HEAD + OBJECTIVE))
    assert exit_code(result) is ExitCode.HELD
    ledger = msgspec.structs.replace(result.ledger, produced=result.ledger.produced + 1)
    assert exit_code(msgspec.structs.replace(result, ledger=ledger)) is ExitCode.BUG


@pytest.mark.parametrize(
    ("expected", "until_s", "verdict"),
    [
        ("no_alarm: silence, from: outage, to: outage.end", 62, "inconclusive"),
        ("no_alarm: connect-storm", 75, "held"),
        ("eventually: online < 5, after: outage.end, within: 60 s", 100, "inconclusive"),
        ("eventually: online < 5", 100, "missed"),
        ("alarm: silence, after: outage.end, within: 60 s", 100, "inconclusive"),
    ],
)
def test_a_time_that_the_run_did_not_reach_is_not_judged(
    write: Write, expected: str, until_s: int, verdict: str
) -> None:
    result = judged(write(f"{HEAD}{OUTAGE}expect:\n  - {{{expected}}}\n", until_s))
    assert [each.verdict for each in result.expectations] == [verdict]


def test_a_warm_up_is_no_test(write: Write) -> None:
    text = HEAD + "warm_up: 2 min\nexpect:\n  - {count: pages, at_most: 1}\n  - {ledger: lost, at_most: 1 %}\n"
    result = judged(write(text, 90))
    assert set(verdicts(result).values()) == {"inconclusive"}


def test_what_was_ended_early_by_hand_is_not_held(write: Write) -> None:
    """An objective is judged over what there was; what must never happen may yet have come."""
    expect = "expect:\n  - {no_alarm: any}\n  - {never: online < 1}\n  - {count: pages, at_most: 3}\n"
    engine = write(HEAD + OBJECTIVE + expect)
    engine.advance(100 * SECOND_US)
    engine.finish("stopped")
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert [each.verdict for each in result.expectations] == ["inconclusive"] * 3 + ["held"]
    assert exit_code(result) is ExitCode.STOPPED


def test_an_aborted_run_says_so_to_its_end(write: Write) -> None:
    engine = write(HEAD + OBJECTIVE + OUTAGE)
    engine.advance(70 * SECOND_US)
    engine.abort_all()
    result = judged(engine)
    assert result.ended == "aborted"
    assert exit_code(result) is ExitCode.STOPPED
    assert result.simulated_s == 360
    assert result.notes[-1] == "the command that repeats this run does so without the abort by hand"


def test_a_fault_that_reached_nobody_recovers_from_nothing(write: Write) -> None:
    steps = OUTAGE.replace("site=fra-1", "state=offline") + "expect:\n  - {recovered: 99 %, of: outage, within: 60 s}\n"
    engine = write(HEAD + steps)
    told = Told()
    engine.sinks = (told,)
    result = judged(engine)
    assert result.verdict == "inconclusive"
    assert [each.verdict for each in result.expectations] == ["inconclusive"]
    assert not [row for row in told.rows if row.kind == "steady"]


def test_steady_stands_at_the_instant_from_which_devices_stayed(write: Write) -> None:
    engine = write(HEAD + OUTAGE + "expect:\n  - {recovered: 99 %, of: outage, within: 60 s}\n")
    told = Told()
    engine.sinks = (told,)
    judged(engine)
    (steady,) = [row for row in told.rows if row.kind == "steady"]
    assert f"{steady.at_s - 90:g} s after its end" in steady.text
    assert steady.at_s < 120


def test_a_fault_that_takes_nobody_away_has_no_return(write: Write) -> None:
    steps = OUTAGE.replace("power-outage", "sensor-bias")
    engine = write(HEAD + steps + "expect:\n  - {recovered: 99 %, of: outage, within: 60 s}\n")
    told = Told()
    engine.sinks = (told,)
    assert judged(engine).verdict == "held"
    assert not [row for row in told.rows if row.kind == "steady"]


def test_overlapping_outages_of_the_broker_end_with_the_last_of_them(write: Write) -> None:
    steps = """steps:
  - {name: short, at: 60 s, fault: broker-outage, lasts: 20 s}
  - {name: long, at: 60 s, fault: broker-outage, lasts: 120 s}
expect:
  - {at: 150 s, that: online < 1}
  - {recovered: 99 %, of: long, within: 2 min}
"""
    result = judged(write(HEAD + steps))
    assert set(verdicts(result).values()) == {"held"}
    assert all(fault.bit for fault in result.faults)


def test_what_is_wanted_reads_as_what_would_hold(write: Write) -> None:
    expect = """expect:
  - {never: online < 1}
  - {always: online > 1}
  - {alarm: silence, after: outage, within: 60 s}
  - {no_alarm: connect-storm}
  - {eventually: online < 40}
"""
    result = judged(write(HEAD + OUTAGE + expect))
    assert [each.wanted for each in result.expectations] == [
        "never true",
        "always true",
        "raised within 60 s",
        "none",
        "true once",
    ]


def test_one_figure_reads_the_same_wherever_it_stands(write: Write) -> None:
    text = HEAD + OBJECTIVE.replace("10 %", "99 %") + OUTAGE + "expect:\n  - {objective: connected, verdict: missed}\n"
    result = judged(write(text))
    (expected,) = result.expectations
    assert expected.value == f"missed: {objective_value(result.objectives[0])}"
