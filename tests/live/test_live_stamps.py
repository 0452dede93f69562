"""Stages of readings over real sockets: the embedded broker tells when it took each, others do not, and it is said."""

from __future__ import annotations

from dataclasses import replace

from tests.conftest import Mosquitto
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.reports.facts import _stages
from twinstorm.scenarios.result import RunResult

TEXT = """storm: 1
name: stamped
story: A broker that is away for a while.
duration: 30 s
fleet:
  devices: 20
  sites: [fra-1]
  keep_alive: 20 s
  reconnect: {base: 1 s, cap: 2 s}
  segments:
    motors: {kind: motor, share: 80 %, every: 1 s}
    rooms: {kind: environment, share: 20 %, every: 2 s}
stamps: {every: 2, window: 5 s, lateness: 1 s}
expect:
  - {ledger: lost, at_most: 50 %}
"""
OUTAGE = "steps: [{name: outage, at: 8 s, fault: broker-outage, lasts: 4 s}]\n"
OPTIONS = RunOptions(seed=5, live=True, speed=4.0)


def told(result: RunResult) -> str:
    return "\n".join(_stages(result).lines)


def test_the_embedded_broker_tells_when_it_took_each_reading_before_and_after_an_outage() -> None:
    result = Run(read(TEXT + OUTAGE, "stamped.storm.yaml"), OPTIONS).execute()
    stages = {each.stage: each for each in result.stages}
    assert list(stages) == ["admitted", "delivered", "ingested", "windowed", "alarmed"]
    admitted, delivered = stages["admitted"], stages["delivered"]
    assert admitted.readings == delivered.readings > 100
    assert admitted.median_s is not None
    assert delivered.median_s is not None
    assert delivered.median_s >= 0
    assert admitted.median_s < 1
    assert "Nobody told when readings were sent:" in told(result)


def test_of_another_broker_nobody_knows_and_the_report_says_so(mosquitto: Mosquitto) -> None:
    result = Run(read(TEXT, "stamped.storm.yaml"), replace(OPTIONS, broker_url=mosquitto.url)).execute()
    assert [each.stage for each in result.stages] == ["delivered", "ingested", "windowed", "alarmed"]
    assert "Nobody told when readings were sent or admitted:" in told(result)
