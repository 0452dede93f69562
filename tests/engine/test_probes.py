"""Synthetic probes: they watch the pipeline, and no objective counts them unless it asks for them."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import RunResult

STORM = """storm: 1
name: probed
story: The real machines are cut off; the probes are not.
duration: 5 min
fleet:
  devices: 40
  sites: [a]
  keep_alive: 10 s
  segments:
    machines: {kind: motor, share: 50 %, every: 1 s}
    probes: {kind: environment, share: 50 %, every: 1 s, SYNTHETIC}
objectives:
  real: {sli: connectivity, at_most: 75 %}
  by-site: {sli: connectivity, of: site=a, at_most: 75 %}
  by-name: {sli: connectivity, of: segment=probes, at_least: 99 %}
  probed: {sli: connectivity, of: WHO, at_least: 99 %}
  drained: {sli: backlog, at_least: 99 %}
steps:
  - {name: cut, at: 2 min, fault: partition, target: segment=machines, lasts: 2 min}
expect:
  - eventually: connectivity = 0 %
  - at: 3 min 30 s
    that: connectivity[WHO] = 100 %
  - at: 3 min 30 s
    that: count[WHO] = 20
  - {ledger: lost, at_least: 1}
"""


def play(synthetic: str = "synthetic: true", who: str = "origin=synthetic") -> tuple[Engine, RunResult]:
    text = STORM.replace("SYNTHETIC", synthetic).replace("WHO", who).replace("3 min 30 s", "3min30s")
    engine = build(read(text, "probed.storm.yaml"), RunOptions(seed=3))
    engine.play()
    return engine, result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def test_objectives_and_slis_leave_probes_out_unless_they_ask_for_them() -> None:
    engine, result = play()
    assert {each.name: each.verdict for each in result.objectives} == dict.fromkeys(
        ("real", "by-site", "by-name", "probed", "drained"), "held"
    )
    assert result.ledger.closes
    whole = result.ledger.produced
    assert whole == int(engine.wiring.world.fleet.seq.sum()), "the ledger is about all devices"  # type: ignore[attr-defined]


def test_the_same_devices_count_when_they_are_no_probes() -> None:
    _, result = play("synthetic: false", "segment=probes")
    values = {each.name: each.value for each in result.objectives}
    assert values["real"] is not None
    assert values["real"] > 0.75
    assert next(each.verdict for each in result.expectations) == "missed", "not everybody was cut off"


def test_probes_change_nothing_of_what_happens() -> None:
    (probes, _), (machines, _) = play(), play("synthetic: false", "segment=probes")
    assert (probes.wiring.world.fleet.seq == machines.wiring.world.fleet.seq).all()  # type: ignore[attr-defined]
    assert probes.core.accepted == machines.core.accepted


def test_a_fleet_without_probes_has_none_to_select() -> None:
    with pytest.raises(ScenarioErrors, match="origin=synthetic"):
        play("synthetic: false", "origin=synthetic")
