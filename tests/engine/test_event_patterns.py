"""Patterns of events in whole runs: a link that flaps is told from one that was cut once, and calm runs as quick."""

from __future__ import annotations

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read

WATCHED = """storm: 1
name: flap
story: Connections that end again and again.
duration: 12 min
warm_up: 2 min
fleet:
  devices: 40
  sites: [a, b]
  segments: {motors: {kind: motor, share: 100 %, every: 5 s}}
broker: {model: ideal}
detectors:
  silence: {}
  flapping: {pattern: disconnect then connect within 1 min without boot, times: 3, during: 5 min}
"""


def played(more: str = "", text: str = WATCHED) -> Engine:
    engine = build(read(text + more, "flap.storm.yaml"), RunOptions(seed=1))
    engine.play()
    return engine


def cuts(count: int) -> str:
    steps = [f"  - {{name: cut-{n}, at: {4 + n} min, fault: mass-disconnect, target: site=b}}\n" for n in range(count)]
    return "steps:\n" + "".join(steps)


def test_a_site_whose_connections_end_three_times_is_an_alarm_that_an_expectation_may_ask_for() -> None:
    engine = played(cuts(3) + "expect:\n  - {alarm: flapping, after: cut-2, within: 1 min, target: site=b}\n")
    (alarm,) = engine.core.alarms
    assert (alarm.name, alarm.group, len(alarm.device)) == ("flapping", "site=b", 20)
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert [each.verdict for each in result.expectations] == ["held"]


def test_twice_is_no_flapping() -> None:
    assert played(cuts(2)).core.alarms == []


def test_a_pattern_that_nothing_meets_changes_no_run() -> None:
    watched, plain = (played(text=text) for text in (WATCHED, "\n".join(WATCHED.splitlines()[:-1]) + "\n"))
    assert watched.core.alarms == plain.core.alarms == []
    assert watched.wiring.log.digest() == plain.wiring.log.digest()
    assert watched.core.rests == plain.core.rests
