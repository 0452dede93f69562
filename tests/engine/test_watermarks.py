"""Event time behind a pool that lags: windows wait for what was received, and what came in time is in them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from twinstorm.detectors.core import Core
from twinstorm.detectors.figures import NamedFigure
from twinstorm.detectors.named_joins import NamedJoin
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import SECOND_US

FILE = """storm: 1
name: lag
story: A broker comes back with all that the devices kept.
duration: 5 min
fleet:
  devices: 100
  sites: [fra-1, sin-1]
  buffer: {readings: 200}
  boot: 1 s .. 4 s
  reconnect: {base: 1 s, cap: 4 s}
  segments:
    motors: {kind: motor, share: 80 %, every: 1 s, qos: 1}
    rooms: {kind: environment, share: 20 %, every: 5 s}
windows:
  heat: {of: motor.winding_temperature_c, by: site, every: 10 s, lateness: 5 s}
  patient: {of: motor.winding_temperature_c, figure: count, by: device, every: 10 s, lateness: 2 min}
  spells: {of: environment.temperature_c, figure: count, by: device, gap: 8 s, lateness: 5 s}
joins:
  over-air: {left: motor.winding_temperature_c, right: environment.temperature_c, before: 10 s, after: 0 s}
steps:
  - {name: outage, at: 60 s, fault: broker-outage, lasts: 40 s}
expect:
  - {ledger: delivered, at_least: 1}
"""
POOLS = [
    "processing: {service: 9 ms, partitions: 4, consumers: 1, checkpoint: 10 s}\n",
    "processing: {service: 9 ms, partitions: 8, consumers: 1, by: site, checkpoint: 0 s}\n",
    "processing: {service: 650 ms, serverless: {most: 80}}\n",
]


@cache
def played(processing: str, until_s: int = 300) -> Core:
    engine = build(read(FILE + processing, "lag.storm.yaml"), RunOptions(seed=3))
    engine.advance(until_s * SECOND_US)
    return engine.core


def figures(core: Core) -> dict[str, NamedFigure]:
    assert core.streams is not None
    return dict(core.streams.figures)


def join(core: Core) -> NamedJoin:
    assert core.streams is not None
    return core.streams.joins["over-air"]


@pytest.mark.parametrize("pool", POOLS)
def test_windows_behind_a_lagging_pool_are_those_without_one(pool: str) -> None:
    """The backlog is worked off: all that the core had late without a pool, and nothing else, is late with it."""
    plain, pooled = played(""), played(pool)
    assert pooled.intake is not None
    assert pooled.intake.figures.longest_us > 20 * SECOND_US
    assert pooled.intake.lag < 90
    for name, expected in figures(plain).items():
        found = figures(pooled)[name]
        assert (found.late, found.misdated, found.out_of_order) == (expected.late, 0, expected.out_of_order), name
        # The pool is a second behind: what that one closes is open here.
        open_since = 0 if name == "spells" else 1
        assert expected.closed - found.closed in range(open_since + 1), name
        for column in ("least", "most"):
            np.testing.assert_array_equal(getattr(found, column), getattr(expected, column), err_msg=name)
    assert figures(plain)["heat"].late > 1_000
    assert figures(plain)["patient"].late == 0
    assert join(pooled).late == join(plain).late > 100
    assert join(pooled).pairs.sum() == pytest.approx(join(plain).pairs.sum(), rel=0.01)


def test_windows_close_when_what_was_received_is_through() -> None:
    """Too small a pool for this fleet: it lags more and more, and nothing of what it lets through is late."""
    core = played("processing: {service: 20 ms, partitions: 4, consumers: 1}\n", 59)
    assert core.intake is not None
    heat = figures(core)["heat"]
    assert heat.late == 0
    through_s = core.intake.through_us // SECOND_US
    assert 30 <= through_s <= 40
    assert heat.closed == (through_s - 5) // 10
    assert core.intake.waited_us == pytest.approx((59 - through_s) * SECOND_US, abs=2 * SECOND_US)


def test_stamps_tell_the_wait_in_the_pool_as_a_stage_of_its_own() -> None:
    stamps = "stamps: {every: 5, window: 10 s, lateness: 5 s}\n"
    engine = build(
        read(FILE.replace("60 s, fault", "4 min, fault") + stamps + POOLS[0].replace("9 ms", "13 ms"), "lag"),
        RunOptions(seed=3),
    )
    engine.advance(200 * SECOND_US)
    engine.finish("stopped")
    told = {each.stage: each for each in result_of(engine, speed=0.0, wall_s=0.0, repeat="").stages}
    assert told["delivered"].most_s is not None
    assert told["ingested"].median_s is not None
    assert told["windowed"].most_s is not None
    assert told["delivered"].most_s < 1
    assert told["ingested"].median_s > 5
    assert told["windowed"].most_s <= 17


def test_a_run_is_the_same_bytes_with_a_stop_in_the_lag() -> None:
    engine = build(read(FILE + POOLS[0], "lag.storm.yaml"), RunOptions(seed=3))
    engine.advance(120 * SECOND_US)
    again = Engine.load(engine.save())
    for each in (engine, again):
        each.advance(180 * SECOND_US)
    assert figures(engine.core)["heat"].late == figures(again.core)["heat"].late
    assert engine.core.intake is not None
    assert again.core.intake is not None
    assert engine.core.intake.through_us == again.core.intake.through_us < 180 * SECOND_US
