"""What the core makes of devices whose gateway thins their readings out."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read

THINNED = """storm: 1
name: thinned
story: Gateways whose processors pass on a reading a minute.
duration: 16 min
warm_up: 2 min
fleet:
  devices: 42
  sites: [a]
  segments:
    edge: {kind: gateway, devices: 2, link: ethernet, gateway: {processor: {every: 1 min, keep: KEEP}}}
    soil: {kind: environment, devices: 40, through: edge, every: 10 s}
"""
CALM = """objectives:
  fresh: {sli: freshness, within: 130 s, at_least: 99 %}
expect:
  - {no_alarm: any}
"""
CUT = """steps:
  - {name: cut, at: 8 min, fault: partition, target: kind=gateway, lasts: 5 min}
expect:
  - {no_alarm: any, to: cut}
  - {alarm: silence, after: cut, within: 4 min}
"""


@pytest.mark.parametrize("rest", [CALM, CUT], ids=["calm", "cut"])
@pytest.mark.parametrize("keep", ["first", "mean"])
def test_silence_is_found_behind_a_processor_that_thins_out_when_there_is_some(keep: str, rest: str) -> None:
    engine = build(read(THINNED.replace("KEEP", keep) + rest, "thinned.storm.yaml"), RunOptions(seed=42))
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert [(each.text, each.verdict) for each in result.expectations if each.verdict != "held"] == []
    assert result.expectations
    assert result.verdict == "held"
