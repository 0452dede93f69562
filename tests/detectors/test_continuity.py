"""A dead sensor and a dead link look alike from afar."""

from __future__ import annotations

import numpy as np

from tests.detectors.lab import delivery, registry_of
from twinstorm.detectors.continuity import Continuity, Silence
from twinstorm.detectors.ingest import Ingest
from twinstorm.twin.flow import SECOND_US

FLEET = registry_of(sites=("a-1",), motors=4, climate=1)
"""Devices 0 to 3 are motors at 1 Hz with two channels, 4 is a climate sensor that speaks each 30 s with one."""


def test_a_dead_sensor_is_told_from_a_dead_link() -> None:
    """Of device 1 the second channel dies at 20 s, device 2 falls silent then, device 3 loses both channels."""
    ingest, continuity = Ingest(FLEET), Continuity(FLEET)
    ingest.taps.append(continuity)
    nan = float("nan")
    at_all = {}
    for second in range(60):
        values = [[20.0, 1.0], [20.0, nan if second >= 20 else 1.0], [20.0, 1.0], [nan if second >= 20 else 20.0] * 2]
        present = [True, True, second < 20, True]
        made = delivery(
            [0, 1, 2, 3], second, values=values, arrived_us=second * SECOND_US, dense=second % 2 == 0, present=present
        )
        ingest.take(made)
        if second % 30 == 0:
            ingest.take(delivery([4], second, kind="climate", arrived_us=second * SECOND_US))
        at_all[second] = continuity.at(second * SECOND_US)
    heard, sensor, link, none = Silence.HEARD, Silence.SENSOR, Silence.LINK, Silence.NO_CHANNEL
    # Ten seconds at least: until then nobody is silent.
    assert at_all[29].tolist() == [[heard] * 5, [heard] * 4 + [none]]
    assert at_all[30].tolist() == [[heard, heard, link, sensor, heard], [heard, sensor, link, sensor, none]]
    assert at_all[59].tolist() == at_all[30].tolist()


def test_who_was_never_heard_is_neither() -> None:
    continuity = Continuity(FLEET)
    assert (continuity.at(3600 * SECOND_US)[0] == Silence.NEVER).all()


def test_an_old_reading_that_comes_late_takes_nothing_back() -> None:
    ingest, continuity = Ingest(FLEET), Continuity(FLEET)
    ingest.taps.append(continuity)
    ingest.take(delivery([0], 5, arrived_us=5 * SECOND_US))
    ingest.take(delivery([0], 4, values=[float("nan"), 1.0][:1], arrived_us=6 * SECOND_US))
    assert continuity.spoke_us[0] == 6 * SECOND_US
    assert np.array_equal(continuity.heard_us[:, 0], [5 * SECOND_US, 5 * SECOND_US])
