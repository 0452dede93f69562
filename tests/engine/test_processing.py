"""Readings that wait to be processed, in whole runs: backlogs come and go, and the ledger says where each one is."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Refused
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.reports.ending import ending
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.flow import SECOND_US

FILE = """storm: 1
name: pool
story: A broker comes back with all that the devices kept.
duration: 6 min
fleet:
  devices: 100
  sites: [fra-1, sin-1]
  buffer: {readings: 200}
  boot: 1 s .. 4 s
  reconnect: {base: 1 s, cap: 4 s}
  segments:
    motors: {kind: motor, share: 80 %, every: 1 s, qos: 1}
    rooms: {kind: environment, share: 20 %, every: 5 s}
objectives:
  timely: {sli: processed_in_time, within: 5 s, at_least: 1 %}
  fresh: {sli: freshness, within: 20 s, at_least: 1 %}
steps:
  - {name: outage, at: 60 s, fault: broker-outage, lasts: 60 s}
expect:
  - {ledger: delivered, at_least: 1}
"""
SMALL = "processing: {service: 8 ms, partitions: 4, consumers: 1, checkpoint: 10 s%s}\n"
"""125 readings a second of the 84 that come: what was kept for a minute is worked off in two."""
CRASH = "  - {name: crash, at: 130 s, fault: consumer-crash}\nexpect:"


def made(processing: str, text: str = FILE, seed: int = 3) -> Engine:
    return build(read(text + processing, "pool.storm.yaml"), RunOptions(seed=seed))


def finished(engine: Engine) -> RunResult:
    engine.play()
    assert engine.ledger().difference == 0
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def lag_at(engine: Engine, at_s: int) -> float:
    engine.advance(at_s * SECOND_US)
    found = engine.look_up("lag", None, 0)
    assert found is not None
    return found


def test_a_backlog_grows_with_what_comes_at_once_and_is_worked_off() -> None:
    engine = made(SMALL % "")
    assert lag_at(engine, 59) < 85
    deepest = max(lag_at(engine, at_s) for at_s in range(120, 140))
    assert 3_500 < deepest < 84 * 62
    # 125/s of which 84 are needed for what still comes.
    empty_s = next(at_s for at_s in range(140, 360) if lag_at(engine, at_s) < 85)
    assert empty_s == pytest.approx(124 + deepest / (125 - 84), rel=0.1)
    result = finished(engine)
    assert result.processing is not None
    assert result.processing.deepest == pytest.approx(deepest, abs=200)
    assert result.processing.longest_s == pytest.approx(deepest / 125, rel=0.1)
    assert result.processing.processed == result.ledger.delivered
    assert result.ledger.lost == {}


def test_what_waits_is_late_and_its_devices_are_not_fresh() -> None:
    plain, small = finished(made("")), finished(made(SMALL % ""))
    assert plain.processing is None
    (timely, fresh), (as_it_comes, seen) = small.objectives, plain.objectives
    assert timely.value is not None
    assert as_it_comes.value is not None
    assert timely.value < as_it_comes.value - 0.1
    assert fresh.value is not None
    assert seen.value is not None
    assert fresh.value < seen.value - 0.05
    assert small.ledger.produced == plain.ledger.produced


def test_a_pool_that_is_large_enough_delays_and_changes_nothing_else() -> None:
    plain, large = finished(made("")), finished(made("processing: {service: 1 us, consumers: 16}\n"))
    assert large.ledger == plain.ledger
    assert [alarm.name for alarm in large.alarms] == [alarm.name for alarm in plain.alarms]
    assert large.processing is not None
    assert large.processing.longest_s < 0.01


def test_the_ledger_closes_at_every_second_of_a_backlog() -> None:
    text = FILE.replace("expect:", CRASH)
    engine = made(SMALL % ", room: 3000", text)
    for at_s in range(1, 360, 3):
        engine.advance(at_s * SECOND_US)
        ledger = engine.ledger()
        assert ledger.difference == 0, at_s
        assert min(ledger.in_flight, ledger.buffered, ledger.repeated) >= 0
    result = finished(engine)
    assert result.processing is not None
    assert result.ledger.lost == {"shed": result.processing.shed}
    assert result.processing.shed > 100


def test_a_crash_replays_what_came_since_the_checkpoint_and_loses_nothing() -> None:
    result = finished(made(SMALL % "", FILE.replace("expect:", CRASH)))
    crash = result.faults[1]
    assert crash.bit
    assert crash.evidence["consumers_crashed"] == 1
    replayed = crash.evidence["readings_replayed"]
    assert 0 < replayed <= 125 * 10
    assert result.processing is not None
    assert (result.processing.crashed, result.processing.replayed) == (1, replayed)
    assert result.ledger.repeated == replayed
    assert result.ledger.lost == {}
    assert any(f"{replayed:,} replayed" in line for line in ending(result))


def test_a_pool_grows_with_its_lag_and_shrinks_again() -> None:
    engine = made(SMALL % ", start: 5 s, scale: {lag: 500, most: 4, down_after: 30 s}")
    consumers = []
    for at_s in range(1, 360):
        engine.advance(at_s * SECOND_US)
        consumers.append(engine.look_up("consumers", None, 0))
    assert consumers[:119] == [1.0] * 119
    assert max(count for count in consumers if count is not None) == 4.0
    assert consumers[-1] == 1.0
    result = finished(engine)
    assert result.processing is not None
    assert result.processing.consumers == 4
    assert result.processing.longest_s < 30.0, "one alone would take twice as long"


def test_functions_are_started_cold_and_priced() -> None:
    profile = "{cold: 2 s, keep: 10 min, most: 50, price: 0.001, price_per_s: 0.01}"
    result = finished(made(f"processing: {{service: 20 ms, serverless: {profile}}}\n"))
    found = result.processing
    assert found is not None
    assert found.calls == found.processed + found.waiting
    assert 0 < found.cold <= 50
    work_s = 0.02 * found.calls + 2.0 * found.cold
    assert found.cost == pytest.approx(0.001 * found.calls + 0.01 * work_s, rel=1e-6)
    assert 1 <= found.consumers <= 50


@pytest.mark.parametrize("stop_us", [125_400_000, 130_000_000, 171_000_001])
def test_stopped_within_a_backlog_and_gone_on_it_is_the_same_run(stop_us: int) -> None:
    text = FILE.replace("expect:", CRASH)
    whole = finished(made(SMALL % "", text))
    engine = made(SMALL % "", text)
    engine.advance(stop_us)
    assert finished(Engine.load(engine.save())).digest == whole.digest


def test_a_crash_by_hand_needs_a_pool() -> None:
    engine = made("")
    engine.advance(SECOND_US)
    with pytest.raises(Refused, match="this scenario has none"):
        engine.inject("consumer-crash", "", None, {"consumers": 1})
    engine = made(SMALL % "")
    engine.advance(100 * SECOND_US)
    step = engine.inject("consumer-crash", "", None, {"consumers": 3})
    assert engine.evidence(step)["consumers_crashed"] == 1


def test_partitions_by_site_are_as_slow_as_one_consumer() -> None:
    fast, slow = (
        finished(made(f"processing: {{service: 20 ms, partitions: 8, consumers: 8, by: {by}}}\n"))
        for by in ("device", "site")
    )
    assert fast.processing is not None
    assert slow.processing is not None
    assert slow.processing.longest_s > 3 * fast.processing.longest_s


def test_stamps_tell_where_the_time_goes() -> None:
    result = finished(made(SMALL % "" + "stamps: {every: 10, window: 10 s, lateness: 0 s}\n"))
    told = {each.stage: each for each in result.stages}
    assert list(told) == ["sent", "admitted", "delivered", "ingested", "windowed", "alarmed"]
    sent, admitted, delivered, ingested, windowed, alarmed = told.values()
    assert {each.readings for each in told.values()} == {sent.readings, alarmed.readings}
    # Twice 1 ms: to the broker, and from there to the core, which nothing holds up.
    assert admitted.median_s is not None
    assert 0.001 <= admitted.median_s < 0.01
    assert delivered.median_s == 0.001
    # The silence of the outage, and what else is told of it.
    assert 100 <= alarmed.readings < 200
    assert alarmed.median_s is not None
    assert 8 < alarmed.median_s < 60
    assert 100 < sent.readings < result.ledger.delivered / 10
    assert delivered.most_s is not None
    assert delivered.most_s < 0.2
    assert result.processing is not None
    assert ingested.most_s is not None
    assert ingested.most_s == pytest.approx(result.processing.longest_s, abs=2.0)
    assert windowed.most_s is not None
    assert windowed.most_s <= 10.0
    assert finished(made(SMALL % "")).stages == []


COPIES = [
    "{name: f, at: 20 s, fault: replayed-message, target: all, lasts: 60 s}",
    "{name: f, at: 20 s, fault: payload-duplicate, target: all, lasts: 60 s}",
    "{name: f, at: 20 s, fault: duplicated-packets, target: all, lasts: 60 s}",
]


@pytest.mark.parametrize("fault", COPIES)
@pytest.mark.parametrize("shed", ["newest", "oldest"])
def test_a_copy_that_gets_through_in_place_of_what_was_shed_counts_once(fault: str, shed: str) -> None:
    text = FILE.replace("{name: outage, at: 60 s, fault: broker-outage, lasts: 60 s}", fault)
    engine = made(f"processing: {{service: 14 ms, room: 20, shed: {shed}}}\n", text)
    for at_s in range(15, 200, 7):
        engine.advance(at_s * SECOND_US)
        assert engine.ledger().difference == 0, at_s
    result = finished(engine)
    assert result.faults[0].bit
    assert result.ledger.lost["shed"] > 0


def test_nothing_stays_in_a_pool_that_is_fast_enough() -> None:
    text = FILE.replace("lasts: 60 s}", "lasts: 5 min}").replace("at: 60 s", "at: 61 s")
    result = finished(made("processing: {service: 20 ms, start: 500 ms, scale: {lag: 20, most: 8}}\n", text))
    assert result.processing is not None
    assert result.processing.waiting == 0
