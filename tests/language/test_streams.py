"""`windows` in the language: defaults, what does not go together, and what expressions may ask of them."""

from __future__ import annotations

from typing import get_args

import pytest

from twinstorm.detectors import figures
from twinstorm.detectors.windows import LEVELS
from twinstorm.scenarios.language import streams
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.expressions import look_ups, names, parse
from twinstorm.scenarios.language.figures import Asked, asked
from twinstorm.scenarios.language.model import Continuity, Window
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.units import Kind

FILE = """storm: 1
name: heat
story: Sites warm up.
duration: 10 min
fleet:
  devices: 20
  segments: {motors: {kind: motor, share: 100 %}}
windows:
  heat: {of: motor.current_a, every: 1 min}
expect:
  - never: window(heat) > 1000
"""
WRITTEN = "{of: motor.current_a, every: 1 min}"


def windows_of(written: str) -> tuple[Window, ...]:
    return read(FILE.replace(WRITTEN, written), "heat.storm.yaml").windows


def test_defaults_are_means_of_all_in_windows_that_follow_each_other() -> None:
    (window,) = windows_of(WRITTEN)
    minute = 60_000_000
    assert window == Window("heat", "motor", "current_a", "A", "mean", "all", minute, minute, 0, 10_000_000)


def test_windows_overlap_and_sessions_end_by_a_pause() -> None:
    (sliding,) = windows_of("{of: motor.current_a, figure: sd, by: site, every: 1 min, width: 5 min, lateness: 0 s}")
    assert (sliding.measure, sliding.by, sliding.width_us, sliding.lateness_us) == ("sd", "site", 300_000_000, 0)
    (session,) = windows_of("{of: motor.current_a, by: device, gap: 30 s}")
    assert (session.every_us, session.width_us, session.gap_us) == (0, 0, 30_000_000)


def test_levels_and_figures_are_those_of_the_core() -> None:
    assert streams.LEVELS == LEVELS
    assert streams.MEASURES == figures.MEASURES == get_args(figures.Measure)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("window(heat)", Asked("window", "heat")),
        ("window( heat-of-5 , least )", Asked("window", "heat-of-5", least=True)),
        ("window(heat, most)[site=1]", Asked("window", "heat")),
        ("abs(window(heat))", Asked("window", "heat")),
    ],
)
def test_a_window_in_an_expression_is_a_name_to_whoever_looks_it_up(text: str, found: Asked) -> None:
    expression = parse(text, wanted=None)
    assert expression.kind is Kind.NUMBER
    (name,) = names(expression)
    assert asked(name) == found
    assert (look_ups(expression)[0].selector is None) == ("[" not in text)


@pytest.mark.parametrize("text", ["window", "window heat", "window(heat, mean)", "window(Heat)", "window(a, b, c)"])
def test_what_is_no_window_is_told(text: str) -> None:
    with pytest.raises(Exception, match=r"takes a name|unknown name|`window` is a function|cannot stand"):
        parse(f"{text} > 3")


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        (", every: 1 min", "", "S212", "write one of `every`"),
        (", every", ", gap: 3 s, every", "S212", "write one of `every`"),
        ("every: 1 min", "gap: 1 min, width: 2 min", "S212", "has no `width`"),
        ("1 min", "1 min, width: 90 s", "S212", "some whole number of its steps"),
        ("1 min", "1 s, width: 1 h", "S210", "3,600 steps"),
        ("1 min", "20 min", "S212", "no window closes within the run"),
        ("every: 1 min", "gap: 9 min, lateness: 2 min", "S212", "no window closes within the run"),
        ("1 min", "1 min, by: gateway", "S212", "no device is behind a gateway"),
        ("1 min", "1 min, by: line", "S212", "no device stands on a line"),
        ("1 min", "1 min, by: cell", "S204", "unknown level `cell`"),
        ("1 min", "1 min, figure: median", "S204", "unknown figure `median`"),
        ("of: motor.current_a, ", "", "S105", "the key `of` is missing"),
        ("every: 1 min", "evry: 1 min", "S102", "unknown key `evry`"),
        ("heat: {of", "Heat: {of", "S109", "not a kebab-case name"),
        ("window(heat)", "window(heat)[state=online]", "S305", "changes while the run goes on"),
        ("window(heat)", "window(heat)[site=oslo]", "S301", "matches 0"),
    ],
)
def test_what_makes_no_sense_is_told(old: str, new: str, code: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ScenarioErrors) as told:
        read(FILE.replace(old, new), "heat.storm.yaml")
    found = {problem.code: problem.message for problem in told.value.problems}
    assert code in found, found
    assert said in found[code]


def test_windows_that_cannot_be_read_are_no_reason_to_call_their_names_wrong() -> None:
    with pytest.raises(ScenarioErrors) as told:
        read(
            FILE.replace("windows:\n  heat: ", "windows: heat\nlook_for: ['", 1).replace("min}", "min}']", 1),
            "heat.storm.yaml",
        )
    assert [problem.code for problem in told.value.problems] == ["S108"]


def test_dead_sensors_need_somebody_who_listens() -> None:
    text = FILE + "  - never: dead_links[site=site-1] > 3\n"
    with pytest.raises(ScenarioErrors) as told:
        read(text, "heat.storm.yaml")
    (problem,) = told.value.problems
    assert (problem.code, problem.message) == ("S310", "there is no `dead_links` without `continuity`")
    found = read(text + "continuity: {periods: 5}\n", "heat.storm.yaml").continuity
    assert found == Continuity(5.0, 10_000_000)
    for wrong, code in (("{periods: 0}", "S210"), ("{period: 3}", "S102"), ("{least: 3}", "S201")):
        with pytest.raises(ScenarioErrors) as told:
            read(text + f"continuity: {wrong}\n", "heat.storm.yaml")
        assert code in {problem.code for problem in told.value.problems}
