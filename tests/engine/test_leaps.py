"""Calm seconds that are played at once tell the same, to the bit, as seconds that are played one by one."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from twinstorm.detectors.ingest import Ingest
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import MINUTE_US, SECOND_US

PLANT = """storm: 1
name: plant
story: A small plant that is calm but for what the steps say.
duration: {duration}
warm_up: 1 min
{steps}fleet:
  devices: 120
  sites: [a, b]
  segments:
    temperature: {{kind: environment, share: 50 %, every: 30 s}}
    vibration: {{kind: motor, share: 15 %, every: 10 s}}
    pressure: {{kind: pump, share: 10 %, every: 5 s}}
    trackers: {{kind: vehicle, share: 10 %, every: 60 s}}
    controllers: {{kind: controller, share: 10 %, every: 30 s}}
    cameras: {{kind: camera, share: 5 %, every: 5 min}}
objectives:
  connected: {{sli: connectivity, at_least: 90 %}}
  fresh: {{sli: freshness, within: 60 s, at_least: 90 %}}
  here: {{sli: freshness, within: 60 s, of: site=a, at_least: 90 %}}
"""
STEPS = """steps:
  - {name: dark, at: 10 min, fault: power-outage, target: site=a, lasts: 40 s}
  - {name: ill, at: 17 min, fault: bearing-spall, target: segment=vibration, lasts: 2 min}
  - {name: busy, at: 23 min, fault: peak, target: segment=cameras, lasts: 3 min, with: {factor: 4}}
"""


def engine(duration: str = "40 min", steps: str = STEPS) -> Engine:
    return build(read(PLANT.format(duration=duration, steps=steps), "plant.storm.yaml"), RunOptions(seed=5))


@pytest.fixture
def leaps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seconds of each leap."""
    seconds: list[int] = []
    close = Engine._close_panes

    def counted(self: Engine, first_us: int, last_us: int) -> None:
        seconds.append((last_us - first_us) // SECOND_US + 1)
        close(self, first_us, last_us)

    monkeypatch.setattr(Engine, "_close_panes", counted)
    return seconds


def known(run: Engine) -> dict[str, Any]:
    """Everything that a run tells, and what its core knows in the end."""
    core, world = run.core, run.wiring
    result = result_of(run, speed=0.0, wall_s=0.0, repeat="")
    ingest = core._ingest
    columns: dict[str, np.ndarray] = {
        "each": core.accepted_per_device,
        "arrived": core.last_arrival_us,
        "seq": core.last_seq,
        "missing": ingest.seen.current.missing,
        "newest": ingest.newest,
        "since": core.since_us,
    }
    windows = [run.look_up("freshness", None, seconds * SECOND_US) for seconds in (1, 10, 60, 600)]
    return {
        "digest": world.log.digest(),
        "result": result,
        "columns": {name: column.tobytes() for name, column in columns.items()},
        "windows": windows,
        "objectives": [core.objective(each.name) for each in run.objectives],
        "burn": [core.burn("fresh", window * SECOND_US) for window in (60, 600)],
        "traffic": world.traffic(),
        "panes": len(core._series[0].fleet),
    }


def one_by_one(run: Engine) -> Engine:
    while not run.ended:
        run.step()
    return run


def test_leaps_change_nothing(leaps: list[int]) -> None:
    expected = known(one_by_one(engine()))
    assert not leaps
    run = engine()
    run.play()
    assert known(run) == expected
    assert sum(leaps) > 1_000, "of 2,400 seconds with three faults"
    assert max(leaps) > 100


def test_breaks_watchers_and_snapshots_change_nothing(leaps: list[int]) -> None:
    chance = random.Random(7)
    run = engine()
    while not run.ended:
        run.advance(run.now_us + chance.choice([1, 900_000, 7_777_777, 61 * SECOND_US, 333_333_333]))
        if chance.random() < 0.3:
            run = Engine.load(run.save())
            assert run.wiring.log.digest()
        run.core.sli("freshness", None, MINUTE_US)
    assert max(leaps) > 60
    assert known(run) == known(one_by_one(engine()))


def test_readings_that_are_looked_at_one_by_one_end_no_differently(
    leaps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = known(one_by_one(engine("20 min", "")))
    monkeypatch.setattr(Ingest, "in_turn", lambda self, deliveries: None)
    run = engine("20 min", "")
    run.play()
    assert leaps
    assert known(run) == expected


def test_whoever_asks_each_second_is_answered_each_second(leaps: list[int]) -> None:
    run = engine("20 min", "expect: [{always: 'freshness > 10 %'}]\n")
    run.play()
    assert not leaps
    assert result_of(run, speed=0.0, wall_s=0.0, repeat="").expectations[0].verdict == "held"


def test_nobody_leaps_while_somebody_is_away(leaps: list[int]) -> None:
    steps = "steps: [{name: dark, at: 8 min, fault: power-outage, target: 'id=a/pressure-0001', lasts: 10 min}]\n"
    run = engine("18 min", steps)
    run.advance(8 * MINUTE_US)
    before = sum(leaps)
    assert before > 200
    run.play()
    assert sum(leaps) == before


def test_an_answer_that_changes_in_between_is_told_in_its_second(leaps: list[int]) -> None:
    run = engine("30 min", "")
    run.play()
    fresh = run.core._series[[each.sli.name for each in run.core._series].index("freshness")]
    good = np.diff([fresh.fleet.last(panes)[0] for panes in range(len(fresh.fleet) + 1)])[::-1]
    changes = np.count_nonzero(good[600:-1] != good[601:])
    assert changes > len(leaps), "cameras that say nothing for two minutes are not fresh"
