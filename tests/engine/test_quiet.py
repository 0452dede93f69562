"""Nights in which nothing happens: whatever is raised here is raised for nothing.

A fleet of two hundred of the plant mix, watched by every detector on fleets and by objectives whose budgets may burn.
A month takes a quarter of an hour, and there are twenty of them in the night.
"""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read

TEXT = """storm: 1
name: quiet
story: Nothing happens.
duration: {days} d
warm_up: 5 min
fleet:
  devices: 200
  sites: 5
  link: ethernet
  keep_alive: 60 s
  segments:
    temperature: {{kind: environment, share: 60 %, every: 30 s}}
    vibration: {{kind: motor, share: 10 %, every: 10 s}}
    pressure: {{kind: pump, share: 6.5 %, every: 5 s}}
    trackers: {{kind: vehicle, share: 20 %, every: 60 s}}
    controllers: {{kind: controller, share: 3 %, every: 30 s}}
    cameras: {{kind: camera, share: 0.5 %, every: 1 min}}
broker: {{model: amqtt}}
objectives:
  connected: {{sli: connectivity, at_least: 99 %, burn: 30 d}}
  fresh: {{sli: freshness, within: 2 min, at_least: 95 %, burn: 30 d}}
  open: {{sli: availability, at_least: 99.99 %, burn: 30 d}}
  steady: {{sli: reboot_rate, at_most: 1 %, burn: 30 d}}
"""


def raised(days: int, seed: int) -> list[str]:
    """Alarms of a run in which nothing happens."""
    engine = build(read(TEXT.format(days=days), "quiet.storm.yaml"), RunOptions(seed=seed))
    engine.play()
    ledger = engine.ledger()
    assert ledger.difference == 0
    # It was watched, and it was a whole day of it.
    assert ledger.delivered > 0.99 * ledger.produced > days * 80_000
    return [f"{alarm.severity.name} {alarm.name} at {alarm.at_us / 1e6:.0f} s" for alarm in engine.core.alarms]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_quiet_day_raises_nothing(seed: int) -> None:
    assert raised(1, seed) == []


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(101, 121))
def test_a_quiet_month_raises_nothing(seed: int) -> None:
    assert raised(30, seed) == []
