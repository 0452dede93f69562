"""Devices that speak when something happens: when they do, what buffers know of it, and on what nothing depends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.detectors.silence import Silence
from twinstorm.twin.fleet import FleetPlan, SegmentPlan
from twinstorm.twin.flow import SECOND_US, Readings
from twinstorm.twin.machines.camera import Camera
from twinstorm.twin.machines.controller import Controller
from twinstorm.twin.rows import count, devices, meet, shifted
from twinstorm.twin.sensors import Order, Stuck

MINUTE_US = 60 * SECOND_US


def shop(cells: int = 12, cameras: int = 8, motors: int = 6, **changes: Any) -> FleetPlan:
    drawn = plan(motors=motors, climate=0, **changes)
    sample = drawn.segments[0]

    def segment(name: str, kind: str, machines: int, every_us: int) -> SegmentPlan:
        shares = (machines - machines // 2, machines // 2)
        return replace(sample, name=name, kind=kind, devices=shares, every_us=every_us)

    cell = segment("cells", "controller", cells, 30 * SECOND_US)
    return replace(drawn, segments=(sample, cell, segment("eyes", "camera", cameras, 5 * MINUTE_US)))


class Listening(Lab):
    """A lab that keeps the readings as they came."""

    heard: list[Readings]

    def _receive(self, delivery: Any) -> None:
        self.heard = [*getattr(self, "heard", []), delivery.readings]
        super()._receive(delivery)


def spoken(lab: Lab, kind: str = "controller") -> dict[str, list[tuple[int, int]]]:
    """Device to the number and instant of each of its readings, in order of number."""
    names = lab.world.fleet.names
    found: dict[str, dict[int, int]] = {}
    assert isinstance(lab, Listening)
    for readings in lab.heard:
        if readings.kind == kind:
            for who, seq, at_us in zip(readings.device, readings.seq, readings.device_time_us, strict=True):
                found.setdefault(names[int(who)], {})[int(seq)] = int(at_us)
    return {name: sorted(each.items()) for name, each in found.items()}


def in_their_tongue(lab: Lab) -> dict[tuple[str, int], bytes]:
    return {(lab.world.fleet.names[who], seq): values for (who, seq), values in lab.delivered.items()}


# --- when -------------------------------------------------------------------------------------------------------------


def test_each_speaks_on_the_grid_when_something_happens_and_never_keeps_quiet_for_longer_than_its_period() -> None:
    lab = Listening.make(shop())
    lab.until(20 * MINUTE_US)
    for kind, every_us in ((Controller, 30 * SECOND_US), (Camera, 5 * MINUTE_US)):
        for name, readings in spoken(lab, kind.name).items():
            numbers, instants = zip(*readings, strict=True)
            gaps_us = np.diff(np.array([0, *instants]))
            assert numbers == tuple(range(1, len(numbers) + 1)), name
            assert all(at_us % kind.grid_us == 0 for at_us in instants), name
            assert (gaps_us > 0).all()
            assert (gaps_us <= every_us).all(), "silence beyond the heartbeat"
            assert len(np.unique(gaps_us)) > 3, "a period after all"


def test_controllers_report_about_every_8_s_and_cameras_about_every_minute() -> None:
    lab = Lab.make(shop(cells=150, cameras=60, motors=2))
    lab.until(6 * MINUTE_US)
    before = lab.world.fleet.seq.copy()
    lab.until(16 * MINUTE_US)
    made = lab.world.fleet.seq - before
    for group, low_s, high_s in zip(lab.world.fleet.groups, (50.0, 7.0, 0.9), (70.0, 9.0, 1.1), strict=True):
        mean_s = 600.0 * (group.last - group.first) / made[group.first : group.last].sum()
        assert low_s < mean_s < high_s, group.kind


def test_nobody_acts_when_nothing_is_due() -> None:
    """Two cameras: the world sleeps from picture to picture, and never beyond one."""
    lab = Lab.make(shop(cells=0, cameras=2, motors=0))
    wakes: list[int] = []
    lab.until(60 * MINUTE_US, lambda at_us: wakes.append(at_us))
    asked = [at_us for at_us in wakes if at_us == lab.world.output.story.due_us]
    assert not asked or len(asked) < 10
    readings = int(lab.world.fleet.seq.sum())
    assert 60 < readings < 200
    assert lab.world.output.story.due_us > 60 * MINUTE_US - SECOND_US


# --- buffers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["ethernet", "lte-m"])
def test_what_waits_in_a_buffer_keeps_its_own_instants(link: str) -> None:
    """Readings that came late tell the same as they would have told in time."""
    fleet = shop(cells=16, cameras=0, motors=0, buffer=200)
    fleet = replace(fleet, segments=tuple(replace(each, link=link) for each in fleet.segments))
    cut, whole = Listening.make(fleet), Listening.make(fleet)
    everybody = np.arange(16, dtype=np.int32)
    cut.until(2 * MINUTE_US)
    cut.world.cut(everybody, 2 * MINUTE_US, "both")
    cut.until(7 * MINUTE_US)
    held = int(cut.world.buffers.depth.sum())
    assert held > 16 * 20
    cut.world.heal(everybody, 7 * MINUTE_US, "both")
    cut.until(15 * MINUTE_US)
    whole.until(15 * MINUTE_US)
    # What follows the cut may still be on its way.
    late, timely = spoken(cut), spoken(whole)
    for name, readings in timely.items():
        assert late[name][: len(readings) - 8] == readings[: len(readings) - 8]
    shared = in_their_tongue(cut).keys() & in_their_tongue(whole).keys()
    assert len(shared) > 16 * 80
    assert all(in_their_tongue(cut)[key] == in_their_tongue(whole)[key] for key in list(shared)[::7])
    assert cut.missing() == 0


def test_a_full_buffer_drops_the_oldest_with_their_instants() -> None:
    lab = Listening.make(shop(cells=10, cameras=0, motors=0, buffer=5))
    everybody = np.arange(10, dtype=np.int32)
    lab.until(2 * MINUTE_US)
    lab.world.cut(everybody, 2 * MINUTE_US, "both")
    lab.until(6 * MINUTE_US)
    assert (lab.world.buffers.depth == 5).all()
    lab.world.heal(everybody, 6 * MINUTE_US, "both")
    lab.until(10 * MINUTE_US)
    whole = Listening.make(shop(cells=10, cameras=0, motors=0))
    whole.until(10 * MINUTE_US)
    told, all_told = spoken(lab), spoken(whole)
    for name, readings in told.items():
        assert set(readings[:-2]) <= set(all_told[name])
        assert len(readings) < len(all_told[name])
    assert lab.missing() == 0
    assert lab.world.buffers.evicted > 0


def test_memory_for_instants_is_asked_for_before_it_is_needed() -> None:
    """40 readings of eight channels in two bytes each and one instant of eight."""
    lab = Lab.make(shop(cells=10, cameras=0, motors=0, buffer=40))
    assert lab.world.buffers.largest_bytes() == 10 * 40 * (len(Controller.channels) * 2 + 8)


# --- power ------------------------------------------------------------------------------------------------------------


def test_without_power_a_machine_stands_still_and_speaks_as_soon_as_it_is_back() -> None:
    lab = Listening.make(shop(cells=20, cameras=20, motors=0))
    everybody = np.arange(40, dtype=np.int32)
    lab.until(4 * MINUTE_US)
    lab.world.power_off(everybody, 4 * MINUTE_US)
    seq = lab.world.fleet.seq.copy()
    for number in lab.world.sampler.event_groups:
        lab.world.sampler.settle(number)
    clocks = [machines.state["clock_us"].copy() for machines in lab.world.sampler._machines]
    lab.until(9 * MINUTE_US)
    assert np.array_equal(lab.world.fleet.seq, seq), "someone spoke without power"
    lab.world.power_on(everybody, 9 * MINUTE_US)
    lab.until(9 * MINUTE_US + 13 * SECOND_US)
    assert (lab.world.fleet.seq > seq).all(), "someone waits although the boot is over"
    for before_us, machines in zip(clocks, lab.world.sampler._machines, strict=True):
        lived_us = machines.state["clock_us"] - before_us
        assert (lived_us <= 13 * SECOND_US).all(), "a machine worked without power"
    lab.until(20 * MINUTE_US)
    assert lab.missing() == 0


# --- on what nothing depends ------------------------------------------------------------------------------------------


def stormy(lab: Lab) -> Lab:
    everybody = np.arange(len(lab.world.fleet), dtype=np.int32)
    lab.until(MINUTE_US)
    lab.world.cut(everybody[::3], MINUTE_US, "both")
    lab.until(2 * MINUTE_US)
    lab.world.power_off(everybody[1::3], 2 * MINUTE_US)
    lab.until(3 * MINUTE_US)
    lab.world.heal(everybody[::3], 3 * MINUTE_US, "both")
    lab.world.power_on(everybody[1::3], 3 * MINUTE_US)
    lab.until(5 * MINUTE_US)
    return lab


def test_a_watcher_changes_nothing() -> None:
    alone, watched = stormy(Lab.make(shop())), Lab.make(shop())

    def look(before_us: int) -> None:
        for at_us in range(watched.world.life.moved_us, before_us, 333_337):
            watched.world.advance_to(at_us)

    original = watched.until
    watched.until = lambda at_us, watch=look: original(at_us, watch)  # type: ignore[method-assign]
    assert stormy(watched).log.digest() == alone.log.digest()


def test_block_size_changes_nothing() -> None:
    one, other = stormy(Lab.make(shop())), stormy(Lab.make(shop(), block=5))
    assert one.delivered == other.delivered
    assert one.log.digest() == other.log.digest()
    assert other.missing() == 0


def test_seeing_ahead_changes_nothing() -> None:
    """Whether machines are stepped at every instant, or once a minute, or somebody looks at them at any time."""

    def played(look: Callable[[Lab, int], None]) -> Lab:
        lab = Lab.make(shop())
        original = lab.until

        def until(at_us: int) -> None:
            for each_us in (*range(lab.world.life.moved_us, at_us, 7_333_337), at_us):
                original(each_us)
                look(lab, each_us)

        lab.until = until  # type: ignore[method-assign, assignment]
        return stormy(lab)

    def looked_at(lab: Lab, at_us: int) -> None:
        if at_us % 2:
            for number in lab.world.sampler.event_groups:
                lab.world.sampler.settle(number)

    seen = 0

    def ahead(lab: Lab, at_us: int) -> None:
        nonlocal seen
        seen += len(lab.world.sampler._foresights)

    def stepped(lab: Lab, at_us: int) -> None:
        lab.world.sampler._foreseeable.clear()

    far, interrupted, near = played(ahead), played(looked_at), played(stepped)
    assert seen > 10, "nobody saw ahead"
    assert far.log.digest() == interrupted.log.digest() == near.log.digest()
    assert far.delivered == near.delivered


def test_other_devices_change_no_reading() -> None:
    few, many = stormy_free(shop()), stormy_free(shop(cells=31, cameras=20, motors=9))
    told = in_their_tongue(many)
    assert all(told[key] == values for key, values in in_their_tongue(few).items())


def stormy_free(fleet: FleetPlan) -> Lab:
    lab = Lab.make(fleet, connect_rate=None)
    lab.until(5 * MINUTE_US)
    return lab


def test_who_spoke_enters_the_log() -> None:
    lab = Lab.make(shop(cells=4, cameras=0, motors=0))
    lab.until(2 * MINUTE_US)
    again = Lab.make(shop(cells=4, cameras=0, motors=0), seed=8)
    again.until(2 * MINUTE_US)
    assert lab.log.digest() != again.log.digest()


# --- sensors and rows -------------------------------------------------------------------------------------------------


def test_a_stuck_sensor_repeats_what_each_told_first() -> None:
    lab = Lab.make(shop(cells=0, cameras=10, motors=0))
    mine = np.arange(0, 10, 2, dtype=np.int32)

    def make(order: Order) -> Stuck:
        return Stuck(order)

    lab.until(MINUTE_US)
    lab.world.sampler.sense("stuck", mine, "focus_pct", MINUTE_US, make)
    lab.until(30 * MINUTE_US)
    focus = [channel.name for channel in Camera.channels].index("focus_pct")
    for who in range(10):
        values = {
            np.frombuffer(told, np.float32)[focus]
            for (one, seq), told in lab.delivered.items()
            if one == who and seq > 4
        }
        assert (len(values) == 1) == (who in mine)
    assert lab.world.evidence_of("stuck").counts["readings_changed"] > 50


def test_a_block_is_a_slice_or_rows() -> None:
    device = np.array([2, 3, 7, 9], np.int32)
    some = np.array([3, 4, 9], np.int64)
    mine, rows = meet(device, some)
    assert mine.tolist() == [1, 3]  # type: ignore[union-attr]
    assert rows.tolist() == [0, 2]
    mine, rows = meet(device, slice(3, 9))
    assert mine == slice(1, 3)
    assert rows.tolist() == [0, 4]
    assert meet(device[:0], some)[1].tolist() == []
    assert count(some) == 3 == count(slice(3, 6))
    assert devices(some, np.array([2])).tolist() == [9] == devices(slice(7, 12), np.array([2])).tolist()
    assert shifted(slice(5, 9), 4) == slice(1, 5)


def test_silence_is_judged_by_the_heartbeat() -> None:
    registry = Lab.make(shop()).world.fleet.registry(
        {"controller": Controller.channels, "camera": Camera.channels, "motor": Controller.channels}
    )
    settings = {one.name: 0 for one in Silence.options} | {"periods": 3, "least": 10 * SECOND_US, "share": 0.3}
    limits = Silence(registry, settings | {"devices": 5, "hold": SECOND_US, "severity": "page"})._limit_us
    kinds = np.array(registry.kinds)[registry.kind]
    assert set(limits[kinds == "controller"]) == {90 * SECOND_US}
    assert set(limits[kinds == "camera"]) == {15 * MINUTE_US}
