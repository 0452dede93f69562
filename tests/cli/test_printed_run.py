"""The lines of a run, word for word."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest

from tests.cli.conftest import Puppet, Ran, ended, held, plain
from tests.record.recorded import EVENTS, result
from twinstorm.scenarios.reports.ending import judged, verdict_line
from twinstorm.scenarios.result import EventRow
from twinstorm.tui.cli.printed import event_line

THE_RUN = """\
small-storm  seed 42  1,000 devices  10 min simulated
  00:02:00  fault   outage  power-outage  site=fra-2  400 devices  120 s
  00:02:41  alarm   silence site=fra-2                        41 s after the fault
  00:04:00  ended   outage  power-outage
  00:05:00  steady  outage  99 % of its devices back          60 s after its end
x connected                                    95.71 %     want at least 99.9 %      missed 00:02:01 to 00:04:49
+ alarm: silence, after: outage, within: 60 s  41 s after  want within 60 s
+ recovered: 99 %, of: outage, within: 5 min   after 60 s  want 99 % within 300 s
MISSED 1 of 3 in 2 s (300x)   report: runs/small-storm-42/report.html
note: broker model amqtt: 1.07 ms a connect, backlog 1,024
digest: 5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f
repeat: twinstorm run small-storm --seed 42
"""

MORE = """\
  00:02:41  incident   INC-1  silence site=fra-2
"""


def test_a_run_prints_its_story_and_its_verdict(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ran = command("run", "small-storm", "--seed", "42")
    assert ran.out == THE_RUN
    assert ran.err == ""
    assert ran.code == 1


def test_verbose_shows_every_kind_of_event(puppet: Puppet, command: Callable[..., Ran]) -> None:
    assert MORE in command("run", "small-storm", "-v").out


def test_quiet_prints_the_verdict_alone(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ran = command("run", "small-storm", "--seed", "42", "-q")
    assert ran.out == "MISSED 1 of 3 in 2 s (300x)   report: runs/small-storm-42/report.html\n"
    assert ran.err == ""


def test_colours_change_no_word(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ran = command("run", "small-storm", "--seed", "42", "--color", "always")
    assert ran.out != plain(ran.out)
    assert plain(ran.out) == THE_RUN


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [
        ([], {}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "0"}, False),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
        (["--no-color"], {"FORCE_COLOR": "1"}, False),
        (["--no-color", "--color", "always"], {}, False),
    ],
)
def test_who_decides_about_colour(
    arguments: list[str],
    environment: dict[str, str],
    colored: bool,
    puppet: Puppet,
    command: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in command("run", "small-storm", *arguments).out) is colored


def test_a_held_run_says_how_many_held(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = held()
    ran = command("run", "small-storm")
    assert "HELD 3 of 3 in 2 s (300x)" in ran.out
    assert "+ connected                                    99.95 %     want at least 99.9 %\n" in ran.out


def test_a_fault_without_effect_is_named(puppet: Puppet, command: Callable[..., Ran]) -> None:
    blunt = msgspec.structs.replace(result().faults[0], bit=False, evidence={})
    expectations = [msgspec.structs.replace(each, verdict="held") for each in result().expectations]
    puppet.ends = ended(verdict="inconclusive", faults=[blunt], expectations=expectations)
    ran = command("run", "small-storm")
    assert "INCONCLUSIVE 0 of 3, no effect of outage in 2 s" in ran.out
    assert ran.code == 3


def test_a_run_that_was_cut_short_says_when(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = ended(ended="stopped", simulated_s=130.0)
    ran = command("run", "small-storm")
    assert "MISSED 1 of 3 in 2 s (65x), stopped at 00:02:10   report:" in ran.out
    assert ran.code == 5


def test_until_and_live_stand_in_the_heading(puppet: Puppet, command: Callable[..., Ran]) -> None:
    heading = command("run", "small-storm", "--until", "90s", "--live", "--speed", "4").out.splitlines()[0]
    assert heading == "small-storm  seed 1  1,000 devices  1 min 30 s simulated  live 4x"


def test_an_implied_expectation_is_told_by_its_objective_alone() -> None:
    assert not [line for line in judged(result()) if "objective connected held" in line]


def test_control_characters_of_a_scenario_do_not_reach_the_terminal() -> None:
    row = EventRow(at_s=1.0, kind="mark", name="x\x1b[2J", text="\x1b]0;title\x07 done")
    line = event_line(row)
    assert "\x1b" not in line
    assert "\x07" not in line
    assert "done" in line


def test_delays_stand_below_each_other() -> None:
    rows = [
        EventRow(at_s=1.0, kind="alarm", name="silence", text="site=fra-1  41 s after the fault"),
        EventRow(at_s=2.0, kind="steady", name="outage", text="99 % of its devices back  260 s after its end"),
        EventRow(at_s=3.0, kind="alarm", name="connect-storm", text="all  1,203.5 s after the fault"),
    ]
    lines = [event_line(row) for row in rows]
    ends = [match.start() for line in lines if (match := re.search(r" s after", line))]
    assert ends[0] == ends[1]
    assert all(len(line) < 100 for line in lines)


def test_an_event_without_text_is_its_name() -> None:
    assert event_line(EventRow(at_s=60.0, kind="alarm", name="silence", text="")) == "  00:01:00  alarm   silence"


def test_the_verdict_line_needs_no_wall_time_and_no_report() -> None:
    assert verdict_line(result(wall_s=0.0)) == "MISSED 1 of 3 in 0 s"


def test_the_first_event_repeats_the_heading_and_is_not_printed_again() -> None:
    assert EVENTS[0].kind == "begin"
    assert THE_RUN.count(EVENTS[0].text) == 1
