"""One reading in so many says when it was where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.lab import delivery, registry_of
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.stages import Stage, Stages
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import SECOND_US, Delivery

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
    ingest, stages = Ingest(FLEET), Stages(10, 10 * SECOND_US, 5 * SECOND_US)
    ingest.taps.append(stages)
    for second in range(40):
        at_us = second * SECOND_US
        ingest.take(sent([0, 1, 2, 3], second, at_us, at_us + 100 * MS, at_us + 140 * MS, dense))
        stages.close(at_us + SECOND_US)
    assert stages.stamped == 4 * 4
    told = {each.to: each for each in stages.latencies()}
    assert {each.readings for each in told.values()} == {3 * 4}
    assert [told[stage].median_us for stage in list(Stage)[1:]] == [100 * MS, 40 * MS, 860 * MS, 14 * SECOND_US]
    assert told[Stage.DELIVERED].p95_us == told[Stage.DELIVERED].most_us == 40 * MS
    assert stages.waiting == 4


def test_late_and_misdated_readings_wait_for_nothing() -> None:
    stages = Stages(1, SECOND_US, 0)
    for seq, sampled_us in enumerate([9 * SECOND_US, SECOND_US, 99 * SECOND_US]):
        stages.take(accepted(sent([0], seq, sampled_us, 9 * SECOND_US, 9_500 * MS)))
    stages.close(10 * SECOND_US)
    assert (stages.stamped, stages.waiting) == (3, 0)
    assert [each.readings for each in stages.latencies()] == [1] * 4


def test_without_readings_nothing_is_told_and_memory_is_bounded() -> None:
    stages = Stages(1, SECOND_US, 0, most=5)
    assert all(each.median_us is None for each in stages.latencies())
    for second in range(100):
        at_us = second * SECOND_US
        stages.take(replace(accepted(sent([0, 1], second, at_us, at_us, at_us)), good=np.array([True, False])))
        stages.close((second + 1) * SECOND_US)
    assert (stages.stamped, stages.waiting) == (100, 0)
    assert stages.latencies()[0].readings == 5
    with pytest.raises(ValueError, match="one reading in at least one"):
        Stages(0, SECOND_US, 0)
