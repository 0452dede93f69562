"""One reading in so many says when it was where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.lab import delivery, registry_of
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.stages import Stage, Stages
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import SECOND_US, UNTOLD_US, Delivery, Int, Readings

FLEET = registry_of(sites=("a-1",), motors=4, climate=0)
MS = 1_000


def sent(device: list[int], seq: int, sampled_us: int, sent_us: int, arrived_us: int, dense: bool = False) -> Delivery:
    made = delivery(device, seq, arrived_us=arrived_us, dense=dense)
    assert made.readings is not None
    n = len(device)
    readings = replace(made.readings, device_time_us=np.full(n, sampled_us), sent_us=np.full(n, sent_us))
    return replace(made, readings=readings)


def accepted(made: Delivery) -> Accepted:
    readings = made.readings
    assert readings is not None
    columns = readings.device, readings.boot, readings.seq, readings.device_time_us, readings.sent_us
    return Accepted(0, *columns, made.arrived_us, readings.values)


@pytest.mark.parametrize("dense", [True, False])
def test_every_tenth_reading_is_stamped_at_each_stage(dense: bool) -> None:
    """Sampled each second, sent 100 ms later, delivered after 40 ms more; windows of 10 s close 5 s behind."""
    ingest, stages = Ingest(FLEET), Stages(4, 10, 10 * SECOND_US, 5 * SECOND_US)
    ingest.taps.append(stages)
    for second in range(40):
        at_us = second * SECOND_US
        ingest.take(sent([0, 1, 2, 3], second, at_us, at_us + 100 * MS, at_us + 140 * MS, dense))
        stages.close(at_us + SECOND_US)
    assert stages.stamped == 4 * 4
    told = {each.to: each for each in stages.latencies()}
    assert Stage.ADMITTED not in told, "no broker tells"
    assert told.pop(Stage.ALARMED).readings == 0
    assert {each.readings for each in told.values()} == {3 * 4}
    assert [each.median_us for each in told.values()] == [100 * MS, 40 * MS, 860 * MS, 14 * SECOND_US]
    assert told[Stage.DELIVERED].p95_us == told[Stage.DELIVERED].most_us == 40 * MS
    assert stages.waiting == 4


def test_late_and_misdated_readings_wait_for_nothing() -> None:
    stages = Stages(4, 1, SECOND_US, 0)
    for seq, sampled_us in enumerate([9 * SECOND_US, SECOND_US, 99 * SECOND_US]):
        stages.take(accepted(sent([0], seq, sampled_us, 9 * SECOND_US, 9_500 * MS)))
    stages.close(10 * SECOND_US)
    assert (stages.stamped, stages.waiting) == (3, 0)
    assert [each.readings for each in stages.latencies()] == [1] * 4 + [0]


@pytest.mark.parametrize("dense", [True, False])
def test_what_a_broker_admitted_has_a_stage_of_its_own(dense: bool) -> None:
    ingest, stages = Ingest(FLEET), Stages(4, 1, SECOND_US, 0)
    ingest.taps.append(stages)
    made = sent([0, 1, 2, 3], 1, 0, 100 * MS, 140 * MS, dense)
    assert made.readings is not None
    admitted_us = np.array([110 * MS, 120 * MS, UNTOLD_US, 110 * MS])
    untold_us = np.full(4, UNTOLD_US)
    ingest.take(replace(made, readings=replace(made.readings, admitted_us=admitted_us)))
    ingest.take(replace(sent([0, 1, 2, 3], 2, 0, 0, 140 * MS), readings=_by(made, 2, untold_us, admitted_us)))
    stages.close(SECOND_US)
    told = {each.to: each for each in stages.latencies()}
    assert [(to.name, each.readings) for to, each in told.items()] == [
        ("SENT", 4), ("ADMITTED", 6), ("DELIVERED", 8), ("INGESTED", 8), ("WINDOWED", 8), ("ALARMED", 0),
    ]  # fmt: skip
    assert told[Stage.DELIVERED].most_us == 140 * MS, "since it was sampled: nobody told more of it"
    assert told[Stage.ADMITTED].most_us == 120 * MS
    assert told[Stage.DELIVERED].median_us == 30 * MS


def _by(made: Delivery, seq: int, sent_us: Int, admitted_us: Int) -> Readings:
    assert made.readings is not None
    seqs = np.full(len(sent_us), seq)
    return replace(made.readings, seq=seqs, sent_us=sent_us, admitted_us=admitted_us)


def test_an_alarm_is_a_stage_of_the_newest_reading_of_its_devices() -> None:
    stages = Stages(4, 1, 10 * SECOND_US, 0)
    for second in range(4):
        at_us = second * SECOND_US
        stages.take(accepted(sent([0, 1], second, at_us, at_us, at_us)))
        stages.close(at_us + SECOND_US)
    stages.alarmed(np.array([0, 3], np.int32), 9 * SECOND_US)
    stages.alarmed(np.array([0, 1], np.int32), 11 * SECOND_US)
    (*_, alarmed) = stages.latencies()
    assert (alarmed.readings, alarmed.median_us, alarmed.most_us) == (2, 5 * SECOND_US, 7 * SECOND_US)


def test_without_readings_nothing_is_told_and_memory_is_bounded() -> None:
    stages = Stages(4, 1, SECOND_US, 0, most=5)
    assert all(each.median_us is None for each in stages.latencies())
    for second in range(100):
        at_us = second * SECOND_US
        stages.take(replace(accepted(sent([0, 1], second, at_us, at_us, at_us)), good=np.array([True, False])))
        stages.close((second + 1) * SECOND_US)
    assert (stages.stamped, stages.waiting) == (100, 0)
    assert stages.latencies()[0].readings == 5
    with pytest.raises(ValueError, match="one reading in at least one"):
        Stages(4, 0, SECOND_US, 0)
