"""What an alarm on values tells: between what a value had to lie so as not to count, and which reading it was."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from tests.detectors.lab import delivery, registry_of
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.values.contract import catalogue
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.detectors.values.witness import Witnesses
from twinstorm.twin.flow import Seen

REGISTRY = registry_of(sites=["arn-1"], motors=4, climate=0)
MOTORS = len(REGISTRY)
CALM = 180
SAYING = {
    "limit": {"lowest": "15", "highest": "25"},
    "shewhart": {"train": "40"},
    "band": {"least": "40"},
    "robust-z": {},
    "iqr": {},
}


class Watched:
    """Motors that tell noise, and what the test says."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.ingest = Ingest(REGISTRY)
        self.tap = OnFleet(catalogue()[name], REGISTRY, {**SAYING[name], **settings})
        self.ingest.taps.append(self.tap)
        self.seq = 0
        draws = np.random.default_rng(3)
        for _ in range(CALM):
            self.tell(np.round(20.0 + draws.normal(0.0, 0.3, (MOTORS, 2)), 2))

    def tell(self, values: Any, device: list[int] | None = None) -> None:
        """A reading of each of these devices; None: of all."""
        self.seq += 1
        who = list(range(MOTORS)) if device is None else device
        at_us = self.seq * 1_000_000
        self.ingest.take(delivery(who, self.seq, values=values, dated_us=at_us, arrived_us=at_us, dense=device is None))

    def counts(self, value: float, device: int) -> bool:
        """Whether a value of the first channel would count as the next of a device."""
        other = copy.deepcopy(self)
        other.tell([[value, 20.0]], [device])
        return bool(other.tap._score[device] >= np.float32(other.tap.policy.threshold))


@pytest.mark.parametrize("adaptive", ["true", "false"])
@pytest.mark.parametrize("threshold", ["1", "0.5", "2"])
@pytest.mark.parametrize("name", SAYING)
@pytest.mark.parametrize("value", [140.0, -39.0])
def test_what_lies_beyond_the_bounds_counts_and_what_lies_within_does_not(
    name: str, threshold: str, adaptive: str, value: float
) -> None:
    watched = Watched(name, threshold=threshold, adaptive=adaptive, learn="30 s", severity="ticket")
    after = copy.deepcopy(watched)
    after.tell([[value, 20.0]], [2])
    (seen,) = after.tap.seen(2)
    assert (seen.channel, seen.value) == ("winding_temperature_c", value)
    assert seen.lowest is not None
    assert seen.highest is not None
    assert seen.lowest < 20.0 < seen.highest
    for bound, outwards in ((seen.lowest, -1.0), (seen.highest, 1.0)):
        if not -39.0 < bound < 149.0:
            continue
        step = outwards * 1e-4 * max(abs(bound - 20.0), 1.0)
        assert watched.counts(bound + step, 2)
        assert not watched.counts(bound - step, 2)


@pytest.mark.parametrize("way", ["dense", "stretch", "sparse"])
def test_bounds_are_those_of_the_device_however_its_reading_came(way: str) -> None:
    watched = Watched("shewhart", threshold="2", learn="30 s")
    devices = {"dense": None, "stretch": [0, 2, 3], "sparse": [0, 3]}[way]
    who = list(range(MOTORS)) if devices is None else devices
    values = np.full((len(who), 2), 20.0)
    values[who.index(3)] = [20.0, 49.0]
    after = copy.deepcopy(watched)
    after.tell(values, devices)
    (seen,) = after.tap.seen(3)
    alone = copy.deepcopy(watched)
    alone.tell([[20.0, 49.0]], [3])
    assert alone.tap.seen(3) == (seen,)
    assert (seen.channel, seen.value) == ("current_a", 49.0)


def told(witnesses: Witnesses, device: int) -> tuple[Seen, ...]:
    return witnesses.of(device, 1.0)


def test_of_readings_that_arrived_at_one_instant_the_newest_is_told() -> None:
    channels = {0: REGISTRY.channels["motor"]}
    witnesses = Witnesses(channels, REGISTRY.kind)
    nobody = np.full((1, 2), np.nan)
    for number in range(300):
        values = np.array([[float(number), 1.0]])
        witnesses.note(np.array([1], np.int32), np.array([7]), (values, values + 1.0, nobody, nobody))
    assert [each.value for each in told(witnesses, 1)] == [299.0, 1.0]
    assert told(witnesses, 0) == ()
