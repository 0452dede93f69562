"""Mirrors in runs: residuals are channels that detectors watch, and tell an ill machine from one that works hard."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.flow import MINUTE_US

MOTORS = """storm: 1
name: mirrored
story: A rag blocks the cooling air of some motors, while all of them work harder from hour to hour.
duration: 80 min
warm_up: 20 min
start: 2030-01-07T06:00:00Z
fleet:
  sites: [well, ill]
  segments:
    motors:
      kind: motor
      devices: 12
      every: 30 s
      machine: {ambient: 25 C, rise: 1}
      mirror: {drives: {load_share: {of: speed_rpm, factor: -0.033333, offset: 50}}}
    others: {kind: motor, devices: 4, every: 30 s}
    rooms: {kind: environment, devices: 4, every: 30 s}
detectors:
  limit: {channels: [CHANNEL], highest: LIMIT, hold: 1 min}
steps:
  - {name: blocked, at: 40 min, fault: machine-failure, target: site=ill segment=motors, with: {mode: overheating}}
"""


def engine_of(text: str = MOTORS, channel: str = "residual_winding_temperature_c", limit: float = 6.0) -> Engine:
    written = text.replace("CHANNEL", channel).replace("LIMIT", str(limit))
    return build(read(written, "mirrored.storm.yaml"), RunOptions(seed=3))


def finished(engine: Engine) -> RunResult:
    engine.play()
    return told(engine)


def told(engine: Engine) -> RunResult:
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def test_a_residual_tells_a_machine_that_is_ill_from_those_that_work_hard() -> None:
    first, rest = finished(engine_of()).alarms
    assert {first.fault, rest.fault} == {"blocked"}
    assert 10 * 60 < first.at_s - 40 * 60 < 20 * 60
    found = {example.device for alarm in (first, rest) for example in alarm.examples}
    assert found == {f"ill/motors-000{number}" for number in range(1, 7)}
    # The temperature alone is as high in others that work hard, before anything is wrong.
    assert any(alarm.fault is None for alarm in finished(engine_of(channel="winding_temperature_c", limit=80.0)).alarms)


def test_the_result_says_how_far_devices_are_from_their_mirrors() -> None:
    engine = engine_of(MOTORS.replace("at: 40 min", "at: 79 min"))
    found = {each.channel: each for each in finished(engine).mirrors}
    assert set(found) == {channel.name for channel in engine.registry.channels["motor"]}
    speed, winding = found["speed_rpm"], found["winding_temperature_c"]
    assert (speed.segment, speed.devices, speed.unit, speed.readings) == ("motors", 12, "rpm", 12 * 120)
    assert speed.rms is not None
    assert speed.rms < 0.1, "a load that follows the speed gives the speed back"
    assert winding.rms is not None
    assert winding.rms < 4.0
    assert winding.mean is not None
    assert abs(winding.mean) <= winding.rms


@pytest.mark.parametrize("stop_us", [25 * MINUTE_US, 50 * MINUTE_US + 1])
def test_stopped_in_between_and_gone_on_it_is_the_same_run(stop_us: int) -> None:
    whole = finished(engine_of())
    engine = engine_of()
    engine.advance(stop_us)
    rest = finished(Engine.load(engine.save()))
    assert (rest.digest, rest.mirrors) == (whole.digest, whole.mirrors)


def test_a_mirror_changes_nothing_of_the_world() -> None:
    without = MOTORS.replace(
        "      mirror: {drives: {load_share: {of: speed_rpm, factor: -0.033333, offset: 50}}}\n", ""
    )
    mirrored, plain = (finished(engine_of(text, "winding_temperature_c", 500.0)) for text in (MOTORS, without))
    assert (mirrored.ledger, mirrored.digest) == (plain.ledger, plain.digest)
    assert plain.mirrors == []


def test_readings_that_come_again_or_late_are_compared_once_or_not_at_all() -> None:
    harmed = MOTORS.replace(
        "steps:",
        "steps:\n  - {name: cut, at: 35 min, fault: partition, target: all, lasts: 5 min}\n"
        "  - {name: twice, at: 25 min, fault: payload-duplicate, target: all, lasts: 5 min}",
    )
    engine = engine_of(harmed)
    engine.play()
    result = told(engine)
    readings = {each.readings for each in result.mirrors}
    assert max(readings) == 12 * 120
