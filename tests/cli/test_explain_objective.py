"""`explain RUN objective NAME` on recorded runs: from a value down to counts, devices and readings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.conftest import Ran
from tests.record.recorded import record
from twinstorm.scenarios.record.read import open_run
from twinstorm.tui.cli.main import app

Command = Callable[..., Ran]
FILE = """storm: 1
name: dark
story: One of two sites goes dark for a minute.
duration: 5 min
warm_up: 1 min
fleet:
  devices: 40
  sites: [fra-1, sin-1]
  segments:
    motors: {kind: motor, share: 100 %, every: 1 s}
objectives:
  connected: {sli: connectivity, at_least: 10 %}
  fresh: {sli: freshness, within: 10 s, at_least: 10 %}
  drained: {sli: backlog, at_least: 10 %}
  up: {sli: availability, within: 10 s, at_least: 10 %}
steps:
  - {name: outage, at: 2 min, fault: power-outage, target: site=fra-1, lasts: 1 min}
  - {name: away, at: 4 min, fault: broker-outage, lasts: 30 s}
"""


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a recorded run."""
    folder = tmp_path_factory.mktemp("dark")
    path = folder / "dark.storm.yaml"
    path.write_text(FILE, encoding="utf-8")
    ran = CliRunner().invoke(app, ["run", str(path), "--seed", "3", "--out", str(folder), "-q"])
    assert ran.exit_code == 0, ran.output
    return str(folder / "dark-3")


def test_a_value_goes_down_to_counts_devices_and_readings(command: Command, dark: str) -> None:
    ran = command("explain", dark, "objective", "fresh", "--at", "2min30s")
    assert ran.code == 0, ran.err
    assert "objective fresh: freshness, held" in ran.out
    assert "wanted    at least 10 %" in ran.out
    assert re.search(r"from      [\d,]+ of 9,600 \(.* %\) counted against it, since the warm-up", ran.out)
    assert "at 00:02:30:" in ran.out
    assert re.search(r"00:02:30  20 of 40 \(50 %\) counted against it; so far \d+ of 3,600", ran.out)
    # Who has lost its power is not missed by the broker yet, but not heard either.
    assert re.search(r"fra-1/motors-\d+  reading \d+ arrived 00:0(1:59|2:00)  boot 1  session", ran.out)
    assert "sin-1/" not in ran.out
    assert "00:02:30  online 40  readings 20 " in ran.out, "the fleet around it"


def test_without_an_instant_it_is_the_worst_second(command: Command, dark: str) -> None:
    ran = command("explain", dark, "objective", "fresh")
    assert ran.code == 0, ran.err
    found = re.search(r"at (00:04:\d\d), the worst second:", ran.out)
    assert found, ran.out
    assert "40 of 40 (100 %) counted against it" in ran.out


def test_the_counts_of_the_seconds_add_up_to_those_of_the_run(dark: str) -> None:
    run = open_run(dark)
    assert run.result is not None
    for objective in run.result.objectives:
        rows = run.judged(objective.name)
        assert sum(row.bad for row in rows) == objective.bad
        if rows:
            assert rows[-1].bad_so_far == objective.bad
        assert objective.total
        assert objective.value == pytest.approx(1 - objective.bad / objective.total)


def test_devices_are_named_at_the_start_of_a_stretch_and_every_ten_seconds(dark: str) -> None:
    rows = open_run(dark).judged("connected")
    named = [row.at_s for row in rows if row.devices]
    first = [row.at_s for row in rows if row.at_s - 1 not in {other.at_s for other in rows}]
    assert set(first) <= set(named)
    assert all(any(0 <= row.at_s - at_s < 10 for at_s in named) for row in rows)


def test_what_has_no_devices_says_so(command: Command, dark: str) -> None:
    ran = command("explain", dark, "objective", "up")
    assert "counts events or seconds of the whole fleet, and no devices" in ran.out


def test_a_second_without_anything_and_an_objective_without_any(command: Command, dark: str) -> None:
    ran = command("explain", dark, "objective", "connected", "--at", "00:01:30")
    assert "00:01:30  nothing counted against it in this second" in ran.out
    ran = command("explain", dark, "objective", "drained")
    assert "nothing counted against it in any second after the warm-up" in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("objective", "conected"), "did you mean `connected`?"),
        (("objective", "connected", "--at", "1 d"), "lies after the end of the run, which is at 00:05:00"),
        (("objective", "connected", "--at", "soon"), "soon"),
        (("alarm", "1", "--at", "1min"), "`--at` is about an objective of a run"),
        (("objectiv", "connected"), "has three words: RUN objective NAME"),
        (("objective",), "has three words: RUN objective NAME"),
        (("alarms", "1"), "has three words: RUN alarm NUMBER"),
    ],
)
def test_what_is_wrong_is_said(command: Command, dark: str, words: tuple[str, ...], said: str) -> None:
    ran = command("explain", dark, *words)
    assert (ran.code, said in ran.err) == (2, True), ran.err


def test_a_record_without_such_rows_still_has_a_page(command: Command, tmp_path: Path) -> None:
    ran = command("explain", str(record(tmp_path).folder), "objective", "connected")
    assert ran.code == 0, ran.err
    assert "95.7" in ran.out
