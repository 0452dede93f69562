"""A crowd without sockets: who is on the wire, who is not, and that an arrival stands in the crowd's queue."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.broker.modelled import BrokerSettings, ModelledBroker
from twinstorm.scenarios.engine.crowd import split
from twinstorm.scenarios.engine.live_checks import problems
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import load, read
from twinstorm.twin.flow import Answer, Identities

TEXT = """storm: 1
name: t
story: A few on the wire, many modelled.
duration: 1 min
fleet:
  devices: 1000
  cohort: {cohort}
  segments:
    motors: {{kind: motor, share: 70 %}}
    climate: {{kind: environment, share: 30 %}}
broker: {{connects: {{rate: 10 %/s}}}}
objectives: {{connected: {{sli: connectivity, at_least: 90 %}}}}
"""


def broker(rate: Fraction | None, queue: int = 2) -> ModelledBroker:
    made = ModelledBroker(BrokerSettings("ideal", 1, 1 << 30, rate, 1, queue))
    made.open(Identities([f"d{i}" for i in range(100)], np.full(100, 60_000_000), np.ones(100, np.uint8)))
    return made


def come(made: ModelledBroker, at_us: int, count: int) -> None:
    device = np.arange(count, dtype=np.int32)
    at = np.full(count, at_us, np.int64)
    made.offer(at, device, np.ones(count, np.int64), at)
    made.commit(count)


def test_a_cohort_is_taken_from_each_segment_in_its_share() -> None:
    wire, crowd = split(read(TEXT.format(cohort=10), "t.storm.yaml"))
    assert crowd is not None
    assert [(part.name, part.devices) for part in wire.fleet.segments] == [("motors", 7), ("climate", 3)]
    assert [(part.name, part.devices) for part in crowd.fleet.segments] == [("motors", 693), ("climate", 297)]
    assert (wire.fleet.devices, crowd.fleet.devices) == (10, 990)


def test_a_segment_too_small_for_the_cohort_is_in_the_crowd_alone() -> None:
    wire, _ = split(read(TEXT.format(cohort=1), "t.storm.yaml"))
    assert [(part.name, part.devices) for part in wire.fleet.segments] == [("motors", 1)]


def test_without_a_cohort_everybody_is_on_the_wire() -> None:
    scenario = load("reboot-storm")
    assert split(scenario) == (scenario, None)


def test_a_cohort_smaller_than_the_fleet_is_wanted() -> None:
    with pytest.raises(ScenarioErrors, match="the fleet has 1,000 devices") as wrong:
        read(TEXT.format(cohort=1000), "t.storm.yaml")
    assert wrong.value.problems[0].path == "fleet.cohort"


def test_only_the_embedded_broker_asks_and_only_the_cohort_has_sockets() -> None:
    scenario = read(TEXT.format(cohort=10), "t.storm.yaml")
    huge = replace(scenario, fleet=replace(scenario.fleet, devices=1_000_000))
    asked = {"live": True, "speed": 1.0, "broker_url": None, "hold_open": False, "yes": False}
    assert problems(huge, **asked) == []  # type: ignore[arg-type]
    (found,) = problems(scenario, **{**asked, "broker_url": "mqtt://127.0.0.1"})  # type: ignore[arg-type]
    assert "asks no crowd" in found


def test_an_arrival_waits_behind_the_crowd_and_the_crowd_behind_it() -> None:
    alone, crowded = broker(Fraction(10)), broker(Fraction(10))
    come(crowded, 1_000_000, 1)
    assert alone.arrive(1_000_000) == 1_000_001
    assert crowded.arrive(1_000_000) == 1_100_001
    assert crowded.arrive(1_000_000) == 1_200_001
    assert crowded.arrive(1_000_000) is None
    assert crowded.count["attempts"] == 1, "it is nobody of the crowd"
    later, one = np.array([1_200_000], np.int64), np.ones(1, np.int64)
    assert crowded.offer(later, np.array([5], np.int32), one, later).answer_us[0] == 1_300_001


@given(
    waits_us=st.lists(st.integers(0, 200_000), min_size=1, max_size=40),
    handshake_ns=st.sampled_from([1, 30_000_000, 150_000_000]),
    rate=st.sampled_from([None, Fraction(10), Fraction(20, 3)]),
    queue=st.integers(0, 3),
)
def test_an_arrival_is_answered_as_one_of_the_crowd(
    waits_us: list[int], handshake_ns: int, rate: Fraction | None, queue: int
) -> None:
    made = [ModelledBroker(BrokerSettings("ideal", handshake_ns, 3, rate, 2, queue)) for _ in range(2)]
    for each in made:
        each.open(Identities([f"d{i}" for i in range(100)], np.full(100, 60_000_000), np.ones(100, np.uint8)))
    at_us, one = 0, np.ones(1, np.int64)
    for device, wait_us in enumerate(waits_us):
        at_us += wait_us
        at = np.array([at_us], np.int64)
        outcome = made[0].offer(at, np.array([device], np.int32), one, at)
        made[0].commit(1)
        expected = int(outcome.answer_us[0]) if outcome.answer[0] == Answer.ADMITTED else None
        assert made[1].arrive(at_us) == expected


def test_nobody_is_admitted_while_the_modelled_broker_is_down() -> None:
    made = broker(None)
    made.stop(0, silent=False)
    assert made.arrive(5) is None
    made.start(10)
    assert made.arrive(11) == 12
