"""Lines: machines of several kinds that make things together, at one site."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import read

FILE = """storm: 1
name: lines
story: The machines of one line lose their power.
duration: 8 min
warm_up: 1 min
fleet:
  devices: 60
  sites: [fra-1, sin-1]
  segments:
    presses: {kind: motor, share: 30 %, line: north}
    hall: {kind: environment, share: 30 %, every: 1 s, line: north}
    drives: {kind: motor, share: 30 %, line: south}
    yard: {kind: environment, share: 10 %, every: 1 s}
windows:
  heat: {of: motor.winding_temperature_c, by: line, every: 1 min}
joins:
  over-air: {left: motor.winding_temperature_c, right: environment.temperature_c, by: line}
steps:
  - {name: dark, at: 3 min, fault: power-outage, target: line=north, lasts: 2 min}
expect:
  - {alarm: silence, after: dark, within: 1 min, target: line=north}
"""


def made(text: str = FILE) -> Engine:
    return build(read(text, "lines.storm.yaml"), RunOptions(seed=1))


@pytest.fixture(scope="module")
def played() -> Engine:
    engine = made()
    engine.play()
    return engine


def test_the_line_that_is_dark_is_named(played: Engine) -> None:
    result = result_of(played, speed=0.0, wall_s=0.0, repeat="")
    assert result.verdict == "held", result.expectations
    silence = next(alarm for alarm in result.alarms if alarm.name == "silence")
    assert silence.group == "line=north"


def test_a_line_of_one_name_at_two_sites_is_two(played: Engine) -> None:
    assert played.core.streams is not None
    figure = played.core.streams.figures["heat"]
    assert figure.names == ("fra-1/north", "fra-1/south", "sin-1/north", "sin-1/south")
    assert figure.windows.tolist() == [5, 7, 5, 7], "the north is dark for two minutes"


def test_a_join_pairs_the_machines_of_one_line(played: Engine) -> None:
    assert played.core.streams is not None
    join = played.core.streams.joins["over-air"]
    pairs = dict(zip(join.names, join.pairs.tolist(), strict=True))
    assert min(pairs["fra-1/north"], pairs["sin-1/north"]) > 1_000
    assert pairs["fra-1/south"] == pairs["sin-1/south"] == 0, "no air is measured there"


def test_windows_by_line_want_lines() -> None:
    text = FILE.replace(", line: north", "").replace(", line: south", "").replace("line=north", "all")
    with pytest.raises(ScenarioErrors, match="no device stands on a line"):
        made(text)
