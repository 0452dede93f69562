"""Buffers that something else eats: who loses how many readings, which ones, and whose fault it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import campaign
from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.flow import SECOND_US, Device, FaultOrder

ALL = np.arange(40, dtype=np.int32)
MOTORS = ALL[10:]
"""They sample once a second; the others are of kind environment and come first."""


def order(name: str, fault: str, device: Device, given: Mapping[str, str]) -> FaultOrder:
    return FaultOrder(name, fault, fault_settings(catalogue()[fault], given, 40), device, 0, None)


def play(eaten: tuple[int, int] | None, cut: tuple[int, int] | None, readings: int = 5, oldest: bool = True) -> Lab:
    """The fault and a cut of all links, each from and to a second; the run lasts 120 s."""
    lab = Lab.make(plan(buffer=40, evict_oldest=oldest), connect_rate=None)
    shrink = order("f", "buffer-overflow", MOTORS, {"readings": str(readings)})
    sever = order("c", "partition", ALL, {"direction": "both"})
    acts = [
        (at_s, each, number == 0)
        for each, span in ((shrink, eaten), (sever, cut))
        if span
        for number, at_s in enumerate(span)
    ]
    for at_s, each, starts in sorted(acts, key=lambda act: act[0]):
        lab.until(at_s * SECOND_US)
        fault = catalogue()[each.fault]
        (fault.start if starts else fault.end)(lab.world, each, each.device, at_s * SECOND_US)
    lab.until(120 * SECOND_US)
    assert lab.missing() == 0
    return lab


def evicted(lab: Lab) -> int:
    return lab.world.evidence_of("f").counts["readings_evicted"]


def test_a_device_that_is_online_loses_nothing_and_leaves_no_evidence() -> None:
    lab = play((10, 100), None)
    assert lab.world.buffers.evicted == evicted(lab) == 0


def test_what_is_held_beyond_the_room_goes_at_once_and_each_further_reading_pushes_one_out() -> None:
    lab = play((40, 50), (20, 60))
    # Cut at 20 s; at 40 s each motor holds the 20 of 20 to 39 s and keeps 5; 10 more come until the fault ends.
    assert lab.world.buffers.evicted == evicted(lab) == (15 + 10) * len(MOTORS)
    lost = {seq for seq in range(1, 121) if (int(MOTORS[0]), seq) not in lab.delivered}
    assert lost == set(range(21, 46)), "the oldest, and nothing after the fault"
    assert play(None, (20, 60)).world.buffers.evicted == 0, "without it there is room"


def test_firmware_that_refuses_the_newest_keeps_the_oldest_and_takes_no_more_until_it_is_empty() -> None:
    lab = play((40, 50), (20, 60), oldest=False)
    lost = {seq for seq in range(1, 121) if (int(MOTORS[0]), seq) not in lab.delivered}
    assert lost == set(range(26, 61))
    assert lab.repeated == 0
    assert evicted(lab) <= lab.world.buffers.evicted


def test_no_room_at_all_loses_what_a_session_would_have_saved() -> None:
    lab = play((10, 100), (20, 60), readings=0)
    assert evicted(lab) == 40 * len(MOTORS)


def test_room_for_more_than_the_buffer_holds_changes_nothing() -> None:
    lab, plain = play((10, 100), (20, 60), readings=60), play(None, (20, 60))
    assert evicted(lab) == 0
    assert lab.log.digest() == plain.log.digest()


def test_a_neighbour_keeps_its_buffer() -> None:
    lab, plain = play((10, 100), (20, 60)), play(None, (20, 60))
    mine = {key: values for key, values in lab.delivered.items() if key[0] < 10}
    assert mine == {key: values for key, values in plain.delivered.items() if key[0] < 10}


STORM = """storm: 1
name: full
story: Buffers are eaten while the links are cut.
duration: 3 min
fleet:
  devices: 30
  sites: [a, b]
  segments: {motors: {kind: motor, share: 100 %, every: 1 s}}
steps:
  - {name: eaten, at: 40 s, fault: buffer-overflow, target: site=a, lasts: 1 min}
  - {name: cut, at: 30 s, fault: partition, target: all, lasts: 90 s}
expect:
  - {ledger: lost, at_least: 1}
"""


def engine() -> Engine:
    return build(read(STORM, "full.storm.yaml"), RunOptions(seed=3))


def test_a_run_that_is_saved_in_the_midst_of_it_goes_on_alike() -> None:
    whole, first = engine(), engine()
    whole.play()
    first.advance(70 * SECOND_US)
    rest = Engine.load(first.save())
    rest.play()
    assert rest.wiring.log.digest() == whole.wiring.log.digest()
    told = [
        result_of(each, speed=0.0, wall_s=0.0, repeat="").faults[0].evidence["readings_evicted"]
        for each in (whole, rest)
    ]
    # At 40 s ten are held and five stay; sixty more come until the fault ends.
    assert told == [15 * (5 + 60)] * 2


SPANS = st.tuples(st.integers(1, 110), st.integers(1, 110)).map(lambda pair: (min(pair), max(pair)))


@campaign(20, nightly=500)
@given(SPANS, SPANS, st.integers(0, 45), st.booleans())
def test_the_ledger_closes_whatever_overlaps(
    eaten: tuple[int, int], cut: tuple[int, int], readings: int, oldest: bool
) -> None:
    lab = play(eaten, cut, readings, oldest)
    plain = play(None, cut, oldest=oldest)
    for key, values in lab.delivered.items():
        assert plain.delivered.get(key, values) == values, "a reading keeps its number"
    assert evicted(lab) <= lab.world.buffers.evicted
